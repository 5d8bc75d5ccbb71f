package org.blktap.format.qcow2;

import java.io.IOException;
import java.lang.System.Logger;
import java.lang.System.Logger.Level;
import java.util.ArrayDeque;
import org.blktap.api.engine.Errno;
import org.blktap.api.engine.IoCallback;
import org.blktap.api.engine.IoFile;
import org.blktap.api.engine.IoLoop;
import org.blktap.image.FileSpace;
import org.blktap.image.InFlight;

/**
 * Makes freed clusters free for new data. They go through these steps, in rounds:
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
 * the round also claims clusters that earlier sessions left free ({@link Uncounted}). Loop only.
 */
final class FreeingRound {
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

    /** What the round under way does, in this order; a round may begin once more with a flush. */
    private enum Phase {
        IDLE,
        FLUSHING,
        /** Requests that looked up entries before they were changed have not ended. */
        WAITING,
        /** A helper thread lowers counts. */
        LOWERING,
        PUNCHING
    }

    private final IoFile file;
    private final IoLoop loop;
    private final Refcounts counts;
    private final FileSpace end;
    private final InFlight inFlight;
    private final FreeClusters free;
    private final ArrayDeque<Runnable> whenIdle = new ArrayDeque<>();

    private Phase phase = Phase.IDLE;
    /** Freed ranges: the entries that pointed there have been written. */
    private Ranges freed = new Ranges();
    /** Those whose flush is under way. */
    private Ranges freeing = new Ranges();
    /** Clusters that belong to this object by their counts, and are holes. */
    private Ranges emptied = new Ranges();
    /** Those whose flush is under way. */
    private Ranges emptying = new Ranges();
    /** Free clusters beyond those that can be kept. */
    private final Ranges surplus = new Ranges();
    /** Clusters that belong to this object and are being emptied, from {@link #next} on. */
    private Ranges handedOver;

    private int next;
    /** Clusters that earlier sessions left free, as has been proved; to be claimed from {@link #unclaimed} on. */
    private Ranges uncounted = new Ranges();

    private long unclaimed;
    private long lastUncounted;
    /** Whether another round must follow this one. */
    private boolean onceMore;
    /** Whether this round claims clusters that earlier sessions left free. */
    private boolean claims;
    /** Called when the round ends, if a guest's flush waits for that; else null. */
    private IoCallback told;

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

    /**
     * @param counts null for an image that is only read; then nothing is freed
     * @param end the end of the file, which grows when nothing is free
     * @param inFlight requests that may be using clusters that are being freed
     * @param free receives clusters that are free
     */
    FreeingRound(IoFile file, IoLoop loop, Refcounts counts, FileSpace end, InFlight inFlight, FreeClusters free) {
        this.file = file;
        this.loop = loop;
        this.counts = counts;
        this.end = end;
        this.inFlight = inFlight;
        this.free = free;
    }

    /** Takes clusters that may be claimed later. */
    void claimable(Ranges found) {
        uncounted = found;
        unclaimed = found.isEmpty() ? 0 : found.from(0);
        lastUncounted = found.isEmpty() ? 0 : found.to(found.count() - 1);
    }

    /** Whether so many ranges wait that discards must not free more. */
    boolean isOverwhelmed() {
        return waiting() >= MOST_RANGES / 2;
    }

    /** Ranges whose counts are still to be lowered. */
    int waiting() {
        return freed.count() + freeing.count();
    }

    /**
     * Called when fewer clusters are free than are wanted: a round now makes some free for later calls.
     *
     * @param low whether the file would have to grow soon
     */
    void makeRoom(boolean low) {
        long waiting = freed.bytes() + emptied.bytes();
        if (waiting >= WORTHWHILE || low && (waiting > 0 || unclaimed < lastUncounted)) {
            start(low && unclaimed < lastUncounted, true);
        }
    }

    /** Frees clusters {@code [from, to)}: the entry that pointed at them has been written. */
    void free(long from, long to) {
        note(from, to);
        if (freed.bytes() >= MUCH_BYTES || freed.count() >= MUCH_RANGES) {
            start(false, true);
        } else if (gathering == null) {
            gathering = loop.schedule(gathered, GATHER_MILLISECONDS);
        }
    }

    private void note(long from, long to) {
        // ranges whose flushes have failed count too
        if (waiting() < MOST_RANGES) {
            freed.add(from, to);
        }
    }

    private void gathered() {
        gathering = null;
        if (phase != Phase.IDLE) {
            gathering = loop.schedule(gathered, GATHER_MILLISECONDS);
        } else if (!freed.isEmpty()) {
            start(false, false);
        }
    }

    // ---- a round

    /**
     * Starts a round with a flush of its own.
     *
     * @param urgent whether another must follow it, to make use of what it has emptied
     */
    private void start(boolean claim, boolean urgent) {
        if (phase != Phase.IDLE) {
            return;
        }
        onceMore = urgent;
        claims = claim;
        flush();
    }

    private void flush() {
        phase = Phase.FLUSHING;
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
    void flushing() {
        stopTimer();
        if (phase == Phase.IDLE && freeing.isEmpty() && emptying.isEmpty()) {
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
    void flushed(IoCallback done) {
        if (phase != Phase.IDLE) {
            // clusters freed since the flush of the round under way need another round
            onceMore |= !freed.isEmpty();
            done.done(0);
            return;
        }
        if (freeing.isEmpty() && emptying.isEmpty() && surplus.isEmpty()) {
            done.done(0);
            return;
        }
        phase = Phase.FLUSHING;
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
            phase = Phase.WAITING;
            inFlight.whenEnded(ended);
        }
    }

    private void lower() {
        phase = Phase.LOWERING;
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
        phase = Phase.PUNCHING;
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
        phase = Phase.IDLE;
        IoCallback waiting = told;
        told = null;
        if (waiting != null) {
            waiting.done(0);
        }
        for (int n = whenIdle.size(); n > 0; n--) {
            end.whenIdle(whenIdle.poll());
        }
    }

    // ---- the end

    /** Runs a task when neither a round nor a growth of the file is under way. */
    void whenIdle(Runnable task) {
        if (phase != Phase.IDLE) {
            whenIdle.add(task);
        } else {
            end.whenIdle(task);
        }
    }

    /** Returns the error of a flush that a round made, once; else 0. */
    int takeFlushError() {
        int error = flushError;
        flushError = 0;
        return error;
    }

    /** Starts no round any more on its own. */
    void stopTimer() {
        if (gathering != null) {
            gathering.cancel();
            gathering = null;
        }
    }

    /** Adds all clusters that belong to this object. Nothing is in flight. */
    void addOwned(Ranges to) {
        to.addAll(emptied);
        to.addAll(emptying);
        to.addAll(surplus);
    }

    /** Lowers the counts of what has been freed. Blocking; the entries that pointed there are durable. */
    void lowerFreed() throws IOException {
        counts.add(freed, -1);
        counts.add(freeing, -1);
    }
}
