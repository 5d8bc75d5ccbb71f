package org.blktap.format.qcow2;

import java.io.IOException;
import java.lang.System.Logger;
import java.lang.System.Logger.Level;
import java.util.Arrays;
import java.util.HashMap;
import java.util.Map;
import org.blktap.api.engine.IoCallback;
import org.blktap.api.engine.IoFile;
import org.blktap.api.engine.IoLoop;
import org.blktap.api.memory.Alignment;
import org.blktap.image.FileSpace;
import org.blktap.image.InFlight;
import org.blktap.image.Space;

/**
 * Allocates clusters, and frees those that nothing points at, in rounds ({@link FreeingRound}). A crash leaves counted
 * clusters that nothing points at. When the image is closed, the counts of free clusters are lowered. Loop only.
 */
final class Qcow2Space implements Space {
    private static final Logger LOG = System.getLogger("org.blktap.format.qcow2");

    private final IoFile file;
    private final Refcounts counts;
    private final FileSpace end;
    private final int clusterSize;
    /** The end that the file had when it was opened, in whole clusters. */
    private final long firstEnd;

    private final InFlight inFlight = new InFlight();
    private final FreeClusters free = new FreeClusters();
    private final FreeingRound round;
    /** Ranges of the header and the tables. */
    private final Ranges metadata = new Ranges();
    /** Ranges of the refcount blocks when the image was opened, in ascending order. */
    private final Ranges blocks = new Ranges();

    private boolean metadataTold;

    /** @param counts null for an image that is only read */
    Qcow2Space(Qcow2Header header, IoFile file, IoLoop loop, Refcounts counts) {
        this.file = file;
        this.counts = counts;
        clusterSize = header.clusterSize();
        firstEnd = Alignment.up(file.size(), clusterSize);
        end = new FileSpace(file, loop, firstEnd, header.size(), counts);
        round = new FreeingRound(file, loop, counts, end, inFlight, free);
        metadata.add(0, clusterSize);
        metadata.add(header.l1Offset(), header.l1Offset() + header.l1Entries() * (long) Qcow2Entry.L1_BYTES);
        if (counts != null) {
            metadata.add(counts.tableOffset(), counts.tableOffset() + (long) counts.tableClusters() * clusterSize);
            Arrays.stream(counts.table())
                    .filter(block -> block != 0)
                    .sorted()
                    .forEach(block -> blocks.add(block, block + clusterSize));
        }
    }

    /** The end of the file, and of what may be pointed at. */
    long end() {
        return end.end();
    }

    FileSpace file() {
        return end;
    }

    /** Requests that may be using clusters that are being freed; null for an image that is only read. */
    @Override
    public InFlight inFlight() {
        return counts == null ? null : inFlight;
    }

    // ---- allocation

    /** Returns how many of {@code bytes} can be reserved in one piece. */
    long inOnePiece(long bytes) {
        long next = free.next();
        return next == 0 ? bytes : Math.min(next, bytes);
    }

    /** Reserves as many bytes as {@link #inOnePiece} returned, or one cluster. The space reads as zeros. */
    long reserve(long bytes) {
        if (free.next() <= bytes) {
            round.makeRoom(end.isLow(bytes));
        }
        return free.next() >= bytes ? free.take(bytes) : end.reserve(bytes);
    }

    // ---- freeing

    /** Whether so many ranges wait that discards must not free more. */
    boolean isOverwhelmed() {
        return round.isOverwhelmed();
    }

    /** Ranges whose counts are still to be lowered. */
    int waiting() {
        return round.waiting();
    }

    /** Frees clusters {@code [from, to)}: the entry that pointed at them has been written. */
    void free(long from, long to) {
        if (isMetadata(from, to)) {
            if (!metadataTold) {
                metadataTold = true;
                LOG.log(
                        Level.WARNING,
                        String.format(
                                "%s: an entry pointed at 0x%x, where tables of the image are: that stays allocated; run blktap check",
                                file.path(), from));
            }
            return;
        }
        round.free(from, to);
    }

    /**
     * Whether the range overlaps the header, the active L1 table, the refcount table or one of its blocks, as they were
     * at the opening. Newer ones need no check: no entry leads there.
     */
    private boolean isMetadata(long from, long to) {
        return metadata.overlaps(from, to) || blocks.sortedOverlap(from, to);
    }

    /**
     * Frees a compressed cluster: all clusters that its bytes touch lose a reference. Bytes past the end that the file
     * had are not its own.
     */
    void freeCompressed(long from, long to) {
        free(Alignment.down(from, clusterSize), Math.min(Alignment.up(to, clusterSize), firstEnd));
    }

    /**
     * Finds clusters that earlier sessions left free. Only reads; nothing may be in flight yet. Blocking, not on the
     * loop.
     */
    void look(Qcow2Header header) {
        round.claimable(Uncounted.find(header, file, counts));
    }

    @Override
    public void flushing() {
        round.flushing();
    }

    @Override
    public void flushed(IoCallback done) {
        round.flushed(done);
    }

    @Override
    public void whenIdle(Runnable task) {
        round.whenIdle(task);
    }

    @Override
    public int takeFlushError() {
        // both errors: one flush reports all failures before it
        int counting = round.takeFlushError();
        int growing = end.takeFlushError();
        return counting != 0 ? counting : growing;
    }

    /** Lowers the counts of all clusters that are free or were counted ahead. Blocking; nothing is in flight. */
    void close() throws IOException {
        if (counts == null) {
            return;
        }
        round.stopTimer();
        Ranges ours = free.takeAll();
        round.addOwned(ours);
        for (long[] range : end.unused()) {
            ours.add(range[0], range[1]);
        }
        if (ours.isEmpty() && round.waiting() == 0) {
            return;
        }
        // from here on nothing points there
        file.flushNow();
        counts.add(ours, -1);
        round.lowerFreed();
        Map<Long, Long> beginnings = new HashMap<>();
        for (int i = 0; i < ours.count(); i++) {
            beginnings.put(ours.to(i), ours.from(i));
        }
        long used = end.end();
        for (Long from = used; from != null; from = beginnings.get(used)) {
            used = from;
        }
        end.trim(used);
        file.flushNow();
    }
}
