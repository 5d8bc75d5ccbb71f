package org.blktap.core.gate;

import java.util.concurrent.CompletableFuture;
import org.blktap.api.disk.VirtualDisk;
import org.blktap.api.engine.IoLoop;

/** Waits until nothing is in flight at the disk of a gate, and the disk does no work of its own. Loop only. */
final class Drain {
    /** Interval of the look whether the disk still does work of its own. */
    private static final long BUSY_MILLISECONDS = 1;

    private final Gate gate;
    private final IoLoop loop;
    /** Null while nobody waits. */
    private CompletableFuture<Void> drained;
    /** Whether the disk knows that the gate is closed. */
    private boolean told = true;

    Drain(Gate gate, IoLoop loop) {
        this.gate = gate;
        this.loop = loop;
    }

    /** Asks the disk to hold nothing back, and completes when nothing is in flight. The gate is closed. */
    CompletableFuture<Void> begin() {
        if (gate.disk() != null && (!told || gate.inFlight() != 0)) {
            told = true;
            draining(true);
        }
        if (gate.inFlight() == 0 && !diskBusy()) {
            return CompletableFuture.completedFuture(null);
        }
        if (drained == null) {
            drained = new CompletableFuture<>();
        }
        CompletableFuture<Void> end = drained;
        requestEnded();
        return end;
    }

    /** The disk may hold requests back again: the gate opens. */
    void over() {
        told = false;
        draining(false);
    }

    private void draining(boolean begins) {
        try {
            gate.disk().draining(begins);
        } catch (RuntimeException | Error e) {
            gate.threw(e);
        }
    }

    /** One request fewer is in flight. If it was the last, waits for the end of the disk's own work. */
    void requestEnded() {
        if (drained == null || gate.inFlight() != 0) {
            return;
        }
        if (diskBusy()) {
            loop.schedule(this::requestEnded, BUSY_MILLISECONDS);
            return;
        }
        CompletableFuture<Void> waiting = drained;
        drained = null;
        waiting.complete(null);
    }

    /** Whether the disk does work of its own; one that throws does none. */
    private boolean diskBusy() {
        VirtualDisk disk = gate.disk();
        try {
            return disk != null && disk.busy();
        } catch (RuntimeException | Error e) {
            gate.threw(e);
            return false;
        }
    }
}
