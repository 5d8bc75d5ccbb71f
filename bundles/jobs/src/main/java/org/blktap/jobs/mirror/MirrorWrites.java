package org.blktap.jobs.mirror;

import java.util.ArrayDeque;
import org.blktap.api.disk.Operation;
import org.blktap.api.disk.Request;
import org.blktap.api.disk.VirtualDisk;
import org.blktap.api.filter.WriteCopies;
import org.blktap.api.memory.NativeMemory;

/** Passes the VM's changes to a mirrored disk and its target. Loop only. */
final class MirrorWrites implements AutoCloseable {
    /**
     * The most bytes of changes that go to both disks at a time; further changes go to the source, and are copied from
     * there.
     */
    private static final int MOST_COPIES = 32 << 20;

    private final MirrorDisk disk;
    private final VirtualDisk target;
    private final boolean upward;
    private final boolean oneAfterTheOther;
    private final VmChanges changes;
    private final Copier copier;
    /** Memory for copies; null if nothing is written through. */
    private final WriteCopies copies;
    /** Changes that wait until their ranges have been copied up. */
    private final ArrayDeque<VmChange> held = new ArrayDeque<>();

    /**
     * @param upward whether the disk is copied into itself
     * @param oneAfterTheOther whether a change goes to the source first, and then to the target
     * @param for the memory of changes that go to both disks
     */
    MirrorWrites(
            MirrorDisk disk,
            VirtualDisk target,
            boolean upward,
            boolean oneAfterTheOther,
            VmChanges changes,
            Copier copier,
            NativeMemory memory) {
        this.disk = disk;
        this.target = target;
        this.upward = upward;
        this.oneAfterTheOther = oneAfterTheOther;
        this.changes = changes;
        this.copier = copier;
        copies = upward ? null : new WriteCopies(memory, MOST_COPIES);
    }

    /**
     * Passes on a change.
     *
     * @param through whether it may go to both disks
     */
    void submit(Request request, boolean through) {
        VmChange change = changes.poll();
        if (change == null) {
            change = new VmChange(this::sourceEnded, this::targetEnded);
        }
        change.begins(request);
        if (upward) {
            changes.begin(change);
            if (copier.copies(change.begin, change.end)) {
                held.add(change);
            } else {
                copier.touch(change.begin, change.end);
                disk.below().submit(change);
            }
            return;
        }
        boolean copied = request.operation() != Operation.DISCARD && !request.has(Request.FAST_ONLY);
        change.through = through
                && copied
                && !copier.failures().any()
                && !copier.copies(change.begin, change.end)
                && changes.admits(change)
                && change.takeCopy(copies);
        copier.touch(change.begin, change.end);
        changes.begin(change);
        boolean both = change.through && !oneAfterTheOther;
        change.pending = both ? 2 : 1;
        disk.below().submit(change);
        if (both) {
            toTarget(change);
        }
    }

    /** Called when a piece has been copied up: submits the changes of it. */
    void release() {
        for (int i = held.size(); i > 0; i--) {
            VmChange change = held.poll();
            if (copier.copies(change.begin, change.end)) {
                held.add(change);
            } else {
                copier.touch(change.begin, change.end);
                disk.below().submit(change);
            }
        }
    }

    private void sourceEnded(Request ended) {
        VmChange change = (VmChange) ended;
        change.sourceError = ended.error();
        if (change.sourceError != 0) {
            change.tainted = true;
        } else if (change.through && oneAfterTheOther) {
            toTarget(change);
            return;
        }
        partEnded(change);
    }

    private void toTarget(VmChange change) {
        try {
            target.submit(change.forTarget());
        } catch (RuntimeException | Error e) {
            copier.failures().threw(e);
            change.tainted = true;
            partEnded(change);
        }
    }

    private void targetEnded(VmChange change, int error) {
        if (error != 0) {
            copier.failures().target(change.operation(), change.begin, error);
            change.tainted = true;
        }
        partEnded(change);
    }

    private void partEnded(VmChange change) {
        if (--change.pending > 0) {
            return;
        }
        int error = change.sourceError;
        copier.touched(change.begin, change.end);
        if (change.through) {
            change.giveCopy(copies);
        }
        Request original = change.release();
        changes.end(change);
        if (copier.failures().any()) {
            disk.publish();
        }
        copier.advance();
        original.complete(error);
    }

    /** Frees the memory, while no change is in flight. */
    @Override
    public void close() {
        if (copies != null) {
            copies.close();
        }
    }
}
