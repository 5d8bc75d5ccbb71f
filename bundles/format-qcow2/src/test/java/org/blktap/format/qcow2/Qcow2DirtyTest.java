package org.blktap.format.qcow2;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.ByteBuffer;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Random;
import org.blktap.api.disk.DiskDriver.CheckReport;
import org.blktap.api.disk.DiskException;
import org.blktap.api.disk.Operation;
import org.blktap.api.disk.VirtualDisk;
import org.blktap.api.memory.NativeBuffer;
import org.blktap.image.sim.SimContext;
import org.blktap.image.sim.SimFile;
import org.blktap.image.sim.SimLoop;
import org.blktap.linux.Mapping;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Images whose writer was killed, or that are marked as corrupt. */
class Qcow2DirtyTest {
    private static final String IMAGE = "/sim/a.qcow2";
    private static final int LENGTH = 1 << 20;

    private final Qcow2Driver driver = new Qcow2Driver();
    private final SimLoop loop = new SimLoop(new Random(1));
    private final SimContext context =
            new SimContext(loop, false, Map.of("cluster-size", "512", "lazy-refcounts", "yes"));

    private SimFile file() {
        return context.files.get(Path.of(IMAGE));
    }

    private void use(Operation operation, int written) throws DiskException {
        context.put(IMAGE, file().bytes());
        try (NativeBuffer memory = Mapping.anonymous(LENGTH)) {
            java.util.stream.IntStream.range(0, LENGTH)
                    .forEach(i -> memory.bytes(0, LENGTH).put(i, (byte) written));
            VirtualDisk disk = driver.open(IMAGE, context);
            assertEquals(0, loop.submit(disk, operation, LENGTH, memory.address(), LENGTH));
            if (operation == Operation.READ) {
                assertEquals(7, memory.bytes(0, LENGTH).get(12345));
            }
            disk.close();
        }
        context.put(IMAGE, file().bytes());
    }

    private void feature(long bits) {
        file().writeFully(ByteBuffer.allocate(8).putLong(bits).flip(), Qcow2Header.AT_INCOMPATIBLE);
    }

    /** Counts that were never written, and blocks of counts that were never entered. */
    @Test
    void aDirtyImageIsCountedAnewBeforeItIsWritten() throws Exception {
        driver.create(IMAGE, 4L * LENGTH, null, context);
        use(Operation.WRITE, 7);
        Qcow2Header header = Qcow2Header.read(file());
        Refcounts counts = new Refcounts(header, file());
        // all but those of the first block, and those of half of that
        file().writeFully(ByteBuffer.allocate(256), counts.table()[0] + 256);
        file().writeFully(ByteBuffer.allocate(counts.tableClusters() * 512 - 8), counts.tableOffset() + 8);
        assertFalse(driver.check(IMAGE, context.forReading()).clean());
        context.put(IMAGE, file().bytes());
        feature(Qcow2Header.DIRTY);
        byte[] dirty = file().bytes();
        driver.open(IMAGE, context.forReading()).close();
        context.put(IMAGE, dirty);
        use(Operation.READ, 0);
        assertFalse(Qcow2Header.read(file()).has(Qcow2Header.DIRTY));
        CheckReport report = driver.check(IMAGE, context.forReading());
        assertEquals(List.of(), report.problems());
        assertEquals(0, report.leaked());
        assertEquals(LENGTH / 512, report.clusters());
    }

    @Test
    void aCorruptImageIsOnlyReadUntilItIsRepaired() throws Exception {
        driver.create(IMAGE, 4L * LENGTH, null, context);
        use(Operation.WRITE, 7);
        feature(Qcow2Header.CORRUPT);
        assertEquals(
                DiskException.Reason.CORRUPT,
                assertThrows(DiskException.class, () -> driver.open(IMAGE, context))
                        .reason());
        context.put(IMAGE, file().bytes());
        driver.open(IMAGE, context.forReading()).close();
        context.put(IMAGE, file().bytes());
        assertFalse(driver.check(IMAGE, context.forReading()).clean());
        context.put(IMAGE, file().bytes());
        assertTrue(driver.check(IMAGE, context).clean());
        use(Operation.READ, 0);
    }

    /**
     * An entry of the file's free clusters that points at a table shows that the counts are wrong: then none is
     * believed to be free.
     */
    @Test
    void wrongCountsDoNotGiveTablesAway() throws Exception {
        driver.create(IMAGE, 4L * LENGTH, null, context);
        use(Operation.WRITE, 7);
        Qcow2Header header = Qcow2Header.read(file());
        Refcounts counts = new Refcounts(header, file());
        counts.add(header.l1Offset(), header.l1Offset() + 512, -1);
        counts.add(counts.table()[1], counts.table()[1] + 512, -1);
        byte[] l1 =
                java.util.Arrays.copyOfRange(file().bytes(), (int) header.l1Offset(), (int) header.l1Offset() + 512);
        use(Operation.READ, 0);
        assertEquals(ByteBuffer.wrap(l1), ByteBuffer.wrap(file().bytes(), (int) header.l1Offset(), 512));
    }

    /**
     * A count that says 0 for what is in use: nothing of that is given away, neither at the opening nor where the file
     * would have to grow.
     */
    @ParameterizedTest
    @ValueSource(strings = {"L2 table", "data", "L1 table of a snapshot", "snapshot table", "refcount block"})
    void whatIsInUseIsNotFreeThoughNobodyCountsIt(String what) throws Exception {
        driver.create(IMAGE, 4L * LENGTH, null, context);
        use(Operation.WRITE, 7);
        Qcow2SharedTest.snapshot(file());
        Qcow2Header header = Qcow2Header.read(file());
        Refcounts counts = new Refcounts(header, file());
        InternalSnapshot snapshot = InternalSnapshot.read(header, file(), null).get(0);
        int slot = LENGTH >> header.slotBits();
        long l2 = Qcow2Entry.offset(word(header.l1Offset() + slot * 8L));
        long lowered = switch (what) {
            case "L2 table" -> l2;
            case "data" -> Qcow2Entry.offset(word(l2 + 8));
            case "L1 table of a snapshot" -> snapshot.l1Offset();
            case "snapshot table" -> header.snapshotsOffset();
            default -> counts.table()[1];
        };
        counts.add(lowered, lowered + 512, -1);
        counts.add(lowered, lowered + 512, -1);
        byte[] before = file().bytes();
        context.put(IMAGE, before);
        driver.open(IMAGE, context).close();
        assertArrayEquals(before, file().bytes());
        context.put(IMAGE, before);
        try (NativeBuffer memory = Mapping.anonymous(LENGTH)) {
            VirtualDisk disk = driver.open(IMAGE, context);
            for (int i = 0; i < 8; i++) {
                assertEquals(
                        0,
                        loop.submit(disk, Operation.WRITE, 2L * LENGTH + i * LENGTH / 8, memory.address(), LENGTH / 8));
                assertEquals(0, loop.submit(disk, Operation.FLUSH, 0, 0, 0));
            }
            disk.close();
        }
        if (!what.equals("refcount block")) {
            assertEquals(
                    ByteBuffer.wrap(before, (int) lowered, 512), ByteBuffer.wrap(file().bytes(), (int) lowered, 512));
        }
        use(Operation.READ, 0);
        assertTrue(driver.check(IMAGE, context).clean());
        use(Operation.READ, 0);
    }

    /** Free clusters of an earlier session: an opening changes nothing. */
    @Test
    void anOpeningWritesNothing() throws Exception {
        driver.create(IMAGE, 4L * LENGTH, null, context);
        use(Operation.WRITE, 7);
        use(Operation.DISCARD, 0);
        use(Operation.WRITE, 7);
        long end = file().size();
        new Refcounts(Qcow2Header.read(file()), file()).extend(end + 511 & -512, 512);
        use(Operation.DISCARD, 0);
        byte[] before = file().bytes();
        driver.open(IMAGE, context).close();
        assertArrayEquals(before, file().bytes());
    }

    private long word(long at) {
        return ByteBuffer.wrap(file().bytes()).getLong((int) at);
    }
}
