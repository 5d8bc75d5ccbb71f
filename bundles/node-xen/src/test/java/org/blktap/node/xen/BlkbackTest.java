package org.blktap.node.xen;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import org.blktap.api.testkit.Eventually;
import org.blktap.linux.Mapping;
import org.blktap.node.xen.SimFrontend.Shape;
import org.blktap.ring.Abi;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Devices of {@code backend/vbd} beside the kernel's backend, which wants them too. */
class BlkbackTest {
    private static final DevicePaths PATHS = new DevicePaths(0, "vbd", 5, 51712);
    private static final Map<String, String> VBD = Map.of("backend", "vbd");

    @TempDir
    Path runDir;

    private final Mapping content = Mapping.anonymous(1 << 20);
    private TestHost host;
    private SimFrontend frontend;

    @BeforeEach
    void boot() throws Exception {
        host = new TestHost(runDir);
        host.kernel.boot(host.store);
        host.kernel.module = true;
        frontend = new SimFrontend(host, host.newGuest(5), "vbd");
    }

    @AfterEach
    void shutDown() throws Exception {
        host.assertNothingLeft();
        host.close();
        content.close();
    }

    private XenTestDisk disk(boolean reopened) throws Exception {
        return new XenTestDisk(host, host.xen, 5, content, reopened, port -> {}, VBD);
    }

    @Test
    void theKernelNeverKnowsADeviceThatIsGivenByHand() throws Exception {
        host.kernel.load();
        try (XenTestDisk disk = disk(false)) {
            assertEquals("2", disk.read("state"));
            host.kernel.look();
            assertFalse(host.kernel.has(PATHS));
            frontend.connect(Shape.PLAIN);
            host.kernel.look();
            host.kernel.unload();
            host.kernel.load();
            frontend.assertServed(0x1);
            assertEquals(List.of(), host.kernel.unbound);
        }
    }

    /** Hot-plug: the frontend has made its rings before the script has run. */
    @Test
    void aFrontendThatHasTakenTheKernelsOfferIsServed() throws Exception {
        host.kernel.queues = 16;
        host.kernel.load();
        host.toolstackWrites("vbd", 5, 51712, "ram:a", "w", "/etc/xen/scripts/block-blktap");
        host.kernel.look();
        frontend.awaitBackend(XenbusState.INIT_WAIT);
        frontend.newRings(new Shape(Abi.X86_64, 1, 8, true));
        frontend.state(XenbusState.INITIALISED);
        XenTestDisk disk = disk(false);
        disk.awaitState(XenbusState.CONNECTED);
        frontend.state(XenbusState.CONNECTED);
        frontend.assertServed(0x2);
        assertFalse(host.kernel.has(PATHS));
        toolstackRemoves(disk);
    }

    private void toolstackRemoves(XenTestDisk disk) throws Exception {
        frontend.disconnect();
        disk.close(true);
        host.store.remove("/local/domain/0/backend/vbd/5");
    }

    @Test
    void aFrontendThatHasNotBegunIsOfferedOurs() throws Exception {
        host.kernel.load();
        host.toolstackWrites("vbd", 5, 51712, "ram:a", "w", "/etc/xen/scripts/block-blktap");
        host.kernel.look();
        assertEquals("2", host.store.read(PATHS.backend() + "/multi-queue-max-queues"));
        XenTestDisk disk = disk(false);
        Eventually.holds("ours is offered", () -> "4".equals(disk.read("multi-queue-max-queues")));
        frontend.connect(new Shape(Abi.X86_64, 4, 4, true));
        frontend.assertServed(0x3);
        toolstackRemoves(disk);
    }

    /** The module is loaded anew under a guest that uses its disk. */
    @Test
    void aDeviceThatTheKernelTakesIsTakenBack() throws Exception {
        host.toolstackWrites("vbd", 5, 51712, "ram:a", "w", "/etc/xen/scripts/block-blktap");
        host.kernel.look();
        XenTestDisk disk = disk(false);
        frontend.connect(new Shape(Abi.X86_64, 0, 4, true));
        frontend.assertServed(0x4);
        for (int i = 0; i < 10; i++) {
            host.kernel.load();
            disk.awaitState(XenbusState.CONNECTED);
            assertFalse(host.kernel.has(PATHS));
            assertEquals("4", disk.read("multi-queue-max-queues"));
            frontend.state(XenbusState.CONNECTED);
            frontend.assertServed(0x5 + i);
            host.kernel.unload();
        }
        assertEquals(10, host.kernel.unbound.size());
        toolstackRemoves(disk);
    }

    @Test
    void afterARestartTheDeviceIsTakenBack() throws Exception {
        host.toolstackWrites("vbd", 5, 51712, "ram:a", "w", "/etc/xen/scripts/block-blktap");
        host.kernel.look();
        XenTestDisk first = disk(false);
        frontend.connect(Shape.PLAIN);
        frontend.assertServed(0x6);
        first.kill();
        // while no daemon has its rings, the kernel connects, and waits for a disk
        host.store.asDomain(5).write("/local/domain/5/device/vbd/51712/state", "3");
        host.kernel.load();
        host.store.asDomain(5).write("/local/domain/5/device/vbd/51712/state", "4");
        assertTrue(host.kernel.has(PATHS));
        XenTestDisk second = disk(true);
        second.awaitState(XenbusState.CONNECTED);
        frontend.assertServed(0x7);
        toolstackRemoves(second);
    }

    @Test
    void whatIsWrittenToSysfs() throws Exception {
        Path bus = Files.createDirectories(runDir.resolve("bus"));
        Path driver = Files.createDirectories(bus.resolve("drivers/vbd"));
        Path device = Files.createDirectories(bus.resolve("devices/vbd-5-51712"));
        Files.createSymbolicLink(device.resolve("driver"), Path.of("../../drivers/vbd"));
        Blkback blkback = new Blkback(bus, new Blkback.Linux());
        assertTrue(blkback.isLoaded());
        assertFalse(blkback.release(new DevicePaths(0, "tap", 5, 51712)), "of another kind");
        assertFalse(blkback.release(new DevicePaths(0, "vbd", 5, 51728)), "unknown");
        IOException missing = assertThrows(IOException.class, () -> blkback.release(PATHS));
        assertTrue(missing.getMessage().contains("run the daemon as root"), missing.getMessage());
        Files.createFile(driver.resolve("unbind"));
        assertThrows(IOException.class, () -> blkback.release(PATHS), "nothing has come of it");
        assertEquals("vbd-5-51712", Files.readString(driver.resolve("unbind")));
        Files.delete(device.resolve("driver"));
        Files.createSymbolicLink(device.resolve("driver"), Path.of("../../drivers/pciback"));
        assertFalse(blkback.release(PATHS), "another driver's");
        try (var all = Files.walk(bus)) {
            for (Path path : all.sorted(java.util.Comparator.reverseOrder()).toList()) {
                Files.delete(path);
            }
        }
    }
}
