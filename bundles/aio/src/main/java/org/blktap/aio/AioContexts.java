package org.blktap.aio;

import java.io.IOException;
import java.util.ArrayDeque;
import org.blktap.api.engine.Errno;
import org.blktap.api.engine.ErrnoException;
import org.blktap.api.memory.Memory;
import org.blktap.linux.LibAio;
import org.blktap.linux.Mapping;

/**
 * Contexts of libaio in the kernel. Destroying one takes about 50 ms, because the kernel waits until no processor can
 * access it; so the context of a closed queue is given to the next queue that is opened. A context is named by the
 * address of its ring.
 */
final class AioContexts {
    /** Most contexts that are kept; each counts against fs.aio-max-nr. */
    private static final int MOST = 8;

    private final ArrayDeque<Long> idle = new ArrayDeque<>();
    private boolean closed;

    /** Returns an empty context for {@link LibaioQueue#DEPTH} operations. */
    long take() throws IOException {
        synchronized (this) {
            Long context = idle.poll();
            if (context != null) {
                return context;
            }
        }
        try (Mapping memory = Mapping.anonymous(Long.BYTES)) {
            int error = -LibAio.io_setup(LibaioQueue.DEPTH, memory.address());
            if (error != 0) {
                throw new ErrnoException(
                        error,
                        "cannot set up asynchronous I/O: "
                                + (error == Errno.EAGAIN
                                        ? "the system's limit is reached; raise fs.aio-max-nr"
                                        : Errno.text(error)));
            }
            long context = Memory.getLong(memory.address());
            if (Memory.getInt(context + LibAio.RING_MAGIC) != LibAio.AIO_RING_MAGIC) {
                LibAio.io_destroy(context);
                throw new ErrnoException(Errno.EOPNOTSUPP, "this kernel's completion ring has an unknown layout");
            }
            return context;
        }
    }

    /** Takes back a context that has no operation in the kernel and no event in its ring. */
    void giveBack(long context) {
        synchronized (this) {
            if (!closed && idle.size() < MOST) {
                idle.push(context);
                return;
            }
        }
        LibAio.io_destroy(context);
    }

    /** Destroys the kept contexts; no queue is opened afterwards. */
    synchronized void close() {
        closed = true;
        idle.forEach(LibAio::io_destroy);
        idle.clear();
    }
}
