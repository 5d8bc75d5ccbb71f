package org.blktap.node.vhostuser;

import org.blktap.api.testkit.Victim;

/** The requests of a {@link Victim}: a client of another node that writes, reads back and compares. */
final class VhostUserVictim {
    private static final int MEMORY = TestDriver.WINDOW;
    private static final long GUEST = 1L << 32;
    private static final int BYTES = 4096;

    private VhostUserVictim() {}

    static Victim of(TestNode node) {
        return new Victim(victim -> {
            try (TestMemory memory = new TestMemory(MEMORY);
                    VhostUserTestClient client = new VhostUserTestClient(node.socket)) {
                client.negotiate(VirtioBlk.F_VERSION_1 | VirtioBlk.F_PROTOCOL_FEATURES | VirtioBlk.F_FLUSH);
                client.set(
                        Protocol.ADD_MEM_REG,
                        VhostUserTestClient.region(GUEST, MEMORY, VhostUserTestClient.USER, 0),
                        memory.fd);
                try (TestDriver driver = new TestDriver(memory, 0, GUEST, 0, 64, false)) {
                    driver.start(client, 0);
                    for (int i = 0; victim.wanted(); i++) {
                        writeAndRead(victim, driver, i);
                        // a disk in use, not a second attack
                        Thread.sleep(1);
                    }
                }
            }
        });
    }

    private static void writeAndRead(Victim victim, TestDriver driver, int i) throws Exception {
        int sector = i % 64 * 8;
        driver.fill(0, BYTES, i);
        victim.timed(() -> run(driver, VirtioBlk.T_OUT, sector));
        driver.fill(0, BYTES, i + 1);
        victim.timed(() -> run(driver, VirtioBlk.T_IN, sector));
        if (!driver.filled(driver.read(driver.data(0), BYTES), i)) {
            throw new AssertionError("victim read something else than it wrote, at request " + i);
        }
    }

    private static void run(TestDriver driver, int type, int sector) throws InterruptedException {
        int status = driver.run(0, type, sector, BYTES, false);
        if (status != VirtioBlk.S_OK) {
            throw new AssertionError("victim got status " + status);
        }
    }
}
