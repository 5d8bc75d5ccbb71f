package org.blktap.client.rbd;

import org.blktap.api.disk.DiskException;
import org.blktap.api.disk.DiskException.Reason;
import org.blktap.api.engine.Errno;
import org.blktap.api.memory.Memory;
import org.blktap.linux.LibRbd;
import org.blktap.linux.Mapping;

/**
 * Makes a new image in a cluster. Control threads.
 *
 * @param objectBytes bytes of one object, or 0 for the cluster's default
 * @param dataPool the pool of the data; empty for that of the image
 */
record RbdCreate(RbdName name, ClusterOptions options, long objectBytes, String dataPool) {
    private interface Making {
        int make(long newImage);
    }

    void create(long sizeBytes) throws DiskException {
        try (Cluster cluster = Cluster.connect(name, options)) {
            make(newImage -> LibRbd.rbd_create4(cluster.pool(), Native.text(name.image()), sizeBytes, newImage));
        }
    }

    /** Makes an image that overlays a snapshot. */
    void overlay(RbdName parent) throws DiskException {
        if (parent.snapshot() == null) {
            throw new DiskException(
                    Reason.BAD_OPTION,
                    name + ": overlays a snapshot, and " + parent + " names none: expected @SNAPSHOT");
        }
        try (Cluster from = Cluster.connect(parent, options);
                Cluster cluster = Cluster.connect(name, options)) {
            make(newImage -> LibRbd.rbd_clone3(
                    from.pool(),
                    Native.text(parent.image()),
                    Native.text(parent.snapshot()),
                    cluster.pool(),
                    Native.text(name.image()),
                    newImage));
        }
    }

    private void make(Making making) throws DiskException {
        try (Mapping memory = Mapping.anonymous(Long.BYTES)) {
            LibRbd.rbd_image_options_create(memory.address());
            long newImage = Memory.getLong(memory.address());
            try {
                if (objectBytes != 0) {
                    LibRbd.rbd_image_options_set_uint64(
                            newImage, LibRbd.OPTION_ORDER, Long.numberOfTrailingZeros(objectBytes));
                }
                if (!dataPool.isEmpty()) {
                    LibRbd.rbd_image_options_set_string(newImage, LibRbd.OPTION_DATA_POOL, Native.text(dataPool));
                }
                int result = making.make(newImage);
                if (result == -Errno.EEXIST) {
                    throw new DiskException(Reason.EXISTS, name + ": exists already");
                }
                RbdErrors.check(name, "cannot be created", result);
            } finally {
                LibRbd.rbd_image_options_destroy(newImage);
            }
        }
    }
}
