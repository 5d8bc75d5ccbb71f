package org.blktap.linux;

import java.util.function.Consumer;
import org.blktap.api.engine.Errno;
import org.blktap.api.engine.IoLoop.FdHandler;
import org.blktap.api.engine.IoLoop.Watch;
import org.blktap.api.memory.Alignment;
import org.blktap.api.memory.Memory;

/**
 * An epoll descriptor with its handlers, and an eventfd to end its wait. {@link #wake} from any thread, the rest on
 * one.
 */
final class EpollSet implements AutoCloseable {
    private static final int BATCH = 64;
    /** {@code struct epoll_event} is packed on x86-64 only (sys/epoll.h). */
    private static final int EVENT_BYTES = Processor.X86_64 ? 12 : 16;

    private static final int DATA_OFFSET = Processor.X86_64 ? 4 : 8;

    private final int epfd;
    private final int wakeFd;
    private final Mapping memory = Mapping.anonymous(Alignment.PAGE);
    /** One event for epoll_ctl, the batch that epoll_wait fills, and eight bytes for the eventfd. */
    private final long event = memory.address();

    private final long batch = memory.address() + 64;
    private final long wakeValue = memory.address() + 2048;
    private final long drained = memory.address() + 2056;
    private FdWatch[] watches = new FdWatch[16];
    private boolean closed;
    private final Consumer<InternalError> memoryGone;

    /** @param memoryGone called when an access to memory that a VM has truncated is reported at a call */
    EpollSet(Consumer<InternalError> memoryGone) {
        this.memoryGone = memoryGone;
        epfd = Libc.epoll_create1(Libc.EPOLL_CLOEXEC);
        wakeFd = Libc.eventfd(0, Libc.EFD_CLOEXEC | Libc.EFD_NONBLOCK);
        if (epfd < 0 || wakeFd < 0) {
            throw new IllegalStateException("cannot make an epoll descriptor: " + Errno.text(Libc.errno()));
        }
        Memory.putLong(wakeValue, 1);
        watch(wakeFd, org.blktap.api.engine.IoLoop.READABLE, events -> Libc.read(wakeFd, drained, 8));
    }

    private final class FdWatch implements Watch {
        private final int fd;
        private final int slot;
        private final FdHandler handler;
        private boolean open = true;

        FdWatch(int fd, int slot, FdHandler handler) {
            this.fd = fd;
            this.slot = slot;
            this.handler = handler;
        }

        @Override
        public void events(int events) {
            if (open) {
                control(Libc.EPOLL_CTL_MOD, fd, events, slot);
            }
        }

        @Override
        public void close() {
            if (open) {
                open = false;
                control(Libc.EPOLL_CTL_DEL, fd, 0, slot);
                watches[slot] = null;
            }
        }
    }

    Watch watch(int fd, int events, FdHandler handler) {
        int slot = 0;
        while (slot < watches.length && watches[slot] != null) {
            slot++;
        }
        if (slot == watches.length) {
            watches = java.util.Arrays.copyOf(watches, slot * 2);
        }
        FdWatch watch = new FdWatch(fd, slot, handler);
        watches[slot] = watch;
        control(Libc.EPOLL_CTL_ADD, fd, events, slot);
        return watch;
    }

    private void control(int operation, int fd, int events, int slot) {
        Memory.putInt(event, events);
        // the data includes the descriptor, to recognise an event of a closed watch whose slot is in use again
        Memory.putLong(event + DATA_OFFSET, (long) fd << 32 | slot);
        if (Libc.epoll_ctl(epfd, operation, fd, event) != 0 && operation == Libc.EPOLL_CTL_ADD) {
            watches[slot] = null;
            throw new IllegalStateException("cannot watch descriptor " + fd + ": " + Errno.text(Libc.errno()));
        }
    }

    /** Waits for events (-1: for ever). Returns their number; not positive if there is none. */
    int await(int milliseconds) {
        try {
            return Libc.epoll_wait(epfd, batch, BATCH, milliseconds);
        } catch (InternalError e) {
            memoryGone.accept(e);
            return 0;
        }
    }

    /** Calls the handlers of the events that {@link #await} has found. Returns their number. */
    int handle(int n) {
        try {
            for (int i = 0; i < n; i++) {
                long at = batch + (long) i * EVENT_BYTES;
                long data = Memory.getLong(at + DATA_OFFSET);
                FdWatch watch = watches[(int) data];
                if (watch != null && watch.fd == (int) (data >>> 32)) {
                    watch.handler.ready(Memory.getInt(at));
                }
            }
        } catch (InternalError e) {
            memoryGone.accept(e);
        }
        return n;
    }

    /** Ends a wait that is under way, or the next one. */
    synchronized void wake() {
        if (!closed) {
            Libc.write(wakeFd, wakeValue, 8);
        }
    }

    @Override
    public synchronized void close() {
        closed = true;
        Libc.close(epfd);
        Libc.close(wakeFd);
        memory.close();
    }
}
