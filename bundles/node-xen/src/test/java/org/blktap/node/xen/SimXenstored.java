package org.blktap.node.xen;

import java.io.DataInputStream;
import java.io.IOException;
import java.net.StandardProtocolFamily;
import java.net.UnixDomainSocketAddress;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.Channels;
import java.nio.channels.ServerSocketChannel;
import java.nio.channels.SocketChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import org.blktap.api.engine.Errno;

/**
 * A {@link SimXenStore} behind xenstored's socket, in its protocol (docs/misc/xenstore.txt of Xen, xen/io/xs_wire.h),
 * so that libxenstore can be tried where there is no Xen.
 */
final class SimXenstored implements AutoCloseable {
    private static final int DIRECTORY = 1;
    private static final int READ = 2;
    private static final int WATCH = 4;
    private static final int UNWATCH = 5;
    private static final int TRANSACTION_START = 6;
    private static final int TRANSACTION_END = 7;
    private static final int WRITE = 11;
    private static final int RM = 13;
    private static final int SET_PERMS = 14;
    private static final int WATCH_EVENT = 15;
    private static final int ERROR = 16;
    private static final int DIRECTORY_PART = 22;
    private static final int PAYLOAD_MAX = 4096;
    private static final int E2BIG = 7;
    private static final int ENOSYS = 38;

    private final SimXenStore store;
    private final Path socket;
    private final ServerSocketChannel server;
    private final Set<SocketChannel> clients = ConcurrentHashMap.newKeySet();
    private volatile boolean hangs;

    SimXenstored(SimXenStore store, Path socket) throws IOException {
        this.store = store;
        this.socket = socket;
        server = ServerSocketChannel.open(StandardProtocolFamily.UNIX).bind(UnixDomainSocketAddress.of(socket));
        start(() -> {
            while (true) {
                SocketChannel client = server.accept();
                clients.add(client);
                start(new Connection(client)::serve);
            }
        });
    }

    /** From now on requests are not answered. */
    void hang() {
        hangs = true;
    }

    private interface Body {
        void run() throws IOException;
    }

    private static void start(Body body) {
        Thread thread = new Thread(
                () -> {
                    try {
                        body.run();
                    } catch (IOException e) {
                        // closed by one side or the other
                    }
                },
                "sim-xenstored");
        thread.setDaemon(true);
        thread.start();
    }

    @Override
    public void close() throws IOException {
        server.close();
        for (SocketChannel client : clients) {
            client.close();
        }
        Files.deleteIfExists(socket);
    }

    private final class Connection {
        private final DataInputStream in;
        /** Written without a stream: that of the JDK waits for the one that reads. */
        private final SocketChannel out;

        private final SimXenStore view = store.asDomain(0, Runnable::run);
        private final Map<Integer, SimXenStore> transactions = new HashMap<>();
        private final Map<String, XenStore.Watch> watches = new HashMap<>();

        Connection(SocketChannel channel) {
            in = new DataInputStream(Channels.newInputStream(channel));
            out = channel;
        }

        void serve() throws IOException {
            while (true) {
                ByteBuffer header = ByteBuffer.wrap(in.readNBytes(16)).order(ByteOrder.LITTLE_ENDIAN);
                if (header.remaining() < 16) {
                    watches.values().forEach(XenStore.Watch::close);
                    return;
                }
                int type = header.getInt();
                int id = header.getInt();
                int transaction = header.getInt();
                byte[] body = in.readNBytes(header.getInt());
                if (!hangs) {
                    answer(type, id, transaction, body);
                }
            }
        }

        private void answer(int type, int id, int transaction, byte[] body) throws IOException {
            byte[] reply;
            int as = type;
            try {
                reply = reply(type, transaction, body);
            } catch (XenStoreException e) {
                as = ERROR;
                String name = switch (e.errno()) {
                    case E2BIG -> "E2BIG";
                    case ENOSYS -> "ENOSYS";
                    default -> Errno.text(e.errno()).split(" ")[0];
                };
                reply = (name + "\0").getBytes(StandardCharsets.UTF_8);
            }
            send(as, id, transaction, reply);
        }

        private synchronized void send(int type, int id, int transaction, byte[] body) throws IOException {
            ByteBuffer message = ByteBuffer.allocate(16 + body.length).order(ByteOrder.LITTLE_ENDIAN);
            message.putInt(type)
                    .putInt(id)
                    .putInt(transaction)
                    .putInt(body.length)
                    .put(body);
            message.flip();
            while (message.hasRemaining()) {
                out.write(message);
            }
        }

        private byte[] reply(int type, int transaction, byte[] body) throws IOException {
            SimXenStore on = transaction == 0 ? view : transactions.get(transaction);
            String[] words = new String(body, StandardCharsets.UTF_8).split("\0", -1);
            String path = words[0];
            String done = "OK\0";
            switch (type) {
                case READ -> done = existing(on, path);
                case DIRECTORY -> {
                    done = names(on, path);
                    if (done.length() > PAYLOAD_MAX) {
                        return error(path, E2BIG);
                    }
                }
                case DIRECTORY_PART -> { // a generation, some whole names, and one NUL more at the end
                    String all = names(on, path) + "\0";
                    int from = Integer.parseInt(words[1]);
                    boolean last = all.length() - from < PAYLOAD_MAX - 2;
                    done = "1\0"
                            + all.substring(
                                    from, last ? all.length() : all.lastIndexOf('\0', from + PAYLOAD_MAX - 4) + 1);
                }
                case WRITE -> {
                    int value = path.getBytes(StandardCharsets.UTF_8).length + 1;
                    on.write(path, new String(Arrays.copyOfRange(body, value, body.length), StandardCharsets.UTF_8));
                }
                case RM -> {
                    existing(on, path);
                    on.remove(path);
                }
                case SET_PERMS -> {
                    if (words.length != 4 || !words[1].startsWith("n") || !words[2].startsWith("r")) {
                        return error(path, Errno.EINVAL);
                    }
                    on.permissions(
                            path, Integer.parseInt(words[1].substring(1)), Integer.parseInt(words[2].substring(1)));
                }
                case WATCH ->
                    watches.put(path + "\0" + words[1], on.watch(path, () -> {
                        try {
                            send(WATCH_EVENT, 0, 0, (path + "\0" + words[1] + "\0").getBytes(StandardCharsets.UTF_8));
                        } catch (IOException e) {
                            // it has gone
                        }
                    }));
                case UNWATCH -> {
                    XenStore.Watch watch = watches.remove(path + "\0" + words[1]);
                    if (watch == null) {
                        return error(path, Errno.ENOENT);
                    }
                    watch.close();
                }
                case TRANSACTION_START -> {
                    int number = transactions.size() + 1;
                    transactions.put(number, on.startTransaction());
                    done = number + "\0";
                }
                case TRANSACTION_END -> {
                    if (words[0].equals("T") && !on.commit()) {
                        return error("a transaction", Errno.EAGAIN);
                    }
                }
                default -> {
                    return error(path, ENOSYS);
                }
            }
            return done.getBytes(StandardCharsets.UTF_8);
        }

        private String names(SimXenStore on, String path) throws IOException {
            existing(on, path);
            List<String> names = on.list(path);
            return names.isEmpty() ? "" : String.join("\0", names) + "\0";
        }

        private static String existing(SimXenStore on, String path) throws IOException {
            String value = on.read(path);
            if (value == null) {
                error(path, Errno.ENOENT);
            }
            return value;
        }

        private static byte[] error(String path, int errno) throws XenStoreException {
            throw new XenStoreException("do it", path, errno);
        }
    }
}
