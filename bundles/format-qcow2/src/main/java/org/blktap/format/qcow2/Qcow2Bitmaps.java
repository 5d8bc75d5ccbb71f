package org.blktap.format.qcow2;

import java.io.IOException;
import java.lang.System.Logger;
import java.lang.System.Logger.Level;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.function.Predicate;
import org.blktap.api.disk.DiskException;
import org.blktap.api.disk.DiskException.Reason;
import org.blktap.api.disk.StoredBitmaps;
import org.blktap.api.engine.IoCallback;
import org.blktap.api.engine.IoFile;
import org.blktap.api.engine.IoLoop;

/**
 * The bitmaps of an image that is open for writing. Before the first change those that record writes are marked as in
 * use ({@link Qcow2Disk}); {@link #store} writes new ones, which are not.
 */
final class Qcow2Bitmaps implements StoredBitmaps {
    private static final Logger LOG = System.getLogger("org.blktap.format.qcow2");

    private static final int MOST_LOGGED = 8;

    private final Qcow2Header header;
    private final IoFile file;
    private final Refcounts counts;
    private final Settling settling;
    private final boolean invalidated;
    private final Set<String> forgotten = new HashSet<>();
    private BitmapDirectory directory;
    private List<StoredBitmap> listed;
    private int unusable;
    private boolean served;
    private boolean stored;

    /** Ends the use of the image's space by data, before the bitmaps get theirs. */
    interface Settling {
        void settle() throws IOException;
    }

    /**
     * @param header of version 3; the feature bit of the bitmaps is only set if their directory can be read
     * @param settling is called before the bitmaps are stored
     */
    Qcow2Bitmaps(Qcow2Header header, IoFile file, Refcounts counts, Settling settling) throws DiskException {
        this.header = header;
        this.file = file;
        this.counts = counts;
        this.settling = settling;
        directory = directory(header, file);
        invalidated = header.extensions().containsKey(Qcow2Header.EXT_BITMAPS) && !valid(header);
    }

    private static boolean valid(Qcow2Header header) {
        return (header.autoclear() & Qcow2Header.BITMAPS) != 0;
    }

    private static BitmapDirectory directory(Qcow2Header header, IoFile file) throws DiskException {
        return valid(header) ? BitmapDirectory.read(header, file) : BitmapDirectory.NONE;
    }

    /** Whether the directory can be read; logs why not. */
    static boolean readable(Qcow2Header header, IoFile file) throws DiskException {
        try {
            directory(header, file);
            return true;
        } catch (DiskException e) {
            if (e.reason() != Reason.CORRUPT) {
                throw e;
            }
            LOG.log(Level.WARNING, e.getMessage() + "; the bitmaps of the image are not valid any more");
            return false;
        }
    }

    // ---- what the image has

    @Override
    public synchronized List<StoredBitmap> list() {
        if (listed == null) {
            listed = directory.entries().stream().map(this::described).toList();
        }
        return listed;
    }

    private StoredBitmap described(BitmapEntry entry) {
        State state = entry.has(BitmapEntry.AUTO) ? State.RECORDING : State.STOPPED;
        if (entry.has(BitmapEntry.IN_USE)) {
            state = State.STALE;
        } else {
            try {
                BitmapDirectory.checkUsable(entry, header, file);
            } catch (DiskException e) {
                if (++unusable <= MOST_LOGGED) {
                    LOG.log(Level.WARNING, e.getMessage());
                }
                state = State.STALE;
            }
        }
        long granularity = 1L << Math.min(entry.granularityBits(), Long.SIZE - 2);
        return new StoredBitmap(entry.name(), granularity, state, entry.isRecording());
    }

    @Override
    public synchronized boolean current() {
        return !served;
    }

    @Override
    public boolean invalidated() {
        return invalidated;
    }

    @Override
    public synchronized void read(String name, Ranges dirty) throws DiskException {
        BitmapEntry entry = directory.find(name);
        if (entry == null || entry.has(BitmapEntry.IN_USE)) {
            throw new DiskException(
                    Reason.NOT_FOUND,
                    file.path() + ": has no bitmap '" + name + "'" + (entry == null ? "" : " that is up to date"));
        }
        new BitmapReader(header, file, entry).read(dirty);
    }

    // ---- while it is open

    /** Called before the disk takes requests. */
    synchronized void serves() {
        list();
        served = true;
    }

    /** Marks bitmaps as in use on a helper thread, before the first change. */
    void mark(IoLoop loop, IoCallback done) {
        if (directory.entries().stream().noneMatch(Qcow2Bitmaps::isMarkedForChanges)) {
            done.done(0);
        } else {
            loop.offload(
                    () -> {
                        markNow();
                        return 0;
                    },
                    done);
        }
    }

    private static boolean isMarkedForChanges(BitmapEntry entry) {
        return entry.isRecording() && !entry.has(BitmapEntry.IN_USE);
    }

    private synchronized void markNow() throws IOException {
        list();
        directory = mark(file, directory, Qcow2Bitmaps::isMarkedForChanges);
    }

    /** Sets the mark of some entries, each by a write of its own, and returns the directory with them. */
    static BitmapDirectory mark(IoFile file, BitmapDirectory directory, Predicate<BitmapEntry> which)
            throws IOException {
        List<BitmapEntry> all = new ArrayList<>();
        for (BitmapEntry each : directory.entries()) {
            BitmapEntry now = which.test(each) ? each.withFlags(each.flags() | BitmapEntry.IN_USE) : each;
            if (now != each) {
                file.writeFully(
                        ByteBuffer.allocate(Integer.BYTES).putInt(0, now.flags()), each.at() + BitmapEntry.AT_FLAGS);
            }
            all.add(now);
        }
        file.flushNow();
        return new BitmapDirectory(directory.offset(), directory.bytes(), all);
    }

    // ---- at the end

    @Override
    public synchronized void forget(String name) {
        forgotten.add(name);
    }

    @Override
    public synchronized void store(List<? extends Source> bitmaps) throws DiskException {
        Set<String> names = new HashSet<>(forgotten);
        bitmaps.forEach(each -> names.add(each.name()));
        List<BitmapEntry> kept = new ArrayList<>();
        List<BitmapEntry> gone = new ArrayList<>();
        directory.entries().forEach(each -> (names.contains(each.name()) ? gone : kept).add(each));
        if (gone.isEmpty() && bitmaps.isEmpty()) {
            return;
        }
        try {
            settling.settle();
        } catch (IOException e) {
            throw DiskException.io(file.path(), "free clusters before bitmaps are stored", e);
        }
        stored = true;
        new BitmapWriter(file, counts, directory).write(kept, bitmaps, gone);
    }

    /** Removes what must be forgotten, if nothing has been stored. */
    synchronized void close() {
        if (stored) {
            return;
        }
        try {
            store(List.of());
        } catch (DiskException e) {
            LOG.log(Level.WARNING, "bitmaps that nobody needs stay in the image: " + e.getMessage());
        }
    }
}
