package org.blktap.client.nbd;

import org.blktap.api.disk.Operation;
import org.blktap.api.disk.Request;

/**
 * Finds requests that must not run at once: a write of part of a block reads the block first, and must not undo what
 * another has changed.
 */
final class Overlaps {
    private final BlockSizes sizes;

    Overlaps(BlockSizes sizes) {
        this.sizes = sizes;
    }

    boolean conflict(Request a, Request b) {
        return a.operation().changes()
                && b.operation().changes()
                && (partial(a) || partial(b))
                && sizes.down(a.offset()) < sizes.up(b.offset() + b.length())
                && sizes.down(b.offset()) < sizes.up(a.offset() + a.length());
    }

    private boolean partial(Request request) {
        return request.operation() != Operation.DISCARD
                && (sizes.down(request.offset()) != request.offset()
                        || sizes.down(request.length()) != request.length());
    }
}
