package org.blktap.node.vhostuser;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;

import java.nio.file.Path;
import java.util.Map;
import org.blktap.api.memory.Memory;
import org.blktap.api.testkit.Eventually;
import org.blktap.linux.Libc;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** Events that nobody served, or that went to a descriptor that is replaced: the driver sleeps until the next one. */
@Timeout(300)
class LostEventsTest {
    private static final long FEATURES =
            VirtioBlk.F_VERSION_1 | VirtioBlk.F_PROTOCOL_FEATURES | VirtioBlk.F_FLUSH | VirtioBlk.F_EVENT_IDX;
    private static final long GUEST = 0x1_4000_0000L;

    @TempDir
    Path directory;

    private TestNode node;
    private TestMemory memory;
    private TestDriver driver;

    @BeforeEach
    void open() throws Exception {
        node = new TestNode(directory, 1 << 20, Map.of());
        memory = new TestMemory(TestDriver.WINDOW);
        driver = new TestDriver(memory, 0, GUEST, 0, 64, true);
    }

    @AfterEach
    void close() throws Exception {
        node.close();
        driver.close();
        memory.close();
    }

    private VhostUserTestClient connect() {
        VhostUserTestClient client = new VhostUserTestClient(node.socket);
        client.negotiate(FEATURES);
        client.set(
                Protocol.ADD_MEM_REG,
                VhostUserTestClient.region(GUEST, TestDriver.WINDOW, VhostUserTestClient.USER, 0),
                memory.fd);
        return client;
    }

    private void awaitSignal(int call) throws Exception {
        Eventually.holds("the driver is notified", () -> driver.readEvent(call));
    }

    /**
     * A daemon that was killed may have shown used entries without a notification. QEMU 7.2 sends the descriptor before
     * the ring starts, and not again afterwards.
     */
    @Test
    void aRingThatGoesOnNotifiesWithoutARequest() throws Exception {
        try (VhostUserTestClient client = connect()) {
            driver.start(client, 0);
            client.getU64(Protocol.GET_QUEUE_NUM);
            assertFalse(driver.readEvent(driver.call), "a new ring has nothing to say");
            assertEquals(VirtioBlk.S_OK, driver.run(0, VirtioBlk.T_IN, 0, 512, false));
            awaitSignal(driver.call);
        }
        node.awaitStatus("client", "none");
        try (VhostUserTestClient client = connect()) {
            driver.start(client, driver.usedIdx());
            awaitSignal(driver.call);
        }
    }

    /** Indexes wrap: the next one is 0 again after 65536 answers. */
    @Test
    void aRingThatGoesOnAtZeroNotifiesToo() throws Exception {
        int last = 0xffff;
        driver.availIdx = last;
        driver.usedSeen = last;
        Memory.putShort(driver.at(driver.avail()) + 2, (short) last);
        Memory.putShort(driver.at(driver.used()) + 2, (short) last);
        try (VhostUserTestClient client = connect()) {
            driver.start(client, last);
            assertEquals(VirtioBlk.S_OK, driver.run(0, VirtioBlk.T_OUT, 0, 512, false));
        }
        node.awaitStatus("client", "none");
        assertEquals(0, driver.usedIdx());
        awaitSignal(driver.call);
        try (VhostUserTestClient client = connect()) {
            driver.start(client, 0);
            awaitSignal(driver.call);
        }
    }

    @Test
    void aNewCallDescriptorIsNotifiedOfWhatWentToTheOldOne() throws Exception {
        int other = Libc.eventfd(0, Libc.EFD_CLOEXEC | Libc.EFD_NONBLOCK);
        try (VhostUserTestClient client = connect()) {
            driver.start(client, 0);
            assertEquals(VirtioBlk.S_OK, driver.run(0, VirtioBlk.T_IN, 0, 512, false));
            client.set(Protocol.SET_VRING_CALL, VhostUserTestClient.u64(0), other);
            awaitSignal(other);
        } finally {
            Libc.close(other);
        }
    }

    @Test
    void aNewKickDescriptorLosesNoRequest() throws Exception {
        int other = Libc.eventfd(0, Libc.EFD_CLOEXEC);
        try (VhostUserTestClient client = connect()) {
            driver.start(client, 0);
            assertEquals(VirtioBlk.S_OK, driver.run(0, VirtioBlk.T_IN, 0, 512, false));
            // its kick goes to a descriptor that the device does not have
            driver.io(0, VirtioBlk.T_IN, 1, 512, false);
            client.set(Protocol.SET_VRING_KICK, VhostUserTestClient.u64(0), other);
            driver.next();
            assertEquals(VirtioBlk.S_OK, driver.status(0));
        } finally {
            Libc.close(other);
        }
    }

    @Test
    void aRingThatIsEnabledLaterLosesNoRequest() throws Exception {
        try (VhostUserTestClient client = connect()) {
            driver.start(client, 0);
            client.set(Protocol.SET_VRING_ENABLE, VhostUserTestClient.state(0, 0));
            driver.io(0, VirtioBlk.T_IN, 1, 512, false);
            driver.kickAlways();
            client.getU64(Protocol.GET_QUEUE_NUM);
            assertEquals(0, driver.usedIdx());
            client.set(Protocol.SET_VRING_ENABLE, VhostUserTestClient.state(0, 1));
            driver.next();
            assertEquals(VirtioBlk.S_OK, driver.status(0));
            awaitSignal(driver.call);
        }
    }
}
