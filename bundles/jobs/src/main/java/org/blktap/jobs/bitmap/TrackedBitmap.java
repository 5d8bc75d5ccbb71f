package org.blktap.jobs.bitmap;

import java.io.IOException;
import java.lang.System.Logger;
import java.lang.System.Logger.Level;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.util.concurrent.RejectedExecutionException;
import org.blktap.api.disk.DiskException;
import org.blktap.api.disk.DiskException.Reason;
import org.blktap.api.disk.Options;
import org.blktap.api.engine.ExtentList;
import org.blktap.api.engine.IoLoop;
import org.blktap.jobs.bits.MappedBits;
import org.blktap.jobs.bits.MappedBits.Initially;
import org.blktap.linux.WholeFile;

/**
 * One bitmap of an attachment, shared by all its users.
 *
 * <p>While a backup uses the bits, writes are marked in a second file, the next bits. If the backup succeeds, the
 * second file replaces the first; if it fails, its bits are set in the first. Until then, also after a kill at any
 * moment, what is dirty is the union of both.
 *
 * <p>While a disk marks bits, marking and changes of the files happen on its loop, otherwise on control threads.
 */
final class TrackedBitmap {
    private static final Logger LOG = System.getLogger("org.blktap.jobs");
    /** Suffix of the file of the next bits; no name of a bitmap contains the character. */
    static final String NEXT = "+";

    /** Number of extents after which a map stops; the caller asks again for the rest. */
    private static final int ENOUGH = 1024;

    private final String id;
    private final String name;
    private final Path file;
    /** Number of users; belongs to the store. */
    int holders;
    /** Whether the files are deleted when the last use ends; belongs to the store. */
    boolean doomed;

    private volatile MappedBits bits;
    /** The next bits; null unless a backup uses {@link #bits}. */
    private volatile MappedBits next;
    /** Where writes are marked: {@link #bits}, or {@link #next}. */
    private MappedBits marked;
    /** {@link #bits} if writes are marked in them as well as in {@link #next}; else null. */
    private MappedBits alsoMarked;

    private IoLoop loop;
    private int disks;

    private TrackedBitmap(String id, String name, Path file, MappedBits bits, MappedBits next) {
        this.id = id;
        this.name = name;
        this.file = file;
        this.bits = bits;
        this.next = next;
        // it is not known whether the point in time was reached
        marked = next == null ? bits : next;
        alsoMarked = next == null ? null : bits;
    }

    // ---- files

    /** Makes a bitmap in which nothing is dirty. */
    static TrackedBitmap create(String id, String name, Path file, String key, long diskBytes, int granularity)
            throws DiskException {
        remove(nextOf(file));
        return new TrackedBitmap(
                id, name, file, MappedBits.create(file, diskBytes, granularity, key, Initially.CLEAR), null);
    }

    /**
     * Opens a bitmap for a disk. A file that is missing, damaged, not of this attachment or for a larger disk is not
     * trusted: then the bitmap is stale, with all bits set.
     */
    static TrackedBitmap openForDisk(String id, String name, Path file, BitmapSettings settings, long diskBytes)
            throws DiskException {
        MappedBits bits = null;
        MappedBits next = null;
        String why;
        try {
            bits = fit(open(file, settings.key()), diskBytes);
            next = openNext(file, settings.key());
            next = next == null ? null : fit(next, diskBytes);
            TrackedBitmap opened = joined(id, name, file, bits, next);
            if (bits.stale()) {
                LOG.log(
                        Level.WARNING,
                        id + ": bitmap " + name + " is stale: writes before a power loss may be missing");
            }
            return opened;
        } catch (DiskException e) {
            why = e.getMessage();
            if (bits != null) {
                bits.abandon();
            }
            if (next != null) {
                next.abandon();
            }
        }
        LOG.log(Level.WARNING, id + ": bitmap " + name + " is stale, and all of the disk counts as written: " + why);
        int granularity = Math.max(
                bits == null ? settings.granularity() : bits.granularity(), MappedBits.smallestGranularity(diskBytes));
        MappedBits all = MappedBits.create(file, diskBytes, granularity, settings.key(), Initially.STALE);
        remove(nextOf(file));
        return new TrackedBitmap(id, name, file, all, null);
    }

    /** Opens a bitmap of a disk that is closed. Refuses a file that {@link #openForDisk} would not trust. */
    static TrackedBitmap open(String id, String name, Path file, String key) throws DiskException {
        MappedBits bits = open(file, key);
        try {
            return joined(id, name, file, bits, openNext(file, key));
        } catch (DiskException e) {
            bits.close();
            throw e;
        }
    }

    private static MappedBits open(Path file, String key) throws DiskException {
        if (key.isEmpty()) {
            throw new DiskException(Reason.NOT_FOUND, file + ": the filter has no key yet by which to know its file");
        }
        MappedBits opened = MappedBits.open(file);
        String found = keyOf(opened);
        if (!found.equals(key)) {
            opened.abandon();
            throw new DiskException(
                    Reason.WRONG_TYPE, file + ": is of another attachment: found key '" + found + "', expected " + key);
        }
        if (opened.stale()) {
            opened.set(0, opened.diskBytes());
        }
        return opened;
    }

    private static MappedBits openNext(Path file, String key) throws DiskException {
        return Files.exists(nextOf(file), LinkOption.NOFOLLOW_LINKS) ? open(nextOf(file), key) : null;
    }

    private static TrackedBitmap joined(String id, String name, Path file, MappedBits bits, MappedBits next)
            throws DiskException {
        if (next == null) {
            return new TrackedBitmap(id, name, file, bits, null);
        }
        if (next.granularity() != bits.granularity() || next.diskBytes() != bits.diskBytes()) {
            next.abandon();
            throw new DiskException(Reason.CORRUPT, next.file() + ": differs from " + file + " in size or granularity");
        }
        if (ownerOf(next).equals(Bitmaps.CLEARING)) {
            // the daemon was killed before bits were cleared, so they are not
            bits.merge(next);
            next.delete();
            return new TrackedBitmap(id, name, file, bits, null);
        }
        return new TrackedBitmap(id, name, file, bits, next);
    }

    private static MappedBits fit(MappedBits opened, long diskBytes) throws DiskException {
        try {
            if (opened.diskBytes() > diskBytes) {
                throw new DiskException(
                        Reason.WRONG_TYPE,
                        opened.file() + ": is of a disk of " + opened.diskBytes() + " bytes, and this one has "
                                + diskBytes);
            }
            return opened.diskBytes() == diskBytes ? opened : opened.resized(diskBytes);
        } catch (DiskException e) {
            opened.abandon();
            throw e;
        }
    }

    static Path nextOf(Path file) {
        return file.resolveSibling(file.getFileName() + NEXT);
    }

    /** Deletes a file, if it is there. */
    static void remove(Path file) throws DiskException {
        try {
            WholeFile.remove(file);
        } catch (IOException e) {
            throw DiskException.io(file, "delete the bitmap", e);
        }
    }

    static String keyOf(MappedBits bits) {
        int space = bits.tag().indexOf(' ');
        return space < 0 ? bits.tag() : bits.tag().substring(0, space);
    }

    private static String ownerOf(MappedBits next) {
        return next.tag().substring(next.tag().indexOf(' ') + 1);
    }

    /** Closes the files, and deletes them if they are doomed. Called when nobody uses them. */
    void close() throws DiskException {
        if (!doomed) {
            bits.close();
            if (next != null) {
                next.close();
            }
            return;
        }
        bits.delete();
        if (next != null) {
            next.delete();
        }
    }

    // ---- marking

    /**
     * Whether this bitmap, which is in use, is the one that {@link #openForDisk} would open: a disk has it open, for
     * example the same filter with other options, or its files belong to the attachment. If so, it gets the size of the
     * disk.
     */
    synchronized boolean serves(String key, long diskBytes) throws DiskException {
        if (disks > 0) {
            return true;
        }
        if (key.isEmpty() || !keyOf(bits).equals(key) || bits.diskBytes() > diskBytes) {
            return false;
        }
        bits = fit(bits, diskBytes);
        next = next == null ? null : fit(next, diskBytes);
        marked = next == null ? bits : next;
        alsoMarked = alsoMarked == null ? null : bits;
        return true;
    }

    /** Called when a disk begins to mark writes on its loop. */
    synchronized void begin(IoLoop disk) {
        loop = disk;
        disks++;
    }

    /** Called when a disk no longer marks writes. */
    synchronized void end() {
        disks--;
    }

    /** Marks a range as dirty. Loop only. */
    void mark(long offset, long length) {
        marked.set(offset, length);
        if (alsoMarked != null) {
            alsoMarked.set(offset, length);
        }
    }

    /** Adds runs with the state 1 (dirty) or 0 for a range or its beginning. Loop only. */
    void map(long offset, long length, ExtentList into) {
        long end = offset + length;
        for (long at = offset; at < end && into.count() < ENOUGH; ) {
            long dirty = dirtyFrom(at);
            long to = dirty > at ? dirty : cleanFrom(at);
            into.add(Math.min(end, to) - at, dirty > at ? 0 : 1);
            at = to;
        }
    }

    long dirtyFrom(long from) {
        long found = bits.nextSet(from);
        long also = next == null ? -1 : next.nextSet(from);
        long end = bits.diskBytes();
        return Math.min(found < 0 ? end : found, also < 0 ? end : also);
    }

    long cleanFrom(long from) {
        for (long at = from; ; ) {
            long to = bits.nextClear(at);
            to = next == null ? to : next.nextClear(to);
            if (to == at) {
                return at;
            }
            at = to;
        }
    }

    // ---- use by a backup

    String id() {
        return id;
    }

    String name() {
        return name;
    }

    /** Returns the bits, without the next bits. */
    MappedBits bits() {
        return bits;
    }

    /** Returns who uses the bits; empty for nobody. */
    String owner() {
        MappedBits second = next;
        return second == null ? "" : ownerOf(second);
    }

    BitmapStatus status() {
        MappedBits first = bits;
        MappedBits second = next;
        long dirty = first.count() + (second == null ? 0 : second.count());
        return new BitmapStatus(
                name,
                first.granularity(),
                Math.min(first.diskBytes(), dirty * first.granularity()),
                first.stale() || second != null && second.stale(),
                owner());
    }

    /**
     * Begins to mark writes in the next bits as well.
     *
     * @param owner who uses the bits
     */
    void freeze(String key, String owner) throws DiskException {
        MappedBits fresh = MappedBits.create(
                nextOf(file), bits.diskBytes(), bits.granularity(), key + " " + owner, Initially.CLEAR);
        try {
            run(() -> {
                next = fresh;
                alsoMarked = bits;
                marked = fresh;
            });
        } catch (DiskException e) {
            fresh.delete();
            throw e;
        }
    }

    /** Begins to mark writes in the next bits only. */
    void seal() throws DiskException {
        run(() -> alsoMarked = null);
    }

    /** Replaces the bits by the next bits. */
    void replace() throws DiskException {
        seal();
        MappedBits before = bits;
        next.moveTo(file);
        try {
            run(() -> {
                bits = next;
                next = null;
            });
        } finally {
            if (next == null) {
                before.abandon();
            }
        }
    }

    /** Adds the next bits to the bits. */
    void merge() throws DiskException {
        MappedBits second = next;
        run(() -> {
            bits.merge(second);
            marked = bits;
            alsoMarked = null;
            next = null;
        });
        second.delete();
    }

    private void run(Runnable action) throws DiskException {
        IoLoop on;
        synchronized (this) {
            if (disks == 0) {
                action.run();
                return;
            }
            on = loop;
        }
        try {
            on.call(() -> {
                synchronized (this) {
                    action.run();
                }
                return null;
            });
        } catch (RejectedExecutionException e) {
            throw new DiskException(Reason.BUSY, "attachment '" + id + "' is being detached", e);
        } catch (RuntimeException e) {
            throw e;
        } catch (Exception e) {
            throw new DiskException(Reason.IO, id + ": " + e, e);
        }
    }

    /** Returns how much is dirty, as text for people. */
    static String dirtyText(BitmapStatus status) {
        return Options.sizeText(status.dirtyBytes());
    }
}
