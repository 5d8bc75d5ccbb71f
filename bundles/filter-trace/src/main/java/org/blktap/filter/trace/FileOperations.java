package org.blktap.filter.trace;

import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.List;
import org.blktap.api.engine.IoCallback;
import org.blktap.api.engine.LoopStage;
import org.blktap.api.filter.FileWatcher;

/**
 * Measures the file operations of a disk and adds them to the requests that cause them: an operation belongs to the
 * request that is being submitted, or to the request of the operation whose end leads to it. Operations that a disk
 * starts by itself belong to none. As a stage of the loop, this sees when a turn's operations have been submitted. Loop
 * only.
 */
final class FileOperations implements FileWatcher, LoopStage {
    private final ArrayDeque<Measured> free = new ArrayDeque<>();
    /** Operations of this turn. */
    private final List<Measured> fresh = new ArrayList<>();

    private TracedRequest current;

    private final class Measured implements IoCallback {
        private IoCallback done;
        private TracedRequest owner;
        private int use;
        private long begunNanos;
        private long submittedNanos;
        private boolean only;

        @Override
        public void done(int error) {
            IoCallback callback = done;
            TracedRequest of = owner;
            boolean wanted = of.use == use;
            if (wanted) {
                long now = System.nanoTime();
                // operations at the same time wait together: the first one counts
                of.operationEnds(now, only && submittedNanos != 0 ? submittedNanos - begunNanos : 0);
            }
            done = null;
            owner = null;
            free.push(this);
            TracedRequest outer = current;
            current = wanted ? of : null;
            try {
                callback.done(error);
            } finally {
                current = outer;
            }
        }
    }

    /** Sets the request to which operations belong from now on. Returns the previous one. */
    TracedRequest enter(TracedRequest request) {
        TracedRequest outer = current;
        current = request;
        return outer;
    }

    /** Called when a request has ended. */
    void ended(TracedRequest request) {
        request.use++;
        if (current == request) {
            current = null;
        }
    }

    @Override
    public IoCallback begins(IoCallback done) {
        if (current == null) {
            return done;
        }
        Measured operation = free.isEmpty() ? new Measured() : free.pop();
        operation.done = done;
        operation.owner = current;
        operation.use = current.use;
        operation.begunNanos = System.nanoTime();
        operation.submittedNanos = 0;
        operation.only = current.operationBegins(operation.begunNanos);
        fresh.add(operation);
        return operation;
    }

    @Override
    public boolean poll() {
        return false;
    }

    @Override
    public void flush() {
        if (fresh.isEmpty()) {
            return;
        }
        long now = System.nanoTime();
        for (int i = 0; i < fresh.size(); i++) {
            if (fresh.get(i).owner != null && fresh.get(i).submittedNanos == 0) {
                fresh.get(i).submittedNanos = now;
            }
        }
        fresh.clear();
    }

    @Override
    public boolean arm() {
        return false;
    }
}
