package org.blktap.node.nbd;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.Path;
import java.util.ArrayDeque;
import java.util.Map;
import java.util.Random;
import org.blktap.api.nbd.Nbd;
import org.blktap.api.testkit.Eventually;
import org.blktap.api.testkit.MemoryPort;
import org.blktap.api.testkit.Victim;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * Clients that send anything: options and requests that are right, nearly right and not right at all, payloads that are
 * cut off, replies that nobody takes. A client of another attachment, on the same socket, must not notice.
 * {@code -Dfuzz.inputs=N} sends about N options and requests; the seed is printed, and {@code -Dseed=N} repeats it.
 */
class ServerFuzzTest {
    private static final int SIZE = 40 << 20;
    private static final int VICTIM_SIZE = 1 << 20;
    /** Clients that stay without taking their replies. */
    private static final int IDLE = 20;

    private static final String[] NAMES = {
        "target",
        "victim",
        "",
        "nobody",
        "x".repeat(5000),
        "\0",
        "base:allocation",
        "base:",
        "qemu:",
        "qemu:allocation-depth",
        "qemu:dirty-bitmap:",
        "qemu:dirty-bitmap:b"
    };
    private static final int[] OPTIONS = {
        Nbd.OPT_EXPORT_NAME,
        Nbd.OPT_ABORT,
        Nbd.OPT_LIST,
        Nbd.OPT_STARTTLS,
        Nbd.OPT_INFO,
        Nbd.OPT_GO,
        Nbd.OPT_STRUCTURED_REPLY,
        Nbd.OPT_LIST_META_CONTEXT,
        Nbd.OPT_SET_META_CONTEXT,
        Nbd.OPT_EXTENDED_HEADERS,
        4,
        -1
    };

    @TempDir
    Path directory;

    private final ArrayDeque<NbdTestClient> idle = new ArrayDeque<>();
    private Random random;
    private long inputs;
    private boolean extended;

    @Test
    void anythingFromAClientHarmsNobody() throws Exception {
        long wanted = Long.getLong("fuzz.inputs", 20_000);
        long seed = Long.getLong("seed", System.nanoTime());
        random = new Random(seed);
        System.out.println("NBD server: fuzzed with -Dseed=" + seed);
        NbdLimits limits = new NbdLimits(64, 8, 64, 16, 2_000, 96L << 20, 48L << 20, 96L << 20, 1_000);
        NbdTestDaemon daemon = new NbdTestDaemon(directory, limits);
        MemoryPort target = daemon.attach("target", SIZE, Map.of());
        target.quiet = true;
        target.info = target.info.withContext("dirty-bitmap:a").withContext("dirty-bitmap:b");
        daemon.loop("target").call(() -> {
            daemon.node("target").resized();
            return null;
        });
        daemon.attach("victim", VICTIM_SIZE, Map.of()).quiet = true;
        long start = System.nanoTime();
        String report;
        try (Victim victim = NbdVictim.of(daemon.socket(), "victim", VICTIM_SIZE)) {
            while (inputs < wanted) {
                oneClient(daemon.socket());
                victim.check();
            }
            while (!idle.isEmpty()) {
                idle.poll().close();
            }
            victim.stop();
            victim.check();
            report = victim.report();
        } catch (Exception | Error e) {
            throw new AssertionError("after " + inputs + " inputs; repeat with -Dseed=" + seed, e);
        }
        System.out.printf(
                "NBD server: %d inputs in %d s, no failure; %s%n",
                inputs, (System.nanoTime() - start) / 1_000_000_000, report);
        daemon.expectNoClients();
        Eventually.holds("nothing is at the disk", () -> target.pending() == 0);
        try (NbdTestClient client = NbdTestClient.on(daemon.socket(), "target", true)) {
            client.request(Nbd.CMD_READ, Nbd.CMD_FLAG_DF, 1, 0, 512);
            assertEquals(512, client.reply().data().length);
        }
        daemon.expectNoClients();
        PayloadBuffers buffers = ((NbdNode) daemon.node("target")).buffers();
        long mapped = daemon.loop("target").call(() -> {
            buffers.trim();
            return buffers.mapped();
        });
        assertEquals(0, mapped, "bytes of buffers that nobody gave back");
        daemon.close();
    }

    private void oneClient(Path socket) throws IOException {
        NbdTestClient client = new NbdTestClient(socket);
        boolean kept = false;
        try {
            kept = talk(client);
        } catch (IOException e) {
            // cut off, as most deserve
            assertTrue(e.getMessage() != null || e instanceof IOException);
        } finally {
            if (kept) {
                idle.add(client);
                if (idle.size() > IDLE) {
                    idle.poll().close();
                }
            } else {
                client.close();
            }
        }
    }

    /** @return whether the client stays */
    private boolean talk(NbdTestClient client) throws IOException {
        ByteBuffer bytes = ByteBuffer.allocate(256 << 10);
        bytes.putInt(random.nextInt(50) == 0 ? random.nextInt() : Nbd.FLAG_FIXED_NEWSTYLE | random.nextInt(2) << 1);
        for (int n = random.nextInt(4); n > 0; n--) {
            option(bytes);
        }
        boolean good = random.nextInt(4) > 0;
        if (good) {
            extended = random.nextBoolean();
            if (extended || random.nextBoolean()) {
                bytes.put(NbdTestClient.optionBytes(
                                extended ? Nbd.OPT_EXTENDED_HEADERS : Nbd.OPT_STRUCTURED_REPLY, new byte[0])
                        .flip());
                bytes.put(NbdTestClient.optionBytes(
                                Nbd.OPT_SET_META_CONTEXT,
                                NbdTestClient.context("target", Nbd.BASE_ALLOCATION, name(), name(), name()))
                        .flip());
            }
            bytes.put(NbdTestClient.optionBytes(Nbd.OPT_GO, NbdTestClient.go("target", Nbd.INFO_BLOCK_SIZE))
                    .flip());
            for (int n = random.nextInt(60); n > 0 && bytes.remaining() > 80 << 10; n--) {
                request(bytes);
            }
        }
        client.write(bytes);
        switch (random.nextInt(4)) {
            case 0 -> client.channel.shutdownOutput();
            case 1 -> {
                return good;
            }
            case 2 -> client.channel.read(ByteBuffer.allocate(1 + random.nextInt(1 << 16)));
            default -> {}
        }
        return false;
    }

    private void option(ByteBuffer bytes) {
        inputs++;
        int start = bytes.position();
        byte[] data = switch (random.nextInt(5)) {
            case 0 -> NbdTestClient.go(name(), random.nextInt(5), random.nextInt(1 << 16));
            case 1 -> NbdTestClient.context(name(), name(), name());
            case 2 -> new byte[0];
            case 3 -> name().getBytes();
            default -> {
                byte[] noise = new byte[random.nextInt(random.nextInt(20) == 0 ? 20_000 : 100)];
                random.nextBytes(noise);
                yield noise;
            }
        };
        bytes.put(NbdTestClient.optionBytes(OPTIONS[random.nextInt(OPTIONS.length)], data)
                .flip());
        damage(bytes, start);
    }

    private String name() {
        return NAMES[random.nextInt(NAMES.length)];
    }

    private void request(ByteBuffer bytes) {
        inputs++;
        int start = bytes.position();
        int command = random.nextInt(9);
        long offset = random.nextInt(5) == 0 ? random.nextLong() : random.nextInt(SIZE);
        int length = switch (random.nextInt(8)) {
            case 0 -> random.nextInt();
            case 1 -> random.nextInt(SIZE);
            default -> random.nextInt(1 << 1 + random.nextInt(15));
        };
        if (command == Nbd.CMD_WRITE && random.nextInt(10) > 0) {
            length &= (32 << 10) - 1;
        }
        int flags = random.nextInt(3) == 0 ? random.nextInt() : random.nextInt(2);
        if (extended) {
            if (command == Nbd.CMD_WRITE && random.nextInt(50) > 0) {
                flags |= Nbd.CMD_FLAG_PAYLOAD_LEN;
            }
            long range = length;
            if (random.nextInt(20) == 0) {
                range = random.nextLong() >> random.nextInt(40);
            }
            bytes.put(NbdTestClient.extended(command, flags, inputs, offset, range)
                    .flip());
        } else {
            bytes.put(
                    NbdTestClient.header(command, flags, inputs, offset, length).flip());
        }
        boolean payload = command == Nbd.CMD_WRITE || extended && (flags & Nbd.CMD_FLAG_PAYLOAD_LEN) != 0;
        if (payload && length >= 0 && length < 64 << 10) {
            bytes.position(bytes.position() + (random.nextInt(30) == 0 ? random.nextInt(length + 1) : length));
        }
        damage(bytes, start);
    }

    /** Changes, adds or takes away something, once in a while. */
    private void damage(ByteBuffer bytes, int start) {
        int length = bytes.position() - start;
        if (length == 0 || random.nextInt(12) > 0) {
            return;
        }
        switch (random.nextInt(4)) {
            case 0 -> bytes.position(start + random.nextInt(length));
            case 1 -> bytes.putLong(random.nextLong());
            default -> {
                int at = start + random.nextInt(Math.min(length, 40));
                bytes.put(
                        at, (byte) (random.nextBoolean() ? random.nextInt() : bytes.get(at) ^ 1 << random.nextInt(8)));
            }
        }
    }
}
