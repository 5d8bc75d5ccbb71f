package org.blktap.format.qcow2;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Random;
import org.blktap.api.disk.DiskDriver.CheckReport;
import org.blktap.api.disk.DiskException;
import org.blktap.api.disk.VirtualDisk;
import org.blktap.image.sim.SimContext;
import org.blktap.image.sim.SimFile;
import org.blktap.image.sim.SimLoop;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** Work and memory depend on the image's real size, not on what it claims. */
@Timeout(300)
class Qcow2BoundsTest {
    private static final String IMAGE = "/sim/a.qcow2";
    private static final int CLUSTER = 65536;

    private final Qcow2Driver driver = new Qcow2Driver();
    private final SimLoop loop = new SimLoop(new Random(1));
    private final SimContext context = new SimContext(loop, false, Map.of());

    private SimFile file() {
        return context.files.get(Path.of(IMAGE));
    }

    private void reopen() {
        context.put(IMAGE, file().bytes());
    }

    /** A dirty image whose four million L1 entries are one L2 table. */
    private void manyTimesOneTable() throws DiskException {
        driver.create(IMAGE, 4L << 30, null, context);
        Qcow2Header header = Qcow2Header.read(file());
        long at = 1 << 20;
        int entries = Qcow2Header.MAX_L1_ENTRIES;
        ByteBuffer l1 = ByteBuffer.allocate(entries * 8);
        long table = at + l1.capacity();
        for (int i = 0; i < entries; i++) {
            l1.putLong(i * 8, table | Qcow2Entry.COPIED);
        }
        file().writeFully(l1, at);
        ByteBuffer l2 = ByteBuffer.allocate(CLUSTER);
        for (int i = 0; i < CLUSTER / 8; i++) {
            l2.putLong(i * 8, header.l1Offset() | Qcow2Entry.COPIED);
        }
        file().writeFully(l2, table);
        file().writeFully(ByteBuffer.allocate(12).putInt(entries).putLong(at).flip(), Qcow2Header.AT_L1_SIZE);
        file().writeFully(ByteBuffer.allocate(8).putLong(Qcow2Header.DIRTY).flip(), Qcow2Header.AT_INCOMPATIBLE);
        reopen();
    }

    @Test
    void anL2TableIsReadOnce() throws Exception {
        manyTimesOneTable();
        int[] reads = {0};
        file().failWith(kind -> {
            reads[0]++;
            return 0;
        });
        DiskException e = assertThrows(DiskException.class, () -> driver.open(IMAGE, context));
        assertEquals(DiskException.Reason.CORRUPT, e.reason());
        assertTrue(e.getMessage().contains("two entries that point at the L2 table"), e.getMessage());
        assertTrue(reads[0] < 1000, reads[0] + " reads");
        reopen();
        assertFalse(driver.check(IMAGE, context.forReading()).clean());
    }

    @Test
    void anInterruptEndsTheWork() throws Exception {
        manyTimesOneTable();
        Thread.currentThread().interrupt();
        DiskException e = assertThrows(DiskException.class, () -> driver.check(IMAGE, context.forReading()));
        assertTrue(e.getMessage().contains("interrupted"), e.getMessage());
        assertFalse(Thread.currentThread().isInterrupted());
        reopen();
        Thread.currentThread().interrupt();
        context.refused(driver, file(), DiskException.Reason.IO);
    }

    @Test
    void namesOfSnapshotsTakeBoundedMemory() throws Exception {
        driver.create(IMAGE, 1 << 20, null, context);
        int count = 500;
        int nameLength = 60_000;
        long at = 1 << 20;
        ByteBuffer entry = ByteBuffer.allocate(40 + 16 + 8 + nameLength + 7 & ~7);
        for (int i = 0; i < count; i++) {
            String id = String.format("%08d", i);
            entry.clear()
                    .putLong(0, CLUSTER)
                    .putInt(8, 1)
                    .putShort(12, (short) 8)
                    .putShort(14, (short) nameLength)
                    .putInt(36, 16);
            entry.putLong(48, 1 << 20)
                    .put(56, id.getBytes(StandardCharsets.US_ASCII))
                    .put(
                            64,
                            ("name" + i)
                                    .repeat(nameLength)
                                    .substring(0, nameLength)
                                    .getBytes(StandardCharsets.US_ASCII));
            file().writeFully(entry, at + (long) i * entry.capacity());
        }
        file().writeFully(ByteBuffer.allocate(12).putInt(count).putLong(at).flip(), 60);
        reopen();
        VirtualDisk disk = driver.open(IMAGE, context.forReading());
        String listed = disk.info().details().get("snapshots");
        disk.close();
        assertTrue(listed.startsWith("00000000:name0name0"), listed);
        assertTrue(listed.endsWith(" and 436 more"), listed);
        assertTrue(listed.length() < 20_000, listed.length() + " characters");
        SimContext last = new SimContext(loop, true, Map.of("snapshot", "00000499"));
        last.files.putAll(context.files);
        disk = driver.open(IMAGE, last);
        assertTrue(disk.info().details().get("opened snapshot").startsWith("name499"));
        disk.close();
    }

    @Test
    void aCheckTellsWhatARepairDoes() throws Exception {
        driver.create(IMAGE, 1 << 20, null, context);
        new Refcounts(Qcow2Header.read(file()), file()).extend(file().size(), CLUSTER);
        file().writeFully(ByteBuffer.allocate(8).putLong(Qcow2Header.DIRTY).flip(), Qcow2Header.AT_INCOMPATIBLE);
        reopen();
        CheckReport report = driver.check(IMAGE, context.forReading());
        assertTrue(report.clean() && report.wantsRepair());
        assertEquals(1, report.leaked());
        assertEquals(List.of("dirty mark of a writer that did not close the image: cleared"), report.repairs());
        reopen();
        report = driver.check(IMAGE, context);
        assertEquals(
                List.of("dirty mark of a writer that did not close the image: cleared", "1 leaked cluster: freed"),
                report.repairs());
        reopen();
        report = driver.check(IMAGE, context.forReading());
        assertFalse(report.wantsRepair());
        assertFalse(Qcow2Header.read(file()).has(Qcow2Header.DIRTY));
    }

    /** Counts that lazy reference counts have left behind are no errors. */
    @Test
    void countsThatADirtyImageLacksAreRepairedNotErrors() throws Exception {
        driver.create(IMAGE, 1 << 20, null, context);
        Qcow2Header header = Qcow2Header.read(file());
        new Refcounts(header, file()).add(header.l1Offset(), header.l1Offset() + CLUSTER, -1);
        reopen();
        assertFalse(driver.check(IMAGE, context.forReading()).clean());
        reopen();
        file().writeFully(ByteBuffer.allocate(8).putLong(Qcow2Header.DIRTY).flip(), Qcow2Header.AT_INCOMPATIBLE);
        CheckReport report = driver.check(IMAGE, context.forReading());
        assertTrue(report.clean(), () -> report.problems().toString());
        assertEquals(2, report.repairs().size());
    }

    /** 64 TiB, all in use: the check runs in a process with little heap. */
    @Test
    void aFullImageOf64TibIsCheckedWithLittleHeap() throws Exception {
        Process process = new ProcessBuilder(
                        Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                        "-Xmx72m",
                        "-cp",
                        System.getProperty("surefire.test.class.path", System.getProperty("java.class.path")),
                        HugeImage.class.getName())
                .redirectErrorStream(true)
                .start();
        String output = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        assertEquals(0, process.waitFor(), output);
        assertTrue(output.contains("clusters=" + HugeImage.CLUSTERS + " leaked=1 problems=[]"), output);
    }
}
