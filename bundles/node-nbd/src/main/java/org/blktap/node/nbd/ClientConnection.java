package org.blktap.node.nbd;

import java.lang.System.Logger;
import java.lang.System.Logger.Level;
import org.blktap.api.engine.Errno;
import org.blktap.api.engine.IoLoop;
import org.blktap.api.engine.LoopStage;
import org.blktap.api.nbd.Nbd;
import org.blktap.api.node.Quota;

/**
 * One client in the transmission phase, a stage of the attachment's loop: a turn takes what has arrived by one recv,
 * hands all of it to the disk, and sends all that is answered by one sendmsg.
 *
 * <p>It ends in three steps: when the client says good-bye, the requests in flight are answered; then the socket is
 * closed; and when the disk has completed every request, the memory is freed.
 */
final class ClientConnection implements LoopStage, Commands.Owner {
    private static final Logger LOG = System.getLogger("org.blktap.node.nbd");

    /** How long a client that has said good-bye may take to read its last replies. */
    private static final long LINGER_MILLIS = 10_000;
    /** Most buffers of a client that does not read its replies; where buffers are short, none. */
    private static final long BLOCKED_BYTES = 8 << 20;

    private enum State {
        OPEN,
        DRAINING,
        CLOSED,
        FREED
    }

    private final NbdNode node;
    private final IoLoop loop;
    private final ClientSocket socket;
    private final Transport transport;
    private final RequestHeader header;
    private final Receiver receiver;
    private final ReplyQueue replies;
    private final Commands commands;
    private final Quota.Share place;
    private final ClientProgress progress = new ClientProgress();
    private State state = State.OPEN;
    /** epoll has said that there is something to receive. */
    private boolean readable = true;
    /** A write whose payload is on its way. */
    private NbdRequest arriving;

    private IoLoop.Timer lingerTimer;

    /**
     * @param receiver with what came with the handshake
     * @param arrival owned, unless this throws
     * @param largeBuffer whether the kernel may keep large replies for it
     * @param place that it takes until it ends
     */
    ClientConnection(
            NbdNode node,
            Receiver receiver,
            ReplyQueue replies,
            Arrival arrival,
            boolean largeBuffer,
            Quota.Share place) {
        this.node = node;
        this.loop = node.loop();
        socket = new ClientSocket(loop, arrival.fd(), largeBuffer, this::ready);
        transport = arrival.transport();
        this.receiver = receiver;
        this.replies = replies;
        this.place = place;
        header = new RequestHeader(arrival.session().framing());
        commands = new Commands(node.port(), replies, node.buffers(), node.extentLists(), arrival.session(), this);
        socket.watch(IoLoop.READABLE);
        loop.addNode(this);
        // what came with the handshake is taken in the first turn
        progress.stall();
        progress.wake();
    }

    @Override
    public boolean poll() {
        try {
            return commands.goOn() | take();
        } catch (RuntimeException | Error e) {
            failed(e);
            return true;
        }
    }

    private boolean take() {
        if (state != State.OPEN) {
            return false;
        }
        if (progress.stalled()) {
            if (!progress.retry()) {
                return false;
            }
            parse();
            if (progress.stalled() || state != State.OPEN) {
                return true;
            }
        }
        if (!readable && !transport.hasInput() && !expecting()) {
            // the loop serves others now: from here on epoll reports when to continue
            watchAgain();
            return false;
        }
        readable = false;
        long n = receiver.receive(transport);
        if (n > 0) {
            progress.received(n);
            socket.received();
            node.active();
            parse();
            return true;
        }
        if (n == 0) {
            drain();
            return true;
        }
        if (transport.fault() != null) {
            violation(transport.fault());
        } else if (n != -Errno.EAGAIN) {
            closeSocket();
        }
        return n != -Errno.EAGAIN;
    }

    /** Whether the client is likely to send something in a moment. */
    private boolean expecting() {
        return state == State.OPEN && !progress.stalled() && !progress.blocked() && socket.expected();
    }

    /** Takes all requests that are here in full and may be taken now. */
    private void parse() {
        progress.reset();
        while (state == State.OPEN) {
            if (receiver.skipping() || receiver.payloadMissing()) {
                return;
            }
            if (arriving == null && receiver.available() < header.bytes()) {
                return;
            }
            if (!node.port().isOpen()) {
                progress.stall();
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
        String wrong = header.read(receiver.address()) ? header.violation() : "a request with a bad magic";
        if (wrong != null) {
            violation(wrong);
            return false;
        }
        if (header.command == Nbd.CMD_DISC) {
            drain();
            return false;
        }
        if (progress.blocked() && commands.charged() >= (node.starvation().isThere() ? 1 : BLOCKED_BYTES)) {
            // until the socket takes its replies
            progress.stall();
            return false;
        }
        Commands.Room room = commands.room(header);
        if (room != Commands.Room.YES) {
            if (room == Commands.Room.OWN) {
                progress.stall();
            } else {
                progress.starve();
                node.starvation().begins();
            }
            return false;
        }
        NbdRequest request = commands.decode(header);
        receiver.drop(header.bytes());
        boolean good = commands.begin(request);
        if (header.hasPayload() && header.length > 0) {
            // of a command other than WRITE it is of no use, and the request is refused
            if (good) {
                receiver.payload(request.address, (int) header.length);
                arriving = request;
            } else {
                receiver.skip((int) header.length);
            }
        } else if (good) {
            commands.submit(request);
        }
        return true;
    }

    /** A request has been answered in full and is free: one that waits may have room now. */
    @Override
    public void freed() {
        progress.wake();
        node.starvation().roomFreed();
    }

    ClientProgress progress() {
        return progress;
    }

    /** Whether it waits for buffers through no fault of its own. */
    boolean starves() {
        return state == State.OPEN && progress.starves();
    }

    /** Whether it has buffers, and what frees them must come from the client. */
    boolean holdsUp() {
        return (state == State.OPEN || state == State.DRAINING)
                && commands.charged() > 0
                && (progress.blocked() || arriving != null);
    }

    /** Bytes of buffers that it has. */
    long held() {
        return commands.charged();
    }

    void endAsStuck() {
        node.log().log(
                Level.WARNING,
                node.address() + ": a client keeps " + held() + " bytes of buffers without "
                        + (arriving != null ? "sending its data" : "taking its replies")
                        + " while others wait for some; it is cut off");
        closeSocket();
    }

    /** A bug ends its own client only. */
    @Override
    public void failed(Throwable e) {
        if (state == State.OPEN || state == State.DRAINING) {
            node.log().log(Level.ERROR, node.address() + ": a client is cut off after an internal error", e);
        }
        closeSocket();
    }

    @Override
    public void flush() {
        try {
            sendAndEnd();
        } catch (RuntimeException | Error e) {
            failed(e);
        }
    }

    private void sendAndEnd() {
        if (state == State.OPEN || state == State.DRAINING) {
            if (!replies.isEmpty() || transport.hasOutput()) {
                send();
            }
            if (state == State.DRAINING && commands.taken() == 0 && !transport.hasOutput()) {
                closeSocket();
            }
        }
        if (state == State.CLOSED) {
            freeIfQuiet();
        }
    }

    /** Frees all once nothing of it is at the disk. */
    private void freeIfQuiet() {
        if (commands.taken() > 0) {
            commands.withdraw();
        }
        if (commands.taken() == 0) {
            free();
        }
    }

    private void send() {
        long before = replies.sentBytes();
        int error = replies.isEmpty() ? -transport.flush() : replies.send(transport);
        boolean full = error == Errno.EAGAIN || error == 0 && transport.hasOutput();
        commands.releaseSent();
        socket.sent();
        progress.sent(replies.sentBytes() - before, full);
        if (error != 0 && !full) {
            closeSocket();
        }
    }

    @Override
    public boolean arm() {
        boolean taking = state == State.OPEN && !progress.stalled();
        // what the transport has here is not reported by epoll
        if (progress.retry() || expecting() || commands.mayGoOn() || taking && transport.hasInput()) {
            return true;
        }
        if (state == State.OPEN || state == State.DRAINING) {
            watchAgain();
        }
        return false;
    }

    private void watchAgain() {
        // a client that waits for the port or for room may go meanwhile, and its requests may be held as long as it
        // takes
        boolean listens = !progress.stalled() && transport.takesInput();
        int wanted = state != State.OPEN ? 0 : listens ? IoLoop.READABLE : IoLoop.HANG_UP;
        socket.watchAgain(progress.blocked() ? wanted | IoLoop.WRITABLE : wanted);
    }

    @Override
    public boolean pollable() {
        return expecting();
    }

    private void ready(int events) {
        try {
            look(events);
        } catch (RuntimeException | Error e) {
            failed(e);
        }
    }

    private void look(int events) {
        if (state == State.OPEN && !progress.stalled()) {
            readable = true;
            return;
        }
        if ((events & (IoLoop.ERROR | IoLoop.HANG_UP)) != 0) {
            // the client is gone
            closeSocket();
        } else if ((events & IoLoop.READABLE) != 0) {
            socket.ignore(IoLoop.READABLE);
        }
    }

    /** The port is open again. */
    void resumed() {
        progress.wake();
    }

    private void violation(String what) {
        node.log().log(Level.WARNING, node.address() + ": a client sent " + what + "; it is cut off");
        closeSocket();
    }

    /** No more requests: answer those that are here, then close. */
    private void drain() {
        state = State.DRAINING;
        progress.reset();
        if (arriving != null) {
            commands.abandon(arriving);
            arriving = null;
        }
        lingerTimer = loop.schedule(
                () -> {
                    lingerTimer = null;
                    closeSocket();
                },
                LINGER_MILLIS);
    }

    private void closeSocket() {
        if (state == State.CLOSED || state == State.FREED) {
            return;
        }
        state = State.CLOSED;
        progress.reset();
        if (lingerTimer != null) {
            lingerTimer.cancel();
        }
        transport.close();
        socket.close();
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
        node.ended(this);
        place.give(1);
    }

    /** Closes when the node ends: sends what the socket takes, drops the rest. Nothing is in flight. */
    void shutDown() {
        if (state == State.OPEN || state == State.DRAINING) {
            if (!replies.isEmpty()) {
                send();
            }
            closeSocket();
        }
        if (state == State.CLOSED) {
            freeIfQuiet();
        }
        if (state == State.CLOSED) {
            LOG.log(Level.ERROR, node.address() + ": closed with " + commands.taken() + " requests in flight");
        }
    }

    @Override
    public String toString() {
        return "NBD client of " + node.address();
    }
}
