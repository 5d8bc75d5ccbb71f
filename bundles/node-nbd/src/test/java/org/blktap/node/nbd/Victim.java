package org.blktap.node.nbd;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import java.nio.file.Path;
import java.util.Random;
import org.blktap.api.nbd.Nbd;

/** A client of another attachment that writes and reads back all the time, and notes the slowest request. */
final class Victim implements AutoCloseable {
    private static final int BLOCK = 4096;

    private final Thread thread = new Thread(this::run, "victim");
    private final Path socket;
    private final String export;
    private final int blocks;
    private volatile boolean stopped;
    private volatile Throwable failure;
    private volatile long slowestNanos;
    private volatile long requests;

    Victim(Path socket, String export, int size) {
        this.socket = socket;
        this.export = export;
        blocks = size / BLOCK;
        thread.start();
    }

    private void run() {
        Random random = new Random(1);
        byte[][] model = new byte[blocks][];
        try (TestClient client = TestClient.on(socket, export, false)) {
            for (long cookie = 1; !stopped; cookie++) {
                int block = random.nextInt(blocks);
                long start = System.nanoTime();
                if (model[block] == null || random.nextBoolean()) {
                    model[block] = new byte[BLOCK];
                    random.nextBytes(model[block]);
                    client.requestWrite(0, cookie, (long) block * BLOCK, model[block]);
                    TestClient.Reply reply = client.reply();
                    assertEquals(0, reply.error());
                    assertEquals(cookie, reply.cookie());
                } else {
                    client.request(Nbd.CMD_READ, 0, cookie, (long) block * BLOCK, BLOCK);
                    assertArrayEquals(model[block], client.reply(BLOCK).data());
                }
                slowestNanos = Math.max(slowestNanos, System.nanoTime() - start);
                requests++;
            }
        } catch (Exception | Error e) {
            failure = e;
        }
    }

    /** Fails if the victim has. */
    void check() {
        if (failure != null) {
            throw new AssertionError("the victim was harmed", failure);
        }
    }

    String report() {
        return requests + " requests of the victim, the slowest took " + slowestNanos / 1_000_000 + " ms";
    }

    @Override
    public void close() {
        stop();
    }

    void stop() {
        stopped = true;
        try {
            thread.join();
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }
}
