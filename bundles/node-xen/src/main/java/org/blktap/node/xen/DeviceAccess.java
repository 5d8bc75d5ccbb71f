package org.blktap.node.xen;

import java.io.IOException;
import java.util.Set;
import org.blktap.ring.Blkif;

/**
 * What a toolstack says of a device beside its image, in the nodes {@code mode}, {@code device-type} and
 * {@code removable} of the backend's directory, and what the guest is shown of it. A CD-ROM is read-only and removable,
 * whatever else is said.
 *
 * @param writable whether the guest may write
 * @param cdrom whether the guest sees a CD-ROM drive
 * @param removable whether the guest sees a removable disk
 */
record DeviceAccess(boolean writable, boolean cdrom, boolean removable) {
    /**
     * The modes that let a guest write: libxl's, xend's for a disk that others write too, and one that people write by
     * hand. All others do not.
     */
    private static final Set<String> WRITABLE = Set.of("w", "w!", "rw");

    DeviceAccess {
        writable &= !cdrom;
        removable |= cdrom;
    }

    static DeviceAccess read(XenStore store, String backend) throws IOException {
        return new DeviceAccess(
                WRITABLE.contains(String.valueOf(store.read(backend + "/mode"))),
                "cdrom".equals(store.read(backend + "/device-type")),
                "1".equals(store.read(backend + "/removable")));
    }

    /** The same device without writes. */
    DeviceAccess readOnly() {
        return new DeviceAccess(false, cdrom, removable);
    }

    /** Writes it as a toolstack does, into one directory. */
    void write(XenStore tx, String directory) throws IOException {
        tx.write(directory + "/mode", writable ? "w" : "r");
        tx.write(directory + "/removable", removable ? "1" : "0");
        tx.write(directory + "/device-type", deviceType());
    }

    /** The value of the node {@code device-type}, of both sides. */
    String deviceType() {
        return cdrom ? "cdrom" : "disk";
    }

    /** The value of the node {@code info}. */
    int info(boolean diskReadOnly) {
        return (cdrom ? Blkif.VDISK_CDROM : 0)
                | (removable ? Blkif.VDISK_REMOVABLE : 0)
                | (!writable || diskReadOnly ? Blkif.VDISK_READONLY : 0);
    }
}
