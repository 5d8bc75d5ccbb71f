package org.blktap.node.xen;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import org.blktap.api.control.AttachRequest;
import org.blktap.api.disk.TapSpec;
import org.blktap.api.testkit.Eventually;
import org.blktap.linux.Mapping;
import org.blktap.node.xen.SimFrontend.Shape;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Whatever dies in whatever order: after the next start nothing is left that has no domain. */
class LeftoversTest {
    @TempDir
    Path directory;

    private final TestBus bus = new TestBus();
    private TestHost host;
    private SimGuest guest;
    private FakeAttachments attachments;
    private ToolstackDisks disks;

    @BeforeEach
    void boot() throws Exception {
        host = new TestHost(directory);
        guest = host.newGuest(5, 2048);
        attachments = new FakeAttachments(host);
    }

    private void start() {
        disks = new ToolstackDisks(attachments, bus, new FakeGone(), host.blkback, () -> 16);
        bus.connect(host.store.asProcess(bus));
    }

    @AfterEach
    void shutDown() throws Exception {
        if (disks != null) {
            disks.stop();
        }
        bus.settle();
        bus.check();
        bus.close();
        host.close();
    }

    /** On record, and not opened, as after a start without its domain or its image. */
    private void onRecord(String id, String... nodes) throws Exception {
        attachments.attached.put(
                id, new AttachRequest(TapSpec.parse("tap:ram:" + id), id, List.of(nodes), false, Map.of()));
        attachments.parked.add(id);
    }

    private void awaitCalls(String... calls) throws Exception {
        Eventually.holds(
                List.of(calls) + ", not " + attachments.calls,
                () -> List.copyOf(attachments.calls).stream().sorted().toList().equals(List.of(calls)));
    }

    @Test
    void aGuestThatEndedWhileTheDaemonWasDownLeavesNoAttachment() throws Exception {
        onRecord("xen-5-51712", "nbd", "xen:5/51712,backend=vbd");
        onRecord("xen-7-51712", "xen:7/51712,backend=qdisk");
        onRecord("tap-3", "nbd,socket=/x", "xen:7/51728,backend=vbd3");
        onRecord("by-hand", "xen:web1/xvdc");
        onRecord("shared", "nbd", "xen:web1/xvda");
        onRecord("other", "nbd");
        start();
        awaitCalls(
                "detach by-hand forced",
                "detach tap-3 forced",
                "detach xen-5-51712 forced",
                "detach xen-7-51712 forced",
                "unplug shared xen:web1/xvda forced");
        assertEquals(List.of("other", "shared"), List.copyOf(attachments.attached.keySet()));
    }

    @Test
    void anotherDomainWithTheNumberHasNotItsDisk() throws Exception {
        onRecord("xen-5-51712", "xen:5/51712,backend=vbd");
        host.toolstackWrites("vbd", 5, 51712, "/dev/sda", "w", "/etc/xen/scripts/block");
        start();
        awaitCalls("detach xen-5-51712 forced");
        assertEquals("1", host.store.read("/local/domain/0/backend/vbd/5/51712/state"));
    }

    @Test
    void aDomainThatIsThereKeepsItsDisk() throws Exception {
        onRecord("xen-5-51712", "xen:5/51712,backend=vbd");
        host.toolstackWrites("vbd", 5, 51712, "ram:a", "w", "/etc/xen/scripts/block-blktap");
        host.store.write("/local/domain/0/backend/vbd/5/51712/blktap-attachment", "xen-5-51712");
        onRecord("gone", "xen:5/xvdc");
        start();
        awaitCalls("detach gone forced");
        // its image is still missing when it ends, too
        attachments.calls.clear();
        host.store.remove("/local/domain/0/backend/vbd/5");
        awaitCalls("detach xen-5-51712 forced");
    }

    /**
     * The guest that is moved here has no device of it yet: it is neither gone, nor may it stay when its domain goes.
     */
    @Test
    void whatWaitsForItsImageStaysAsLongAsItsDomain() throws Exception {
        for (String id : List.of("xen-5-51712", "tap-3", "xen-7-51712")) {
            String number = id.equals("xen-7-51712") ? "7" : "5";
            attachments.attached.put(
                    id,
                    new AttachRequest(
                            TapSpec.parse("tap:ram:" + id),
                            id,
                            List.of("nbd", "xen:" + number + "/51712,backend=" + (id.equals("tap-3") ? "vbd3" : "vbd")),
                            false,
                            Map.of()));
            attachments.waiting.add(id);
        }
        // it has waited long enough, and an administrator may resume it
        attachments.parked.add("tap-3");
        start();
        awaitCalls("detach xen-7-51712 forced");
        host.store.remove("/local/domain/5");
        awaitCalls("detach tap-3 forced", "detach xen-5-51712 forced", "detach xen-7-51712 forced");
    }

    /** Killed between the nodes and the record. */
    @Test
    void aDeviceGivenByHandThatIsOnNoRecordGoes() throws Exception {
        DeviceNodes.claim(
                host.store,
                new DevicePaths(0, "tap", 5, 51712),
                new DeviceNodes.Claim("unknown", "xvda", 4, new DeviceAccess(true, false, false), true),
                host.blkback);
        start();
        Eventually.holds("it is gone\n" + host.store, () -> host.store.read("/local/domain/0/backend/tap") == null);
        for (String path : List.of("/local/domain/5/device/vbd/51712", "/libxl/5/device/vbd")) {
            assertNull(host.store.read(path), path);
        }
    }

    /** Killed between the nodes of one more device and the record. */
    @Test
    void aDeviceThatIsNotOnTheRecordOfItsAttachmentIsNobodys() throws Exception {
        attachments.attached.put(
                "shared",
                new AttachRequest(TapSpec.parse("tap:ram:a"), "shared", List.of("xen:6/51712"), false, Map.of()));
        host.toolstackWrites("vbd3", 5, 51712, "ram:a", "w", "/etc/xen/scripts/block-tap");
        host.store.write("/local/domain/0/backend/vbd3/5/51712/blktap-attachment", "shared");
        start();
        Eventually.holds(
                "it is nobody's",
                () -> host.store.read("/local/domain/0/backend/vbd3/5/51712/blktap-attachment") == null);
        assertEquals(List.of(), attachments.calls);
    }

    @Test
    void aDeviceGivenByHandLeavesNoEmptyDirectory() throws Exception {
        Mapping content = Mapping.anonymous(1 << 20);
        host.newGuest(6, 2048);
        XenTestDisk other = new XenTestDisk(host, 6, content);
        new XenTestDisk(host, 5, content).close(true);
        assertEquals(List.of("6"), host.store.list("/local/domain/0/backend/tap"));
        other.close(true);
        for (String path : List.of(
                "/local/domain/0/backend/tap",
                "/local/domain/5/device/vbd/51712",
                "/libxl/5/device/vbd",
                "/libxl/6/device/vbd")) {
            assertNull(host.store.read(path), path);
        }
        assertEquals("", host.store.read("/local/domain/5/device"));
        content.close();
    }

    @Test
    void theRequestLogOfADomainThatEndedWhileTheDaemonWasDownGoes() throws Exception {
        Mapping content = Mapping.anonymous(1 << 20);
        SimFrontend frontend = new SimFrontend(host, host.newGuest(6));
        XenTestDisk first = new XenTestDisk(host, 6, content);
        frontend.connect(Shape.PLAIN);
        frontend.assertServed(0x1);
        XenTestDisk kept = new XenTestDisk(host, 5, content);
        first.kill();
        kept.kill();
        assertEquals(true, Files.exists(directory.resolve("xen-6-51712.log")));
        Files.createFile(directory.resolve("xen-5-51712.log"));
        Files.createFile(directory.resolve("xen-notes.log"));
        host.store.remove("/local/domain/6");
        host.store.remove("/local/domain/0/backend/tap/6");
        try (XenTestDisk again = new XenTestDisk(host, 5, content, true)) {
            again.settle();
            assertEquals(false, Files.exists(directory.resolve("xen-6-51712.log")));
            assertEquals(true, Files.exists(directory.resolve("xen-notes.log")));
        }
        content.close();
    }

    /** The domain ends, another gets its number, and such a device of another backend. */
    @Test
    void theFrontendOfAnotherBackendIsNotConnectedTo() throws Exception {
        Mapping content = Mapping.anonymous(1 << 20);
        XenTestDisk first = new XenTestDisk(host, 5, content);
        first.kill();
        host.store.remove("/local/domain/5/device/vbd");
        host.toolstackWrites("vbd", 5, 51712, "/dev/sda", "w", "/etc/xen/scripts/block");
        SimFrontend theirs = new SimFrontend(host, guest, "vbd");
        theirs.newRings(Shape.PLAIN);
        theirs.state(XenbusState.CONNECTED);
        try (XenTestDisk second = new XenTestDisk(host, 5, content, true)) {
            Eventually.holds("it is let go", () -> second.gone.get() > 0);
            second.settle();
            assertEquals("", host.xen.held());
        }
        assertEquals(
                "/local/domain/0/backend/vbd/5/51712",
                host.store.read("/local/domain/5/device/vbd/51712/backend"),
                "and is left alone");
        content.close();
    }
}
