package org.blktap.node.xen;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import org.blktap.api.disk.DiskException;
import org.blktap.api.disk.Operation;
import org.blktap.api.disk.Options;
import org.blktap.api.testkit.Eventually;
import org.blktap.linux.Mapping;
import org.blktap.node.xen.SimFrontend.Io;
import org.blktap.node.xen.SimFrontend.Shape;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Checks what guests see of read-only disks, CD-ROMs and removable disks, and which of their requests fail. */
class DeviceAccessTest {
    @TempDir
    Path runDir;

    private final Mapping content = Mapping.anonymous(1 << 20);
    private TestHost host;
    private SimFrontend frontend;

    @BeforeEach
    void boot() throws Exception {
        host = new TestHost(runDir);
        frontend = new SimFrontend(host, host.newGuest(5));
    }

    @AfterEach
    void shutDown() throws Exception {
        host.assertNothingLeft();
        host.close();
        content.close();
    }

    private XenTestDisk disk(Map<String, String> options) throws Exception {
        return new XenTestDisk(host, host.xen, 5, content, false, port -> {}, options);
    }

    /** Whatever the disk allows. */
    @ParameterizedTest
    @ValueSource(strings = {"r", "", "x", "R", "W", "wr", "read-write", "absent"})
    void aDeviceWhoseModeIsNotToWriteIsReadOnly(String mode) throws Exception {
        try (XenTestDisk disk = disk(Map.of())) {
            if (mode.equals("absent")) {
                host.store.remove(disk.backend() + "/mode");
            } else {
                host.store.write(disk.backend() + "/mode", mode);
            }
            frontend.connect(Shape.PLAIN);
            assertEquals("4", disk.read("info"));
            assertEquals("0", disk.read("feature-discard"));
            assertNull(disk.read("discard-granularity"));
            assertChangesNothing(disk);
        }
    }

    private void assertChangesNothing(XenTestDisk disk) throws Exception {
        assertEquals(-1, frontend.writeSectors(0, 8, 1));
        assertEquals(-1, frontend.writeSectors(0, 160, 1), "an indirect one");
        assertEquals(-1, frontend.run(frontend.io(0, 2, 0, new int[] {0, 7})), "a barrier");
        Io discard = frontend.putDiscard(0, 0, 8, 0);
        frontend.push();
        frontend.awaitAll(List.of(discard));
        assertEquals(-1, discard.status.intValue());
        assertEquals(0, frontend.run(frontend.io(0, 3, 0)), "a flush");
        Io read = frontend.io(0, 0, 8, new int[] {0, 7});
        assertEquals(0, frontend.run(read));
        assertTrue(disk.call(() -> disk.port.seen.stream()
                .allMatch(each -> each.operation() == Operation.READ || each.operation() == Operation.FLUSH)));
        assertFalse(disk.call(disk.node::mayWrite));
    }

    @Test
    void aDeviceThatMayBeWrittenIs() throws Exception {
        for (String mode : new String[] {"w", "w!", "rw"}) {
            try (XenTestDisk disk = disk(Map.of())) {
                host.store.write(disk.backend() + "/mode", mode);
                frontend.connect(Shape.PLAIN);
                assertEquals("0", disk.read("info"));
                frontend.assertServed(0x77);
                assertTrue(disk.call(disk.node::mayWrite));
                frontend.disconnect();
            }
        }
    }

    @Test
    void whatAnEarlierProcessHasTakenIsNotWrittenEither() throws Exception {
        XenTestDisk first = disk(Map.of());
        frontend.connect(Shape.PLAIN);
        first.onLoop(() -> first.port.hold = true);
        Io write = frontend.io(0, 1, 8, new int[] {0, 7});
        frontend.put(write);
        frontend.push();
        Eventually.holds("it is at the disk", () -> first.call(() -> first.port.pending() == 1));
        first.kill();
        host.store.write(first.backend() + "/mode", "r");
        try (XenTestDisk second = new XenTestDisk(host, 5, content, true)) {
            frontend.awaitAll(List.of(write));
            assertEquals(-1, write.status.intValue());
            second.settle();
        }
    }

    @Test
    void aDeviceGivenByHandIsAsItsNodeSays() throws Exception {
        try (XenTestDisk disk = disk(Map.of("access", "ro"))) {
            assertEquals(
                    List.of("r", "0", "disk"),
                    List.of(disk.read("mode"), disk.read("removable"), disk.read("device-type")));
            assertEquals("xen:5/xvda,access=ro", disk.node.address());
            frontend.connect(Shape.PLAIN);
            assertEquals("4", disk.read("info"));
            assertChangesNothing(disk);
        }
        try (XenTestDisk disk = disk(Map.of("devtype", "cdrom"))) {
            assertEquals("xen:5/xvda,devtype=cdrom", disk.node.address());
            for (String directory : new String[] {disk.backend(), "/libxl/5/device/vbd/51712"}) {
                assertEquals(
                        List.of("r", "1", "cdrom"),
                        List.of(
                                host.store.read(directory + "/mode"),
                                host.store.read(directory + "/removable"),
                                host.store.read(directory + "/device-type")));
            }
            assertEquals("cdrom", host.store.read("/local/domain/5/device/vbd/51712/device-type"));
            frontend.dropRings();
            frontend.connect(Shape.PLAIN);
            assertEquals("7", disk.read("info"));
            assertChangesNothing(disk);
        }
    }

    @Test
    void whatAToolstackSaysIsShown() throws Exception {
        try (XenTestDisk disk = disk(Map.of())) {
            host.store.write(disk.backend() + "/removable", "1");
            frontend.connect(Shape.PLAIN);
            assertEquals("2", disk.read("info"));
            frontend.disconnect();
            host.store.write(disk.backend() + "/device-type", "cdrom");
            frontend.connect(Shape.PLAIN);
            assertEquals("7", disk.read("info"));
            frontend.disconnect();
        }
    }

    @Test
    void nodesThatOnlyReadSaySo() throws Exception {
        NodeOpener opener = new NodeOpener(null, null, null, null, null, Claimant.DEFAULT, null, false, null);
        assertFalse(opener.onlyReads(new Options(Map.of())));
        assertTrue(opener.onlyReads(new Options(Map.of("devtype", "cdrom"))));
        assertTrue(opener.onlyReads(new Options(Map.of("access", "ro"))));
        assertThrows(DiskException.class, () -> opener.onlyReads(new Options(Map.of("access", "maybe"))));
        assertThrows(DiskException.class, () -> opener.onlyReads(new Options(Map.of("devtype", "tape"))));
    }
}
