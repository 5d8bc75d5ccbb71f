package org.blktap.node.xen;

import java.io.IOException;
import java.util.Map;

/**
 * Domains that come from another host, by a live migration: xl calls such a domain {@code NAME--incoming} until it runs
 * here, and its former host has the images open until then. The hotplug script and {@code bin/tap-ctl} look at the
 * same.
 */
final class Incoming {
    private static final String SUFFIX = "--incoming";
    /** The former host destroys the domain as soon as it runs here; one that does not has lost it, or still runs it. */
    private static final int SECONDS = 60;

    private Incoming() {}

    /** The options of an attach for this device: to wait for the image, if its domain comes from another host. */
    static Map<String, String> options(XenStore store, DevicePaths paths) throws IOException {
        String name = store.read(paths.domainDirectory() + "/name");
        return name != null && name.endsWith(SUFFIX) ? Map.of("wait-for-lock", Integer.toString(SECONDS)) : Map.of();
    }
}
