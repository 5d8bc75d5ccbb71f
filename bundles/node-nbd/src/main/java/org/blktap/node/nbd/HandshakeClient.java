package org.blktap.node.nbd;

import java.lang.System.Logger.Level;
import java.nio.ByteBuffer;
import java.util.function.Supplier;
import javax.net.ssl.SSLEngine;
import javax.net.ssl.SSLPeerUnverifiedException;
import org.blktap.api.disk.LimitedLog;
import org.blktap.api.engine.Errno;
import org.blktap.api.engine.IoLoop;
import org.blktap.api.memory.NativeBuffer;
import org.blktap.api.nbd.Nbd;
import org.blktap.linux.Libc;
import org.blktap.tls.TlsRecords;

/**
 * One client in its handshake, on the server's control loop: moves bytes between its socket and {@link Handshake}, with
 * TLS between them once the client has started it. What takes time of TLS runs on a helper thread, and nothing is read
 * meanwhile. One time limit covers all of it.
 */
final class HandshakeClient {
    /** What comes of a client: exactly one of the two is called, once. */
    interface Outcome {
        /** Called when it enters the transmission; the callee then owns the arrival. */
        void transmission(HandshakeClient client, Arrival arrival);

        /** Called when it has disconnected and its socket is closed. */
        void gone(HandshakeClient client);
    }

    /** Receives in one turn of the loop by which records that are here already are taken. */
    private static final int RECEIVES = 4;

    private static final int MESSAGE = Nbd.OPTION_HEADER_BYTES + Handshake.MAX_OPTION;

    private final IoLoop loop;
    private final int fd;
    private final NativeBuffer scratch;
    private final ByteBuffer scratchBytes;
    private final String listener;
    private final Supplier<Supplier<SSLEngine>> engines;
    private final Outcome outcome;
    private final ClientView view;
    private final Handshake handshake;
    private final Output out = new Output();
    private ByteBuffer in = ByteBuffer.allocate(MESSAGE);
    private final LimitedLog log;
    private final long start = System.nanoTime();
    private final IoLoop.Watch watch;
    private final IoLoop.Timer timer;
    private Handshake.State state = Handshake.State.MORE;
    /** Null until the client has started TLS. */
    private TlsTransport tls;
    /** Whether TLS is ready to carry options. */
    private boolean secure;
    /** A helper thread works for this client. */
    private boolean away;

    private boolean ended;
    private boolean released;
    /** Goes on in a later turn with records that are here. */
    private boolean again;

    /**
     * @param listener its name, for logs
     * @param scratch native memory that all clients of the loop share for moving bytes
     * @param engines gives what makes an engine, on a helper thread, for a client that starts TLS
     */
    HandshakeClient(
            IoLoop loop,
            int fd,
            String listener,
            ClientView view,
            NativeBuffer scratch,
            long timeoutMillis,
            LimitedLog log,
            Supplier<Supplier<SSLEngine>> engines,
            Outcome outcome) {
        this.loop = loop;
        this.fd = fd;
        this.listener = listener;
        this.scratch = scratch;
        this.scratchBytes = scratch.bytes();
        this.engines = engines;
        this.outcome = outcome;
        this.log = log;
        this.view = view;
        handshake = new Handshake(view);
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
        if (away) {
            if ((events & (IoLoop.ERROR | IoLoop.HANG_UP)) != 0) {
                close();
            }
            return;
        }
        guarded(this::go);
    }

    private void guarded(Runnable step) {
        try {
            step.run();
        } catch (RuntimeException | Error e) {
            log.log(Level.ERROR, listener + ": a client is cut off after an internal error", e);
            close();
        }
    }

    private void go() {
        if (tls != null && !secure) {
            shake(true);
            return;
        }
        // one recv for each time it is ready: others have their turn, whatever this one sends
        if (!send()) {
            return;
        }
        if (state == Handshake.State.UPGRADE || receive()) {
            step();
        }
        // records that are here already are not reported by epoll; a client that sends empty ones has no more than its
        // turn
        for (int i = 0; i < RECEIVES && hasRecords(); i++) {
            if (!receive()) {
                return;
            }
            step();
        }
        if (hasRecords() && !again) {
            again = true;
            loop.execute(() -> {
                again = false;
                if (!ended) {
                    guarded(this::go);
                }
            });
        }
    }

    private boolean hasRecords() {
        return !ended && secure && state == Handshake.State.MORE && out.isEmpty() && tls.hasInput();
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
                case FAULT -> fault(handshake.fault());
                case UPGRADE -> {
                    upgrade();
                    return;
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

    private void fault(String what) {
        log.log(Level.INFO, listener + ": a client sent " + what + "; it is cut off");
        close();
    }

    // ---- TLS

    private void upgrade() {
        if (in.position() > 0) {
            // it would be taken for what the client says by TLS, whoever has sent it
            fault("data behind STARTTLS");
            return;
        }
        Supplier<SSLEngine> engine = engines.get();
        SSLEngine[] made = {null};
        help(
                () -> {
                    made[0] = engine.get();
                    return 0;
                },
                () -> {
                    tls = new TlsTransport(fd, made[0]);
                    in = ByteBuffer.allocate(MESSAGE + tls.leastRoom());
                    state = Handshake.State.MORE;
                    shake(false);
                });
    }

    /** Runs a call on a helper thread, then goes on here; nothing is read meanwhile. */
    private void help(IoLoop.BlockingCall call, Runnable then) {
        away = true;
        watch.events(0);
        loop.offload(call, error -> {
            away = false;
            if (ended) {
                release();
                return;
            }
            watch.events(IoLoop.READABLE);
            if (error != 0) {
                close();
            } else {
                guarded(then);
            }
        });
    }

    /** @param mayReceive whether bytes of the client may be here */
    private void shake(boolean mayReceive) {
        boolean receive = mayReceive;
        while (!ended) {
            if (!flush()) {
                return;
            }
            TlsRecords.Need need = tls.handshake();
            if (!flush()) {
                return;
            }
            if (tls.fault() != null) {
                fault(tls.fault());
                return;
            }
            switch (need) {
                case TASKS -> {
                    help(tls::runTasks, () -> shake(false));
                    return;
                }
                case INPUT -> {
                    if (!receive || !received(tls.receive())) {
                        return;
                    }
                    receive = false;
                }
                default -> {
                    established();
                    return;
                }
            }
        }
    }

    private void established() {
        try {
            handshake.secured(tls.peer());
        } catch (SSLPeerUnverifiedException e) {
            fault(e.getMessage());
            return;
        }
        secure = true;
        go();
    }

    /** True if all that TLS has to say has been sent. */
    private boolean flush() {
        return sent(tls.flush());
    }

    private boolean sent(int error) {
        if (error == 0) {
            watch.events(IoLoop.READABLE);
        } else if (error == -Errno.EAGAIN) {
            watch.events(IoLoop.WRITABLE);
        } else {
            close();
        }
        return error == 0;
    }

    // ---- bytes

    /** True if all output has been sent. */
    private boolean send() {
        if (secure) {
            while (!ended && (!out.isEmpty() || tls.hasOutput())) {
                int error = tls.send(out);
                if (tls.fault() != null) {
                    fault(tls.fault());
                } else if (!sent(error)) {
                    return false;
                }
            }
            return !ended;
        }
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
        if (in.remaining() < (secure ? tls.leastRoom() : 1)) {
            return true;
        }
        if (secure) {
            long n = tls.receive(in, 0);
            if (tls.fault() != null) {
                fault(tls.fault());
                return false;
            }
            return received(n);
        }
        long n = Libc.recv(fd, scratch.address(), Math.min(in.remaining(), scratch.size()), Libc.MSG_DONTWAIT);
        if (n > 0) {
            in.put(scratchBytes.clear().limit((int) n));
        }
        return received(n < 0 ? -Libc.errno() : n);
    }

    /** True if the client is still there. */
    private boolean received(long n) {
        if (n == 0 || n < 0 && n != -Errno.EAGAIN && n != -Errno.EINTR) {
            close();
            return false;
        }
        return true;
    }

    private void handOver() {
        end();
        released = true;
        outcome.transmission(
                this,
                new Arrival(
                        fd,
                        tls,
                        handshake.session(),
                        ByteBuffer.wrap(java.util.Arrays.copyOf(in.array(), in.position()))));
    }

    private void expired() {
        log.log(Level.INFO, listener + ": a client has not finished its handshake in time; it is cut off");
        close();
    }

    /**
     * Cuts the client off. While a helper thread works for it, it keeps its place: those that come and go would fill
     * the queue of the helper threads otherwise.
     */
    void close() {
        if (!ended) {
            end();
            if (!away) {
                release();
            }
        }
    }

    /** Cuts the client off without waiting for a helper thread: the loop is about to end. */
    void closeNow() {
        if (!ended) {
            end();
        }
        release();
    }

    private void release() {
        if (released) {
            return;
        }
        released = true;
        if (tls != null) {
            tls.close();
        }
        Libc.close(fd);
        outcome.gone(this);
    }

    /** Whether it is cut off, but for a helper thread that works for it. */
    boolean hasEnded() {
        return ended;
    }

    /** Whether the client may use an export, as it is now. */
    boolean allows(ExportInfo export) {
        return view.verdict(export) == ExportAccess.Verdict.YES;
    }

    private void end() {
        ended = true;
        timer.cancel();
        watch.close();
    }
}
