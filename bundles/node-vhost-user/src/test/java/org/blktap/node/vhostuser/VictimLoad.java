package org.blktap.node.vhostuser;

import org.blktap.linux.Libc;

/** A well-behaved client on a thread of its own: writes and reads back, verifies, and remembers its slowest request. */
final class VictimLoad implements AutoCloseable {
    private static final int MEMORY = TestDriver.WINDOW;
    private static final long GUEST = 1L << 32;
    private static final int BYTES = 4096;

    private final TestNode node;
    private final Thread thread = new Thread(this::run, "victim");
    private volatile boolean stopping;
    private volatile Throwable failure;
    private volatile long requests;
    private volatile long slowestNanos;

    VictimLoad(TestNode node) {
        this.node = node;
        thread.start();
    }

    private void run() {
        try (TestMemory memory = new TestMemory(MEMORY); TestClient client = new TestClient(node.socket)) {
            client.negotiate(VirtioBlk.F_VERSION_1 | VirtioBlk.F_PROTOCOL_FEATURES | VirtioBlk.F_FLUSH);
            client.set(Protocol.ADD_MEM_REG, TestClient.region(GUEST, MEMORY, TestClient.USER, 0), memory.fd);
            try (TestDriver driver = new TestDriver(memory, 0, GUEST, 0, 64, false)) {
                driver.start(client, 0);
                for (int i = 0; !stopping; i++) {
                    int sector = i % 64 * 8;
                    driver.fill(0, BYTES, i);
                    timed(driver, VirtioBlk.T_OUT, sector);
                    driver.fill(0, BYTES, i + 1);
                    timed(driver, VirtioBlk.T_IN, sector);
                    if (!driver.filled(driver.read(driver.data(0), BYTES), i)) {
                        throw new AssertionError("victim read something else than it wrote, at request " + i);
                    }
                    // a disk in use, not a second attack
                    Thread.sleep(1);
                }
            }
        } catch (Throwable e) {
            failure = e;
        }
    }

    private void timed(TestDriver driver, int type, int sector) throws InterruptedException {
        long start = System.nanoTime();
        int status = driver.run(0, type, sector, BYTES, false);
        long nanos = System.nanoTime() - start;
        if (status != VirtioBlk.S_OK) {
            throw new AssertionError("victim got status " + status);
        }
        requests++;
        slowestNanos = Math.max(slowestNanos, nanos);
    }

    /** Throws what the victim has run into. */
    void check() {
        if (failure != null) {
            throw new AssertionError("the victim failed", failure);
        }
        // the test's own errors of memory that is gone come here, and not later
        Libc.getuid();
    }

    long requests() {
        return requests;
    }

    long slowestMillis() {
        return slowestNanos / 1_000_000;
    }

    @Override
    public void close() {
        stopping = true;
        try {
            thread.join(60_000);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }
}
