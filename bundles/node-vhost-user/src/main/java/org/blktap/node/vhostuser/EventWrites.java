package org.blktap.node.vhostuser;

import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLong;
import org.blktap.linux.Libc;

/**
 * Writes to one client's eventfds, from its loop. A write blocks if the counter is full and the client has cleared
 * O_NONBLOCK, which it can do between any check and the write; Linux has no write to an eventfd that never blocks. So
 * {@link StuckWrites} frees a write that does not return, by emptying the counter; the caller then disconnects the
 * client.
 */
final class EventWrites {
    private static final int IDLE = -1;
    private static final int DRAINING = -2;

    /** The descriptor being written to. */
    private final AtomicInteger writing = new AtomicInteger(IDLE);

    private final AtomicLong count = new AtomicLong();
    private volatile boolean freed;
    /** The count at the last check, if a write was under way then. */
    private long seen = -1;

    /** Writes eight bytes; false if the write blocked and had to be freed. Loop only. */
    boolean write(int fd, long eight) {
        // without fences: the other thread looks much later
        count.lazySet(count.getPlain() + 1);
        writing.lazySet(fd);
        try {
            Libc.write(fd, eight, Long.BYTES);
        } finally {
            while (!writing.compareAndSet(fd, IDLE)) {
                Thread.onSpinWait();
            }
        }
        return !freed;
    }

    /** Frees a write that was already under way at the last check. One thread, not the loop. */
    void look(long iovec) {
        int fd = writing.get();
        long now = count.get();
        if (fd < 0 || now != seen) {
            seen = fd < 0 ? -1 : now;
            return;
        }
        // while this holds, the loop does not return from write, and cannot close the descriptor
        if (!writing.compareAndSet(fd, DRAINING)) {
            return;
        }
        if (count.get() == now) {
            freed = true;
            Libc.preadv2(fd, iovec, 1, -1, Libc.RWF_NOWAIT);
        }
        writing.set(fd);
    }
}
