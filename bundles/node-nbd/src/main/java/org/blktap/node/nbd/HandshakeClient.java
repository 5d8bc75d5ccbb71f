package org.blktap.node.nbd;

import java.lang.System.Logger.Level;
import java.nio.ByteBuffer;
import org.blktap.api.disk.LimitedLog;
import org.blktap.api.engine.Errno;
import org.blktap.api.engine.IoLoop;
import org.blktap.api.memory.NativeBuffer;
import org.blktap.api.nbd.Nbd;
import org.blktap.linux.Libc;

/** One client in its handshake, on the server's control loop: moves bytes between its socket and {@link Handshake}. */
final class HandshakeClient {
    /** What comes of a client: exactly one of the two is called, once. */
    interface Outcome {
        /**
         * Called when it enters the transmission; the callee then owns the socket and the bytes that came too early.
         */
        void transmission(HandshakeClient client, int fd, Session session, ByteBuffer early);

        /** Called when it has disconnected and its socket is closed. */
        void gone(HandshakeClient client);
    }

    private final int fd;
    private final NativeBuffer scratch;
    private final ByteBuffer scratchBytes;
    private final String listener;
    private final Outcome outcome;
    private final Handshake handshake;
    private final Output out = new Output();
    private final ByteBuffer in = ByteBuffer.allocate(Nbd.OPTION_HEADER_BYTES + Handshake.MAX_OPTION);
    private final LimitedLog log;
    private final long start = System.nanoTime();
    private final IoLoop.Watch watch;
    private final IoLoop.Timer timer;
    private Handshake.State state = Handshake.State.MORE;
    private boolean ended;

    /**
     * @param listener its name, for logs
     * @param scratch native memory that all clients of the loop share for moving bytes
     */
    HandshakeClient(
            IoLoop loop,
            int fd,
            String listener,
            Catalogue catalogue,
            NativeBuffer scratch,
            long timeoutMillis,
            LimitedLog log,
            Outcome outcome) {
        this.fd = fd;
        this.listener = listener;
        this.scratch = scratch;
        this.scratchBytes = scratch.bytes();
        this.outcome = outcome;
        this.log = log;
        handshake = new Handshake(catalogue);
        watch = loop.watch(fd, IoLoop.READABLE, this::ready);
        timer = loop.schedule(this::expired, timeoutMillis);
    }

    /** The server speaks first. */
    void start() {
        handshake.greet(out);
        send();
    }

    /** How long it has been here. */
    long ageMillis() {
        return (System.nanoTime() - start) / 1_000_000;
    }

    private void ready(int events) {
        try {
            go();
        } catch (RuntimeException | Error e) {
            log.log(Level.ERROR, listener + ": a client is cut off after an internal error", e);
            close();
        }
    }

    private void go() {
        // one recv for each time it is ready: others have their turn, whatever this one sends
        if (!send()) {
            return;
        }
        if (receive()) {
            step();
        }
    }

    /** Takes what is here message by message; the next one only once the answer to the last is out. */
    private void step() {
        while (!ended) {
            if (!send()) {
                return;
            }
            switch (state) {
                case TRANSMISSION -> handOver();
                case GOODBYE -> close();
                case FAULT -> {
                    log.log(Level.INFO, listener + ": a client sent " + handshake.fault() + "; it is cut off");
                    close();
                }
                default -> {
                    in.flip();
                    state = handshake.advance(in, out);
                    in.compact();
                    if (state == Handshake.State.MORE) {
                        return;
                    }
                }
            }
        }
    }

    /** True if all output has been sent. */
    private boolean send() {
        while (!ended && !out.isEmpty()) {
            int length = out.peek(scratchBytes.clear());
            long n = Libc.send(fd, scratch.address(), length, Libc.MSG_DONTWAIT | Libc.MSG_NOSIGNAL);
            if (n >= 0) {
                out.drop((int) n);
                if (out.isEmpty()) {
                    watch.events(IoLoop.READABLE);
                }
            } else if (Libc.errno() == Errno.EAGAIN) {
                watch.events(IoLoop.WRITABLE);
                return false;
            } else if (Libc.errno() != Errno.EINTR) {
                close();
            }
        }
        return !ended;
    }

    private boolean receive() {
        // messages that are here already come first
        if (!in.hasRemaining()) {
            return true;
        }
        long n = Libc.recv(fd, scratch.address(), Math.min(in.remaining(), scratch.size()), Libc.MSG_DONTWAIT);
        if (n > 0) {
            in.put(scratchBytes.clear().limit((int) n));
            return true;
        }
        int error = n == 0 ? 0 : Libc.errno();
        if (error != Errno.EAGAIN && error != Errno.EINTR) {
            close();
            return false;
        }
        return true;
    }

    private void handOver() {
        end();
        outcome.transmission(
                this, fd, handshake.session(), ByteBuffer.wrap(java.util.Arrays.copyOf(in.array(), in.position())));
    }

    private void expired() {
        log.log(Level.INFO, listener + ": a client has not finished its handshake in time; it is cut off");
        close();
    }

    /** Cuts the client off. */
    void close() {
        if (!ended) {
            end();
            Libc.close(fd);
            outcome.gone(this);
        }
    }

    private void end() {
        ended = true;
        timer.cancel();
        watch.close();
    }
}
