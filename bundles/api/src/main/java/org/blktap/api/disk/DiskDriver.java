package org.blktap.api.disk;

import java.util.List;
import org.osgi.annotation.versioning.ConsumerType;

/**
 * Opens and creates images of one type: a service with the property {@code tap.type} ({@link TapType}). Its methods may
 * block and are called on control threads, several at once. Nothing it makes may outlive the service: no threads, no
 * caches; what has to survive a replacement of the driver is kept by {@link DiskContext#untilDetach}.
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
        throw new DiskException(
                DiskException.Reason.UNSUPPORTED,
                path + ": disks of this type are not created; attach makes or opens them");
    }

    /**
     * Creates an image for a copy of a disk. A type that can record more of it than its size overrides this; options of
     * the operator come first.
     *
     * @param source the disk that is copied
     */
    default void createFor(DiskInfo source, String path, DiskContext context) throws DiskException {
        create(path, source.sizeBytes(), null, context);
    }

    /**
     * Makes an image that was just created, and is closed, end inside its last sector.
     *
     * @param contentBytes see {@link DiskInfo#contentBytes}
     * @return false if images of this type consist of whole sectors; nothing has changed then
     */
    default boolean endInside(String path, long contentBytes, DiskContext context) throws DiskException {
        return false;
    }

    /**
     * Examines an image that is not in use. If the context is not read-only, it also repairs what it can, which
     * includes what a crash left behind in an image whose contents are whole; a driver that has no repair refuses such
     * a context.
     */
    default CheckReport check(String path, DiskContext context) throws DiskException {
        throw new DiskException(
                DiskException.Reason.UNSUPPORTED,
                path + ": disks of this type cannot be checked: they have no structures of their own");
    }

    /**
     * Changes the size of a disk that is not in use. What is new reads as zeros. A driver that cannot make disks
     * smaller refuses that, as what is past the new end would be lost.
     *
     * @param sizeBytes the new size, a multiple of 512
     */
    default void resize(String path, long sizeBytes, DiskContext context) throws DiskException {
        throw new DiskException(DiskException.Reason.UNSUPPORTED, path + ": disks of this type keep their size");
    }

    /**
     * Removes an image that is not in use, of a type that is no file.
     *
     * @throws DiskException NOT_FOUND, BUSY if it is in use or others depend on it
     */
    default void remove(String path, DiskContext context) throws DiskException {
        throw new DiskException(DiskException.Reason.UNSUPPORTED, path + ": disks of this type are not removed here");
    }

    /**
     * Whether an overlay records something of its backing image that a write to that changes, such as a time or an
     * identity. The overlay of a disk in use is then made after the last write, while requests wait. One that records
     * only name, type and size is made before. Constant.
     */
    default boolean recordsBackingState() {
        return true;
    }

    /** Whether an overlay records that its backing image is of a type, so that the attach need not say so. Constant. */
    default boolean recordsBackingType(String type) {
        return true;
    }

    /**
     * Has an overlay name another backing image, or none, without a look at the contents: the caller knows that the
     * disk reads the same with both. The image is not in use, or only read by the caller itself. A crash at any time
     * leaves the old name or the new one.
     *
     * @param backing null for none
     */
    default void rebase(String path, TapSpec backing, DiskContext context) throws DiskException {
        throw new DiskException(
                DiskException.Reason.UNSUPPORTED,
                path + ": disks of this type have no backing image that could change");
    }

    /**
     * Creates an image to be filled from its beginning to its end with compressed clusters. Nothing is left under the
     * name unless {@link CompressedImage#finish} succeeds.
     *
     * @param sizeBytes the size of the disk
     */
    default CompressedImage createCompressed(String path, long sizeBytes, DiskContext context) throws DiskException {
        throw new DiskException(DiskException.Reason.UNSUPPORTED, path + ": disks of this type are not compressed");
    }

    /**
     * What a check found, or what a repair left.
     *
     * @param clusters clusters (blocks, grains) in use
     * @param leaked clusters that nothing refers to; they waste space and harm nothing
     * @param problems errors, a line each, in the form of {@link DiskException#corrupt}
     * @param repairs leftovers of a crash, which are neither errors nor leaks: of a check what a repair would do about
     *     them, of a repair what it did; a line each, as {@code log of 3 entries: replayed into the image}
     */
    record CheckReport(long clusters, long leaked, List<String> problems, List<String> repairs) {
        public CheckReport {
            problems = List.copyOf(problems);
            repairs = List.copyOf(repairs);
        }

        /** A report without leftovers of a crash. */
        public CheckReport(long clusters, long leaked, List<String> problems) {
            this(clusters, leaked, problems, List.of());
        }

        /** Whether there are no errors; there may be leaks, and leftovers of a crash. */
        public boolean clean() {
            return problems.isEmpty();
        }

        /** Whether a repair has something to do. */
        public boolean wantsRepair() {
            return !problems.isEmpty() || leaked != 0 || !repairs.isEmpty();
        }
    }
}
