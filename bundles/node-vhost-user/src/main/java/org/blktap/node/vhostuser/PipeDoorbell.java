package org.blktap.node.vhostuser;

import java.util.concurrent.atomic.AtomicBoolean;
import org.blktap.api.memory.Memory;
import org.blktap.linux.Libc;
import org.blktap.linux.Mapping;

/**
 * A doorbell that is a pipe. The node's own thread writes to it, because readers can hold the pipe's lock for as long
 * as they like. They can also clear O_NONBLOCK of the descriptor, so the pipe is opened anew. If the pipe is full, its
 * reader wakes up anyway.
 */
final class PipeDoorbell implements Doorbell, Runnable {
    private final BlockingCalls calls;
    private final Mapping message = Mapping.anonymous(Long.BYTES);
    private final int bytes;
    private final AtomicBoolean asked = new AtomicBoolean();
    /** Descriptor of this side's own open file, or -1; used by the thread only. */
    private int own = -1;

    /** @param content the first bytes of the message of up to 16 bytes, whose others are zero */
    PipeDoorbell(int fd, BlockingCalls calls, int bytes, long content) {
        this.calls = calls;
        this.bytes = bytes;
        Memory.putLong(message.address(), content);
        calls.execute(() -> {
            own = Libc.open("/proc/self/fd/" + fd, Libc.O_WRONLY | Libc.O_NONBLOCK | Libc.O_CLOEXEC, 0);
            Libc.close(fd);
        });
    }

    @Override
    public void ring() {
        if (asked.compareAndSet(false, true)) {
            calls.execute(this);
        }
    }

    @Override
    public void run() {
        asked.set(false);
        if (own >= 0) {
            Libc.write(own, message.address(), bytes);
        }
    }

    @Override
    public void close() {
        calls.execute(() -> {
            if (own >= 0) {
                Libc.close(own);
            }
            message.close();
        });
    }
}
