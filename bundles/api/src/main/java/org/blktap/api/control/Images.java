package org.blktap.api.control;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.blktap.api.disk.DiskDriver.CheckReport;
import org.blktap.api.disk.DiskException;
import org.blktap.api.disk.DiskInfo;
import org.blktap.api.disk.TapSpec;
import org.osgi.annotation.versioning.ProviderType;

/** Work on images that are not attached. Blocking; any thread. */
@ProviderType
public interface Images {
    /** The most images that are looked for. */
    int LONGEST_CHAIN = 64;

    /**
     * Creates an image; nothing is left if it fails.
     *
     * @param sizeBytes of the disk that VMs see; -1 to take the size of the backing
     * @param backing what it overlays, or null
     * @param reserve whether all of the disk takes its space at once
     * @param filters specs of the filters that the image will be attached with, from the image to the nodes: they write
     *     what they store in it, and the image is larger by that; none for an image with a backing
     */
    void create(
            TapSpec spec,
            long sizeBytes,
            TapSpec backing,
            boolean reserve,
            Map<String, String> options,
            List<String> filters)
            throws DiskException;

    /** Creates an image for an attachment without filters that store anything in it. */
    default void create(TapSpec spec, long sizeBytes, TapSpec backing, boolean reserve, Map<String, String> options)
            throws DiskException {
        create(spec, sizeBytes, backing, reserve, options, List.of());
    }

    /**
     * Creates an image for a copy of a disk: of its size and, where the type records them, its sector sizes. Nothing is
     * left if it fails.
     */
    void createFor(DiskInfo source, TapSpec spec, Map<String, String> options) throws DiskException;

    /**
     * Examines an image; BUSY if it is attached for writing.
     *
     * @param repair repairs what it can; the report is of what is left and of what was done. UNSUPPORTED where the type
     *     has no repair
     */
    CheckReport check(TapSpec spec, boolean repair, Map<String, String> options) throws DiskException;

    /** Changes the size of a disk; BUSY if it is attached. */
    void resize(TapSpec spec, long sizeBytes, Map<String, String> options) throws DiskException;

    /**
     * Removes an image that is not in use, of a type that is no file, such as an image in a cluster; UNSUPPORTED where
     * the type does not do that.
     */
    void remove(TapSpec spec, Map<String, String> options) throws DiskException;

    /** Returns what a disk is; opens it read-only. */
    DiskInfo info(TapSpec spec, Map<String, String> options) throws DiskException;

    /**
     * Returns the images of a disk, from one down to the last backing image, as far as they say and can be read.
     *
     * @param options of the attachment whose disk it is, or none
     */
    default List<TapSpec> chain(TapSpec image, Map<String, String> options) {
        List<TapSpec> all = new ArrayList<>();
        Map<String, String> given = options;
        TapSpec next = image;
        try {
            while (next != null && !all.contains(next) && all.size() < LONGEST_CHAIN) {
                all.add(next);
                next = info(next, given).backing();
                given = Map.of();
            }
        } catch (DiskException e) {
            return all;
        }
        return all;
    }

    /** Reports how a disk is stored, from its beginning to its end; adjacent runs of one kind are reported as one. */
    void map(TapSpec spec, Map<String, String> options, Extents to) throws DiskException;

    /** Copies a disk to a new image, or to a block device. Nothing is left of a new image if it fails. */
    void convert(Conversion conversion, Progress progress) throws DiskException;

    /** Receives the extents of a disk. */
    @FunctionalInterface
    interface Extents {
        /**
         * @param offset on the disk, in bytes
         * @param state as in {@link org.blktap.api.engine.ExtentList}
         */
        void extent(long offset, long length, int state);
    }

    /** Called several times a second with the progress. */
    @FunctionalInterface
    interface Progress {
        /** @return false to give up */
        boolean at(long bytes, long ofBytes);

        /**
         * Reports a property of the source that the target lacks or has in another form.
         *
         * @param difference one line for people
         */
        default void note(String difference) {}
    }

    /**
     * What is copied where.
     *
     * @param from any readable disk
     * @param to a file that is not there yet, or a block device
     * @param compressed whether the new image's clusters are compressed
     * @param onto the new image's backing: then only what the source's own image has is copied
     *     ({@link org.blktap.api.engine.ExtentList#HERE}); null for none
     */
    record Conversion(
            TapSpec from,
            Map<String, String> fromOptions,
            TapSpec to,
            Map<String, String> toOptions,
            boolean compressed,
            TapSpec onto) {
        public Conversion {
            fromOptions = Map.copyOf(fromOptions);
            toOptions = Map.copyOf(toOptions);
        }

        /** A copy of all of a disk. */
        public Conversion(
                TapSpec from,
                Map<String, String> fromOptions,
                TapSpec to,
                Map<String, String> toOptions,
                boolean compressed) {
            this(from, fromOptions, to, toOptions, compressed, null);
        }
    }
}
