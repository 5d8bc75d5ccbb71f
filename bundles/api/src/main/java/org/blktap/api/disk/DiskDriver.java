package org.blktap.api.disk;

import java.util.List;
import org.osgi.annotation.versioning.ConsumerType;

/**
 * Opens and creates images of one type: a service with the property {@code tap.type} ({@link TapType}). Its methods
 * may block and are called on control threads, several at once. Whatever it makes must not outlive the service: no
 * threads, no caches; what has to survive a replacement of the driver is kept by {@link DiskContext#untilDetach}.
 *
 * <p>The other way to write one is {@link SimpleDriver}.
 */
@ConsumerType
public interface DiskDriver {
    /**
     * Opens an image.
     *
     * @param path the path of the tap spec
     * @throws DiskException with nothing left open
     */
    VirtualDisk open(String path, DiskContext context) throws DiskException;

    /**
     * Creates an image. Nothing is left under the name if it fails.
     *
     * @param sizeBytes the size of the disk; -1 to take the backing file's
     * @param backing what it overlays, or null
     */
    default void create(String path, long sizeBytes, TapSpec backing, DiskContext context) throws DiskException {
        throw new DiskException(DiskException.Reason.UNSUPPORTED, path + ": disks of this type are not created beforehand; attach opens them");
    }

    /**
     * Examines an image that is not in use. If the context is not read-only, what can be is put right; a driver that has no repair
     * refuses such a context.
     */
    default CheckReport check(String path, DiskContext context) throws DiskException {
        throw new DiskException(DiskException.Reason.UNSUPPORTED, path + ": disks of this type have nothing to check");
    }

    /**
     * Changes the size of a disk that is not in use. What is new reads as zeros. A driver that cannot make disks smaller refuses
     * that, as what is past the new end would be lost.
     *
     * @param sizeBytes the new size, a multiple of 512
     */
    default void resize(String path, long sizeBytes, DiskContext context) throws DiskException {
        throw new DiskException(DiskException.Reason.UNSUPPORTED, path + ": disks of this type keep their size");
    }

    /**
     * Creates an image to be filled from its beginning to its end with compressed clusters. Nothing is left under the name
     * unless {@link CompressedImage#finish} succeeds.
     *
     * @param sizeBytes the size of the disk
     */
    default CompressedImage createCompressed(String path, long sizeBytes, DiskContext context) throws DiskException {
        throw new DiskException(DiskException.Reason.UNSUPPORTED, path + ": disks of this type are not compressed");
    }

    /**
     * What a check found.
     *
     * @param clusters clusters (blocks, grains) in use
     * @param leaked clusters that nothing refers to; they waste space and harm nothing
     * @param problems what is wrong, a line each, in the form of {@link DiskException#corrupt}
     */
    record CheckReport(long clusters, long leaked, List<String> problems) {
        public CheckReport {
            problems = List.copyOf(problems);
        }

        public boolean clean() {
            return problems.isEmpty();
        }
    }
}
