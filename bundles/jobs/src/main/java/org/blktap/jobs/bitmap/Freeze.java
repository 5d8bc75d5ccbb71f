package org.blktap.jobs.bitmap;

import org.blktap.api.disk.DiskException;
import org.blktap.jobs.bits.MappedBits;

/**
 * The use of a dirty bitmap by a backup. The order is:
 *
 * <ol>
 *   <li>{@link Bitmaps#freeze}: from now on, writes are marked in the next bits too.
 *   <li>The backup has its point in time, with no write in flight.
 *   <li>{@link #seal}: from now on, writes are marked in the next bits only. {@link #bits} do not change any more. What
 *       was written between the first step and this one is in both, so that it is in this backup and the next.
 *   <li>{@link #succeed} once the backup is safe, or {@link #fail}.
 * </ol>
 *
 * If the daemon is killed in between, the bits are frozen afterwards, and not sealed: {@link Bitmaps#frozen} continues.
 * Any thread but a loop, one at a time.
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
     * What has changed since the backup before; until this is closed. Any thread may read them once they are sealed.
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

    /** Has the bitmap contain only what has changed since the freeze, and closes this. */
    public void succeed() throws DiskException {
        bitmap.replace();
        close();
    }

    /** Has the bitmap contain all that has changed, as if there had been no freeze, and closes this. */
    public void fail() throws DiskException {
        bitmap.merge();
        close();
    }

    /** Ends the use of this object. Bits that are frozen stay so, for {@link Bitmaps#frozen}. */
    @Override
    public void close() {
        if (!closed) {
            closed = true;
            bitmaps.closed(bitmap);
        }
    }
}
