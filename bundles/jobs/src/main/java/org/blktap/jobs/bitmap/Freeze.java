package org.blktap.jobs.bitmap;

import org.blktap.api.disk.DiskException;
import org.blktap.jobs.bits.MappedBits;

/**
 * The use of a dirty bitmap by a backup. The order is:
 *
 * <ol>
 *   <li>{@link Bitmaps#freeze}: from now on, writes are marked in the next bits too.
 *   <li>The backup begins its point in time, with no write in flight.
 *   <li>{@link #seal}: from now on, writes are marked in the next bits only, and {@link #bits} do not change any more.
 *       Writes between the first step and this one are in both, so that they are in this backup and the next.
 *   <li>{@link #succeed} once the backup is safe, or {@link #fail}.
 * </ol>
 *
 * If the daemon is killed in between, the bits are still frozen, but not sealed: {@link Bitmaps#frozen} continues. Any
 * thread but a loop, one at a time.
 */
public final class Freeze implements AutoCloseable {
    private final Bitmaps bitmaps;
    private final TrackedBitmap bitmap;
    private final String owner;
    private boolean closed;

    Freeze(Bitmaps bitmaps, TrackedBitmap bitmap, String owner) {
        this.bitmaps = bitmaps;
        this.bitmap = bitmap;
        this.owner = owner;
    }

    /**
     * The changes since the previous backup, until this is closed. Any thread may read the bits once they are sealed.
     */
    public MappedBits bits() {
        return bitmap.bits();
    }

    /** Whether changes may be missing in {@link #bits}, all of which are set then. */
    public boolean stale() {
        return bits().stale();
    }

    /** Who uses the bitmap. */
    public String owner() {
        return owner;
    }

    /** Ends the marking of {@link #bits}. */
    public void seal() throws DiskException {
        bitmap.seal();
    }

    /** Makes the bitmap contain only what has changed since the freeze, and closes this. */
    public void succeed() throws DiskException {
        bitmap.replace();
        close();
    }

    /** Makes the bitmap contain all changes, as if there had been no freeze, and closes this. */
    public void fail() throws DiskException {
        bitmap.merge();
        close();
    }

    /** Ends the use of this object. Bits stay frozen, for {@link Bitmaps#frozen}. */
    @Override
    public void close() {
        if (!closed) {
            closed = true;
            bitmaps.closed(bitmap);
        }
    }
}
