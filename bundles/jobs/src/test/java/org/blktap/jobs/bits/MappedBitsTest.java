package org.blktap.jobs.bits;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.BitSet;
import java.util.Random;
import org.blktap.api.disk.DiskException;
import org.blktap.api.disk.DiskException.Reason;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class MappedBitsTest {
    private static final int BOOT = 32;

    @TempDir
    Path directory;

    private Path file() {
        return directory.resolve("bits");
    }

    /** What another process finds if this one is killed now. */
    private Path killed() throws IOException {
        Path copy = directory.resolve("copy");
        Files.deleteIfExists(copy);
        return Files.copy(file(), copy);
    }

    /** Makes a file one of a kernel that does not run any more. */
    private static void otherBoot(Path file) throws IOException {
        byte[] bytes = Files.readAllBytes(file);
        bytes[BOOT] ^= 1;
        Files.write(file, bytes);
    }

    @Test
    void equalsAModel() throws Exception {
        long seed = System.nanoTime();
        System.out.println("seed " + seed);
        Random random = new Random(seed);
        for (int round = 0; round < 50; round++) {
            int granularity = 512 << random.nextInt(8);
            long size = (1 + random.nextInt(20_000)) * 512L;
            int count = (int) ((size + granularity - 1) / granularity);
            BitSet model = new BitSet();
            MappedBits bits = MappedBits.create(file(), size, granularity);
            for (int i = 0; i < 200; i++) {
                long offset = random.nextInt((int) (size / 512)) * 512L;
                long length = Math.min(size - offset, random.nextInt(random.nextBoolean() ? 8 : 4000) * 512L);
                int first = (int) (offset / granularity);
                if (random.nextInt(3) > 0) {
                    bits.set(offset, length);
                    if (length > 0) {
                        model.set(first, (int) ((offset + length - 1) / granularity) + 1);
                    }
                } else {
                    bits.clear(offset, length);
                    for (int bit = 0; bit < count; bit++) {
                        long start = (long) bit * granularity;
                        if (start >= offset && Math.min(size, start + granularity) <= offset + length) {
                            model.clear(bit);
                        }
                    }
                }
                assertEquals(model.cardinality(), bits.count());
            }
            check(model, bits, count);
            if (random.nextBoolean()) {
                bits.close();
                bits = MappedBits.open(file());
                assertFalse(bits.stale());
                check(model, bits, count);
            }
            long larger = size + random.nextInt(3000) * 512L;
            bits = bits.resized(larger);
            if (larger > size) {
                model.set((int) (size / granularity), (int) ((larger - 1) / granularity) + 1);
            }
            check(model, bits, (int) ((larger + granularity - 1) / granularity));
            bits.close();
        }
    }

    private static void check(BitSet model, MappedBits bits, int count) {
        assertEquals(model.cardinality(), bits.count());
        long granularity = bits.granularity();
        for (int bit = 0; bit < count; bit++) {
            assertEquals(model.get(bit), bits.isSet(bit * granularity), "bit " + bit);
            int set = model.nextSetBit(bit);
            assertEquals(set < 0 ? -1 : set * granularity, bits.nextSet(bit * granularity));
            assertEquals(
                    Math.min(bits.diskBytes(), model.nextClearBit(bit) * granularity),
                    bits.nextClear(bit * granularity));
        }
        assertEquals(-1, bits.nextSet(bits.diskBytes()));
    }

    @Test
    void survivesAKill() throws Exception {
        try (MappedBits bits = MappedBits.create(file(), 1 << 20, 4096, "of a", MappedBits.Initially.CLEAR)) {
            bits.set(8192, 512);
            try (MappedBits other = MappedBits.open(killed())) {
                assertFalse(other.stale());
                assertEquals(8192, other.nextSet(0));
                assertEquals(1, other.count());
                assertEquals("of a", other.tag());
            }
        }
    }

    @Test
    void isStaleAfterAPowerLoss() throws Exception {
        MappedBits.create(file(), 1 << 20, 4096).close();
        otherBoot(file());
        MappedBits bits = MappedBits.open(file());
        assertFalse(bits.stale(), "it was closed");
        Path copy = killed();
        otherBoot(copy);
        try (MappedBits other = MappedBits.open(copy)) {
            assertTrue(other.stale());
        }
        try (MappedBits other = MappedBits.open(copy)) {
            assertTrue(other.stale(), "a restart does not make it right");
            other.restart(false);
        }
        try (MappedBits other = MappedBits.open(copy)) {
            assertFalse(other.stale());
        }
        bits.close();
        assertThrows(IndexOutOfBoundsException.class, () -> bits.set(0, 512));
    }

    @Test
    void beginsAsAsked() throws Exception {
        try (MappedBits bits = MappedBits.create(file(), 100 * 512, 4096, "", MappedBits.Initially.STALE)) {
            assertTrue(bits.stale());
            assertEquals(13, bits.count());
            assertEquals(100 * 512, bits.nextClear(0));
        }
        try (MappedBits bits = MappedBits.create(file(), 0, 4096)) {
            assertEquals(-1, bits.nextSet(0));
        }
        DiskException e = assertThrows(DiskException.class, () -> MappedBits.create(file(), 1L << 60, 4096));
        assertTrue(e.getMessage().contains("at least 512M"), e.getMessage());
        assertThrows(DiskException.class, () -> MappedBits.create(file(), 1L << 20, 5000));
        assertThrows(DiskException.class, () -> MappedBits.create(file(), 1L << 20, 256));
    }

    @Test
    void refusesDamage() throws Exception {
        MappedBits.create(file(), 1 << 20, 4096).close();
        byte[] right = Files.readAllBytes(file());
        for (int i = 0; i < 208; i++) {
            if (i >= 12 && i < 16 || i >= 32 && i < 72 || i >= 76 && i < 80) {
                // the flags, the boot, and a gap
                continue;
            }
            byte[] wrong = right.clone();
            wrong[i] ^= 0x10;
            Files.write(file(), wrong);
            DiskException e = assertThrows(DiskException.class, () -> MappedBits.open(file()), "byte " + i);
            assertEquals(Reason.CORRUPT, e.reason());
            assertTrue(
                    e.getMessage().startsWith(file().toString())
                            && e.getMessage().contains("offset")
                            && e.getMessage().contains("expected"),
                    e.getMessage());
        }
        for (int length : new int[] {0, 1, 4095, 4096, right.length - 1, right.length + 1}) {
            Files.write(file(), Arrays.copyOf(right, length));
            assertEquals(
                    Reason.CORRUPT,
                    assertThrows(DiskException.class, () -> MappedBits.open(file()))
                            .reason());
        }
        Files.delete(file());
        assertEquals(
                Reason.NOT_FOUND,
                assertThrows(DiskException.class, () -> MappedBits.open(file())).reason());
        Files.createSymbolicLink(file(), Path.of("/etc/passwd"));
        assertEquals(
                Reason.WRONG_TYPE,
                assertThrows(DiskException.class, () -> MappedBits.open(file())).reason());
    }

    @Test
    void merges() throws Exception {
        try (MappedBits a = MappedBits.create(file(), 1 << 20, 4096);
                MappedBits b = MappedBits.create(directory.resolve("b"), 1 << 20, 4096)) {
            a.set(0, 4096);
            b.set(0, 8192);
            b.set((1 << 20) - 512, 512);
            a.merge(b);
            assertEquals(3, a.count());
            assertTrue(a.isSet((1 << 20) - 1));
        }
    }
}
