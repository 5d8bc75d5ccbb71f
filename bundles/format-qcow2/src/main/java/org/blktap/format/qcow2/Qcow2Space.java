package org.blktap.format.qcow2;

import java.io.IOException;
import java.lang.System.Logger;
import java.lang.System.Logger.Level;
import java.util.ArrayDeque;
import java.util.Arrays;
import java.util.HashMap;
import java.util.Map;
import org.blktap.api.engine.Errno;
import org.blktap.api.engine.IoCallback;
import org.blktap.api.engine.IoFile;
import org.blktap.api.engine.IoLoop;
import org.blktap.api.memory.Alignment;
import org.blktap.image.FileSpace;
import org.blktap.image.InFlight;
import org.blktap.image.Space;

/**
 * Allocates clusters, and frees those that nothing points at. Freed clusters go through these steps, in rounds:
 *
 * <ol>
 *   <li>freed: the entry that pointed there has been written;
 *   <li>a flush makes that durable, and requests that looked the entry up before have ended;
 *   <li>the count is lowered. A cluster with a count of one keeps it: it belongs to this object now, and a hole is
 *       punched there;
 *   <li>a flush makes the hole durable: now the cluster is free, reads as zeros, and is used before the file grows.
 * </ol>
 *
 * <p>A guest's flush is also the flush of a round. Soon after clusters are freed a round makes its own flush, since a
 * guest that discards need not flush. It does so at once if many clusters wait, or if the file would have to grow; then
 * the round also claims clusters that earlier sessions left free ({@link Uncounted}). A crash leaves counted clusters
 * that nothing points at. When the image is closed, the counts of free clusters are lowered. Loop only.
 */
final class Qcow2Space implements Space {
    private static final Logger LOG = System.getLogger("org.blktap.format.qcow2");
    /** Bytes of freed clusters that start a round at once. */
    private static final long MUCH_BYTES = 64 << 20;

    private static final int MUCH_RANGES = 1024;
    /** Discards come in series: those within so many milliseconds share a round. */
    private static final long GATHER_MILLISECONDS = 100;
    /** Least bytes for a round when no other cluster is free. */
    private static final long WORTHWHILE = 4 << 20;
    /** Most freed runs that are kept; beyond it clusters leak. Discards are refused at half of it. */
    private static final int MOST_RANGES = 16_384;
    /** Bytes of uncounted clusters that are taken at a time. */
    private static final long CLAIMED = 64 << 20;

    private final IoFile file;
    private final IoLoop loop;
    private final Refcounts counts;
    private final FileSpace end;
    private final int clusterSize;
    /** The end that the file had when it was opened, in whole clusters. */
    private final long firstEnd;

    private final InFlight inFlight = new InFlight();
    private final ArrayDeque<Runnable> whenIdle = new ArrayDeque<>();
    private final FreeClusters free = new FreeClusters();
    /** Freed ranges: the entries that pointed there have been written. */
    private Ranges freed = new Ranges();
    /** Those whose flush is under way. */
    private Ranges freeing = new Ranges();
    /** Clusters that belong to this object by their counts, and are holes. */
    private Ranges emptied = new Ranges();
    /** Those whose flush is under way. */
    private Ranges emptying = new Ranges();
    /** Free clusters beyond those that can be kept. */
    private Ranges surplus = new Ranges();
    /** Ranges of the header and the tables. */
    private final Ranges metadata = new Ranges();
    /** Ranges of the refcount blocks when the image was opened, in ascending order. */
    private final Ranges blocks = new Ranges();

    private boolean metadataTold;
    /** Clusters that earlier sessions left free, as has been proved; to be claimed from {@link #unclaimed} on. */
    private Ranges uncounted = new Ranges();

    private long unclaimed;
    private long lastUncounted;
    /** Whether a round is under way. */
    private boolean busy;
    /** Whether another round must follow this one. */
    private boolean onceMore;
    /** Whether this round claims clusters that earlier sessions left free. */
    private boolean claims;
    /** Called when the round ends, if a guest's flush waits for that; else null. */
    private IoCallback told;
    /** Clusters that belong to this object and are being emptied, from {@link #next} on. */
    private Ranges handedOver;

    private int next;
    private int flushError;
    /**
     * The timer of the next round; null if nothing was freed since the last one, or if a guest's flush makes the round.
     */
    private IoLoop.Timer gathering;

    private final Runnable gathered = this::gathered;
    private final IoCallback flushed = this::ownFlushed;
    private final Runnable ended = this::lower;
    private final IoLoop.BlockingCall lowering = this::lowerNow;
    private final IoCallback lowered = this::lowered;
    private final IoCallback punched = this::punched;

    /** @param counts null for an image that is only read */
    Qcow2Space(Qcow2Header header, IoFile file, IoLoop loop, Refcounts counts) {
        this.file = file;
        this.loop = loop;
        this.counts = counts;
        clusterSize = header.clusterSize();
        firstEnd = Alignment.up(file.size(), clusterSize);
        end = new FileSpace(file, loop, firstEnd, header.size(), counts);
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
            // a round now makes clusters free for later calls
            long waiting = freed.bytes() + emptied.bytes();
            boolean low = end.isLow(bytes);
            if (waiting >= WORTHWHILE || low && (waiting > 0 || unclaimed < lastUncounted)) {
                start(low && unclaimed < lastUncounted, true);
            }
        }
        return free.next() >= bytes ? free.take(bytes) : end.reserve(bytes);
    }

    // ---- freeing

    /** Whether so many ranges wait that discards must not free more. */
    boolean isOverwhelmed() {
        return waiting() >= MOST_RANGES / 2;
    }

    /** Ranges whose counts are still to be lowered. */
    int waiting() {
        return freed.count() + freeing.count();
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
        note(from, to);
        if (freed.bytes() >= MUCH_BYTES || freed.count() >= MUCH_RANGES) {
            start(false, true);
        } else if (gathering == null) {
            gathering = loop.schedule(gathered, GATHER_MILLISECONDS);
        }
    }

    private void gathered() {
        gathering = null;
        if (busy) {
            gathering = loop.schedule(gathered, GATHER_MILLISECONDS);
        } else if (!freed.isEmpty()) {
            start(false, false);
        }
    }

    private void note(long from, long to) {
        // ranges whose flushes have failed count too
        if (waiting() < MOST_RANGES) {
            freed.add(from, to);
        }
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
        uncounted = Uncounted.find(header, file, counts);
        unclaimed = uncounted.isEmpty() ? 0 : uncounted.from(0);
        lastUncounted = uncounted.isEmpty() ? 0 : uncounted.to(uncounted.count() - 1);
    }

    /**
     * Starts a round with a flush of its own.
     *
     * @param urgent whether another must follow it, to make use of what it has emptied
     */
    private void start(boolean claim, boolean urgent) {
        if (busy) {
            return;
        }
        busy = true;
        onceMore = urgent;
        claims = claim;
        flush();
    }

    private void flush() {
        freeing.addAll(freed);
        freed.clear();
        emptying.addAll(emptied);
        emptied.clear();
        file.flush(flushed);
    }

    private void ownFlushed(int error) {
        if (error != 0) {
            // the error may concern writes that were answered before: the next flush reports it too
            flushError = error;
            onceMore = false;
            roundEnded();
        } else {
            durable();
        }
    }

    /** Called when a guest's flush begins. No work may begin after the last flush before the close. */
    @Override
    public void flushing() {
        if (gathering != null) {
            gathering.cancel();
            gathering = null;
        }
        if (!busy && freeing.isEmpty() && emptying.isEmpty()) {
            Ranges none = freeing;
            freeing = freed;
            freed = none;
            none = emptying;
            emptying = emptied;
            emptied = none;
        }
    }

    /**
     * Calls back when no work is under way here; at once while requests are in flight, since then this is not the last
     * flush.
     */
    @Override
    public void flushed(IoCallback done) {
        if (busy) {
            // clusters freed since the flush of the round under way need another round
            onceMore |= !freed.isEmpty();
            done.done(0);
            return;
        }
        if (freeing.isEmpty() && emptying.isEmpty() && surplus.isEmpty()) {
            done.done(0);
            return;
        }
        busy = true;
        onceMore = freeing.bytes() >= WORTHWHILE;
        claims = false;
        boolean last = inFlight.isEmpty();
        told = last ? done : null;
        durable();
        if (!last) {
            done.done(0);
        }
    }

    private void durable() {
        for (int i = 0; i < emptying.count(); i++) {
            if (!free.add(emptying.from(i), emptying.to(i))) {
                surplus.add(emptying.from(i), emptying.to(i));
            }
        }
        emptying.clear();
        if (freeing.isEmpty() && surplus.isEmpty() && !claims) {
            roundEnded();
        } else {
            inFlight.whenEnded(ended);
        }
    }

    private void lower() {
        handedOver = new Ranges();
        loop.offload(lowering, lowered);
    }

    /** Lowers the counts, on a helper thread; the loop does not touch these lists meanwhile. */
    private int lowerNow() throws IOException {
        counts.add(surplus, -1);
        counts.release(freeing, handedOver);
        if (claims) {
            long from = unclaimed;
            // after an error no claim is tried again
            unclaimed = lastUncounted;
            unclaimed = counts.claim(uncounted, from, CLAIMED, handedOver);
        }
        return 0;
    }

    private void lowered(int error) {
        if (error != 0) {
            // counts that could not be written stay too high, which harms nothing
            LOG.log(Level.WARNING, file.path() + ": some space could not be freed: " + Errno.text(error));
        }
        surplus.clear();
        freeing.clear();
        next = 0;
        punch();
    }

    private void punch() {
        if (next == handedOver.count()) {
            handedOver = null;
            roundEnded();
        } else {
            file.zero(handedOver.from(next), handedOver.to(next) - handedOver.from(next), true, punched);
        }
    }

    private void punched(int error) {
        // a range that could not be emptied is tried again
        if (error == 0) {
            emptied.add(handedOver.from(next), handedOver.to(next));
        } else {
            note(handedOver.from(next), handedOver.to(next));
        }
        next++;
        punch();
    }

    private void roundEnded() {
        if (onceMore && !(emptied.isEmpty() && freed.isEmpty())) {
            onceMore = false;
            claims = false;
            flush();
            return;
        }
        busy = false;
        IoCallback waiting = told;
        told = null;
        if (waiting != null) {
            waiting.done(0);
        }
        for (int n = whenIdle.size(); n > 0; n--) {
            end.whenIdle(whenIdle.poll());
        }
    }

    @Override
    public void whenIdle(Runnable task) {
        if (busy) {
            whenIdle.add(task);
        } else {
            end.whenIdle(task);
        }
    }

    @Override
    public int takeFlushError() {
        // both errors: one flush reports all failures before it
        int counting = flushError;
        flushError = 0;
        int growing = end.takeFlushError();
        return counting != 0 ? counting : growing;
    }

    /** Lowers the counts of all clusters that are free or were counted ahead. Blocking; nothing is in flight. */
    void close() throws IOException {
        if (counts == null) {
            return;
        }
        if (gathering != null) {
            gathering.cancel();
        }
        Ranges ours = free.takeAll();
        for (Ranges list : new Ranges[] {emptied, emptying, surplus}) {
            ours.addAll(list);
        }
        for (long[] range : end.unused()) {
            ours.add(range[0], range[1]);
        }
        if (ours.isEmpty() && freed.isEmpty() && freeing.isEmpty()) {
            return;
        }
        // from here on nothing points there
        file.flushNow();
        counts.add(ours, -1);
        counts.add(freed, -1);
        counts.add(freeing, -1);
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
