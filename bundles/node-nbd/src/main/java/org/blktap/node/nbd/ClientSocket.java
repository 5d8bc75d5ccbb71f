package org.blktap.node.nbd;

import org.blktap.api.engine.IoLoop;
import org.blktap.linux.Libc;

/**
 * Decides when the socket of a client is read: in each turn while the client is expected to send soon, otherwise when
 * epoll reports it. Loop only.
 */
final class ClientSocket {
    /**
     * The longest time for which the loop polls for a client that is expected to send soon. Sleeping and waking costs
     * about that much latency; the loop does not poll for a client that takes longer on average.
     */
    private static final long MAX_WAIT_NANOS = 60_000;
    /**
     * After so many receptions without a sleep in between, the socket is not watched until the next one: with a watch,
     * the kernel looks for a thread to wake at each send and each reception of the client.
     */
    private static final int BUSY = 64;
    /** SO_SNDBUF: a few large reads, so that the client copies one out while the next comes in. */
    private static final int LARGE_BUFFER = 2 << 20;

    private final IoLoop loop;
    private final int fd;
    private final IoLoop.FdHandler handler;
    private IoLoop.Watch watch;
    private int interest;
    /** Receptions since the loop was last about to sleep. */
    private int receptions;
    /** When something was last received or sent, and how long the client takes, on average, until it sends again. */
    private long lastActive;

    private long averageGap = MAX_WAIT_NANOS;

    /**
     * @param largeBuffer whether the kernel may keep large replies for it
     * @param handler called when epoll reports the socket
     */
    ClientSocket(IoLoop loop, int fd, boolean largeBuffer, IoLoop.FdHandler handler) {
        this.loop = loop;
        this.fd = fd;
        this.handler = handler;
        if (largeBuffer) {
            Sockets.sendBuffer(fd, LARGE_BUFFER);
        }
    }

    int fd() {
        return fd;
    }

    /** Notes that something was received. */
    void received() {
        long now = loop.nanoTime();
        // an average over about eight receptions, in which one long pause does not outweigh the others
        averageGap += (Math.min(now - lastActive, 4 * MAX_WAIT_NANOS) - averageGap) / 8;
        lastActive = now;
        if (++receptions == BUSY) {
            watch(0);
        }
    }

    /** Notes that something was sent. */
    void sent() {
        lastActive = loop.nanoTime();
    }

    /** Whether the client is likely to send something in a moment. */
    boolean expected() {
        return averageGap < MAX_WAIT_NANOS && loop.nanoTime() - lastActive < MAX_WAIT_NANOS;
    }

    /** Has epoll report such events from now on, however busy the client is. */
    void watchAgain(int events) {
        receptions = 0;
        watch(events);
    }

    /**
     * Has epoll report such events. Without any there is no watch at all, since a hang-up would be reported again and
     * again.
     */
    void watch(int events) {
        if (events == interest) {
            return;
        }
        interest = events;
        if (events == 0) {
            watch.close();
            watch = null;
        } else if (watch == null) {
            watch = loop.watch(fd, events, handler);
        } else {
            watch.events(events);
        }
    }

    /** Has epoll report such events no longer. */
    void ignore(int events) {
        watch(interest & ~events);
    }

    void close() {
        watch(0);
        Libc.close(fd);
    }
}
