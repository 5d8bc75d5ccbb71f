package org.blktap.node.nbd;

import java.lang.System.Logger;
import java.lang.System.Logger.Level;
import java.nio.ByteBuffer;
import org.blktap.api.engine.Errno;
import org.blktap.api.engine.IoLoop;
import org.blktap.api.engine.LoopStage;
import org.blktap.api.memory.NativeMemory;
import org.blktap.linux.Libc;

/**
 * One client in the transmission phase, a stage of the attachment's loop: a turn takes what has arrived by one recv,
 * hands all of it to the disk, and sends all that is answered by one sendmsg.
 *
 * <p>It ends in three steps: it drains (the client has said good-bye: what is in flight is answered), its socket is
 * closed, and, once the disk has given back every request, its memory is freed.
 */
final class NbdConnection implements LoopStage {
    private static final Logger LOG = System.getLogger("org.blktap.node.nbd");

    /**
     * The longest that the loop is kept awake for a client that is expected to send soon. To sleep and be woken costs
     * about that much latency; a client that takes longer on average is not waited for.
     */
    private static final long MAX_WAIT_NANOS = 60_000;
    /**
     * After so many receptions without a sleep in between, the socket is not watched until the next one: with a watch, the
     * kernel looks for somebody to wake at each send and each reception of the client.
     */
    private static final int BUSY = 64;
    /** How long a client that has said good-bye may take to read its last replies. */
    private static final long LINGER_MILLIS = 10_000;
    /** A client that has been idle for so long keeps no buffers. */
    private static final long TRIM_MILLIS = 5_000;
    /** SO_SNDBUF: a few large reads, so that the client copies one out while the next comes in. */
    private static final int SEND_BUFFER = 2 << 20;

    private enum State { OPEN, DRAINING, CLOSED, FREED }

    private final NbdNode node;
    private final IoLoop loop;
    private final int fd;
    private final Receiver receiver;
    private final ReplyQueue replies;
    private final Commands commands;
    private State state = State.OPEN;
    private IoLoop.Watch watch;
    private int interest;
    /** epoll has said that there is something to receive. */
    private boolean readable = true;
    /** Receptions since the loop last was about to sleep. */
    private int receptions;
    /** The next request waits in the receiver: for room, or for the port. */
    private boolean stalled;
    /** What it waits for may have come. */
    private boolean retry;
    /** The socket takes no more replies for now. */
    private boolean blocked;
    /** A write whose payload is on its way. */
    private NbdRequest arriving;
    /** When something was last received or sent, and how long the client takes, on average, until it sends again. */
    private long lastActive;
    private long averageGap = MAX_WAIT_NANOS;
    private boolean activeSinceTrim;
    private IoLoop.Timer trimTimer;
    private IoLoop.Timer lingerTimer;

    /** Takes a socket over. Loop only. */
    NbdConnection(NbdNode node, NativeMemory memory, int fd, Session session, ByteBuffer early) {
        this.node = node;
        this.loop = node.loop();
        this.fd = fd;
        receiver = new Receiver(memory);
        replies = new ReplyQueue(memory);
        commands = new Commands(node.port(), replies, memory, session, this::freed);
        receiver.put(early);
        Sockets.sendBuffer(fd, SEND_BUFFER);
        interest(IoLoop.READABLE);
        loop.addNode(this);
        // what came with the handshake is taken in the first turn
        stalled = true;
        retry = true;
    }

    @Override
    public boolean poll() {
        if (state != State.OPEN) {
            return false;
        }
        if (stalled) {
            if (!retry) {
                return false;
            }
            parse();
            if (stalled || state != State.OPEN) {
                return true;
            }
        }
        if (!readable && !expecting()) {
            // the loop may go on for others: from here on epoll has to tell
            watchAgain();
            return false;
        }
        readable = false;
        long n = receiver.receive(fd);
        if (n > 0) {
            received();
            parse();
            return true;
        }
        if (n == 0) {
            drain();
            return true;
        }
        if (n != -Errno.EAGAIN) {
            closeSocket();
            return true;
        }
        return false;
    }

    /** Whether the client is likely to send something in a moment. */
    private boolean expecting() {
        return state == State.OPEN && !stalled && !blocked && averageGap < MAX_WAIT_NANOS
                && loop.nanoTime() - lastActive < MAX_WAIT_NANOS;
    }

    private void received() {
        long now = loop.nanoTime();
        // an average over the last eight or so, in which one long pause does not outweigh all the others
        averageGap += (Math.min(now - lastActive, 4 * MAX_WAIT_NANOS) - averageGap) / 8;
        lastActive = now;
        activeSinceTrim = true;
        if (++receptions == BUSY) {
            interest(0);
        }
        if (trimTimer == null) {
            trimTimer = loop.schedule(this::trim, TRIM_MILLIS);
        }
    }

    private void trim() {
        trimTimer = null;
        if (state == State.OPEN) {
            if (activeSinceTrim) {
                activeSinceTrim = false;
                trimTimer = loop.schedule(this::trim, TRIM_MILLIS);
            } else {
                commands.trim();
            }
        }
    }

    /** Takes all requests that are here in full and may be taken now. */
    private void parse() {
        stalled = false;
        retry = false;
        while (state == State.OPEN) {
            if (receiver.skipping() || receiver.payloadMissing()) {
                return;
            }
            if (arriving == null && receiver.available() < Nbd.REQUEST_BYTES) {
                return;
            }
            if (!node.port().isOpen()) {
                stalled = true;
                return;
            }
            if (arriving != null) {
                NbdRequest write = arriving;
                arriving = null;
                commands.submit(write);
            } else if (!takeRequest()) {
                return;
            }
        }
    }

    /** Takes one request; false if it must wait. */
    private boolean takeRequest() {
        long at = receiver.address();
        if (Wire.getInt(at) != Nbd.REQUEST_MAGIC) {
            violation("a request with a bad magic");
            return false;
        }
        int command = Wire.getUnsignedShort(at + 6);
        long length = Integer.toUnsignedLong(Wire.getInt(at + 24));
        if (command == Nbd.CMD_WRITE && length > Nbd.MAX_PAYLOAD) {
            violation("a write of " + length + " bytes, more than the " + Nbd.MAX_PAYLOAD + " allowed");
            return false;
        }
        if (command == Nbd.CMD_DISC) {
            drain();
            return false;
        }
        if (!commands.hasRoom(command, length)) {
            stalled = true;
            return false;
        }
        NbdRequest request = commands.decode(at);
        receiver.drop(Nbd.REQUEST_BYTES);
        boolean good = commands.begin(request);
        if (command == Nbd.CMD_WRITE && length > 0) {
            if (good) {
                receiver.payload(request.address, (int) length);
                arriving = request;
            } else {
                receiver.skip((int) length);
            }
        } else if (good) {
            commands.submit(request);
        }
        return true;
    }

    /** A request has been answered in full and is free: one that waits may have room now. */
    private void freed() {
        retry = stalled;
    }

    @Override
    public void flush() {
        if (state == State.OPEN || state == State.DRAINING) {
            if (!replies.isEmpty()) {
                send();
            }
            if (state == State.DRAINING && commands.taken() == 0) {
                closeSocket();
            }
        }
        if (state == State.CLOSED && commands.taken() == 0) {
            free();
        }
    }

    private void send() {
        int error = replies.send(fd);
        commands.releaseSent();
        lastActive = loop.nanoTime();
        blocked = error == Errno.EAGAIN;
        if (error != 0 && !blocked) {
            closeSocket();
        }
    }

    @Override
    public boolean arm() {
        if (retry || expecting()) {
            return true;
        }
        if (state == State.OPEN || state == State.DRAINING) {
            watchAgain();
        }
        return false;
    }

    private void watchAgain() {
        receptions = 0;
        int wanted = state == State.OPEN && !stalled ? IoLoop.READABLE : 0;
        interest(blocked ? wanted | IoLoop.WRITABLE : wanted);
    }

    @Override
    public boolean pollable() {
        return expecting();
    }

    /** Without interest there is no watch at all, since a hang-up would be reported again and again. */
    private void interest(int events) {
        if (events == interest) {
            return;
        }
        interest = events;
        if (events == 0) {
            watch.close();
            watch = null;
        } else if (watch == null) {
            watch = loop.watch(fd, events, this::ready);
        } else {
            watch.events(events);
        }
    }

    private void ready(int events) {
        if (state == State.OPEN && !stalled) {
            readable = true;
            return;
        }
        if ((events & (IoLoop.ERROR | IoLoop.HANG_UP)) != 0) {
            // nobody is left to be answered
            closeSocket();
        } else if ((events & IoLoop.READABLE) != 0) {
            interest(interest & ~IoLoop.READABLE);
        }
    }

    /** The port is open again. */
    void resumed() {
        retry = stalled;
    }

    private void violation(String what) {
        LOG.log(Level.WARNING, node.address() + ": a client sent " + what + "; it is cut off");
        closeSocket();
    }

    /** No more requests: answer those that are here, then close. */
    private void drain() {
        state = State.DRAINING;
        stalled = false;
        retry = false;
        if (arriving != null) {
            commands.abandon(arriving);
            arriving = null;
        }
        lingerTimer = loop.schedule(() -> {
            lingerTimer = null;
            closeSocket();
        }, LINGER_MILLIS);
    }

    private void closeSocket() {
        if (state == State.CLOSED || state == State.FREED) {
            return;
        }
        state = State.CLOSED;
        stalled = false;
        retry = false;
        interest(0);
        if (lingerTimer != null) {
            lingerTimer.cancel();
        }
        if (trimTimer != null) {
            trimTimer.cancel();
        }
        Libc.close(fd);
        if (arriving != null) {
            commands.abandon(arriving);
            arriving = null;
        }
        commands.closed();
    }

    private void free() {
        state = State.FREED;
        loop.remove(this);
        receiver.close();
        replies.close();
        commands.close();
        node.ended(this);
    }

    /** The node ends: what can be said is said, the rest dropped. Nothing is in flight. */
    void shutDown() {
        if (state == State.OPEN || state == State.DRAINING) {
            if (!replies.isEmpty()) {
                send();
            }
            closeSocket();
        }
        if (state == State.CLOSED) {
            if (commands.taken() == 0) {
                free();
            } else {
                LOG.log(Level.ERROR, node.address() + ": closed with " + commands.taken() + " requests in flight");
            }
        }
    }

    @Override
    public String toString() {
        return "NBD client of " + node.address();
    }
}
