package org.blktap.api.filter;

import org.blktap.api.disk.Options;
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
     * Shows the operations on the files of the disk to a watcher, in place of the one before, until the disk is closed.
     * Loop only, while the filter is open. A disk that opens its files by itself has none to show.
     *
     * @param watcher null for none
     */
    default void watchFiles(FileWatcher watcher) {
        // there are no files
    }
}
