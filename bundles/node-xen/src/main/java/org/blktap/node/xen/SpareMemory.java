package org.blktap.node.xen;

import org.blktap.api.engine.IoLoop;

/** Frees the memory that a burst of copied requests has taken, once it has not been used for some time. Loop only. */
final class SpareMemory {
    private static final long IDLE_MILLISECONDS = 10_000;

    private final IoLoop loop;
    private final BounceBuffers buffers;
    private final GrantCopies copies;
    private IoLoop.Timer timer;

    SpareMemory(IoLoop loop, BounceBuffers buffers, GrantCopies copies) {
        this.loop = loop;
        this.buffers = buffers;
        this.copies = copies;
    }

    /** Looks later whether there is any, if that is not planned already. */
    void freeLater() {
        if (timer == null && buffers.isLarge()) {
            timer = loop.schedule(this::free, IDLE_MILLISECONDS);
        }
    }

    private void free() {
        timer = null;
        if (!buffers.usedLately()) {
            buffers.trim();
            copies.shrink();
        }
        freeLater();
    }

    /** Frees nothing more: all is freed with the connection. */
    void stop() {
        if (timer != null) {
            timer.cancel();
            timer = null;
        }
    }
}
