package org.blktap.api.filter;

import org.blktap.api.disk.Operation;
import org.blktap.api.disk.Request;

/**
 * A request of a filter to the disk below in place of one from above. A filter makes as many as are in flight at once
 * and reuses them. It extends this class for fields of its own.
 *
 * <pre>{@code
 * public void submit(Request request) {
 *     Substitute substitute = free.isEmpty() ? new Substitute(this::ended) : free.pop();
 *     below().submit(substitute.of(request));
 * }
 *
 * private void ended(Request ended) {
 *     Request original = ((Substitute) ended).release();
 *     free.push((Substitute) ended);
 *     original.complete(ended.error());
 * }
 * }</pre>
 *
 * Loop only.
 */
public class Substitute extends Request {
    private Request original;

    /** @param completion called with this request each time it completes */
    public Substitute(Completion completion) {
        super(completion, 4);
    }

    /** Takes the place of a request: same operation, range, flags and memory. */
    public final Substitute of(Request request) {
        return of(request, request.offset());
    }

    /** Like {@link #of(Request)}, at another offset on the disk below. */
    public final Substitute of(Request request, long offset) {
        original = request;
        takenNanos(request.takenNanos());
        data().clear();
        if (request.operation() == Operation.MAP) {
            if (request.has(Request.DEPTH_ONLY)) {
                setDepthMap(offset, request.length(), request.extents());
            } else {
                setMap(offset, request.length(), request.extents(), request.context());
            }
        } else {
            if (request.operation() == Operation.READ || request.operation() == Operation.WRITE) {
                data().addSlice(request.data(), 0, request.length());
            }
            set(request.operation(), offset, request.length(), request.flags());
        }
        return this;
    }

    /** The request that this one stands for. */
    public final Request original() {
        return original;
    }

    /**
     * Returns the original, with {@link #zeros} of a sparse read, and forgets it. The caller may use this request
     * again, and completes the original last, because its owner may submit it again at once.
     */
    public final Request release() {
        Request released = original;
        original = null;
        if (zeros()) {
            released.markZeros();
        }
        return released;
    }
}
