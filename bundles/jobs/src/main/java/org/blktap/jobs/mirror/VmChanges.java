package org.blktap.jobs.mirror;

import java.util.ArrayDeque;
import java.util.ArrayList;
import org.blktap.jobs.bits.MappedBits;

/**
 * The changes of the VM that are in flight. Bits of what they touch are set from before their submission until both
 * sides are known to be equal. Loop only.
 *
 * <p>A change that is written through clears its bits when it has ended, unless it is tainted: if something else has
 * made a chunk dirty meanwhile, all changes on that chunk are tainted. So a set bit in the range of an untainted change
 * stands for that change only.
 */
final class VmChanges {
    private final ArrayList<VmChange> active = new ArrayList<>();
    private final ArrayDeque<VmChange> free = new ArrayDeque<>();
    private final MappedBits bits;
    private final int chunk;
    private final boolean dirty;
    /** Number of chunks that the active changes touch; a chunk that two of them touch counts twice. */
    private long chunks;

    /** @param dirty whether the range of a change must be copied */
    VmChanges(MappedBits bits, boolean dirty) {
        this.bits = bits;
        this.dirty = dirty;
        chunk = bits.granularity();
    }

    VmChange poll() {
        return free.poll();
    }

    /** Adds a change, whose bits are set now. */
    void begin(VmChange change) {
        if (!change.through) {
            taint(change);
        }
        if (dirty) {
            bits.set(change.begin, change.end - change.begin);
        }
        active.add(change);
        chunks += chunksOf(change);
    }

    /** Removes a change that both sides have completed, and clears its bits if the sides are equal there. */
    void end(VmChange change) {
        int last = active.size() - 1;
        active.set(active.indexOf(change), active.get(last));
        active.remove(last);
        chunks -= chunksOf(change);
        if (change.through) {
            if (change.tainted) {
                taint(change);
            } else {
                clear(change);
            }
        }
        free.push(change);
    }

    private void clear(VmChange change) {
        long to = chunkEnd(change);
        for (long at = chunkBegin(change); at < to; at += chunk) {
            long end = Math.min(at + chunk, bits.diskBytes());
            if (!touch(at, end)) {
                bits.clear(at, end - at);
            }
        }
    }

    /** Taints all active changes on the chunks of another. */
    private void taint(VmChange by) {
        long from = chunkBegin(by);
        long to = chunkEnd(by);
        for (int i = 0; i < active.size(); i++) {
            if (active.get(i).overlaps(from, to)) {
                active.get(i).tainted = true;
            }
        }
    }

    /**
     * Whether a change may be written through: both sides are equal on its chunks except for changes that are written
     * through too, and none of these writes the same bytes, since the sides may order them differently.
     */
    boolean admits(VmChange change) {
        for (int i = 0; i < active.size(); i++) {
            if (active.get(i).overlaps(change.begin, change.end)) {
                return false;
            }
        }
        long to = chunkEnd(change);
        for (long at = bits.nextSet(chunkBegin(change)); at >= 0 && at < to; at = bits.nextSet(at)) {
            at -= at % chunk;
            if (!isOnlyThrough(at)) {
                return false;
            }
            at += chunk;
            if (at >= bits.diskBytes()) {
                break;
            }
        }
        return true;
    }

    private boolean isOnlyThrough(long chunkAt) {
        for (int i = 0; i < active.size(); i++) {
            VmChange each = active.get(i);
            if (each.through && !each.tainted && each.overlaps(chunkAt, chunkAt + chunk)) {
                return true;
            }
        }
        return false;
    }

    /** Whether one of the changes touches a range. */
    boolean touch(long from, long to) {
        for (int i = 0; i < active.size(); i++) {
            if (active.get(i).overlaps(from, to)) {
                return true;
            }
        }
        return false;
    }

    /**
     * Returns the end of the run of whole chunks from {@code from} on that no change touches; {@code from} if there is
     * none.
     */
    long untouched(long from, long to) {
        long end = to;
        for (int i = 0; i < active.size(); i++) {
            VmChange each = active.get(i);
            if (each.overlaps(from, end)) {
                end = Math.max(from, chunkBegin(each));
            }
        }
        return end;
    }

    /** Returns an upper bound of the number of chunks whose bits are set only because of the changes. */
    long chunks() {
        return dirty ? chunks : 0;
    }

    boolean isEmpty() {
        return active.isEmpty();
    }

    private long chunkBegin(VmChange change) {
        return change.begin - change.begin % chunk;
    }

    /** Returns the end of the last chunk that the change touches. */
    private long chunkEnd(VmChange change) {
        return (change.end + chunk - 1) / chunk * chunk;
    }

    private long chunksOf(VmChange change) {
        return (chunkEnd(change) - chunkBegin(change)) / chunk;
    }
}
