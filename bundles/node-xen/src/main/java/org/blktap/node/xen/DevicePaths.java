package org.blktap.node.xen;

import java.io.IOException;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * Where the two sides of one device are in XenStore.
 *
 * @param backendDomain ours
 * @param type the kind of backend, by which toolstacks find it: {@code tap}, {@code vbd3}, {@code vbd}, {@code qdisk}
 * @param domain the frontend's
 * @param device the virtual device's number
 */
record DevicePaths(int backendDomain, String type, int domain, int device) {
    private static final Pattern BELOW = Pattern.compile("([0-9]{1,5})/([0-9]{1,9})");

    /** The backend's directory, which toolstacks and we write. */
    String backend() {
        return "/local/domain/" + backendDomain + "/backend/" + type + "/" + domain + "/" + device;
    }

    /** The frontend's directory, which its guest writes. */
    String frontend() {
        return "/local/domain/" + domain + "/device/vbd/" + device;
    }

    /** What libxl keeps of the device, out of the guest's reach. */
    String libxl() {
        return "/libxl/" + domain + "/device/vbd/" + device;
    }

    /** What Linux's bus of backends calls it (backend_bus_id of drivers/xen/xenbus/xenbus_probe_backend.c). */
    String busId() {
        return type + "-" + domain + "-" + device;
    }

    String domainDirectory() {
        return "/local/domain/" + domain;
    }

    /**
     * Whether the frontend's domain is there; the toolstack makes its directory before its devices, and removes it when
     * the domain has ended.
     */
    boolean hasDomain(XenStore store) throws IOException {
        return store.read(domainDirectory()) != null;
    }

    /** Parses what was found in a backend directory, {@code domain/device}; null if it is something else. */
    static DevicePaths of(int backendDomain, String type, String domainAndDevice) {
        Matcher matcher = BELOW.matcher(domainAndDevice);
        return matcher.matches()
                ? new DevicePaths(
                        backendDomain, type, Integer.parseInt(matcher.group(1)), Integer.parseInt(matcher.group(2)))
                : null;
    }
}
