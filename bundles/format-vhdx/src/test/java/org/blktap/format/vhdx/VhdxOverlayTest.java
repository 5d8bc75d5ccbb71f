package org.blktap.format.vhdx;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Map;
import java.util.Random;
import org.blktap.api.disk.DiskException;
import org.blktap.api.disk.DiskException.Reason;
import org.blktap.api.disk.Operation;
import org.blktap.api.disk.Request;
import org.blktap.api.disk.TapSpec;
import org.blktap.api.disk.VirtualDisk;
import org.blktap.api.engine.ExtentList;
import org.blktap.image.sim.SimContext;
import org.blktap.image.sim.SimFile;
import org.junit.jupiter.api.Test;

/** Differencing images that this driver makes and writes. */
class VhdxOverlayTest extends VhdxTest {
    private static final String PARENT = "/sim/parent.vhdx";
    private static final String OTHER = "/sim/other.vhdx";
    private static final TapSpec SPEC = new TapSpec("vhdx", PARENT);
    private static final int PARENT_SIZE = 4 * MIB;

    private final byte[] contents = new byte[PARENT_SIZE];

    /** A parent that holds 1 everywhere, and an overlay of 8 MiB. */
    private void chain() throws DiskException {
        context.files.clear();
        context.drivers.put("vhdx", driver);
        Arrays.fill(contents, (byte) 1);
        VhdxChains.fixed(context, PARENT, contents, "512");
        driver.create(IMAGE, SIZE, SPEC, context);
        renew();
    }

    /** As after the end of one process and the start of another. */
    private void renew() {
        for (Path path : context.files.keySet().toArray(Path[]::new)) {
            context.put(path.toString(), bytes(path.toString()));
        }
    }

    private byte[] bytes(String path) {
        return context.files.get(Path.of(path)).bytes();
    }

    private ByteBuffer image() {
        return ByteBuffer.wrap(bytes(IMAGE)).order(ByteOrder.LITTLE_ENDIAN);
    }

    private VirtualDisk open() throws DiskException {
        return driver.open(IMAGE, context);
    }

    private Reason refused(SimContext with, long size, TapSpec parent) {
        return assertThrows(DiskException.class, () -> driver.create("/sim/new.vhdx", size, parent, with))
                .reason();
    }

    private byte[] plain(String path, byte[] parent) {
        return new PlainVhdx(bytes(path)).read(parent);
    }

    @Test
    void anOverlayNamesItsParent() throws Exception {
        chain();
        VirtualDisk disk = open();
        assertEquals("differencing", disk.info().details().get("subformat"));
        assertEquals("vhdx:parent.vhdx", disk.info().details().get("backing"));
        assertEquals(SPEC, disk.info().backing());
        disk.close();
        VirtualDisk parent = driver.open(PARENT, context.forReading());
        assertEquals(null, parent.info().backing());
        String guid = parent.info().details().get(VhdxParent.DATA_WRITE_GUID);
        assertEquals(parent.info().identity(), disk.info().identity(), "what a guest sees stays");
        parent.close();
        VhdxImage image = VhdxImage.open(IMAGE, context, new VhdxLogMemory(MIB));
        assertEquals(
                Map.of(
                        "parent_linkage",
                        "{" + guid + "}",
                        "relative_path",
                        ".\\parent.vhdx",
                        "absolute_win32_path",
                        "\\sim\\parent.vhdx"),
                image.metadata().parentLocator());
        image.close();
        assertTrue(driver.check(IMAGE, context.forReading()).clean());
    }

    @Test
    void anOverlayThatCannotBeIsRefused() throws Exception {
        chain();
        assertEquals(Reason.UNSUPPORTED, refused(context, -1, new TapSpec("aio", PARENT)));
        assertEquals(Reason.UNSUPPORTED, refused(context, -1, new TapSpec("vhd", PARENT)));
        assertEquals(Reason.NOT_FOUND, refused(context, -1, new TapSpec("vhdx", "/sim/none.vhdx")));
        assertEquals(Reason.BAD_OPTION, refused(context, PARENT_SIZE - 512, SPEC));
        assertEquals(Reason.BAD_OPTION, refused(context.with(Map.of("subformat", "fixed")), -1, SPEC));
        assertEquals(Reason.BAD_OPTION, refused(context.with(Map.of("sector-size", "4096")), -1, SPEC));
        assertEquals(Reason.BAD_OPTION, refused(context, -1, null));
        assertFalse(context.files.containsKey(Path.of("/sim/new.vhdx")));
        VhdxChains.fixed(context, OTHER, contents, "4096");
        driver.create("/sim/large.vhdx", -1, new TapSpec("vhdx", OTHER), context);
        VirtualDisk large = driver.open("/sim/large.vhdx", context);
        assertEquals(4096, large.info().blockSize());
        assertEquals(PARENT_SIZE, large.info().sizeBytes());
        large.close();
    }

    @Test
    void blocksBecomePartlyAndThenFullyPresent() throws Exception {
        chain();
        byte[] parentBefore = bytes(PARENT);
        VirtualDisk disk = open();
        assertEquals(0, write(disk, 512, 1024, 7));
        assertEquals(7, image().getLong(BAT) & 7, "partially present");
        assertEquals(6, image().getLong(BAT + 4096 * 8) & 7, "the bitmap");
        // past the parent's end nothing shows, and no bitmap is needed
        assertEquals(0, write(disk, 5 * MIB + 512, 512, 8));
        assertEquals(6, image().getLong(BAT + 5 * 8) & 7, "fully present");
        // a write that covers a block needs none either
        assertEquals(0, write(disk, MIB, MIB, 9));
        assertEquals(6, image().getLong(BAT + 8) & 7, "fully present");
        assertEquals(0, submit(disk, Operation.WRITE_ZEROES, 2L * MIB, MIB));
        assertEquals(2, image().getLong(BAT + 16), "zeros without space");
        assertEquals(1, read(disk, 0));
        assertEquals(7, read(disk, 512));
        assertEquals(1, read(disk, 1536));
        assertEquals(0, read(disk, 2 * MIB));
        assertEquals(1, read(disk, 3 * MIB));
        assertEquals(0, write(disk, 2 * MIB + 1024, 512, 5));
        assertEquals(6, image().getLong(BAT + 16) & 7);
        assertEquals(0, read(disk, 2 * MIB));
        for (int at = 0; at < MIB; at += 65536) {
            assertEquals(0, write(disk, at, 65536, 3));
        }
        assertEquals(6, image().getLong(BAT) & 7, "all bits are set");
        disk.close();
        assertArrayEquals(parentBefore, bytes(PARENT), "a parent that is read stays the same");
        byte[] found = plain(IMAGE, plain(PARENT, null));
        assertEquals(3, found[0]);
        assertEquals(9, found[MIB]);
        assertEquals(5, found[2 * MIB + 1024]);
        assertEquals(0, found[2 * MIB]);
        assertEquals(1, found[3 * MIB]);
        assertEquals(8, found[5 * MIB + 512]);
    }

    @Test
    void zerosAndDiscardsDoNotShowTheParent() throws Exception {
        chain();
        VirtualDisk disk = open();
        assertEquals(0, write(disk, 4096, 4096, 7));
        assertEquals(0, submit(disk, Operation.DISCARD, 4096, 4096));
        assertEquals(0, read(disk, 4096));
        assertEquals(0, submit(disk, Operation.WRITE_ZEROES, 2048, 8192));
        assertEquals(1, read(disk, 2047));
        for (int at = 2048; at < 2048 + 8192; at += 512) {
            assertEquals(0, read(disk, at));
        }
        assertEquals(1, read(disk, 2048 + 8192));
        // discards of what only the parent has do nothing
        assertEquals(0, submit(disk, Operation.DISCARD, 65536, 4096));
        assertEquals(1, read(disk, 65536));
        disk.close();
    }

    @Test
    void aMapSaysWhichImageHasWhat() throws Exception {
        chain();
        VirtualDisk disk = open();
        write(disk, 4096, 8192, 7);
        ExtentList list = new ExtentList();
        Request request = new Request(done -> {}, 1);
        disk.submit(request.setMap(0, SIZE, list));
        loop.drain();
        long[][] expected = {{4096, 2}, {8192, 1}, {PARENT_SIZE - 12288, 2}, {SIZE - PARENT_SIZE, 0}};
        assertEquals(expected.length, list.count());
        for (int i = 0; i < expected.length; i++) {
            assertEquals(expected[i][0], list.length(i));
            assertEquals(expected[i][1], list.depth(i));
        }
        disk.close();
    }

    /** The bits of blocks that are not partially present may have any value in images of other programs. */
    @Test
    void bitsOfOtherBlocksDoNotCount() throws Exception {
        chain();
        VirtualDisk disk = open();
        write(disk, 0, 512, 7);
        disk.close();
        ByteBuffer image = image();
        int bitmap = (int) (image.getLong(BAT + 4096 * 8) >>> 20 << 20);
        Arrays.fill(image.array(), bitmap + 256, bitmap + 4096, (byte) 0xff);
        context.put(IMAGE, image.array());
        SimFile file = context.files.get(Path.of(IMAGE));
        disk = open();
        int begin = loop.moment();
        assertEquals(0, write(disk, 3 * MIB + 512, 512, 5));
        int end = loop.moment();
        for (int point = begin; point <= end; point++) {
            for (int i = 0; i < 6; i++) {
                crashed(file, point, i);
            }
        }
        renew();
        disk = open();
        assertEquals(1, read(disk, 3 * MIB));
        assertEquals(5, read(disk, 3 * MIB + 512));
        assertEquals(1, read(disk, 3 * MIB + 1024));
        disk.close();
    }

    private void crashed(SimFile file, int point, int seed) throws DiskException {
        SimContext after = context.with(Map.of());
        after.put(PARENT, bytes(PARENT));
        after.put(IMAGE, file.afterPowerLoss(point, new Random(seed)));
        VirtualDisk disk = driver.open(IMAGE, after);
        assertEquals(1, read(disk, 3 * MIB));
        int written = read(disk, 3 * MIB + 512);
        assertTrue(written == 1 || written == 5);
        assertEquals(1, read(disk, 3 * MIB + 1024));
        disk.close();
    }

    /** Random requests to the top of three images; then another reader by the specification sees the same. */
    @Test
    void anotherReaderSeesTheSame() throws Exception {
        long seed = Long.getLong("seed", System.nanoTime());
        System.out.println("VhdxOverlayTest anotherReaderSeesTheSame: seed " + seed);
        for (int round = 0; round < 4; round++) {
            Random random = new Random(seed + round);
            chain();
            random.nextBytes(contents);
            String sectorSize = random.nextBoolean() ? "512" : "4096";
            context.files.clear();
            VhdxChains.two(context, PARENT, contents, sectorSize, random);
            likeTheModel(random, sectorSize);
        }
    }

    private void likeTheModel(Random random, String sectorSize) throws Exception {
        SimContext making = context.with(Map.of("block-size", random.nextBoolean() ? "1M" : "4M"));
        driver.create(IMAGE, SIZE, SPEC, making);
        context.put(IMAGE, making.files.get(Path.of(IMAGE)).bytes());
        renew();
        byte[] model = Arrays.copyOf(contents, SIZE);
        VirtualDisk disk = open();
        for (int i = 0; i < 300; i++) {
            int length = 512 * (1 + random.nextInt(random.nextInt(20) == 0 ? 2048 : 64));
            int at = 512 * random.nextInt((SIZE - length) / 512);
            boolean zeros = random.nextInt(4) == 0;
            int value = zeros ? 0 : 1 + random.nextInt(100);
            assertEquals(0, zeros ? submit(disk, Operation.WRITE_ZEROES, at, length) : write(disk, at, length, value));
            Arrays.fill(model, at, at + length, (byte) value);
        }
        disk.close();
        byte[] below = plain(PARENT, plain("/sim/grandparent.vhdx", null));
        assertArrayEquals(contents, below, "sectors of " + sectorSize);
        assertArrayEquals(model, plain(IMAGE, below), "sectors of " + sectorSize);
        renew();
        assertTrue(driver.check(IMAGE, context.forReading()).clean());
    }

    @Test
    void anotherParentIsNamedAtOnceOrNotAtAll() throws Exception {
        chain();
        VirtualDisk disk = open();
        write(disk, 0, 512, 7);
        disk.close();
        renew();
        byte[] other = contents.clone();
        Arrays.fill(other, (byte) 2);
        VhdxChains.fixed(context, OTHER, other, "512");
        SimFile file = context.files.get(Path.of(IMAGE));
        String guid = HeaderSection.read(file).current().dataWriteGuid().toString();
        int begin = loop.moment();
        driver.rebase(IMAGE, new TapSpec("vhdx", OTHER), context);
        int end = loop.moment();
        assertEquals(guid, HeaderSection.read(file).current().dataWriteGuid().toString(), "children stay valid");
        boolean[] seen = new boolean[3];
        for (int point = begin; point <= end; point++) {
            for (int i = 0; i < 6; i++) {
                SimContext after = context.with(Map.of());
                after.put(PARENT, bytes(PARENT));
                after.put(OTHER, bytes(OTHER));
                after.put(IMAGE, file.afterPowerLoss(point, new Random(i)));
                VirtualDisk found = driver.open(IMAGE, after);
                assertEquals(7, read(found, 0));
                int value = read(found, 512);
                assertEquals(value == 1 ? PARENT : OTHER, found.info().backing().path());
                seen[value] = true;
                found.close();
            }
        }
        assertTrue(seen[1] && seen[2]);
        // back and forth, with the room of the metadata used again
        for (int i = 0; i < 5; i++) {
            renew();
            driver.rebase(IMAGE, i % 2 == 0 ? SPEC : new TapSpec("vhdx", OTHER), context);
        }
        renew();
        disk = open();
        assertEquals(SPEC, disk.info().backing());
        disk.close();
        assertTrue(driver.check(IMAGE, context.forReading()).clean());
    }

    @Test
    void aParentThatCannotBeIsRefused() throws Exception {
        chain();
        for (TapSpec backing : new TapSpec[] {new TapSpec("aio", PARENT), new TapSpec("vhdx", IMAGE)}) {
            assertEquals(
                    Reason.UNSUPPORTED,
                    assertThrows(DiskException.class, () -> driver.rebase(IMAGE, backing, context))
                            .reason());
            renew();
        }
        assertEquals(
                Reason.UNSUPPORTED,
                assertThrows(DiskException.class, () -> driver.rebase(PARENT, null, context))
                        .reason());
    }

    /** Of an image whose parent shows zeros only where the image has nothing. */
    @Test
    void withoutAParentAllIsHere() throws Exception {
        chain();
        VirtualDisk disk = open();
        for (int at = 0; at < PARENT_SIZE; at += MIB / 2) {
            // the parent's other sectors must not matter
            assertEquals(0, write(disk, at, MIB / 2, 4));
        }
        disk.close();
        renew();
        // a parent of zeros, and a block of which some sectors are the parent's
        byte[] zeros = new byte[PARENT_SIZE];
        VhdxChains.fixed(context, OTHER, zeros, "512");
        driver.rebase(IMAGE, new TapSpec("vhdx", OTHER), context);
        renew();
        ByteBuffer image = image();
        image.putLong(BAT, image.getLong(BAT) & -8 | 7);
        int bitmap = (int) (image.getLong(BAT + 4096 * 8) >>> 20 << 20);
        image.put(bitmap, (byte) 0b1101);
        Arrays.fill(image.array(), bitmap + 1, bitmap + 256, (byte) 0xff);
        SimFile file = context.put(IMAGE, image.array());
        int begin = loop.moment();
        driver.rebase(IMAGE, null, context);
        int end = loop.moment();
        byte[] expected = plain(IMAGE, null);
        for (int point = begin; point <= end; point++) {
            for (int i = 0; i < 4; i++) {
                SimContext after = context.with(Map.of());
                after.put(OTHER, bytes(OTHER));
                after.put(IMAGE, file.afterPowerLoss(point, new Random(i)));
                VirtualDisk found = driver.open(IMAGE, after);
                for (int at : new int[] {0, 512, 1024, 1536, 2048, 4096, MIB, 4 * MIB}) {
                    assertEquals(expected[at], read(found, at), "at " + at);
                }
                found.close();
                assertTrue(driver.check(IMAGE, after.forReading()).clean());
            }
        }
        assertEquals(4, expected[0]);
        assertEquals(0, expected[512]);
        assertEquals(4, expected[1024]);
        assertEquals(0, expected[2048]);
        renew();
        context.files.remove(Path.of(OTHER));
        disk = open();
        assertEquals("dynamic", disk.info().details().get("subformat"));
        assertEquals(null, disk.info().backing());
        disk.close();
        assertEquals(0, image().getLong(BAT + 4096 * 8), "no bitmap");
    }

    /** The child that is committed goes on with its parent; others do not. */
    @Test
    void aCommitKeepsItsChild() throws Exception {
        chain();
        driver.create(OTHER, SIZE, SPEC, context);
        renew();
        for (int session = 0; session < 3; session++) {
            VirtualDisk child = open();
            write(child, 0, 512, 7);
            VirtualDisk parent = driver.open(PARENT, context);
            SimFile file = context.files.get(Path.of(PARENT));
            int begin = loop.moment();
            assertEquals(0, write(parent, 0, 512, 7));
            int end = loop.moment();
            for (int point = begin; point <= end; point++) {
                for (int i = 0; i < 4; i++) {
                    SimContext after = context.with(Map.of());
                    after.put(IMAGE, bytes(IMAGE));
                    after.put(PARENT, file.afterPowerLoss(point, new Random(i)));
                    VirtualDisk found = driver.open(IMAGE, after);
                    assertEquals(7, read(found, 0));
                    assertEquals(1, read(found, 512));
                    found.close();
                }
            }
            parent.close();
            // the parent's file is the child's too
            renew();
            driver.open(IMAGE, context).close();
            renew();
            assertEquals(
                    Reason.CORRUPT,
                    assertThrows(DiskException.class, () -> driver.open(OTHER, context))
                            .reason());
            renew();
        }
        // a change that is no commit's
        SimContext alone = context.with(Map.of());
        VhdxDriver another = new VhdxDriver();
        VirtualDisk parent = another.open(PARENT, alone);
        assertEquals(0, write(parent, 0, 512, 8));
        parent.close();
        renew();
        assertEquals(
                Reason.CORRUPT, assertThrows(DiskException.class, this::open).reason());
    }

    @Test
    void anOverlayGrows() throws Exception {
        chain();
        VirtualDisk disk = open();
        write(disk, SIZE - 512, 512, 7);
        write(disk, 512, 512, 6);
        disk.close();
        renew();
        driver.resize(IMAGE, 5000L * MIB, context);
        renew();
        disk = open();
        assertEquals(5000L * MIB, disk.info().sizeBytes());
        assertEquals(6, read(disk, 512));
        assertEquals(1, read(disk, 1024));
        assertEquals(7, read(disk, SIZE - 512));
        assertEquals(0, read(disk, SIZE));
        assertEquals(0, read(disk, 5000L * MIB - 512));
        assertEquals(0, write(disk, 4999L * MIB, 512, 5));
        disk.close();
        renew();
        assertTrue(driver.check(IMAGE, context.forReading()).clean());
        driver.create(OTHER, -1, new TapSpec("vhdx", IMAGE), context);
        assertThrows(DiskException.class, () -> driver.resize(OTHER, SIZE, context));
    }
}
