package org.blktap.node.vhostuser;

import java.lang.System.Logger.Level;
import org.blktap.api.engine.IoLoop;
import org.blktap.api.node.NodeContext;

/**
 * One client from its connection to its end. Messages are obeyed one by one; one that must wait until nothing is in
 * flight holds up those behind it. Loop only.
 */
final class FrontendConnection {
    private static final System.Logger LOG = System.getLogger("org.blktap.node.vhost-user");
    /** Messages per wake-up; then the rings have their turn. */
    private static final int MESSAGES_PER_TURN = 64;
    /** The size of the buffer for messages both ways. */
    private static final int BUFFER_BYTES = 4096;

    private final String name;
    private final IoLoop loop;
    private final FrontendSocket socket;
    private final BlkDevice device;
    private final MessageHandler handler;
    private final Runnable closed;
    private IoLoop.Watch watch;
    private int lastRequest;
    private boolean ending;

    /** @param closed run when all of this client is unmapped and closed */
    FrontendConnection(NodeContext context, int fd, int queues, Runnable closed) {
        this.name = context.id();
        this.loop = context.loop();
        this.socket = new FrontendSocket(fd, context.memory().allocate(BUFFER_BYTES));
        this.device = new BlkDevice(context, queues);
        this.handler = new MessageHandler(device, socket);
        this.closed = closed;
        socket.finish();
        listen();
    }

    BlkDevice device() {
        return device;
    }

    MessageHandler handler() {
        return handler;
    }

    /** Whether the client has gone and only its requests are waited for. */
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
                    end(Level.INFO, "the client has disconnected" + hint());
                    return;
                }
                if (result == FrontendSocket.Result.NOTHING_YET) {
                    return;
                }
                message();
            }
        } catch (ProtocolException e) {
            end(Level.WARNING, "the client is disconnected: " + e.getMessage());
        }
    }

    /** QEMU asks for the number of queues, compares it with its own, and leaves. */
    private String hint() {
        return lastRequest != Protocol.GET_QUEUE_NUM ? "" : " after asking for the number of queues, which is "
                + device.queues().length + ": QEMU wants one for each vCPU unless told num-queues=N;"
                + " attach with the option queues=N";
    }

    private void message() {
        lastRequest = socket.request();
        if (handler.needsQuiet() && device.busy()) {
            // a watch without events would still report a hang-up, over and over
            watch.close();
            watch = null;
            device.whenQuiet(() -> {
                obey();
                if (!ending) {
                    listen();
                }
            });
        } else {
            obey();
        }
    }

    private void obey() {
        boolean sent;
        try {
            sent = handler.handle();
        } catch (ProtocolException e) {
            String what = Protocol.name(lastRequest) + ": " + e.getMessage();
            if (!handler.wantsAck()) {
                end(Level.WARNING, "the client is disconnected: " + what);
                return;
            }
            LOG.log(Level.WARNING, name + ": refused " + what);
            sent = handler.acknowledge(1);
        }
        socket.finish();
        if (!sent) {
            end(Level.WARNING, "the client is disconnected: it does not take the reply to "
                    + Protocol.name(lastRequest));
        }
    }

    /** Ends the connection; the memory stays mapped until nothing is in flight. */
    private void end(Level level, String why) {
        if (ending) {
            return;
        }
        ending = true;
        LOG.log(level, name + ": " + why);
        stopListening();
        socket.finish();
        device.whenQuiet(this::close);
    }

    private void stopListening() {
        if (watch != null) {
            watch.close();
            watch = null;
        }
    }

    /** Unmaps and closes everything at once; nothing is in flight. */
    void close() {
        ending = true;
        stopListening();
        device.close();
        handler.close();
        socket.close();
        closed.run();
    }
}
