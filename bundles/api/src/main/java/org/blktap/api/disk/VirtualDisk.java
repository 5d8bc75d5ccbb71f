package org.blktap.api.disk;

import org.osgi.annotation.versioning.ConsumerType;

/**
 * An opened image with its backing chain: a linear run of 512-byte sectors that takes asynchronous requests. After
 * opening, all methods run on the attachment's loop, and none of them waits.
 */
@ConsumerType
public interface VirtualDisk extends AutoCloseable {
    /** What the disk is; constant until a resize. */
    DiskInfo info();

    /**
     * Starts a request, which ends with {@link Request#complete}. Requests may end in any order; a FLUSH covers the
     * writes that had ended when it was submitted.
     */
    void submit(Request request);

    /**
     * Called when the core stops to take requests and waits for those in flight, and again when it takes requests. In
     * between, a disk that holds requests back on purpose, such as for a limit, submits them at once: a VM does not
     * wait for a change of its disk as long as the queue would take.
     *
     * @param begins true when the core begins to wait; false before it takes the first request, also after opening
     */
    default void draining(boolean begins) {
        // most hold nothing back
    }

    /**
     * Whether the disk does work of its own at the disks below, which is part of no request in flight, such as a filter
     * that copies. Between {@link #draining draining(true)} and {@code draining(false)} it begins no more of it. The
     * core waits for its end before it changes or closes a disk.
     */
    default boolean busy() {
        return false;
    }

    /**
     * Refuses to be detached now, before anything is done to detach it. Not called if the detach is forced. On a
     * control thread, while requests are served.
     *
     * @throws DiskException BUSY
     */
    default void checkDetach() throws DiskException {
        // most do not mind
    }

    /** Whether {@link #beforeDetach} does anything; constant. */
    default boolean savesAtDetach() {
        return false;
    }

    /**
     * The attachment is about to be detached: nothing is in flight, and {@link #close} comes next unless this fails;
     * then the attachment stays. Not called when it is parked. On a control thread; may block.
     */
    default void beforeDetach() throws DiskException {
        // most have nothing that a flush does not save
    }

    /**
     * The dirty bitmaps that the image stores; null if it stores none, or is not open for writing. The same object
     * until the close.
     */
    default StoredBitmaps storedBitmaps() {
        return null;
    }

    /** Closes the files. Nothing is in flight, and a FLUSH has been done. May block briefly. */
    @Override
    void close();
}
