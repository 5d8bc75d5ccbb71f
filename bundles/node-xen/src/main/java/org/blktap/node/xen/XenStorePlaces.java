package org.blktap.node.xen;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;

/**
 * The paths where libxenstore looks for a XenStore (xs_daemon_socket and xs_domain_dev of Xen 4.17), so that it need
 * not be loaded to learn that there is none.
 */
record XenStorePlaces(List<Path> paths) {
    static XenStorePlaces of(Map<String, String> environment) {
        String path = environment.get("XENSTORED_PATH");
        if (path != null) {
            return new XenStorePlaces(List.of(Path.of(path)));
        }
        return new XenStorePlaces(List.of(
                Path.of(environment.getOrDefault("XENSTORED_RUNDIR", "/var/run/xenstored"))
                        .resolve("socket"), // of xenstored in this domain
                Path.of("/dev/xen/xenbus"),
                Path.of("/proc/xen/xenbus"))); // of the kernel, to xenstored in another
    }

    /** The first that exists, or null. */
    Path present() {
        return paths.stream().filter(Files::exists).findFirst().orElse(null);
    }

    @Override
    public String toString() {
        return String.join(", ", paths.stream().map(Path::toString).toList());
    }
}
