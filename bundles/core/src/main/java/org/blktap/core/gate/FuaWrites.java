package org.blktap.core.gate;

import org.blktap.api.disk.Operation;
import org.blktap.api.disk.Request;

/**
 * Writes that must survive power loss before they are answered: they have ended at the disk and wait for a flush. All
 * that wait when a flush starts share it. Loop only.
 */
final class FuaWrites implements Request.Completion {
    private final Gate gate;
    private GateRequest flush = GateRequest.own(this, 0);
    private GateRequest waiting;
    private GateRequest flushing;
    private boolean busy;

    FuaWrites(Gate gate) {
        this.gate = gate;
    }

    /** Whether the flag means anything for the operation. */
    static boolean applies(Request request) {
        return request.operation().changes();
    }

    void add(GateRequest ended) {
        ended.next(waiting);
        waiting = ended;
        start();
    }

    private void start() {
        if (!busy && waiting != null) {
            busy = true;
            flushing = waiting;
            waiting = null;
            GateRequest submitted = flush;
            submitted.set(Operation.FLUSH, 0, 0, 0);
            if (!gate.flushToDisk(submitted)) {
                flush = GateRequest.own(this, 0);
            }
        }
    }

    @Override
    public void completed(Request request) {
        // read once: an owner may write again when its request completes, and that starts the next flush with this
        // request
        int error = request.error();
        GateRequest each = flushing;
        flushing = null;
        busy = false;
        while (each != null) {
            GateRequest next = each.next();
            each.next(null);
            gate.settled(each, error);
            each = next;
        }
        start();
    }
}
