package org.blktap.format.qcow2;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.ByteBuffer;
import java.nio.file.Path;
import java.util.BitSet;
import java.util.Map;
import java.util.Random;
import org.blktap.api.disk.DiskDriver.CheckReport;
import org.blktap.api.disk.Operation;
import org.blktap.api.disk.TapSpec;
import org.blktap.api.disk.VirtualDisk;
import org.blktap.api.memory.Memory;
import org.blktap.api.memory.NativeBuffer;
import org.blktap.image.sim.SimContext;
import org.blktap.image.sim.SimFile;
import org.blktap.image.sim.SimLoop;
import org.blktap.linux.Mapping;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** What is discarded or zeroed is free, and is used before the file grows. */
class Qcow2FreeTest {
    private static final String IMAGE = "/sim/a.qcow2";
    private static final int LENGTH = 1 << 20;
    private static final long SIZE = 8 << 20;

    private final Qcow2Driver driver = new Qcow2Driver();
    private final SimLoop loop = new SimLoop(new Random(1));
    private SimContext context;

    private void create(Map<String, String> options, TapSpec backing) throws Exception {
        context = new SimContext(loop, false, options);
        if (backing != null) {
            byte[] base = new byte[(int) SIZE];
            java.util.Arrays.fill(base, (byte) 9);
            context.put(backing.path(), base);
        }
        driver.create(IMAGE, SIZE, backing, context);
        reopen();
    }

    private SimFile file() {
        return context.files.get(Path.of(IMAGE));
    }

    private void reopen() {
        context.files.keySet().stream()
                .toList()
                .forEach(path ->
                        context.put(path.toString(), context.files.get(path).bytes()));
    }

    private void change(VirtualDisk disk, Operation operation, long offset, int length, NativeBuffer memory) {
        assertEquals(0, loop.submit(disk, operation, offset, memory.address(), length), operation + " at " + offset);
    }

    /** Clusters of data that the image has, and no leaks. */
    private long clusters() throws Exception {
        CheckReport report = driver.check(IMAGE, context.forReading());
        assertEquals(java.util.List.of(), report.problems());
        assertEquals(0, report.leaked());
        reopen();
        return report.clusters();
    }

    @ParameterizedTest
    @CsvSource({
        "DISCARD, true, 65536, no, 3",
        "DISCARD, false, 65536, no, 3",
        "WRITE_ZEROES, true, 4096, no, 3",
        "WRITE_ZEROES, false, 512, no, 3",
        "DISCARD, false, 16384, yes, 3",
        "WRITE_ZEROES, true, 16384, yes, 3",
        "DISCARD, true, 4096, no, 2",
        "WRITE_ZEROES, false, 4096, no, 2"
    })
    void theSameRangeAgainAndAgainTakesNoMoreSpace(
            Operation operation, boolean flushes, String clusterSize, String extended, String version)
            throws Exception {
        create(Map.of("cluster-size", clusterSize, "extended-l2", extended, "version", version), null);
        VirtualDisk disk = driver.open(IMAGE, context);
        long early = 0;
        try (NativeBuffer memory = Mapping.anonymous(LENGTH)) {
            for (int i = 0; i < 100; i++) {
                change(disk, Operation.WRITE, LENGTH, LENGTH, memory);
                change(disk, operation, LENGTH, LENGTH, memory);
                if (flushes) {
                    change(disk, Operation.FLUSH, 0, 0, memory);
                }
                early = i == 29 ? file().size() : early;
            }
            assertTrue(file().size() <= early, "the file grew from " + early + " to " + file().size());
            change(disk, Operation.FLUSH, 0, 0, memory);
            disk.close();
            reopen();
            assertEquals(0, clusters());
        }
    }

    @Test
    void whatIsFreeInAnOpenedImageIsUsed() throws Exception {
        create(Map.of("cluster-size", "4096"), null);
        long early = 0;
        try (NativeBuffer memory = Mapping.anonymous(LENGTH)) {
            for (int i = 0; i < 30; i++) {
                VirtualDisk disk = driver.open(IMAGE, context);
                // something stays after what is freed, so that the file cannot be cut off; for that the file has to
                // grow, and free clusters are claimed
                change(disk, Operation.WRITE, 4 * LENGTH + i * 4096L, 4096, memory);
                loop.drain();
                change(disk, Operation.WRITE, LENGTH, LENGTH, memory);
                change(disk, Operation.DISCARD, LENGTH, LENGTH, memory);
                change(disk, Operation.FLUSH, 0, 0, memory);
                disk.close();
                reopen();
                early = i == 9 ? file().size() : early;
            }
        }
        assertEquals(30, clusters());
        assertTrue(
                file().size() <= early + 20 * 4096 + (1 << 20), "the file grew from " + early + " to " + file().size());
    }

    @Test
    void aClosedImageEndsWithWhatIsUsed() throws Exception {
        create(Map.of(), null);
        long empty = file().size();
        try (NativeBuffer memory = Mapping.anonymous(LENGTH)) {
            VirtualDisk disk = driver.open(IMAGE, context);
            change(disk, Operation.WRITE, LENGTH, LENGTH, memory);
            change(disk, Operation.DISCARD, LENGTH, LENGTH, memory);
            change(disk, Operation.FLUSH, 0, 0, memory);
            disk.close();
        }
        reopen();
        assertEquals(0, clusters());
        // the L2 table has come
        assertTrue(file().size() <= empty + 2 * 65536, "from " + empty + " to " + file().size());
    }

    /** A guest that discards need not flush. A crash at any time leaves what was not discarded. */
    @Test
    void aDiscardFreesSpaceWithoutAFlush() throws Exception {
        create(Map.of(), null);
        try (NativeBuffer memory = Mapping.anonymous(2 * LENGTH)) {
            VirtualDisk disk = driver.open(IMAGE, context);
            SimFile image = file();
            long others = sevens(image.bytes());
            Memory.fill(memory.address(), 2 * LENGTH, (byte) 7);
            change(disk, Operation.WRITE, 0, 2 * LENGTH, memory);
            change(disk, Operation.FLUSH, 0, 0, memory);
            int before = loop.moment();
            change(disk, Operation.DISCARD, LENGTH, LENGTH, memory);
            loop.drain();
            // a table may have some
            long left = sevens(image.bytes()) - others;
            assertTrue(left >= LENGTH && left < LENGTH + 512, left + " bytes");
            for (int moment = before; moment <= loop.moment(); moment++) {
                context.put(IMAGE, image.afterPowerLoss(moment, new Random(moment)));
                VirtualDisk after = driver.open(IMAGE, context.forReading());
                change(after, Operation.READ, 0, LENGTH, memory);
                byte[] read = new byte[LENGTH];
                memory.bytes(0, LENGTH).get(read);
                assertEquals(LENGTH, sevens(read), "after a power failure at " + (moment - before));
                after.close();
            }
        }
    }

    private static long sevens(byte[] bytes) {
        long count = 0;
        for (byte each : bytes) {
            count += each == 7 ? 1 : 0;
        }
        return count;
    }

    /** Freed over a backing file: zeros, never what is below. In version 2 it stays allocated. */
    @ParameterizedTest
    @CsvSource({
        "3, no, DISCARD",
        "3, yes, DISCARD",
        "2, no, DISCARD",
        "3, no, WRITE_ZEROES",
        "3, yes, WRITE_ZEROES",
        "2, no, WRITE_ZEROES"
    })
    void theBackingFileDoesNotShowThrough(String version, String extended, Operation operation) throws Exception {
        create(Map.of("version", version, "extended-l2", extended), new TapSpec("aio", "/sim/base"));
        try (NativeBuffer memory = Mapping.anonymous(LENGTH)) {
            VirtualDisk disk = driver.open(IMAGE, context);
            change(disk, Operation.WRITE, LENGTH, LENGTH, memory);
            change(disk, operation, LENGTH, LENGTH, memory);
            change(disk, Operation.READ, LENGTH, LENGTH, memory);
            ByteBuffer read = memory.bytes(0, LENGTH);
            while (read.hasRemaining()) {
                assertEquals(0, read.get());
            }
            change(disk, Operation.FLUSH, 0, 0, memory);
            disk.close();
        }
        reopen();
        assertEquals(version.equals("2") ? 16 : 0, clusters());
    }

    @Test
    void freeClustersAreASortedSet() {
        Random random = new Random(2);
        for (int round = 0; round < 200; round++) {
            FreeClusters free = new FreeClusters();
            BitSet model = new BitSet();
            for (int i = 0; i < 300; i++) {
                if (random.nextInt(3) != 0) {
                    int from = random.nextInt(1000);
                    int to = from + 1 + random.nextInt(20);
                    assertTrue(free.add(from, to));
                    model.set(from, to);
                } else {
                    int first = model.nextSetBit(0);
                    long next = free.next();
                    assertEquals(first < 0 ? 0 : model.nextClearBit(first) - first, next);
                    if (next > 0) {
                        int taken = 1 + random.nextInt((int) next);
                        assertEquals(first, free.take(taken));
                        model.clear(first, first + taken);
                    }
                }
            }
            BitSet rest = new BitSet();
            Ranges all = free.takeAll();
            for (int i = 0; i < all.count(); i++) {
                rest.set((int) all.from(i), (int) all.to(i));
            }
            assertEquals(model, rest);
        }
        FreeClusters full = new FreeClusters();
        for (int i = 0; i < FreeClusters.MOST; i++) {
            assertTrue(full.add(i * 2L, i * 2L + 1));
        }
        assertTrue(!full.add(1 << 20, (1 << 20) + 1) && full.add(1, 2));
    }
}
