package org.blktap.node.xen;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;

import java.nio.file.Path;
import java.util.List;
import org.blktap.api.testkit.Eventually;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The disks of QEMU, and those of domains that have blktap's stand-in for it. */
class QdisksTest {
    private static final String BACKEND = "/local/domain/0/backend/qdisk/5/51712";

    @TempDir
    Path directory;

    private final TestBus bus = new TestBus();
    private TestHost host;
    private FakeAttachments attachments;
    private ToolstackDisks disks;

    @BeforeEach
    void boot() throws Exception {
        host = new TestHost(directory);
        host.newGuest(5, 8);
        attachments = new FakeAttachments(host);
        disks = new ToolstackDisks(attachments, bus, new FakeGone(), host.blkback, () -> 16);
        bus.connect(host.store.asProcess(bus));
    }

    @AfterEach
    void shutDown() throws Exception {
        disks.stop();
        bus.settle();
        bus.check();
        bus.close();
        host.close();
    }

    private void standInRuns() throws Exception {
        host.store.write("/local/domain/0/device-model/5/blktap", "1");
        host.store.write("/local/domain/0/device-model/5/state", "running");
    }

    private void nothingIsAttached() throws Exception {
        for (int i = 0; i < 3; i++) {
            bus.settle();
            Thread.sleep(20);
        }
        assertEquals(List.of(), attachments.calls);
    }

    @Test
    void theStandInMayStartBeforeOrAfterTheDevice() throws Exception {
        host.store.write("/libxl/5/type", "pv");
        host.toolstackWrites("qdisk", 5, 51712, "ram:a", "w");
        nothingIsAttached();
        standInRuns();
        Eventually.holds(
                "it is attached",
                () -> attachments.calls.equals(List.of("attach tap:ram:a xen-5-51712 [xen:5/51712,backend=qdisk]")));
        host.toolstackWrites("qdisk", 5, 51728, "ram:b", "r");
        Eventually.holds(
                "the other, too",
                () -> attachments.calls.contains("attach tap:ram:b xen-5-51728 [xen:5/51728,backend=qdisk] read-only"));
    }

    /** The stand-in waits until the device is announced, and the guest's former host until the stand-in runs. */
    @Test
    void theImagesOfAGuestThatComesFromAnotherHostAreWaitedFor() throws Exception {
        host.store.write("/libxl/5/type", "pv");
        host.store.write("/local/domain/5/name", "web1--incoming");
        standInRuns();
        host.toolstackWrites("qdisk", 5, 51712, "ram:a", "w");
        Eventually.holds(
                "it waits",
                () -> attachments.calls.equals(
                        List.of("attach tap:ram:a xen-5-51712 [xen:5/51712,backend=qdisk] {wait-for-lock=60}")));
        Eventually.holds("it is announced", () -> "2".equals(host.store.read(BACKEND + "/state")));
        assertNull(host.store.read(BACKEND + "/blktap-attachment"));
        // an image that cannot be opened is reported at once
        host.store.remove("/local/domain/0/backend/qdisk/5");
        host.toolstackWrites("qdisk", 5, 51728, "qcow:/none", "w");
        Eventually.holds(
                "it is refused", () -> "6".equals(host.store.read("/local/domain/0/backend/qdisk/5/51728/state")));
    }

    @Test
    void qemuKeepsTheDisksOfAnHvmGuestAndOfOnesWithoutTheStandIn() throws Exception {
        for (String type : new String[] {"hvm", "", "pvh2"}) {
            host.store.write("/libxl/5/type", type);
            host.toolstackWrites("qdisk", 5, 51712, "ram:a", "w");
            standInRuns();
            nothingIsAttached();
        }
        host.store.write("/local/domain/0/device-model/5/blktap", "0");
        host.store.write("/libxl/5/type", "pvh");
        nothingIsAttached();
        assertNull(host.store.read(BACKEND + "/blktap-attachment"));
        assertEquals("1", host.store.read(BACKEND + "/state"));
    }

    @Test
    void whatCannotBeAttachedIsToldAndCanBeRemoved() throws Exception {
        host.store.write("/libxl/5/type", "pvh");
        standInRuns();
        host.toolstackWrites("qdisk", 5, 51712, "qcow:/none\u001b[2J", "w");
        Eventually.holds("it is refused", () -> "6".equals(host.store.read(BACKEND + "/state")));
        assertEquals("error", host.store.read(BACKEND + "/hotplug-status"));
        assertEquals("no driver for tap:qcow", host.store.read(BACKEND + "/hotplug-error"));
        host.store.remove("/local/domain/0/backend/qdisk/5");
        host.toolstackWrites("qdisk", 5, 51712, "empty:\u001b[2J", "r");
        Eventually.holds("it is refused", () -> "6".equals(host.store.read(BACKEND + "/state")));
        host.store.transaction(tx -> {
            tx.write(BACKEND + "/online", "0");
            tx.write(BACKEND + "/state", "5");
        });
        Eventually.holds("and it is closed for the toolstack", () -> "6".equals(host.store.read(BACKEND + "/state")));
    }
}
