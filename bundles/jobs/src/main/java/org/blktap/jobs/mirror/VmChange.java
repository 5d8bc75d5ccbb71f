package org.blktap.jobs.mirror;

import org.blktap.api.disk.Operation;
import org.blktap.api.disk.Request;
import org.blktap.api.filter.Substitute;
import org.blktap.api.filter.WriteCopies;
import org.blktap.api.memory.Segments;

/** A request of the VM that changes the disk, on its way to the source and, if it is written through, to the target. */
final class VmChange extends Substitute {
    private final Request copy;
    /** A copy of the data for both disks, which does not change; empty if this is not written through. */
    private final Segments stable = new Segments(2);
    /** Whether the change goes to the target too. */
    boolean through;
    /** Whether the target may differ afterwards in the range of this change, so that its bits stay set. */
    boolean tainted;
    /** Number of parts that have not ended. */
    int pending;

    int sourceError;
    long begin;
    long end;

    /**
     * @param atSource called when the source has completed the change
     * @param atTarget called when the target has completed the change, with a request whose owner is this
     */
    VmChange(Completion atSource, AtTarget atTarget) {
        super(atSource);
        copy = new Request(ended -> atTarget.ended(this, ended.error()), 4);
    }

    /** See the constructor. */
    interface AtTarget {
        void ended(VmChange change, int error);
    }

    VmChange begins(Request request) {
        of(request);
        begin = request.offset();
        end = begin + request.length();
        through = false;
        tainted = false;
        pending = 1;
        sourceError = 0;
        return this;
    }

    /**
     * Takes a copy of the data for source and target, which the VM cannot change any more.
     *
     * @return false if there is no room for the copy, or the VM's memory is gone
     */
    boolean takeCopy(WriteCopies copies) {
        if (operation() != Operation.WRITE) {
            return true;
        }
        if (length() > copies.room() || !copies.take(original().data(), 0, length(), stable)) {
            return false;
        }
        data().sliceOf(stable, 0, length());
        return true;
    }

    /** Returns the copy, if there is one. Called when both disks have written it. */
    void giveCopy(WriteCopies copies) {
        copies.give(stable);
    }

    /** The same change for the target. */
    Request forTarget() {
        copy.data().clear();
        if (operation() == Operation.WRITE) {
            copy.data().addSlice(data(), 0, length());
        }
        return copy.set(operation(), begin, length(), flags() & Request.NO_UNMAP);
    }

    boolean overlaps(long from, long to) {
        return begin < to && from < end;
    }
}
