package org.blktap.node.xen;

import java.io.IOException;

/**
 * Which devices of {@code backend/qdisk} are ours. They are QEMU's, which a toolstack starts for a domain that has any;
 * they are ours where blktap's stand-in was started in its place, which says so in XenStore before it reports to run.
 * An HVM guest needs QEMU for more than its disks, and keeps it.
 */
final class Qdisks {
    static final String TYPE = "qdisk";

    private Qdisks() {}

    /** Where the device models of domains are. */
    static String directory(XenStore store) throws IOException {
        return "/local/domain/" + store.domainId() + "/device-model";
    }

    static boolean isOurs(XenStore store, DevicePaths paths) throws IOException {
        if (!"1".equals(store.read(directory(store) + "/" + paths.domain() + "/blktap"))) {
            return false;
        }
        String type = store.read("/libxl/" + paths.domain() + "/type");
        return "pv".equals(type) || "pvh".equals(type);
    }
}
