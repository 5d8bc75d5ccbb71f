package org.blktap.api.filter;

import java.util.Map;
import org.blktap.api.disk.DiskException;
import org.blktap.api.disk.Options;
import org.blktap.api.disk.TapSpec;
import org.blktap.api.disk.VirtualDisk;
import org.blktap.api.engine.IoLoop;
import org.blktap.api.memory.NativeMemory;
import org.osgi.annotation.versioning.ProviderType;

/** What the core gives a filter while it opens or formats a disk. */
@ProviderType
public interface FilterContext {
    /** The attachment's id; for an image that is not attached, its tap spec. */
    String id();

    /** Whether the disk below refuses writes. */
    boolean readOnly();

    /** The options of the filter's spec; the core refuses those that the filter has not asked for. */
    Options options();

    /** The loop that runs the disk below and the filter. */
    IoLoop loop();

    NativeMemory memory();

    /**
     * Opens another disk on the loop and the engine of this one. It may be an image of this disk's own chain, also for
     * writing, which no other attachment may have open then. A driver that is replaced parks the attachment, as those
     * of its chain do.
     *
     * @param options of the driver
     * @return the caller's, to be closed on the loop before the filter is closed
     */
    VirtualDisk openDisk(TapSpec spec, Map<String, String> options, boolean readOnly) throws DiskException;

    /**
     * Shows the operations on the files of the disk to a watcher, in place of the one before, until the disk is closed.
     * Loop only, while the filter is open. A disk that opens its files by itself has none to show.
     *
     * @param watcher null for none
     */
    default void watchFiles(FileWatcher watcher) {
        // there are no files
    }
}
