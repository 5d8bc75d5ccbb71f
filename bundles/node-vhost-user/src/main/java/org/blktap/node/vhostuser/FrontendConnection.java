package org.blktap.node.vhostuser;

import java.lang.System.Logger.Level;
import org.blktap.api.engine.CloseOnFailure;
import org.blktap.api.engine.IoLoop;
import org.blktap.api.node.NodeContext;

/**
 * One client from its connection to its end. Messages are handled one by one; one that must wait until nothing is in
 * flight holds up those after it. An exception in a message disconnects the client. Loop only.
 */
final class FrontendConnection {
    /** Messages per wake-up; then the rings have their turn. */
    private static final int MESSAGES_PER_TURN = 64;
    /** The size of the buffer for messages both ways. */
    private static final int BUFFER_BYTES = 4096;

    private final NodeParts parts;
    private final IoLoop loop;
    private final FrontendSocket socket;
    private final VirtioBlkDevice device;
    private final MessageHandler handler;
    private final Runnable closed;
    private IoLoop.Watch watch;
    private int lastRequest;
    private boolean ending;
    private boolean ended;

    /**
     * @param fd the connection, owned by this object, also if the constructor throws
     * @param closed run when everything of this client is unmapped and closed
     */
    FrontendConnection(NodeContext context, int fd, int queues, NodeParts parts, Runnable closed) {
        this.parts = parts;
        this.loop = context.loop();
        this.closed = closed;
        this.socket = FrontendSocket.of(fd, context.memory(), BUFFER_BYTES, parts.calls());
        try (CloseOnFailure opened = new CloseOnFailure(socket::close)) {
            this.device = new VirtioBlkDevice(context, queues, parts, this::failed);
            opened.add(device::close);
            this.handler = new MessageHandler(device, socket);
            listen();
            opened.keep();
        }
    }

    VirtioBlkDevice device() {
        return device;
    }

    MessageHandler handler() {
        return handler;
    }

    /** Whether the client has disconnected, and only its requests must still end. */
    boolean ending() {
        return ending;
    }

    private void listen() {
        watch = loop.watch(socket.fd(), IoLoop.READABLE, this::ready);
    }

    private void ready(int events) {
        try {
            for (int i = 0; i < MESSAGES_PER_TURN && watch != null; i++) {
                FrontendSocket.Result result = socket.receive();
                if (result == FrontendSocket.Result.CLOSED) {
                    end(Level.INFO, "the client has disconnected" + hint(), null);
                    return;
                }
                if (result == FrontendSocket.Result.NOTHING_YET) {
                    return;
                }
                message();
            }
        } catch (ProtocolException e) {
            end(Level.WARNING, "the client is disconnected: " + e.getMessage(), null);
        } catch (RuntimeException | Error e) {
            failed(Protocol.name(lastRequest), e);
        }
    }

    /** Returns a hint for the log: QEMU asks for the number of queues, and disconnects if it differs from its own. */
    private String hint() {
        return lastRequest != Protocol.GET_QUEUE_NUM
                ? ""
                : " after asking for the number of queues, which is "
                        + device.queues().length + ": QEMU wants one for each vCPU unless num-queues=N is given;"
                        + " attach with the option queues=N";
    }

    private void message() {
        lastRequest = socket.request();
        if (handler.needsQuiet() && device.busy()) {
            // a watch without events would still report a hang-up, over and over
            stopListening();
            device.whenQuiet(this::delayed);
        } else {
            obey();
        }
    }

    private void delayed() {
        try {
            obey();
            if (!ending) {
                listen();
            }
        } catch (RuntimeException | Error e) {
            failed(Protocol.name(lastRequest), e);
        }
    }

    private void obey() {
        boolean sent = false;
        String refusal = null;
        try {
            sent = handler.handle();
        } catch (ProtocolException e) {
            refusal = Protocol.name(lastRequest) + ": " + e.getMessage();
        }
        // makes a failed access to memory that is gone throw here, not in later code
        MemoryGuard.settle();
        if (refusal != null) {
            if (!handler.wantsAck()) {
                end(Level.WARNING, "the client is disconnected: " + refusal, null);
                return;
            }
            parts.log().log(Level.WARNING, "refused " + refusal);
            sent = handler.acknowledge(1);
        }
        socket.finish();
        if (!sent) {
            end(
                    Level.WARNING,
                    "the client is disconnected: it does not take the reply to " + Protocol.name(lastRequest),
                    null);
        } else if (parts.calls().overloaded()) {
            end(Level.WARNING, "the client is disconnected: its descriptors cannot be written or closed", null);
        }
    }

    /** Ends the connection after an exception or a report of the device. */
    private void failed(String what, Throwable cause) {
        if (cause == null || cause instanceof InternalError) {
            end(
                    Level.WARNING,
                    "the client is disconnected: " + what
                            + (cause == null ? "" : ": memory that it shares is gone: " + cause.getMessage()),
                    null);
        } else {
            end(Level.ERROR, "the client is disconnected: " + what + " failed here", cause);
        }
    }

    /** Ends the connection; the memory stays mapped until nothing is in flight. */
    private void end(Level level, String why, Throwable cause) {
        if (ending) {
            return;
        }
        ending = true;
        parts.log().attempt(this::stopListening);
        parts.log().attempt(socket::finish);
        parts.log().log(level, why, cause);
        device.whenQuiet(this::close);
    }

    /** Disconnects the client, and keeps its memory until nothing is in flight. */
    void disconnect() {
        end(Level.INFO, "the client is disconnected: the disk is detached", null);
        if (!ended) {
            socket.shutdown();
        }
    }

    private void stopListening() {
        if (watch != null) {
            watch.close();
            watch = null;
        }
    }

    /** Unmaps and closes everything at once; nothing is in flight. A step that fails does not stop the others. */
    void close() {
        if (ended) {
            return;
        }
        ended = true;
        ending = true;
        parts.log().attempt(this::stopListening);
        device.close();
        parts.log().attempt(handler::close);
        parts.log().attempt(socket::close);
        closed.run();
    }
}
