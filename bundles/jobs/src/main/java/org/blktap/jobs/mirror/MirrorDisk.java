package org.blktap.jobs.mirror;

import java.util.ArrayDeque;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Objects;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.RejectedExecutionException;
import org.blktap.api.disk.DiskException;
import org.blktap.api.disk.DiskException.Reason;
import org.blktap.api.disk.Operation;
import org.blktap.api.disk.Options;
import org.blktap.api.disk.Request;
import org.blktap.api.disk.TapSpec;
import org.blktap.api.disk.VirtualDisk;
import org.blktap.api.engine.Errno;
import org.blktap.api.filter.FilterContext;
import org.blktap.api.filter.PassThroughDisk;
import org.blktap.jobs.Job;
import org.blktap.jobs.bits.MappedBits;

/**
 * A disk whose contents are copied to another disk, the target, while its VM writes. In a stream, the disk is its own
 * target, and the data of its backing images is copied: then a change of the VM waits while its range is being copied.
 *
 * <p>At first a change of the VM goes to the source only, and its bits are set. When little is left, or when the VM
 * changes so much that copying does not catch up, changes go to both disks ({@link #through}), and complete when both
 * have completed them. A discard always goes to the source only; the range is copied afterwards. An error of the target
 * leaves the bits set, and the VM does not see it.
 *
 * <p>Loop only, except where noted.
 */
final class MirrorDisk extends PassThroughDisk {
    /** Changes go to both disks once no more than this is left. */
    private static final long LITTLE = 32 << 20;
    /** Number of passes after which changes go to both disks in any case. */
    private static final int MOST_PASSES = 3;
    /** Changes also go to both disks when more than one in this many copied bytes must be copied again. */
    private static final int BEHIND = 4;

    private final FilterContext context;
    private final Job job;
    private final VirtualDisk target;
    /** Whether the source is the disk below, and not an image of its chain, which the VM does not change. */
    private final boolean live;

    /** Whether data of the backing images is copied into the disk itself. */
    private final boolean upward;

    private final MappedBits bits;
    private final Copier copier;
    private final MirrorWrites writes;
    /** Whether the copy depends on the chain of the disk, which must be the same at the end. */
    private final boolean chained;

    private final TapSpec backing;
    private final Runnable closed;
    private final long copiedBefore;
    private final Request flush = new Request(this::targetFlushed, 0);
    private final ArrayDeque<Runnable> whenIdle = new ArrayDeque<>();
    private boolean started;
    /** Bytes that were left when copying started. */
    private long leftAtStart;

    private boolean through;
    private boolean draining;
    private boolean flushing;
    /** The last step that the flush of the target is for. */
    private CompletableFuture<Void> flushedFor;

    private CompletableFuture<Void> finishing;
    private volatile boolean equalAtRemoval;
    private volatile MirrorState state = new MirrorState(false, 0, 1, null, false);

    /**
     * @param source the disk below, or an image of its chain that was opened for this
     * @param depths the images of the source's chain that are copied
     * @param fresh whether the target contains only zeros
     * @param closed called when the filter is closed
     */
    MirrorDisk(
            VirtualDisk below,
            VirtualDisk source,
            VirtualDisk target,
            MappedBits bits,
            FilterContext context,
            Job job,
            Depths depths,
            boolean fresh,
            Runnable closed) {
        super(below);
        this.context = context;
        this.job = job;
        this.target = target;
        live = source == below;
        upward = target == below;
        this.bits = bits;
        this.closed = closed;
        VmChanges changes = new VmChanges(bits, !upward);
        copiedBefore = Math.max(job.status().doneBytes(), bits.diskBytes() - left());
        copier = new Copier(
                source,
                target,
                job.value(MirrorFilter.TARGET),
                context.loop(),
                bits,
                changes,
                job,
                depths,
                fresh,
                context.memory(),
                this::idle);
        writes = new MirrorWrites(this, target, upward, !depths.all(), changes, copier, context.memory());
        copier.onEnded(() -> {
            writes.release();
            decide();
        });
        chained = !depths.all();
        backing = below.info().backing();
        publish();
    }

    private long left() {
        return Math.min(bits.diskBytes(), bits.count() * bits.granularity());
    }

    // ---- called by the job's thread

    /** Returns the progress. Any thread. */
    MirrorState state() {
        return state;
    }

    /** Starts or resumes copying, with the settings that the job has now. Any thread. */
    void kick() {
        execute(() -> {
            if (!started) {
                started = true;
                leftAtStart = left();
                // another object may have used the bits until this filter took its place
                bits.takeOver();
                copier.run(true);
            } else {
                copier.advance();
            }
            publish();
        });
    }

    /** Tries again after a failure. Any thread. */
    void retry() {
        execute(() -> {
            copier.retry();
            publish();
        });
    }

    private void execute(Runnable task) {
        try {
            context.loop().execute(task);
        } catch (RejectedExecutionException e) {
            // the attachment has ended
        }
    }

    /** Stops copying. The future completes when none of its requests is in flight. Any thread. */
    CompletableFuture<Void> stop() {
        CompletableFuture<Void> stopped = new CompletableFuture<>();
        context.loop().execute(() -> {
            through = false;
            copier.run(false);
            onIdle(() -> stopped.complete(null));
        });
        return stopped;
    }

    /** Makes the target equal to the source and flushes it, while the VM waits. Any thread. */
    CompletableFuture<Void> makeEqual() {
        CompletableFuture<Void> done = new CompletableFuture<>();
        context.loop().execute(() -> {
            if (!started || copier.failures().any() || left() > 2 * LITTLE) {
                done.completeExceptionally(new DiskException(
                        Reason.BUSY, "job " + job.id() + " is not ready: " + left() + " bytes are left"));
                return;
            }
            if (chained && !Objects.equals(backing, below().info().backing())) {
                done.completeExceptionally(new DiskException(
                        Reason.UNSUPPORTED, "the disk has another image since job " + job.id() + " began"));
                return;
            }
            finishing = done;
            copier.finishing(true);
        });
        return done;
    }

    /** Sets whether {@link #beforeRemoval} makes the target equal. Any thread. */
    void equalAtRemoval(boolean equal) {
        equalAtRemoval = equal;
    }

    @Override
    public void beforeRemoval() throws DiskException {
        end(equalAtRemoval ? makeEqual() : stop());
    }

    @Override
    public void beforeSwitch() throws DiskException {
        end(makeEqual());
    }

    private void end(CompletableFuture<Void> ended) throws DiskException {
        try {
            MirrorFilter.await(ended, job);
        } catch (DiskException e) {
            context.loop().execute(() -> {
                finished();
                copier.run(started);
            });
            throw e;
        }
    }

    @Override
    public boolean busy() {
        return flushing || super.busy();
    }

    @Override
    public void checkDetach() throws DiskException {
        MirrorFilter.checkDetach(job);
        super.checkDetach();
    }

    private void finished() {
        finishing = null;
        copier.finishing(false);
    }

    /** {@inheritDoc} Called when the disk continues with another image, or a filter was added below. */
    @Override
    public void setBelow(VirtualDisk disk) {
        super.setBelow(disk);
        if (live) {
            copier.source(disk, upward);
        }
    }

    // ---- the VM's requests

    @Override
    public void submit(Request request) {
        copier.vmAtWork();
        if (live && request.operation().changes()) {
            writes.submit(request, through);
        } else if (request.operation() == Operation.FLUSH && draining && !copier.isIdle()) {
            // the last flush before the disk is closed: no request of this filter may be in flight then
            onIdle(() -> below().submit(request));
        } else {
            below().submit(request);
        }
    }

    @Override
    public void draining(boolean begins) {
        draining = begins;
        copier.draining(begins);
        super.draining(begins);
    }

    // ---- the progress

    /** Called when no piece is in flight, and none can be started. */
    private void idle() {
        while (!whenIdle.isEmpty() && copier.isIdle()) {
            whenIdle.poll().run();
        }
        if (finishing != null && copier.isIdle()) {
            if (copier.failures().any()) {
                CompletableFuture<Void> failed = finishing;
                finished();
                failed.completeExceptionally(copier.failures().first().why());
            } else if (bits.count() == 0 && !flushing) {
                flushing = true;
                flushedFor = finishing;
                target.submit(flush.set(Operation.FLUSH, 0, 0, 0));
            }
        }
        publish();
    }

    private void targetFlushed(Request ended) {
        flushing = false;
        CompletableFuture<Void> done = finishing;
        if (done == null) {
            return;
        }
        if (done != flushedFor) {
            // what was written since that flush began is not covered by it
            idle();
            return;
        }
        finished();
        if (ended.error() == 0) {
            done.complete(null);
        } else {
            done.completeExceptionally(new DiskException(
                    Reason.IO, job.value(MirrorFilter.TARGET) + ": flush: " + Errno.text(ended.error())));
        }
    }

    private void onIdle(Runnable action) {
        if (copier.isIdle()) {
            action.run();
        } else {
            whenIdle.add(action);
        }
    }

    /** Decides whether changes go to both disks. */
    private void decide() {
        if (copier.failures().any() || job.paused()) {
            through = false;
        } else if (started && !through) {
            through = copier.passes() > 0 && left() <= LITTLE || copier.passes() >= MOST_PASSES || isBehind();
        }
    }

    /** Whether another pass would not catch up, since the VM changes much of what has been copied. */
    private boolean isBehind() {
        long again = copier.passed() - (leftAtStart - left());
        return again > LITTLE && again > copier.passed() / BEHIND;
    }

    /** Publishes the progress. */
    void publish() {
        decide();
        long remaining = copier.remaining() * bits.granularity();
        boolean ready = started && through && remaining == 0 && copier.isIdle();
        MirrorState now = state;
        long copied = copiedBefore + copier.copied();
        if (now.ready() != ready
                || now.copied() != copied
                || now.remaining() != remaining
                || now.failure() != copier.failures().first()
                || now.started() != started) {
            state = new MirrorState(ready, copied, remaining, copier.failures().first(), started);
            if (ready != now.ready() || state.failure() != now.failure()) {
                job.wake();
            }
        }
    }

    /** {@inheritDoc} Accepts all options and keeps the target open, which must not be open twice. */
    @Override
    public boolean set(Options options) {
        return true;
    }

    @Override
    public Map<String, ?> stats() {
        Map<String, Object> stats = new LinkedHashMap<>();
        stats.put("job", job.id());
        stats.put("left", Options.sizeText(left()));
        stats.put("writes", upward ? "to the disk" : through ? "to both" : "to the source");
        return stats;
    }

    @Override
    public void close() {
        copier.run(false);
        closed.run();
        writes.close();
        onIdle(() -> {
            copier.close();
            if (!upward) {
                target.close();
            }
            if (!live) {
                copier.source().close();
            }
            // not clean: what the target has not flushed is copied again after a power loss
            bits.abandon();
        });
    }
}
