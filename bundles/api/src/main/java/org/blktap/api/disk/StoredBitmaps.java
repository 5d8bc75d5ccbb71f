package org.blktap.api.disk;

import java.util.List;
import org.osgi.annotation.versioning.ConsumerType;
import org.osgi.annotation.versioning.ProviderType;

/**
 * The dirty bitmaps that an image stores beside its data, for an image that is open for writing. A format that can
 * store bitmaps has this at {@link VirtualDisk#storedBitmaps}; a filter that records writes reads them when the disk is
 * opened, and stores its own when the disk is closed. In between, the image says that its bitmaps are not up to date,
 * so that no program relies on them after a crash. Bitmaps that nobody stores at the close stay in that state, if the
 * disk was changed; if it was not, they are as before.
 *
 * <p>Methods block, and are called by one thread at a time: when the disk is opened on a control thread, at the end on
 * the loop.
 */
@ProviderType
public interface StoredBitmaps {
    /** What an image says of a bitmap. */
    enum State {
        /** It contains all writes up to now, and those to come belong into it. */
        RECORDING,
        /** It contains writes of the past, and gets no others. */
        STOPPED,
        /** Writes are missing in it, or may be: whoever had the image open did not close it; or it cannot be read. */
        STALE
    }

    /**
     * A bitmap of the image.
     *
     * @param granularity bytes of the disk for each bit, a power of two
     * @param recording whether writes belong into it; always for {@link State#RECORDING}
     */
    record StoredBitmap(String name, long granularity, State state, boolean recording) {}

    /** Gets ranges in ascending order, which do not touch. */
    @ConsumerType
    @FunctionalInterface
    interface Ranges {
        void range(long offset, long length);
    }

    /** A bitmap to be stored. */
    @ConsumerType
    interface Source {
        String name();

        /** Bytes of the disk for each bit, a power of two. */
        long granularity();

        /** Whether writes may be missing; then the image says so, and the ranges are of no interest. */
        boolean stale();

        /** Whether writes belong into it. */
        default boolean recording() {
            return true;
        }

        /** The first byte from {@code from} on that is dirty; the size of the disk if there is none. */
        long nextDirty(long from);

        /** The first byte from {@code from} on that is not dirty; the size of the disk if there is none. */
        long nextClean(long from);
    }

    /** The bitmaps as they were when the disk was opened. */
    List<StoredBitmap> list();

    /** Whether {@link #list} is still true: no request has been taken since the opening. */
    boolean current();

    /**
     * Whether the image had bitmaps, and a program that does not know them has written to it since: what they were is
     * not known.
     */
    boolean invalidated();

    /**
     * Reads a bitmap that is not {@link State#STALE}.
     *
     * @throws DiskException NOT_FOUND; CORRUPT; IO
     */
    void read(String name, Ranges dirty) throws DiskException;

    /** Has the image lose a bitmap when it is closed, unless {@link #store} is given one of the name. */
    void forget(String name);

    /**
     * Stores bitmaps in place of those of their names; all others stay. Nothing is in flight, the disk has been
     * flushed, and its close comes next. A crash in between leaves the image with the old bitmaps or the new ones.
     *
     * @throws DiskException the image has the old bitmaps, which are stale
     */
    void store(List<? extends Source> bitmaps) throws DiskException;
}
