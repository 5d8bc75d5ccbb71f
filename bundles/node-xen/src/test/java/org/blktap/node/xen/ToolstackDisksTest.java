package org.blktap.node.xen;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import org.blktap.api.control.AttachRequest;
import org.blktap.api.disk.DiskException;
import org.blktap.api.disk.TapSpec;
import org.blktap.api.testkit.Eventually;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** What toolstacks write into XenStore, and what becomes of it. */
class ToolstackDisksTest {
    private static final DevicePaths VBD = new DevicePaths(0, "vbd", 5, 51712);

    @TempDir
    Path directory;

    private final TestBus bus = new TestBus();
    private FakeAttachments attachments;
    private final FakeGone gone = new FakeGone();
    private TestHost host;
    private ToolstackDisks disks;

    @BeforeEach
    void boot() throws Exception {
        host = new TestHost(directory);
        attachments = new FakeAttachments(host);
        host.newGuest(5, 8);
        host.newGuest(6, 8);
        host.kernel.boot(host.store);
    }

    private void start() {
        disks = new ToolstackDisks(attachments, bus, gone, host.blkback, () -> 16);
        bus.connect(host.store.asProcess(bus));
    }

    @AfterEach
    void shutDown() throws Exception {
        disks.stop();
        bus.settle();
        bus.check();
        bus.close();
        assertEquals(0, host.store.watches());
        assertEquals(List.of(), gone.listeners);
        host.close();
    }

    private void awaitCalls(String... calls) throws Exception {
        Eventually.holds(List.of(calls) + ", not " + attachments.calls, () -> attachments.calls.size() >= calls.length);
        bus.settle();
        assertEquals(List.of(calls), attachments.calls);
    }

    private String read(String type, String node) throws Exception {
        return host.store.read("/local/domain/0/backend/" + type + "/5/51712/" + node);
    }

    @Test
    void whatAToolstackWritesIsAttachedOnce() throws Exception {
        host.toolstackWrites("tap", 5, 51712, "ram:a", "w");
        start();
        awaitCalls("attach tap:ram:a xen-5-51712 [xen:5/51712,backend=tap]");
        host.toolstackWrites("vbd3", 6, 51728, "tap:ram:b", "r");
        awaitCalls(
                "attach tap:ram:a xen-5-51712 [xen:5/51712,backend=tap]",
                "attach tap:ram:b xen-6-51728 [xen:6/51728,backend=vbd3] read-only");
        for (int i = 0; i < 10; i++) {
            host.store.write("/local/domain/0/backend/tap/5/51712/state", Integer.toString(i % 5));
        }
        bus.settle();
        assertEquals(2, attachments.calls.size());
        assertEquals("xen-5-51712", read("tap", "blktap-attachment"));
    }

    /** Its former host has its images open until it runs here, and the toolstack makes all its disks before. */
    @Test
    void theImagesOfAGuestThatComesFromAnotherHostAreWaitedFor() throws Exception {
        host.store.write("/local/domain/5/name", "web1--incoming");
        host.store.write("/local/domain/6/name", "web1--incoming2");
        start();
        host.toolstackWrites("tap", 5, 51712, "ram:a", "w");
        host.toolstackWrites("vbd3", 5, 51728, "ram:b", "r");
        // neither a second disk nor another guest's waits for that
        host.toolstackWrites("tap", 6, 51712, "ram:c", "w");
        Eventually.holds(attachments.calls + "", () -> attachments.calls.size() >= 3);
        bus.settle();
        assertTrue(
                attachments.calls.contains("attach tap:ram:a xen-5-51712 [xen:5/51712,backend=tap] {wait-for-lock=60}"),
                attachments.calls::toString);
        assertTrue(
                attachments.calls.contains(
                        "attach tap:ram:b xen-5-51728 [xen:5/51728,backend=vbd3] read-only {wait-for-lock=60}"),
                attachments.calls::toString);
        assertTrue(
                attachments.calls.contains("attach tap:ram:c xen-6-51712 [xen:6/51712,backend=tap]"),
                attachments.calls::toString);
        for (String node : List.of("feature-max-indirect-segments", "max-ring-page-order", "multi-queue-max-queues")) {
            Eventually.holds(node, () -> read("tap", node) != null);
        }
        assertEquals("2", read("tap", "state"), "libxl waits for that");
        assertNull(read("tap", "blktap-attachment"));
        assertNull(read("tap", "sectors"));
        // it has not been able to start there: the guest runs on the other host, and the image must stay its own
        host.store.transaction(tx -> {
            tx.write("/local/domain/0/backend/tap/5/51712/online", "0");
            tx.write("/local/domain/0/backend/tap/5/51712/state", "5");
        });
        Eventually.holds("it is closed for the toolstack", () -> "6".equals(read("tap", "state")));
        host.store.remove("/local/domain/0/backend/tap/5");
        host.store.remove("/local/domain/5");
        Eventually.holds("it is detached", () -> !attachments.attached.containsKey("xen-5-51712"));
    }

    @Test
    void whatCannotBeAttachedIsToldToTheToolstack() throws Exception {
        start();
        for (String params : List.of("aio:/none", "nonsense", "", ":", "RAM:x", "tap:tap:ram")) {
            attachments.calls.clear();
            host.toolstackWrites("tap", 5, 51712, params, "w");
            Eventually.holds(params + " is refused", () -> "6".equals(read("tap", "state")));
            assertEquals("error", read("tap", "hotplug-status"));
            assertTrue(read("tap", "hotplug-error").length() > 10, read("tap", "hotplug-error"));
            assertEquals(Map.of(), attachments.attached);
            // the toolstack gives up, and may write it again
            host.store.remove("/local/domain/0/backend/tap/5");
            bus.settle();
        }
        host.toolstackWrites("tap", 5, 51712, "ram:x", "w");
        Eventually.holds("it is attached", () -> attachments.attached.size() == 1);
    }

    /**
     * As after a restart of the daemon, when a toolstack was killed before it had removed the device of a domain that
     * has ended.
     */
    @Test
    void aDeviceWithoutADomainIsLeftAsItIs() throws Exception {
        host.toolstackWrites("tap", 5, 51712, "aio:/none", "w");
        host.toolstackWrites("vbd", 5, 51728, "ram:a", "w", "/etc/xen/scripts/block-blktap");
        host.toolstackWrites("tap", 6, 51712, "ram:b", "w");
        host.store.remove("/local/domain/5");
        start();
        awaitCalls("attach tap:ram:b xen-6-51712 [xen:6/51712,backend=tap]");
        assertNull(read("tap", "hotplug-error"));
        assertNull(read("tap", "hotplug-status"));
        assertEquals("1", read("tap", "state"));
        assertEquals("1", host.store.read("/local/domain/0/backend/vbd/5/51728/state"));
    }

    /** Its image is still being opened then. */
    @Test
    void aDomainThatEndsDuringAnAttachGetsNoReport() throws Exception {
        start();
        attachments.meanwhile = () -> host.store.remove("/local/domain/5");
        host.toolstackWrites("tap", 5, 51712, "aio:/none", "w");
        awaitCalls("attach tap:aio:/none xen-5-51712 [xen:5/51712,backend=tap]");
        host.toolstackWrites("tap", 6, 51712, "ram:b", "w");
        Eventually.holds("the next is attached", () -> attachments.attached.size() == 1);
        assertNull(read("tap", "hotplug-error"));
        assertNull(read("tap", "hotplug-status"));
    }

    /** Between two looks: nobody has seen it go. */
    @Test
    void aDeviceThatIsWrittenAnewIsTriedAgain() throws Exception {
        start();
        for (int i = 0; i < 20; i++) {
            host.toolstackWrites("tap", 5, 51712, "aio:/none", "w");
            Eventually.holds("it is refused", () -> "6".equals(read("tap", "state")));
            host.store.remove("/local/domain/0/backend/tap/5");
        }
        host.toolstackWrites("tap", 5, 51712, "ram:x", "w");
        Eventually.holds("it is attached", () -> attachments.attached.size() == 1);
    }

    @Test
    void aDeviceOfAScriptIsAnnouncedAndLeftToIt() throws Exception {
        host.toolstackWrites("vbd", 5, 51712, "ram:a", "w", "/etc/xen/scripts/block-blktap");
        host.toolstackWrites("vbd", 6, 51712, "ram:a", "w", "/etc/xen/scripts/block-nbd");
        start();
        Eventually.holds("it is announced", () -> "2".equals(read("vbd", "state")));
        bus.settle();
        assertEquals("1", host.store.read("/local/domain/0/backend/vbd/6/51712/state"), "another's");
        assertEquals(List.of(), attachments.calls);
    }

    /** Loaded later, as udev does it, it would take the device while it is served. */
    @Test
    void theKernelsBackendIsLoadedBeforeADeviceIsAnnounced() throws Exception {
        host.kernel.module = true;
        host.toolstackWrites("vbd", 5, 51712, "ram:a", "w", "/etc/xen/scripts/block-blktap");
        host.kernel.look();
        start();
        Eventually.holds("the kernel announces it", () -> "2".equals(read("vbd", "state")));
        assertTrue(host.kernel.has(VBD));
        attachments.put(new AttachRequest(
                TapSpec.parse("tap:ram:a"), "xen-5-51712", List.of("xen:5/51712,backend=vbd"), false, Map.of()));
        assertFalse(host.kernel.has(VBD));
        assertEquals(List.of("vbd-5-51712"), host.kernel.unbound);
        assertEquals("xen-5-51712", read("vbd", "blktap-attachment"));
    }

    @Test
    void aDeviceThatTheKernelKeepsIsRefused() throws Exception {
        host.kernel.module = true;
        host.kernel.refuses = true;
        host.toolstackWrites("vbd", 5, 51712, "ram:a", "w", "/etc/xen/scripts/block-blktap");
        host.kernel.look();
        host.kernel.load();
        AssertionError refused = assertThrows(
                AssertionError.class,
                () -> attachments.put(new AttachRequest(
                        TapSpec.parse("tap:ram:a"),
                        "xen-5-51712",
                        List.of("xen:5/51712,backend=vbd"),
                        false,
                        Map.of())));
        assertTrue(refused.getMessage().contains("run the daemon as root with a writable /sys"), refused.getMessage());
        assertNull(read("vbd", "blktap-attachment"));
        assertEquals("2", read("vbd", "state"));
        start();
    }

    @Test
    void whatTheKernelDoesNotAnnounceIsAnnounced() throws Exception {
        host.kernel.module = true;
        host.kernel.load();
        host.toolstackWrites("vbd", 5, 51712, "ram:a", "w", "/etc/xen/scripts/block-blktap");
        start();
        Eventually.holds("it is announced", () -> "2".equals(read("vbd", "state")));
    }

    @Test
    void aDiskOfTheKernelsBackendIsNotTaken() throws Exception {
        host.toolstackWrites("vbd", 5, 51712, "/dev/sda", "w", "/etc/xen/scripts/block");
        host.store.write("/local/domain/0/backend/vbd/5/51712/physical-device", "8:0");
        DiskException refused = assertThrows(
                DiskException.class,
                () -> attachments.put(new AttachRequest(
                        TapSpec.parse("tap:ram:a"), "mine", List.of("xen:5/51712,backend=vbd"), false, Map.of())));
        assertEquals(DiskException.Reason.EXISTS, refused.reason());
        assertNull(read("vbd", "blktap-attachment"));
        start();
    }

    /** A takeover: Xen's own script is a link to ours. */
    @Test
    void aScriptThatLeadsToOursIsOurs() throws Exception {
        Path scripts = Files.createDirectories(directory.resolve("dist/etc/xen/scripts"));
        Path ours = Files.createFile(scripts.resolve("block-blktap"));
        Path between = Files.createSymbolicLink(directory.resolve("between"), ours);
        Path block = Files.createSymbolicLink(directory.resolve("block"), between);
        Path loop = directory.resolve("loop");
        Files.createSymbolicLink(loop, loop);
        assertTrue(ToolstackDisks.isOurScript(block.toString()));
        for (String other : new String[] {
            null,
            "",
            "block-blktap",
            loop.toString(),
            scripts.toString(),
            "/none",
            "/etc/xen/\0/block-blktap",
            "/x/block-blktap2"
        }) {
            assertFalse(ToolstackDisks.isOurScript(other), other);
        }
        host.toolstackWrites("vbd", 5, 51712, "/dev/sda", "w", block.toString());
        start();
        Eventually.holds("it is announced", () -> "2".equals(read("vbd", "state")));
    }

    @Test
    void aDeviceOfAScriptHasAllFeaturesWhenItIsAnnounced() throws Exception {
        start();
        for (String type : List.of("vbd", "vbd3", "tap")) {
            host.toolstackWrites(type, 5, 51712, "ram:a", "w", "/etc/xen/scripts/block-blktap");
            Eventually.holds("it is announced", () -> "2".equals(read(type, "state")));
            assertEquals(
                    List.of("256", "4", "4"),
                    List.of(
                            read(type, "feature-max-indirect-segments"),
                            read(type, "max-ring-page-order"),
                            read(type, "multi-queue-max-queues")));
        }
    }

    /** libxl waits until a device is closed whose script has failed. */
    @Test
    void aDeviceOfAFailedScriptIsClosedForTheToolstack() throws Exception {
        start();
        host.toolstackWrites("vbd", 5, 51712, "ram:a", "w", "/etc/xen/scripts/block-blktap");
        host.toolstackWrites("vbd", 6, 51712, "/dev/sda", "w", "/etc/xen/scripts/block");
        Eventually.holds("it is announced", () -> "2".equals(read("vbd", "state")));
        for (int domain : new int[] {5, 6}) {
            String backend = "/local/domain/0/backend/vbd/" + domain + "/51712";
            host.store.transaction(tx -> {
                tx.write(backend + "/online", "0");
                tx.write(backend + "/state", "5");
            });
        }
        Eventually.holds("it is closed", () -> "6".equals(read("vbd", "state")));
        bus.settle();
        assertEquals("5", host.store.read("/local/domain/0/backend/vbd/6/51712/state"), "another's");
    }

    /** Xen 4.20's block-tap opens the disk writable, whatever the mode. */
    @Test
    void aDiskThatItsGuestMustNotWriteBecomesReadOnly() throws Exception {
        start();
        for (String mode : new String[] {"r", "", "x", "wonderful", null}) {
            attachments.attached.clear();
            attachments.put(new AttachRequest(TapSpec.parse("tap:ram:a"), "tap-3", List.of("nbd"), false, Map.of()));
            attachments.calls.clear();
            host.toolstackWrites("vbd3", 5, 51712, "aio:/a", String.valueOf(mode), "/etc/xen/scripts/block-tap");
            if (mode == null) {
                host.store.remove("/local/domain/0/backend/vbd3/5/51712/mode");
            }
            connected();
            awaitCalls("read-only tap-3", "plug tap-3 xen:5/51712,backend=vbd3");
            assertTrue(attachments.attached.get("tap-3").readOnly(), mode);
            // the call is seen before the device is served, and one that is removed in between is refused
            Eventually.holds("it is served", () -> read("vbd3", "blktap-attachment") != null);
            host.store.remove("/local/domain/0/backend/vbd3/5");
            bus.settle();
        }
    }

    private void connected() throws Exception {
        host.store.write("/local/domain/0/backend/vbd3/5/51712/physical-device-path", "/run/blktap-control/nbd812.3");
        host.store.write("/local/domain/0/backend/vbd3/5/51712/hotplug-status", "connected");
    }

    @Test
    void aDiskThatAnotherWritesIsRefused() throws Exception {
        start();
        attachments.put(
                new AttachRequest(TapSpec.parse("tap:ram:a"), "tap-3", List.of("nbd"), false, Map.of("written", "1")));
        host.toolstackWrites("vbd3", 5, 51712, "aio:/a", "r", "/etc/xen/scripts/block-tap");
        connected();
        Eventually.holds("it is refused", () -> "6".equals(read("vbd3", "state")));
        assertEquals("error", read("vbd3", "hotplug-status"));
        assertEquals("tap-3 cannot become read-only: the VM of nbd may be writing", read("vbd3", "hotplug-error"));
        assertEquals(List.of("nbd"), attachments.attached.get("tap-3").nodes());
    }

    @Test
    void whatItsGuestMustNotWriteIsNotServedByADiskThatWrites() throws Exception {
        host.toolstackWrites("vbd", 5, 51712, "ram:a", "r", "/etc/xen/scripts/block-blktap");
        DiskException refused = assertThrows(
                DiskException.class,
                () -> attachments.put(new AttachRequest(
                        TapSpec.parse("tap:ram:a"), "mine", List.of("xen:5/51712,backend=vbd"), false, Map.of())));
        assertEquals(DiskException.Reason.PERMISSION, refused.reason());
        assertTrue(refused.getMessage().endsWith("attach the disk with --read-only"), refused.getMessage());
        attachments.put(new AttachRequest(
                TapSpec.parse("tap:ram:a"), "mine", List.of("xen:5/51712,backend=vbd"), true, Map.of()));
        start();
    }

    @Test
    void aCdromIsOpenedReadOnly() throws Exception {
        start();
        host.store.transaction(tx -> {
            tx.write("/local/domain/0/backend/tap/5/51712/device-type", "cdrom");
        });
        host.toolstackWrites("tap", 5, 51712, "ram:a", "w");
        awaitCalls("attach tap:ram:a xen-5-51712 [xen:5/51712,backend=tap] read-only");
    }

    @Test
    void vbdWithoutAScriptIsNotOurs() throws Exception {
        host.toolstackWrites("vbd", 5, 51712, "/dev/sda", "w");
        start();
        bus.settle();
        bus.settle();
        assertEquals("1", read("vbd", "state"));
        assertNull(read("vbd", "hotplug-status"));
        assertEquals(List.of(), attachments.calls);
    }

    /** A daemon that was killed between naming itself and its record. */
    @Test
    void aDeviceOfAnAttachmentOnNoRecordIsNobodys() throws Exception {
        attachments.put(new AttachRequest(TapSpec.parse("tap:ram:a"), "here", List.of("xen:6/xvda"), false, Map.of()));
        host.toolstackWrites("tap", 5, 51712, "ram:b", "w");
        host.store.write("/local/domain/0/backend/tap/5/51712/blktap-attachment", "unknown");
        start();
        awaitCalls("attach tap:ram:b xen-5-51712 [xen:5/51712,backend=tap]");
        assertEquals("here", host.store.read("/local/domain/0/backend/tap/6/51712/blktap-attachment"));
    }

    @Test
    void whatAnotherInstanceServesIsLeftAlone() throws Exception {
        host.toolstackWrites("tap", 5, 51712, "ram:b", "w");
        host.store.write("/local/domain/0/backend/tap/5/51712/blktap-attachment", "lab/unknown");
        start();
        bus.settle();
        bus.settle();
        assertEquals("lab/unknown", read("tap", "blktap-attachment"));
        assertEquals(List.of(), attachments.calls);
    }

    @Test
    void anInstanceThatDoesNotAnswerAttachesNothing() throws Exception {
        host.toolstackWrites("tap", 5, 51712, "ram:b", "w");
        host.toolstackWrites("tap", 6, 51712, "ram:c", "w");
        host.store.write("/local/domain/0/backend/tap/6/51712/blktap-attachment", "lab/unknown");
        disks = new ToolstackDisks(attachments, bus, gone, host.blkback, () -> 16, false, new Claimant("lab"));
        bus.connect(host.store.asProcess(bus));
        Eventually.holds(
                "what it has left is removed",
                () -> host.store.read("/local/domain/0/backend/tap/6/51712/blktap-attachment") == null);
        bus.settle();
        assertEquals("1", read("tap", "state"));
        assertEquals(List.of(), attachments.calls);
    }

    @Test
    void aDomainThatGoesIsDetachedUnlessOthersUseTheDisk() throws Exception {
        attachments.put(new AttachRequest(
                org.blktap.api.disk.TapSpec.parse("tap:ram:a"), "one", List.of("xen:5/xvda"), false, Map.of()));
        attachments.put(new AttachRequest(
                org.blktap.api.disk.TapSpec.parse("tap:ram:a"), "two", List.of("xen:6/xvda", "nbd"), false, Map.of()));
        // the attachments are there before XenStore is
        start();
        gone.listeners.forEach(listener -> listener.gone("two", "xen:6/xvda", false));
        gone.listeners.forEach(listener -> listener.gone("one", "xen:5/xvda", false));
        gone.listeners.forEach(listener -> listener.gone("one", "xen:5/xvda", false));
        Eventually.holds("both are let go", () -> attachments.calls.size() >= 2);
        bus.settle();
        assertEquals(
                List.of("detach one forced", "unplug two xen:6/xvda forced"),
                attachments.calls.stream()
                        .filter(call -> !call.startsWith("status"))
                        .sorted()
                        .distinct()
                        .toList());
        assertEquals(List.of("two"), List.copyOf(attachments.attached.keySet()));
        assertEquals(List.of("nbd"), attachments.attached.get("two").nodes());
    }

    /** Xen 4.19's backendtype=tap: block-tap opens the disk by tap-ctl, and names its socket. */
    @Test
    void aDiskThatTapCtlHasOpenedGetsTheRing() throws Exception {
        start();
        attachments.put(new AttachRequest(TapSpec.parse("tap:ram:a"), "tap-3", List.of("nbd"), false, Map.of()));
        host.toolstackWrites("vbd3", 5, 51712, "aio:/a", "w", "/etc/xen/scripts/block-tap");
        attachments.calls.clear();
        host.store.write("/local/domain/0/backend/vbd3/5/51712/physical-device-path", "/run/blktap-control/nbd812.3");
        host.store.write("/local/domain/0/backend/vbd3/5/51712/hotplug-status", "connected");
        awaitCalls("plug tap-3 xen:5/51712,backend=vbd3");
        host.store.write("/local/domain/0/backend/vbd3/5/51712/hotplug-status", "connected");
        bus.settle();
        assertEquals(1, attachments.calls.size(), () -> attachments.calls.toString());
    }

    @Test
    void aDeviceThatGoesWhileItIsAttachedDoesNotComeBack() throws Exception {
        start();
        for (int i = 0; i < 30; i++) {
            host.toolstackWrites("tap", 5, 51712, "aio:/none", "w");
            for (int k = 0; k < i * 50; k++) {
                Thread.onSpinWait();
            }
            host.store.remove("/local/domain/0/backend/tap/5");
            bus.settle();
        }
        disks.stop();
        Eventually.holds(
                "nothing is left",
                () -> host.store.list("/local/domain/0/backend/tap").isEmpty());
        start();
    }
}
