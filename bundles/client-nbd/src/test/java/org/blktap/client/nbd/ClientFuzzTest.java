package org.blktap.client.nbd;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.net.StandardProtocolFamily;
import java.net.UnixDomainSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.ServerSocketChannel;
import java.nio.channels.SocketChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.Random;
import org.blktap.api.disk.Operation;
import org.blktap.api.engine.ExtentList;
import org.blktap.api.nbd.Nbd;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * A server that says anything: negotiations and replies that are nearly right. The client ends with an error or a
 * result that is in bounds, in time, and another disk does not notice. {@code -Dfuzz.inputs=N} takes about N replies of
 * the server; the seed is printed, and {@code -Dseed=N} repeats it.
 */
class ClientFuzzTest {
    private static final int SIZE = 1 << 20;
    private static final int VICTIM_SIZE = 256 << 10;
    private static final int BLOCK = 4096;
    /** Nothing that a client does with a server that has said all it will may take longer. */
    private static final long LONGEST_NANOS = 20_000_000_000L;

    @TempDir
    Path directory;

    private Random random;
    private long inputs;
    private volatile ByteBuffer script;
    private volatile boolean stopped;
    private volatile Throwable harmed;
    private volatile long slowest;
    private volatile long verified;

    @Test
    void anythingFromAServerHarmsNobody() throws Exception {
        long wanted = Long.getLong("fuzz.inputs", 20_000);
        long seed = Long.getLong("seed", System.nanoTime());
        random = new Random(seed);
        System.out.println("NBD client: fuzzed with -Dseed=" + seed);
        NbdUri uri = new NbdUri(UnixDomainSocketAddress.of(directory.resolve("s")), "x");
        long start = System.nanoTime();
        try (ServerSocketChannel server = ServerSocketChannel.open(StandardProtocolFamily.UNIX)) {
            server.bind(uri.address());
            Thread serving = new Thread(() -> serve(server));
            Thread victim = new Thread(this::victim);
            serving.setDaemon(true);
            serving.setName("fuzz-server");
            serving.start();
            victim.setName("fuzz-victim");
            victim.start();
            try {
                for (int i = 0; inputs < wanted; i++) {
                    script = script();
                    long before = System.nanoTime();
                    use(uri, i % 1024 == 0);
                    assertTrue(System.nanoTime() - before < LONGEST_NANOS, "too slow");
                    assertEquals(null, harmed);
                }
            } catch (Exception | Error e) {
                throw new AssertionError("repeat with -Dseed=" + seed, e);
            } finally {
                stopped = true;
                victim.join();
            }
        }
        assertEquals(null, harmed);
        System.out.printf(
                "NBD client: %d inputs in %d s, no failure; %d requests of the victim, the slowest took %d ms%n",
                inputs, (System.nanoTime() - start) / 1_000_000_000, verified, slowest / 1_000_000);
    }

    private void serve(ServerSocketChannel server) {
        ByteBuffer sink = ByteBuffer.allocate(64 << 10);
        while (true) {
            try (SocketChannel client = server.accept()) {
                ByteBuffer bytes = script;
                while (bytes.hasRemaining()) {
                    client.write(bytes);
                }
                client.shutdownOutput();
                while (client.read(sink.clear()) >= 0) {
                    // until the client has gone
                }
            } catch (java.nio.channels.ClosedChannelException e) {
                return;
            } catch (IOException e) {
                // the client went first
                assertTrue(e.getMessage() != null);
            }
        }
    }

    private void use(NbdUri uri, boolean asDisk) throws Exception {
        if (asDisk) {
            disk(uri);
            return;
        }
        try (ServerConnection connection = new ServerConnection(new Server(uri, null))) {
            byte[] guard = new byte[3 * BLOCK];
            ByteBuffer into = ByteBuffer.wrap(guard).position(BLOCK).limit(2 * BLOCK);
            connection.read(BLOCK, into);
            for (int i = 0; i < BLOCK; i++) {
                assertEquals(0, guard[i] | guard[2 * BLOCK + i], "a byte outside of what was asked for");
            }
            ExtentList extents = new ExtentList();
            if (connection.map(0, 1 << 20, extents) == 0) {
                assertTrue(extents.total() > 0 && extents.total() <= 1 << 20);
            }
            connection.write(0, ByteBuffer.allocate(BLOCK));
            connection.flush();
        } catch (IOException e) {
            assertTrue(e.getMessage() == null || e.getMessage().length() < 2000, "an endless message");
        }
    }

    private static void disk(NbdUri uri) throws Exception {
        try (NbdTestDisk disk = new NbdTestDisk(uri, true)) {
            if (disk.disk.info().sizeBytes() >= 2 * BLOCK) {
                disk.run(Operation.READ, 512, new byte[BLOCK]);
                disk.run(Operation.READ, 0, new byte[2 * BLOCK]);
            }
        } catch (IOException | IllegalArgumentException e) {
            // refused; the driver refuses sizes that cannot be
            assertTrue(e.getMessage() == null || e.getMessage().length() < 2000);
        }
    }

    /** All that the server will say: right as a whole, and then damaged. */
    private ByteBuffer script() {
        boolean structured = random.nextInt(3) > 0;
        ByteBuffer out = ByteBuffer.allocate(96 << 10);
        out.putLong(Nbd.INIT_PASSWD).putLong(Nbd.IHAVEOPT).putShort((short) 3);
        reply(out, Nbd.OPT_STRUCTURED_REPLY, structured ? Nbd.REP_ACK : error(), structured ? new byte[0] : text());
        if (structured) {
            if (random.nextInt(4) > 0) {
                reply(
                        out,
                        Nbd.OPT_SET_META_CONTEXT,
                        Nbd.REP_META_CONTEXT,
                        ByteBuffer.allocate(19)
                                .putInt(7)
                                .put("base:allocation".getBytes(StandardCharsets.UTF_8))
                                .array());
            }
            reply(out, Nbd.OPT_SET_META_CONTEXT, Nbd.REP_ACK, new byte[0]);
        }
        if (random.nextInt(5) > 0) {
            for (int n = random.nextInt(3); n > 0; n--) {
                reply(out, Nbd.OPT_GO, Nbd.REP_INFO, text());
            }
            if (random.nextBoolean()) {
                int minimum = 1 << random.nextInt(17);
                reply(
                        out,
                        Nbd.OPT_GO,
                        Nbd.REP_INFO,
                        ByteBuffer.allocate(14)
                                .putShort((short) 3)
                                .putInt(minimum)
                                .putInt(Math.max(4096, minimum))
                                .putInt(random.nextBoolean() ? -1 : random.nextInt() & -minimum)
                                .array());
            }
            reply(
                    out,
                    Nbd.OPT_GO,
                    Nbd.REP_INFO,
                    ByteBuffer.allocate(12)
                            .putShort((short) 0)
                            .putLong(SIZE - random.nextInt(2))
                            .putShort((short) -1)
                            .array());
            reply(out, Nbd.OPT_GO, Nbd.REP_ACK, new byte[0]);
        } else {
            reply(out, Nbd.OPT_GO, error(), text());
            for (int n = random.nextInt(20); n > 0; n--) {
                reply(
                        out,
                        Nbd.OPT_LIST,
                        Nbd.REP_SERVER,
                        ByteBuffer.allocate(14).putInt(random.nextInt(12)).array());
            }
            reply(out, Nbd.OPT_LIST, Nbd.REP_ACK, new byte[0]);
        }
        replies(out, structured);
        return damaged(out);
    }

    /** To a read of a block at a block, a map, a write and a flush. */
    private void replies(ByteBuffer out, boolean structured) {
        if (!structured) {
            for (int cookie = 1; cookie <= 4; cookie++) {
                inputs++;
                out.putInt(Nbd.SIMPLE_REPLY_MAGIC)
                        .putInt(random.nextInt(8) == 0 ? random.nextInt(120) : 0)
                        .putLong(cookie);
                out.position(out.position() + (cookie == 1 ? BLOCK : 0));
            }
            return;
        }
        int first = random.nextInt(BLOCK);
        chunk(out, 0, 1, 1, ByteBuffer.allocate(8 + first).putLong(BLOCK).array());
        chunk(
                out,
                1,
                2,
                1,
                ByteBuffer.allocate(12)
                        .putLong(BLOCK + first)
                        .putInt(BLOCK - first)
                        .array());
        int runs = 1 + random.nextInt(random.nextInt(10) == 0 ? 2000 : 4);
        ByteBuffer status = ByteBuffer.allocate(4 + 8 * runs).putInt(7);
        while (status.hasRemaining()) {
            status.putInt(random.nextInt(1 << 18) + 1).putInt(random.nextInt(4));
        }
        chunk(out, 1, 5, 2, status.array());
        if (random.nextBoolean()) {
            chunk(
                    out,
                    1,
                    0x8001 + random.nextInt(3),
                    3,
                    ByteBuffer.allocate(30)
                            .putInt(random.nextInt(130))
                            .putShort((short) random.nextInt(30))
                            .array());
        } else {
            out.putInt(Nbd.SIMPLE_REPLY_MAGIC).putInt(0).putLong(3);
        }
        out.putInt(Nbd.SIMPLE_REPLY_MAGIC).putInt(0).putLong(4);
    }

    private ByteBuffer damaged(ByteBuffer out) {
        int length = out.position();
        for (int n = random.nextInt(4); n > 0; n--) {
            int at = random.nextInt(4) == 0 ? random.nextInt(length) : random.nextInt(Math.min(length, 400));
            switch (random.nextInt(6)) {
                case 0 -> length = Math.max(1, at);
                case 1 -> out.put(at, (byte) random.nextInt());
                case 2 -> out.put(at, (byte) -1);
                default -> out.put(at, (byte) (out.get(at) ^ 1 << random.nextInt(8)));
            }
        }
        return out.position(0).limit(length);
    }

    private int error() {
        return Nbd.REP_FLAG_ERROR | random.nextInt(12);
    }

    private byte[] text() {
        byte[] text = new byte[random.nextInt(random.nextInt(20) == 0 ? 5000 : 40)];
        random.nextBytes(text);
        return text;
    }

    private void reply(ByteBuffer out, int option, int type, byte[] payload) {
        inputs++;
        out.putLong(Nbd.OPTION_REPLY_MAGIC)
                .putInt(option)
                .putInt(type)
                .putInt(payload.length)
                .put(payload);
    }

    private void chunk(ByteBuffer out, int flags, int type, long cookie, byte[] payload) {
        inputs++;
        out.putInt(Nbd.STRUCTURED_REPLY_MAGIC)
                .putShort((short) flags)
                .putShort((short) type)
                .putLong(cookie)
                .putInt(payload.length)
                .put(payload);
    }

    /** Another disk, under load that is verified. */
    private void victim() {
        Random own = new Random(1);
        try (MemoryServer server = new MemoryServer(VICTIM_SIZE, BlockSizes.DEFAULT, 4, false, 1);
                NbdTestDisk disk = new NbdTestDisk(server.uri(), false)) {
            byte[] model = server.contents.clone();
            while (!stopped) {
                int at = own.nextInt(VICTIM_SIZE / BLOCK) * BLOCK;
                byte[] data = new byte[BLOCK];
                long before = System.nanoTime();
                if (own.nextBoolean()) {
                    own.nextBytes(data);
                    assertEquals(0, disk.run(Operation.WRITE, at, data));
                    System.arraycopy(data, 0, model, at, BLOCK);
                } else {
                    assertEquals(0, disk.run(Operation.READ, at, data));
                    assertArrayEquals(java.util.Arrays.copyOfRange(model, at, at + BLOCK), data);
                }
                slowest = Math.max(slowest, System.nanoTime() - before);
                verified++;
            }
        } catch (Exception | Error e) {
            harmed = e;
        }
    }
}
