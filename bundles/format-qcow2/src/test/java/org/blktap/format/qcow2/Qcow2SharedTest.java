package org.blktap.format.qcow2;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.TreeMap;
import org.blktap.api.disk.CompressedImage;
import org.blktap.api.disk.DiskDriver.CheckReport;
import org.blktap.api.disk.Operation;
import org.blktap.api.disk.VirtualDisk;
import org.blktap.api.memory.Memory;
import org.blktap.api.memory.NativeBuffer;
import org.blktap.image.sim.DiskExerciser;
import org.blktap.image.sim.SimContext;
import org.blktap.image.sim.SimFile;
import org.blktap.image.sim.SimLoop;
import org.blktap.linux.Mapping;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/**
 * Random requests to images whose clusters are compressed, several in one cluster of the file, or shared with an
 * internal snapshot: the disk is what was written, the snapshot stays as it was, and the counts are right, after
 * crashes too.
 */
@Timeout(600)
class Qcow2SharedTest {
    private static final String IMAGE = "/sim/a.qcow2";
    private static final int SECTOR = 512;

    private final long seed = Long.getLong("seed", System.nanoTime());
    /** Each tries many crashes. */
    private final int rounds = (Integer.getInteger("rounds", 64) + 7) / 8;

    private final Qcow2Driver driver = new Qcow2Driver();

    @Test
    void sharedAndCompressedClustersStayWhatTheyAre() {
        for (int i = 0; i < rounds; i++) {
            try {
                round(new Random(seed + i));
            } catch (AssertionError | Exception e) {
                throw new AssertionError("-Dseed=" + (seed + i) + " -Drounds=1", e);
            }
        }
        System.out.println("Qcow2SharedTest: seed " + seed);
    }

    private void round(Random random) throws Exception {
        Map<String, String> options = new TreeMap<>();
        boolean extended = random.nextInt(3) == 0;
        options.put("extended-l2", extended ? "yes" : "no");
        options.put(
                "cluster-size",
                extended ? "16384" : List.of("512", "1024", "4096", "65536").get(random.nextInt(4)));
        options.put("cache", "64K");
        if (!extended && random.nextInt(4) == 0) {
            options.put("version", "2");
        } else {
            options.put("refcount-bits", Integer.toString(8 << random.nextInt(4)));
            options.put("compression", random.nextBoolean() ? "zstd" : "zlib");
        }
        long size = (long) SECTOR * (1 + random.nextInt(3000));
        SimLoop loop = new SimLoop(random);
        SimContext context = new SimContext(loop, false, options);
        boolean compressed = random.nextInt(3) != 0;
        if (compressed) {
            compressed(context, size, random);
        } else {
            driver.create(IMAGE, size, null, context);
        }
        renew(context);
        exercise(context, random, size, 200);
        if (random.nextInt(4) != 0 || !compressed) {
            snapshot(context.files.get(Path.of(IMAGE)));
            assertEquals(0, check(context, false).leaked());
        }
        boolean hasSnapshot =
                Qcow2Header.read(context.files.get(Path.of(IMAGE))).snapshots() > 0;
        byte[] before = hasSnapshot ? read(context, size, true) : null;
        SimFile running = renew(context);
        try (DiskExerciser exerciser = exerciser(context, random, size, running)) {
            int begin = loop.moment();
            VirtualDisk disk = driver.open(IMAGE, context);
            exerciser.run(disk, 200);
            exerciser.verify(disk);
            disk.close();
            int end = loop.moment();
            assertEquals(0, exerciser.failed());
            assertEquals(0, check(context, false).leaked());
            assertArrayEquals(before, hasSnapshot ? read(context, size, true) : null);
            for (int point = begin; point <= end; point += 1 + random.nextInt(Math.max(1, (end - begin) / 15))) {
                for (boolean powerLoss : new boolean[] {false, true}) {
                    context.put(IMAGE, powerLoss ? running.afterPowerLoss(point, random) : running.afterKill(point));
                    check(context, false);
                    VirtualDisk crashed = driver.open(IMAGE, context);
                    exerciser.verifyAfterCrash(crashed, point, powerLoss);
                    crashed.close();
                    renew(context);
                    assertArrayEquals(before, hasSnapshot ? read(context, size, true) : null);
                    check(context, true);
                    assertEquals(0, check(context, false).leaked());
                }
            }
        }
    }

    private void exercise(SimContext context, Random random, long size, int operations) throws Exception {
        try (DiskExerciser exerciser = exerciser(context, random, size, context.files.get(Path.of(IMAGE)))) {
            VirtualDisk disk = driver.open(IMAGE, context);
            exerciser.run(disk, operations);
            exerciser.verify(disk);
            disk.close();
        }
        assertEquals(0, check(context, false).leaked());
    }

    /** For the disk as it is. */
    private DiskExerciser exerciser(SimContext context, Random random, long size, SimFile file) throws Exception {
        ByteBuffer now = ByteBuffer.wrap(read(context, size, false)).order(java.nio.ByteOrder.nativeOrder());
        context.files.put(Path.of(IMAGE), file);
        return new DiskExerciser(
                context.loop, random, size, 1 + random.nextInt(24), sector -> now.getLong((int) sector * SECTOR));
    }

    /** All bytes of the disk, or of its snapshot. */
    private byte[] read(SimContext context, long size, boolean ofSnapshot) throws Exception {
        SimContext reading = new SimContext(context.loop, true, ofSnapshot ? Map.of("snapshot", "s") : Map.of());
        reading.put(IMAGE, context.files.get(Path.of(IMAGE)).bytes());
        VirtualDisk disk = driver.open(IMAGE, reading);
        byte[] bytes = new byte[(int) size];
        try (NativeBuffer memory = Mapping.anonymous(size)) {
            assertEquals(0, context.loop.submit(disk, Operation.READ, 0, memory.address(), (int) size));
            for (int i = 0; i < size; i++) {
                bytes[i] = Memory.getByte(memory.address() + i);
            }
        }
        disk.close();
        return bytes;
    }

    private CheckReport check(SimContext context, boolean repair) throws Exception {
        CheckReport report = driver.check(IMAGE, repair ? context : context.forReading());
        assertEquals(List.of(), report.problems());
        renew(context);
        return report;
    }

    private static SimFile renew(SimContext context) {
        return context.put(IMAGE, context.files.get(Path.of(IMAGE)).bytes());
    }

    private void compressed(SimContext context, long size, Random random) throws Exception {
        try (CompressedImage image = driver.createCompressed(IMAGE, size, context)) {
            int clusterSize = image.clusterSize();
            for (long at = 0; at < size; at += clusterSize) {
                byte[] cluster = new byte[clusterSize];
                for (int i = 0; i < clusterSize / SECTOR && at + i * SECTOR < size; i++) {
                    DiskExerciser.fill(cluster, i, random.nextLong() | 1);
                }
                if (random.nextInt(4) != 0) {
                    ByteBuffer plain = ByteBuffer.wrap(cluster);
                    image.append(at, plain, image.compress(plain.duplicate()));
                }
            }
            image.finish();
        }
    }

    /**
     * Takes a snapshot as QEMU does: a copy of L1, one more reference to all that it leads to, and no mark of a count
     * of one.
     */
    static void snapshot(SimFile file) throws Exception {
        Qcow2Header header = Qcow2Header.read(file);
        Refcounts counts = new Refcounts(header, file);
        int clusterSize = header.clusterSize();
        int l1Bytes = header.l1Entries() * 8 + clusterSize - 1 & -clusterSize;
        long at = counts.extend(file.size() + clusterSize - 1 & -clusterSize, l1Bytes + clusterSize);
        ByteBuffer l1 = ByteBuffer.allocate(l1Bytes);
        file.readFully(l1.limit(header.l1Entries() * 8), header.l1Offset());
        for (int slot = 0; slot < header.l1Entries(); slot++) {
            long l2 = Qcow2Entry.offset(l1.getLong(slot * 8));
            if (l2 != 0) {
                counts.add(l2, l2 + clusterSize, 1);
                share(header, file, counts, l2);
                l1.putLong(slot * 8, l2);
            }
        }
        file.writeFully(l1.position(0), header.l1Offset());
        file.writeFully(l1.clear(), at);
        ByteBuffer entry = ByteBuffer.allocate(64);
        entry.putLong(0, at)
                .putInt(8, header.l1Entries())
                .putShort(12, (short) 1)
                .putShort(14, (short) 1)
                .putInt(36, 16);
        entry.putLong(48, header.size()).put(56, (byte) '1').put(57, (byte) 's');
        file.writeFully(entry, at + l1Bytes);
        file.writeFully(ByteBuffer.allocate(12).putInt(1).putLong(at + l1Bytes).flip(), 60);
    }

    private static void share(Qcow2Header header, SimFile file, Refcounts counts, long table) throws IOException {
        int clusterSize = header.clusterSize();
        ByteBuffer l2 = ByteBuffer.allocate(clusterSize);
        file.readFully(l2, table);
        for (int i = 0; i < header.l2Entries(); i++) {
            long entry = l2.getLong(i * header.l2EntryBytes());
            if (Qcow2Entry.compressed(entry)) {
                long from = Qcow2Entry.compressedOffset(entry, header.clusterBits());
                long to = from + Qcow2Entry.compressedLength(entry, header.clusterBits());
                counts.add(from & -clusterSize, to + clusterSize - 1 & -clusterSize, 1);
            } else if (Qcow2Entry.offset(entry) != 0) {
                counts.add(Qcow2Entry.offset(entry), Qcow2Entry.offset(entry) + clusterSize, 1);
                l2.putLong(i * header.l2EntryBytes(), entry & ~Qcow2Entry.COPIED);
            }
        }
        file.writeFully(l2.clear(), table);
    }
}
