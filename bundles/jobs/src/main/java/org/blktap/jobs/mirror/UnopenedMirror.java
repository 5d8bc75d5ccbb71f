package org.blktap.jobs.mirror;

import java.util.Map;
import org.blktap.api.disk.DiskException;
import org.blktap.api.disk.Request;
import org.blktap.api.disk.VirtualDisk;
import org.blktap.api.filter.PassThroughDisk;
import org.blktap.jobs.Job;
import org.blktap.jobs.bits.MappedBits;

/**
 * A mirror without an open target: before the target is known, and while it cannot be opened. In the second case,
 * records what the VM changes.
 */
final class UnopenedMirror extends PassThroughDisk {
    /** The bits of the copy; null before anything has been copied. */
    private final MappedBits bits;

    /** The job; null if there is none. */
    private final Job job;

    private final DiskException why;
    private final Runnable closed;

    /**
     * @param job null if there is none
     * @param bits null if nothing has been copied yet
     * @param why the target cannot be opened; null if it is not known yet
     */
    UnopenedMirror(VirtualDisk below, Job job, MappedBits bits, DiskException why, Runnable closed) {
        super(below);
        this.job = job;
        this.bits = bits;
        this.why = why;
        this.closed = closed;
    }

    /** Returns why the target cannot be opened; null if the target is not known yet. Any thread. */
    DiskException why() {
        return why;
    }

    @Override
    public void submit(Request request) {
        if (bits != null && request.operation().changes()) {
            bits.set(request.offset(), request.length());
        }
        below().submit(request);
    }

    @Override
    public void beforeSwitch() throws DiskException {
        throw new DiskException(DiskException.Reason.BUSY, "the target is not open");
    }

    @Override
    public void checkDetach() throws DiskException {
        MirrorFilter.checkDetach(job);
        super.checkDetach();
    }

    @Override
    public Map<String, ?> stats() {
        return Map.of("target", why == null ? "none yet" : why.getMessage());
    }

    @Override
    public void close() {
        closed.run();
        if (bits != null) {
            bits.abandon();
        }
    }
}
