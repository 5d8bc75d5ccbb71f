package org.blktap.format.qcow;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.function.Consumer;
import org.blktap.api.disk.DiskException;
import org.blktap.api.disk.DiskException.Reason;
import org.blktap.api.disk.Operation;
import org.blktap.api.disk.Request;
import org.blktap.api.disk.TapSpec;
import org.blktap.api.disk.VirtualDisk;
import org.blktap.api.engine.Errno;
import org.blktap.api.engine.ExtentList;
import org.blktap.api.memory.Memory;
import org.blktap.api.memory.NativeBuffer;
import org.blktap.image.sim.SimContext;
import org.blktap.image.sim.SimFile;
import org.blktap.image.sim.SimLoop;
import org.blktap.linux.Mapping;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** Images that others made, by mistake or by intent. */
@Timeout(300)
class QcowHostileTest {
    private static final String IMAGE = "/sim/a.qcow";
    private static final int SLOT = 2 << 20;
    private final SimLoop loop = new SimLoop(new Random(1));
    private final SimContext context = new SimContext(loop, false, Map.of());
    private final QcowDriver driver = new QcowDriver();
    private final NativeBuffer memory = Mapping.anonymous(1 << 20);

    @AfterEach
    void free() {
        memory.close();
    }

    /** An empty image of 8 MiB, without Xen's extension, changed; its L1 table is at 4096, its file 16 KiB long. */
    private SimFile image(Consumer<ByteBuffer> change) {
        ByteBuffer bytes = ByteBuffer.allocate(16384);
        bytes.put(new QcowHeader(0, 0, 4L * SLOT, 12, 9, 4096, null).bytes(null))
                .clear();
        change.accept(bytes);
        return context.put(IMAGE, bytes.array());
    }

    private String refused(Reason reason, Consumer<ByteBuffer> change) {
        return context.refused(driver, image(change), reason);
    }

    private int submit(VirtualDisk disk, Operation operation, long offset, int length) {
        return loop.submit(disk, operation, offset, memory.address(), length);
    }

    private byte first() {
        return memory.bytes().get(0);
    }

    @Test
    void aBackingNameNeedNotBeUtf8() throws Exception {
        context.put("/sim/\udcc3(", new byte[512]);
        image(b -> b.putLong(8, 64).putInt(16, 2).put(64, new byte[] {(byte) 0xc3, 0x28}));
        try (VirtualDisk disk = driver.open(IMAGE, context)) {
            assertEquals("aio:\udcc3(", disk.info().details().get("backing"));
        }
    }

    @Test
    void headersThatBreakTheRulesAreRefused() {
        assertTrue(refused(Reason.CORRUPT, b -> b.putInt(0, 0)).contains("magic at offset 0: found 0x00000000"));
        assertTrue(refused(Reason.WRONG_TYPE, b -> b.putInt(4, 2)).contains("tap:qcow2"));
        assertTrue(refused(Reason.WRONG_TYPE, b -> b.putInt(4, 3)).contains("tap:qcow2"));
        refused(Reason.CORRUPT, b -> b.putInt(4, 0));
        refused(Reason.CORRUPT, b -> b.putInt(4, -1));
        for (int bits : new int[] {0, 8, 17, 63, 255}) {
            assertTrue(refused(Reason.CORRUPT, b -> b.put(32, (byte) bits))
                    .contains("cluster_bits at offset 32: found " + bits));
        }
        for (int bits : new int[] {0, 5, 14, 255}) {
            assertTrue(refused(Reason.CORRUPT, b -> b.put(33, (byte) bits))
                    .contains("l2_bits at offset 33: found " + bits));
        }
        assertTrue(refused(Reason.UNSUPPORTED, b -> b.putInt(36, 1)).contains("encrypted"));
        refused(Reason.CORRUPT, b -> b.putInt(36, 2));
        for (long size : new long[] {0, 1, 511, -1, Long.MIN_VALUE, Long.MAX_VALUE, 1L << 62}) {
            refused(Reason.CORRUPT, b -> b.putLong(24, size));
        }
        for (long offset : new long[] {0, 8, 40, 4097, 16384, -8, Long.MAX_VALUE - 7, Long.MIN_VALUE}) {
            refused(Reason.CORRUPT, b -> b.putLong(40, offset));
        }
        for (int length : new int[] {0, 1024, -1, Integer.MAX_VALUE}) {
            refused(Reason.CORRUPT, b -> b.putLong(8, 64).putInt(16, length));
        }
        for (long offset : new long[] {1, 47, -1, Long.MAX_VALUE}) {
            refused(Reason.CORRUPT, b -> b.putLong(8, offset).putInt(16, 4));
        }
        SimFile file = image(b -> b.putLong(8, 64).putInt(16, 4).put(64, "none".getBytes()));
        assertEquals(
                Reason.NOT_FOUND,
                assertThrows(DiskException.class, () -> driver.open(IMAGE, context))
                        .reason());
        assertTrue(file.isClosed());
    }

    @Test
    void shortFilesAreRefused() {
        for (int length : new int[] {0, 1, 47, 48, 63, 4096}) {
            byte[] whole = image(b -> {}).bytes();
            context.put(IMAGE, java.util.Arrays.copyOf(whole, length));
            assertEquals(
                    Reason.CORRUPT,
                    assertThrows(DiskException.class, () -> driver.open(IMAGE, context))
                            .reason());
        }
    }

    @Test
    void entriesThatLeadNowhereFailTheirRangeAlone() throws Exception {
        long[] bad = {1, 48, 4096, 513 + 8192, 1L << 40, Long.MAX_VALUE, -1, 16384};
        for (long entry : bad) {
            image(b -> b.putLong(4096 + 8, entry));
            VirtualDisk disk = driver.open(IMAGE, context);
            assertEquals(Errno.EIO, submit(disk, Operation.READ, SLOT, 4096), "L1 entry " + entry);
            assertEquals(Errno.EIO, submit(disk, Operation.WRITE, SLOT + 512, 512));
            assertEquals(Errno.EIO, submit(disk, Operation.WRITE_ZEROES, SLOT + 512, 512));
            assertEquals(0, submit(disk, Operation.READ, 0, 4096));
            assertEquals(0, submit(disk, Operation.WRITE, 2L * SLOT, 4096));
            disk.close();
            context.put(IMAGE, context.files.get(Path.of(IMAGE)).bytes());
            assertFalse(driver.check(IMAGE, context.forReading()).clean(), "L1 entry " + entry);
        }
        for (long entry : bad) {
            image(b -> b.putLong(4096 + 8, 8192).putLong(8192 + 16, entry));
            VirtualDisk disk = driver.open(IMAGE, context);
            assertEquals(Errno.EIO, submit(disk, Operation.READ, SLOT + 8192, 512), "L2 entry " + entry);
            assertEquals(Errno.EIO, submit(disk, Operation.READ, SLOT + 4096, 16384));
            assertEquals(0, submit(disk, Operation.READ, SLOT, 8192));
            assertEquals(0, submit(disk, Operation.WRITE, SLOT, 8192));
            disk.close();
            context.put(IMAGE, context.files.get(Path.of(IMAGE)).bytes());
            assertFalse(driver.check(IMAGE, context.forReading()).clean(), "L2 entry " + entry);
        }
    }

    /** As in a copy that was broken off: what grows there later belongs to others. */
    @Test
    void entriesPastTheEndStayInvalidWhileTheFileGrows() throws Exception {
        image(b -> b.putLong(4096, 8192).putLong(8200, 24576).putLong(4104, 28672));
        VirtualDisk disk = driver.open(IMAGE, context);
        for (int i = 0; i < 2; i++) {
            assertEquals(Errno.EIO, submit(disk, Operation.READ, 4096, 4096));
            assertEquals(Errno.EIO, submit(disk, Operation.WRITE, 4096, 4096));
            assertEquals(Errno.EIO, submit(disk, Operation.READ, SLOT, 4096));
            assertEquals(0, submit(disk, Operation.WRITE, 65536, 65536));
            assertEquals(0, submit(disk, Operation.WRITE, 2L * SLOT, 65536));
        }
        disk.close();
    }

    /** The table of one write is written, that of another is not: nothing of either may come back later. */
    @Test
    void aTableThatCannotBeWrittenIsPutRightBeforeAnythingElseChanges() throws Exception {
        SimFile file = image(b -> b.putLong(4096, 8192));
        VirtualDisk disk = driver.open(IMAGE, context);
        assertEquals(0, submit(disk, Operation.WRITE, SLOT, 4096));
        boolean[] full = {false};
        // tables cannot be written, data can: tables are written last
        file.failWith(() -> full[0] ? Errno.ENOSPC : 0);
        org.blktap.api.memory.Memory.fill(memory.address(), 4096, (byte) 7);
        int[] error = {-1};
        Request write = new Request(done -> error[0] = done.error(), 1);
        write.data().add(memory.address(), 4096);
        disk.submit(write.set(Operation.WRITE, 0, 4096, 0));
        int before = file.logLength();
        while (file.logLength() == before) {
            loop.step();
        }
        full[0] = true;
        loop.drain();
        assertEquals(Errno.ENOSPC, error[0]);
        assertEquals(Errno.ENOSPC, submit(disk, Operation.WRITE_ZEROES, 0, 4096));
        assertEquals(Errno.ENOSPC, submit(disk, Operation.FLUSH, 0, 0));
        full[0] = false;
        assertEquals(0, submit(disk, Operation.WRITE_ZEROES, 0, 4096));
        assertEquals(0, submit(disk, Operation.FLUSH, 0, 0));
        disk.close();
        context.put(IMAGE, file.bytes());
        disk = driver.open(IMAGE, context);
        assertEquals(0, submit(disk, Operation.READ, 0, 4096));
        assertEquals(0, first());
        disk.close();
    }

    /** One request over very many deflated clusters takes its time, not the daemon's memory. */
    @Test
    void zeroesOverManyDeflatedClustersAreDoneAFewAtATime() throws Exception {
        byte[] stream = deflate(new byte[4096]);
        image(b -> {
            b.putLong(4096, 8192).put(12288, stream);
            for (int i = 0; i < 512; i++) {
                b.putLong(8192 + i * 8, QcowMap.COMPRESSED | (long) stream.length << 63 - 12 | 12288);
            }
        });
        VirtualDisk disk = driver.open(IMAGE, context);
        int[] error = {-1};
        Request request = new Request(done -> error[0] = done.error(), 1);
        disk.submit(request.set(Operation.WRITE_ZEROES, 0, SLOT, 0));
        loop.drain();
        assertEquals(0, error[0]);
        assertEquals(0, submit(disk, Operation.READ, SLOT - 4096, 4096));
        disk.close();
    }

    @Test
    void clustersInUseTwiceAreFound() throws Exception {
        image(b -> b.putLong(4096, 8192).putLong(8192, 12288).putLong(8200, 12288));
        assertEquals(1, driver.check(IMAGE, context.forReading()).problems().size());
        image(b -> b.putLong(4096, 8192).putLong(4104, 8192));
        List<String> problems = driver.check(IMAGE, context.forReading()).problems();
        assertEquals(1, problems.size());
        assertTrue(problems.get(0).contains("L1 entry 1 at offset 4104: found 0x2000"), problems.get(0));
    }

    @Test
    void bombsAndTornStreamsAreErrors() throws Exception {
        for (byte[] stream : new byte[][] {deflate(new byte[1 << 20]), deflate(new byte[100]), {1, 2, 3}, {}}) {
            image(b -> {
                b.putLong(4096, 8192).put(12288, stream, 0, Math.min(stream.length, 2048));
                b.putLong(8192, QcowMap.COMPRESSED | (long) Math.min(stream.length, 2048) << 63 - 12 | 12288);
            });
            VirtualDisk disk = driver.open(IMAGE, context);
            assertEquals(Errno.EIO, submit(disk, Operation.READ, 512, 512), stream.length + " bytes");
            assertEquals(Errno.EIO, submit(disk, Operation.WRITE, 512, 512));
            assertEquals(0, submit(disk, Operation.WRITE, 0, 4096));
            assertEquals(0, submit(disk, Operation.READ, 512, 512));
            disk.close();
        }
    }

    @Test
    void deflatedClustersAreReadAndOverwritten() throws Exception {
        byte[] plain = new byte[4096];
        new Random(3).nextBytes(plain);
        java.util.Arrays.fill(plain, 1000, 4096, (byte) 7);
        byte[] stream = deflate(plain);
        image(b -> b.putLong(4096, 8192)
                .put(12289, stream)
                .putLong(8192, QcowMap.COMPRESSED | (long) stream.length << 63 - 12 | 12289));
        VirtualDisk disk = driver.open(IMAGE, context);
        assertEquals(0, submit(disk, Operation.READ, 1024, 1024));
        assertEquals(7, first());
        memory.bytes().put(0, (byte) 9);
        assertEquals(0, submit(disk, Operation.WRITE, 2048, 512));
        assertEquals(0, submit(disk, Operation.READ, 0, 4096));
        byte[] found = new byte[4096];
        memory.bytes().get(0, found);
        plain[2048] = 9;
        assertEquals(ByteBuffer.wrap(plain), ByteBuffer.wrap(found));
        disk.close();
    }

    private static byte[] deflate(byte[] plain) {
        java.util.zip.Deflater deflater = new java.util.zip.Deflater(9, true);
        deflater.setInput(plain);
        deflater.finish();
        byte[] out = new byte[plain.length + 100];
        int length = deflater.deflate(out);
        deflater.end();
        return java.util.Arrays.copyOf(out, length);
    }

    @Test
    void aLittleEndianL1TableIsReadAndKept() throws Exception {
        SimFile file = image(b -> {
            b.order(ByteOrder.LITTLE_ENDIAN).putLong(4096, 8192).order(ByteOrder.BIG_ENDIAN);
            b.putLong(8192, 12288).put(12288, (byte) 42);
        });
        VirtualDisk disk = driver.open(IMAGE, context);
        assertTrue(disk.info().details().get("L1 table").contains("little-endian"));
        assertEquals(0, submit(disk, Operation.READ, 0, 512));
        assertEquals(42, first());
        assertEquals(0, submit(disk, Operation.WRITE, SLOT, 512));
        disk.close();
        ByteBuffer l1 = ByteBuffer.wrap(file.bytes()).order(ByteOrder.LITTLE_ENDIAN);
        assertEquals(8192, l1.getLong(4096));
        assertTrue(l1.getLong(4104) >= 16384 && l1.getLong(4104) < file.bytes().length);
    }

    /** Xen's tools decide by this checksum whether the extension counts. */
    @Test
    void xensExtensionIsWrittenKeptAndNotTrustedAfterACrash() throws Exception {
        driver.create(IMAGE, 4L * SLOT, null, context);
        SimFile file = context.files.get(Path.of(IMAGE));
        assertTrue(checksumFits(file.bytes()));
        file = context.put(IMAGE, file.bytes());
        VirtualDisk disk = driver.open(IMAGE, context);
        assertEquals("in use", disk.info().details().get("Xen extension"));
        assertEquals(0, submit(disk, Operation.WRITE, SLOT + 8192, 4096));
        byte[] crashed = file.bytes();
        disk.close();
        assertTrue(checksumFits(file.bytes()));
        assertEquals(4096 + 4096 + 4096 + SLOT, file.bytes().length);
        for (byte[] image : new byte[][] {file.bytes(), crashed}) {
            context.put(IMAGE, image);
            disk = driver.open(IMAGE, context);
            assertEquals(
                    image == crashed ? "present, not in use" : "in use",
                    disk.info().details().get("Xen extension"));
            assertEquals(0, submit(disk, Operation.READ, SLOT + 8192, 4096));
            disk.close();
        }
        // 3.3 overwrote the beginning of an L2 table: the slot reads right by the extension
        byte[] damaged = file.bytes();
        ByteBuffer.wrap(damaged).putLong((int) ByteBuffer.wrap(damaged).getLong(4096 + 8), 0x1234567);
        context.put(IMAGE, damaged);
        disk = driver.open(IMAGE, context);
        assertEquals(0, submit(disk, Operation.READ, SLOT, 4096));
        disk.close();
    }

    private static boolean checksumFits(byte[] image) throws Exception {
        byte[] l1 = java.util.Arrays.copyOfRange(image, 4096, 4096 + 32);
        byte[] digest = java.security.MessageDigest.getInstance("MD5").digest(l1);
        return ByteBuffer.wrap(digest).order(ByteOrder.LITTLE_ENDIAN).getInt()
                == ByteBuffer.wrap(image).getInt(52);
    }

    @Test
    void mapTellsHolesOfTheFileAndOfTheBacking() throws Exception {
        byte[] base = new byte[3 << 20];
        java.util.Arrays.fill(base, 1 << 20, 2 << 20, (byte) 5);
        context.put("/sim/base.raw", base);
        driver.create(IMAGE, 4L * SLOT, new TapSpec("aio", "/sim/base.raw"), context);
        context.put(IMAGE, context.files.get(Path.of(IMAGE)).bytes());
        context.put("/sim/base.raw", base);
        VirtualDisk disk = driver.open(IMAGE, context);
        org.blktap.api.memory.Memory.fill(memory.address(), 4096, (byte) 1);
        assertEquals(0, submit(disk, Operation.WRITE, 0, 4096));
        ExtentList list = new ExtentList();
        Request request = new Request(done -> {}, 0);
        disk.submit(request.setMap(0, 4L * SLOT, list));
        loop.drain();
        assertEquals(4L * SLOT, list.total());
        assertEquals(ExtentList.DATA, list.state(0));
        long at = 0;
        for (int i = 0; i < list.count(); at += list.length(i++)) {
            boolean data = at < 4096 || at >= 1 << 20 && at < 2 << 20;
            assertEquals(data ? ExtentList.DATA : ExtentList.HOLE | ExtentList.ZERO, list.state(i), "at " + at);
        }
        disk.close();
    }

    /**
     * Xen's tools may leave the last slot of a file incomplete. A longer L1 table must not be put into the rest of that
     * slot.
     */
    @Test
    void aLargerDiskLeavesACutSlotAlone() throws Exception {
        context.files.remove(java.nio.file.Path.of(IMAGE));
        driver.create(IMAGE, 8 << 20, null, context);
        context.put(IMAGE, context.files.get(java.nio.file.Path.of(IMAGE)).bytes());
        VirtualDisk disk = driver.open(IMAGE, context);
        Memory.fill(memory.address(), memory.size(), (byte) 7);
        assertEquals(0, submit(disk, Operation.WRITE, 0, 4096));
        disk.close();
        byte[] whole = context.files.get(java.nio.file.Path.of(IMAGE)).bytes();
        context.put(IMAGE, java.util.Arrays.copyOf(whole, whole.length - (2 << 20) + 4096));
        driver.resize(IMAGE, 8L << 30, context);
        context.put(IMAGE, context.files.get(java.nio.file.Path.of(IMAGE)).bytes());
        disk = driver.open(IMAGE, context);
        for (int at = 0; at < 4 << 20; at += 1 << 20) {
            assertEquals(0, submit(disk, Operation.WRITE, at, 1 << 20));
        }
        disk.close();
        context.put(IMAGE, context.files.get(java.nio.file.Path.of(IMAGE)).bytes());
        disk = driver.open(IMAGE, context);
        for (int at = 0; at < 4 << 20; at += 1 << 20) {
            Memory.fill(memory.address(), memory.size(), (byte) 0);
            assertEquals(0, submit(disk, Operation.READ, at, 1 << 20));
            assertEquals(7, first());
        }
        disk.close();
    }
}
