package org.blktap.jobs.mirror;

import java.nio.ByteBuffer;
import java.util.ArrayDeque;
import org.blktap.api.disk.VirtualDisk;
import org.blktap.api.engine.IoLoop;
import org.blktap.api.memory.NativeBuffer;
import org.blktap.api.memory.NativeMemory;
import org.blktap.jobs.Job;
import org.blktap.jobs.bits.MappedBits;

/**
 * Copies the chunks whose bits are set from one disk to another, in the background. A bit is cleared when its chunk has
 * been copied and the VM has not changed the chunk meanwhile. A chunk with a change of the VM in flight is copied
 * later.
 *
 * <p>{@link Share} says how many pieces are in flight. Loop only.
 */
final class Copier implements AutoCloseable {
    /** The most pieces in flight. */
    static final int PIECES = 16;
    /** Bytes of one MAP request to the source. */
    private static final long WINDOW = 64 << 20;
    /** The longest run of zeros that is written by one request. */
    private static final long ZEROS = 32 << 20;
    /** The most pieces and MAP requests that are started in one turn of the loop. */
    private static final int MOST_STEPS = 2 * PIECES;

    private VirtualDisk source;
    private VirtualDisk target;
    private final MirrorFailures failures;
    private final IoLoop loop;
    private final MappedBits bits;
    private final VmChanges changes;
    private final Job job;
    private final Depths depths;

    private final long size;
    private final long chunk;
    private final NativeBuffer memory;
    private final ArrayDeque<CopyPiece> free = new ArrayDeque<>();
    private final ActivePieces active = new ActivePieces();
    private final SpeedLimit speed;
    private final Share share;
    private final SourceMap map;
    private final Runnable onIdle;
    private Runnable onEnded = () -> {};
    private boolean advancing;
    private boolean running;
    /** Whether the rest is being copied while the VM waits. */
    private boolean finishing;

    private boolean draining;
    private long cursor;
    /** A new target has only zeros from this offset on. */
    private long freshFrom;

    private int passes;
    private long copied;
    private long passed;

    /**
     * @param names of the target, for errors
     * @param depths the images of the source's chain that are copied
     * @param fresh whether the target contains only zeros
     * @param onIdle called when nothing is in flight
     */
    Copier(
            VirtualDisk source,
            VirtualDisk target,
            String names,
            IoLoop loop,
            MappedBits bits,
            VmChanges changes,
            Job job,
            Depths depths,
            boolean fresh,
            NativeMemory memory,
            Runnable onIdle) {
        this.source = source;
        this.target = target;
        failures = new MirrorFailures(names);
        map = new SourceMap(depths.depthOnly(), failures, this::mapped);
        this.loop = loop;
        this.bits = bits;
        this.changes = changes;
        this.job = job;
        speed = new SpeedLimit(loop, job, this::advance);
        share = new Share(loop, job, PIECES);
        this.depths = depths;
        this.onIdle = onIdle;
        freshFrom = fresh ? 0 : Long.MAX_VALUE;
        size = bits.diskBytes();
        chunk = bits.granularity();
        this.memory = memory.allocate((long) PIECES * CopyPiece.BYTES + CopyPiece.GRANULE);
        ByteBuffer zeros = this.memory.bytes((long) PIECES * CopyPiece.BYTES, CopyPiece.GRANULE);
        for (int i = 0; i < PIECES; i++) {
            free.add(new CopyPiece(this, this.memory, (long) i * CopyPiece.BYTES, zeros));
        }
    }

    VirtualDisk source() {
        return source;
    }

    VirtualDisk target() {
        return target;
    }

    /** Replaces the source by another disk with the same contents. Called while nothing is in flight. */
    void source(VirtualDisk other, boolean alsoTarget) {
        source = other;
        target = alsoTarget ? other : target;
        map.touch(0, Long.MAX_VALUE);
    }

    // ---- called by the filter

    /** Sets what is called when a piece has ended. */
    void onEnded(Runnable action) {
        onEnded = action;
    }

    void run(boolean now) {
        running = now;
        advance();
    }

    void draining(boolean begins) {
        draining = begins;
        advance();
    }

    void finishing(boolean now) {
        finishing = now;
        advance();
    }

    /** Called when the VM has submitted a request. */
    void vmAtWork() {
        share.vmAtWork();
    }

    /**
     * Called before the VM changes a range: pieces of it that are being copied will be copied again, and its map is out
     * of date.
     */
    void touch(long from, long to) {
        map.touch(from, to);
        active.touch(from, to);
    }

    /** Called when the VM has changed a range: what the map said meanwhile may be out of date. */
    void touched(long from, long to) {
        map.touch(from, to);
    }

    /** Whether a range is being copied. */
    boolean copies(long from, long to) {
        return active.overlapping(from, to) != null;
    }

    /** Returns why copying has stopped. */
    MirrorFailures failures() {
        return failures;
    }

    /** Tries again after a failure. */
    void retry() {
        failures.forget();
        advance();
    }

    /** Whether none of its requests is in flight. */
    boolean isIdle() {
        return active.count() == 0 && !map.isAsking();
    }

    /** Returns how often copying has reached the end of the disk. */
    int passes() {
        return passes;
    }

    long copied() {
        return copied;
    }

    /**
     * Returns the bytes that were copied, or need no copy; bytes that were copied in vain, or again, count each time.
     */
    long passed() {
        return passed;
    }

    /** Returns the number of chunks to be copied, without those that wait for the end of a change of the VM. */
    long remaining() {
        return Math.max(0, bits.count() - changes.chunks());
    }

    // ---- the next piece

    void advance() {
        if (advancing) {
            return;
        }
        advancing = true;
        int steps = 0;
        while (mayStart() && startNext()) {
            if (++steps == MOST_STEPS) {
                // the VM's requests come in between: large parts of a chain may be skipped
                loop.execute(this::advance);
                break;
            }
        }
        advancing = false;
        if (isIdle()) {
            onIdle.run();
        }
    }

    private boolean mayStart() {
        if (!running || failures.any() || map.isAsking() || free.isEmpty()) {
            return false;
        }
        if (finishing) {
            return true;
        }
        if (draining || job.paused() || job.cancelled() || active.count() >= share.pieces()) {
            return false;
        }
        return speed.passes();
    }

    /** Starts a piece or a MAP request; returns false if there is nothing to do now. */
    private boolean startNext() {
        long at = candidate();
        if (at < 0) {
            return false;
        }
        if (depths.all() ? !map.covers(at) : !answers(at)) {
            return ask(at);
        }
        long end = Math.min(bits.nextClear(at), Math.min(size, at + ZEROS));
        end = changes.untouched(at, active.firstBegin(at, end));
        map.seek(at);
        boolean known = map.isValid();
        long run = known ? whole(at, Math.min(end, map.runEnd())) : at;
        if (run > at && !depths.all() && skipped()) {
            passed += run - at;
            bits.clear(at, run - at);
            cursor = run;
        } else if (run > at && depths.all() && map.zero()) {
            zeros(at, run);
        } else {
            end = Math.min(end, at + CopyPiece.BYTES);
            if (!depths.all()) {
                end = Math.min(end, whole(at, map.end()));
            } else if (known) {
                // zeros that need no read may follow
                end = Math.min(end, Math.max(at + chunk, run));
            }
            data(at, end);
        }
        return true;
    }

    /** Returns the end of the whole chunks in a range that begins with a chunk; the last chunk ends with the disk. */
    private long whole(long at, long end) {
        return end == size ? end : end - end % chunk;
    }

    /** Returns the first chunk from the cursor on, once around, that can be copied now; -1 if there is none. */
    private long candidate() {
        long start = cursor < size ? cursor : 0;
        long from = start;
        boolean around = false;
        while (remaining() > 0) {
            long found = from < size ? bits.nextSet(from) : -1;
            if (found < 0 && !around && start > 0) {
                around = true;
                from = 0;
                continue;
            }
            if (found < 0 || around && found >= start) {
                break;
            }
            CopyPiece piece = active.overlapping(found, found + 1);
            if (piece != null) {
                from = piece.end();
            } else if (changes.touch(found, Math.min(size, found + chunk))) {
                from = found + chunk;
            } else {
                if (around) {
                    wrapped();
                }
                cursor = found;
                return found;
            }
        }
        wrapped();
        return -1;
    }

    private void wrapped() {
        passes++;
        freshFrom = Long.MAX_VALUE;
    }

    /** Whether the run of the map need not be copied. */
    private boolean skipped() {
        return depths.skips(map.depth(), map.zero());
    }

    private boolean ask(long at) {
        // where the VM keeps changing a window, a smaller one is more likely to stay valid
        long end = Math.min(size, at + (map.covers(at) ? CopyPiece.BYTES : WINDOW));
        map.ask(source, at, end);
        return !map.isAsking() && !failures.any();
    }

    private void mapped(long at, long length) {
        if (!failures.any() && !depths.all() && !answers(at)) {
            if (map.isValid()) {
                failures.threw(new IllegalStateException("a map of less than a chunk"));
            } else if (length <= CopyPiece.BYTES) {
                // the VM has changed the window meanwhile; a later pass finds it
                cursor = at + length;
            }
        }
        advance();
    }

    /** Whether the map has an answer for a chunk. */
    private boolean answers(long at) {
        return map.covers(at) && map.isValid() && map.end() >= Math.min(size, at + chunk);
    }

    private void zeros(long at, long end) {
        cursor = end;
        if (at >= freshFrom) {
            copied += end - at;
            passed += end - at;
            bits.clear(at, end - at);
            return;
        }
        CopyPiece piece = free.pop();
        piece.at(at, end, false);
        active.add(piece);
        speed.take(CopyPiece.GRANULE);
        piece.zero();
    }

    private void data(long at, long end) {
        cursor = end;
        CopyPiece piece = free.pop();
        piece.at(at, end, at >= freshFrom || !depths.zeros());
        if (freshFrom != Long.MAX_VALUE) {
            freshFrom = Math.max(freshFrom, end);
        }
        if (depths.all()) {
            piece.part(at, end);
        } else {
            for (long from = at; from < end; ) {
                map.seek(from);
                long to = Math.min(end, map.runEnd());
                if (!skipped()) {
                    piece.part(from, to);
                }
                from = to;
            }
        }
        if (!piece.hasParts()) {
            free.push(piece);
            passed += end - at;
            bits.clear(at, end - at);
            return;
        }
        active.add(piece);
        speed.take(end - at);
        piece.read(loop.nanoTime());
    }

    // ---- the end

    /** Called when a piece has ended. */
    void ended(CopyPiece piece, boolean whole) {
        active.remove(piece);
        if (whole) {
            copied += piece.end() - piece.begin();
            passed += piece.end() - piece.begin();
            if (piece.startedNanos() != 0) {
                share.took(loop.nanoTime() - piece.startedNanos());
            }
            if (!piece.touched()) {
                bits.clear(piece.begin(), piece.end() - piece.begin());
            }
        }
        free.push(piece);
        onEnded.run();
        advance();
    }

    /** Frees the pieces, while none is in flight. */
    @Override
    public void close() {
        running = false;
        speed.close();
        memory.close();
    }
}
