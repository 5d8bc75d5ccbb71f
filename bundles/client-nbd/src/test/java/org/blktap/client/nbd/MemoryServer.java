package org.blktap.client.nbd;

import java.io.DataInputStream;
import java.io.DataOutputStream;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Random;
import org.blktap.api.nbd.Nbd;

/**
 * A server of bytes in memory that holds clients to its block sizes; answers come after a while, on several connections
 * at once.
 */
final class MemoryServer implements AutoCloseable {
    private static final int EINVAL = 22;
    private static final int STRUCTURED = 1;

    final byte[] contents;
    /** Requests that break the block sizes, and other sins. */
    final List<String> sins = Collections.synchronizedList(new ArrayList<>());

    private final BlockSizes sizes;
    private final boolean strictRanges;
    private final int flags;
    private final Random random;
    private final ServerSocket server = new ServerSocket(0, 16, InetAddress.getLoopbackAddress());
    private final List<Socket> clients = Collections.synchronizedList(new ArrayList<>());

    /** @param strictRanges whether the maximum holds for requests without data too, by an error */
    MemoryServer(int size, BlockSizes sizes, int flags, boolean strictRanges, long seed) throws IOException {
        contents = new byte[size];
        this.sizes = sizes;
        this.flags = flags | STRUCTURED;
        this.strictRanges = strictRanges;
        random = new Random(seed);
        random.nextBytes(contents);
        start("accept", this::accept);
    }

    NbdUri uri() {
        return new NbdUri(new InetSocketAddress(InetAddress.getLoopbackAddress(), server.getLocalPort()), "disk");
    }

    private interface Work {
        void run() throws IOException;
    }

    private static void start(String name, Work work) {
        Thread thread = new Thread(
                () -> {
                    try {
                        work.run();
                    } catch (IOException e) {
                        // the client, or the test, has ended
                    }
                },
                "memory-server-" + name);
        thread.setDaemon(true);
        thread.start();
    }

    private void accept() throws IOException {
        while (true) {
            Socket socket = server.accept();
            socket.setTcpNoDelay(true);
            clients.add(socket);
            start(
                    "client",
                    () -> serve(
                            new DataInputStream(new java.io.BufferedInputStream(socket.getInputStream())),
                            new DataOutputStream(socket.getOutputStream())));
        }
    }

    private void serve(DataInputStream in, DataOutputStream out) throws IOException {
        out.writeLong(Nbd.INIT_PASSWD);
        out.writeLong(Nbd.IHAVEOPT);
        out.writeShort(3);
        in.readInt();
        for (int option = 0; option != Nbd.OPT_GO; ) {
            in.readLong();
            option = in.readInt();
            in.skipNBytes(in.readInt());
            if (option == Nbd.OPT_SET_META_CONTEXT) {
                reply(
                        out,
                        option,
                        Nbd.REP_META_CONTEXT,
                        ByteBuffer.allocate(19).putInt(7).put("base:allocation".getBytes(StandardCharsets.UTF_8)));
            } else if (option == Nbd.OPT_GO) {
                reply(
                        out,
                        option,
                        Nbd.REP_INFO,
                        ByteBuffer.allocate(12)
                                .putShort((short) 0)
                                .putLong(contents.length)
                                .putShort((short) flags));
                reply(
                        out,
                        option,
                        Nbd.REP_INFO,
                        ByteBuffer.allocate(14)
                                .putShort((short) 3)
                                .putInt(sizes.minimum())
                                .putInt(sizes.preferred())
                                .putInt(sizes.maximum()));
            }
            reply(out, option, Nbd.REP_ACK, ByteBuffer.allocate(0));
        }
        while (true) {
            request(in, out);
        }
    }

    static void reply(DataOutputStream out, int option, int type, ByteBuffer payload) throws IOException {
        ByteBuffer bytes = ByteBuffer.allocate(20 + payload.capacity())
                .putLong(Nbd.OPTION_REPLY_MAGIC)
                .putInt(option)
                .putInt(type)
                .putInt(payload.capacity())
                .put(payload.array());
        out.write(bytes.array());
    }

    private void request(DataInputStream in, DataOutputStream out) throws IOException {
        in.readInt();
        in.readUnsignedShort();
        int command = in.readUnsignedShort();
        long cookie = in.readLong();
        long offset = in.readLong();
        int length = in.readInt();
        byte[] data = new byte[command == Nbd.CMD_WRITE ? length : 0];
        in.readFully(data);
        if (command == Nbd.CMD_DISC) {
            throw new IOException("good-bye");
        }
        pause();
        ByteBuffer answer = null;
        synchronized (contents) {
            boolean ranged = command != Nbd.CMD_READ && command != Nbd.CMD_WRITE;
            if (command != Nbd.CMD_FLUSH && !fits(offset, length, ranged)) {
                if (!ranged || length <= sizes.maximum()) {
                    sins.add("command " + command + " at " + offset + ", " + length + " bytes");
                }
                answer = chunk(
                        1 << 15 | 1,
                        cookie,
                        ByteBuffer.allocate(6 + 9)
                                .putInt(EINVAL)
                                .putShort((short) 9)
                                .put("bad range".getBytes()));
            } else if (command == Nbd.CMD_READ) {
                answer = chunk(
                        1,
                        cookie,
                        ByteBuffer.allocate(8 + length).putLong(offset).put(contents, (int) offset, length));
            } else if (command == Nbd.CMD_WRITE) {
                System.arraycopy(data, 0, contents, (int) offset, length);
            } else if (command == Nbd.CMD_WRITE_ZEROES) {
                java.util.Arrays.fill(contents, (int) offset, (int) offset + length, (byte) 0);
            } else if (command == Nbd.CMD_BLOCK_STATUS) {
                // two runs, the second a hole
                int first = Math.max(sizes.minimum(), length / 2 & -sizes.minimum());
                answer = chunk(
                        5,
                        cookie,
                        ByteBuffer.allocate(20)
                                .putInt(7)
                                .putInt(first)
                                .putInt(0)
                                .putInt(length)
                                .putInt(3));
            }
        }
        pause();
        out.write((answer == null
                        ? ByteBuffer.allocate(16)
                                .putInt(Nbd.SIMPLE_REPLY_MAGIC)
                                .putInt(0)
                                .putLong(cookie)
                        : answer)
                .array());
    }

    private boolean fits(long offset, int length, boolean ranged) {
        long end = offset + length;
        return offset >= 0
                && length > 0
                && end <= contents.length
                && sizes.down(offset) == offset
                && (sizes.down(end) == end || end == contents.length)
                && (ranged && !strictRanges || length <= sizes.maximum());
    }

    private static ByteBuffer chunk(int type, long cookie, ByteBuffer payload) {
        return ByteBuffer.allocate(20 + payload.capacity())
                .putInt(Nbd.STRUCTURED_REPLY_MAGIC)
                .putShort((short) 1)
                .putShort((short) type)
                .putLong(cookie)
                .putInt(payload.capacity())
                .put(payload.array());
    }

    private void pause() {
        int spins;
        synchronized (random) {
            spins = random.nextInt(4) == 0 ? random.nextInt(20) : 0;
        }
        for (int i = 0; i < spins; i++) {
            Thread.yield();
        }
    }

    @Override
    public void close() throws IOException {
        server.close();
        for (Socket socket : List.copyOf(clients)) {
            socket.close();
        }
    }
}
