package org.blktap.format.vhd;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.function.Consumer;
import org.blktap.api.disk.DiskDriver.CheckReport;
import org.blktap.api.disk.DiskException;
import org.blktap.api.disk.DiskException.Reason;
import org.blktap.api.disk.Operation;
import org.blktap.api.disk.TapSpec;
import org.blktap.api.disk.VirtualDisk;
import org.blktap.api.engine.Errno;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** Images that others made, by mistake or by intent. */
@Timeout(300)
class VhdHostileTest {
    private static final long SIZE = 16 << 20;
    private static final int BLOCK = 2 << 20;
    private static final int BATMAP_HEADER = VhdImages.BAT + 512;
    private static final int BATMAP = BATMAP_HEADER + 512;
    /** Where the last footer of a new image is, and nearly where its first block comes. */
    private static final int END = BATMAP + 512;

    private final VhdImages images = new VhdImages(Map.of());

    @AfterEach
    void free() {
        images.close();
    }

    private String refused(Reason reason, Consumer<ByteBuffer> change) throws Exception {
        return images.context.refused(images.driver, images.changed(SIZE, change), reason);
    }

    private static Consumer<ByteBuffer> footer(Consumer<ByteBuffer> change) {
        return b -> VhdImages.footers(b, change);
    }

    private static Consumer<ByteBuffer> header(Consumer<ByteBuffer> change) {
        return b -> {
            change.accept(b.slice(VhdImages.HEADER, 1024));
            VhdImages.sealHeader(b);
        };
    }

    private int problems() throws Exception {
        images.reopen();
        return images.driver
                .check(VhdImages.IMAGE, images.context.forReading())
                .problems()
                .size();
    }

    @Test
    void footersThatBreakTheRulesAreRefused() throws Exception {
        assertTrue(refused(Reason.CORRUPT, b -> b.putLong(0, 0).putLong(END, 0))
                .contains("footer field cookie at offset " + END));
        assertTrue(refused(Reason.CORRUPT, b -> b.put(100, (byte) 1).put(END + 100, (byte) 1))
                .contains("footer field checksum"));
        refused(Reason.UNSUPPORTED, footer(f -> f.putInt(12, 0x20000)));
        refused(Reason.UNSUPPORTED, footer(f -> f.put(0, "v_poison".getBytes())));
        refused(Reason.UNSUPPORTED, footer(f -> f.putInt(32, 1)));
        for (int type : new int[] {0, 1, 5, 6, -1}) {
            refused(Reason.CORRUPT, footer(f -> f.putInt(60, type)));
        }
        for (long size : new long[] {0, 1, 511, -1, Long.MIN_VALUE, Long.MAX_VALUE, (2040L << 30) + 512, SIZE + 512}) {
            refused(Reason.CORRUPT, footer(f -> f.putLong(48, size)));
        }
        for (long offset : new long[] {0, 511, 513, -1, Long.MIN_VALUE, Long.MAX_VALUE, END, END - 512}) {
            refused(Reason.CORRUPT, footer(f -> f.putLong(16, offset)));
        }
        // a fixed disk that would reach past its footer
        refused(Reason.CORRUPT, footer(f -> f.putInt(60, 2)));
    }

    @Test
    void headersThatBreakTheRulesAreRefused() throws Exception {
        refused(Reason.CORRUPT, header(h -> h.putLong(0, 0)));
        refused(Reason.CORRUPT, b -> b.putInt(VhdImages.HEADER + 200, 1));
        refused(Reason.CORRUPT, header(h -> h.putInt(24, 0x20000)));
        for (int blockSize : new int[] {0, 1, 512, 2048, 3 << 20, BLOCK - 1, 512 << 20, Integer.MIN_VALUE, -1}) {
            refused(Reason.CORRUPT, header(h -> h.putInt(32, blockSize)));
        }
        for (int entries : new int[] {0, 7, -1, Integer.MAX_VALUE, Integer.MIN_VALUE, 100_000}) {
            refused(Reason.CORRUPT, header(h -> h.putInt(28, entries)));
        }
        for (long offset : new long[] {0, 511, 1537, -512, Long.MIN_VALUE, Long.MAX_VALUE - 511, END, 1L << 40}) {
            refused(Reason.CORRUPT, header(h -> h.putLong(16, offset)));
        }
        // more blocks than are held in memory
        refused(Reason.CORRUPT, b -> {
            header(h -> h.putInt(32, 4096).putInt(28, -1)).accept(b);
            VhdImages.footers(b, f -> f.putLong(48, 2040L << 30));
        });
    }

    @Test
    void shortFilesAreRefused() throws Exception {
        byte[] whole = images.changed(SIZE, b -> {}).bytes();
        for (int length : new int[] {0, 1, 510, 511, 512, 1024, 1535, 1536}) {
            images.put(VhdImages.IMAGE, Arrays.copyOf(whole, length));
            assertEquals(
                    Reason.CORRUPT,
                    assertThrows(DiskException.class, () -> images.driver.open(VhdImages.IMAGE, images.context))
                            .reason());
        }
    }

    @Test
    void encryptedImagesAreRefused() throws Exception {
        assertTrue(refused(Reason.UNSUPPORTED, b -> b.put(BATMAP_HEADER + 29, (byte) 1))
                .contains("encrypted"));
    }

    @Test
    void entriesThatLeadNowhereFailTheirRangeAlone() throws Exception {
        for (int entry : new int[] {
            0, 1, 3, 4, 5, END / 512 - 1, END / 512, END / 512 + 1, 100_000, Integer.MAX_VALUE, Integer.MIN_VALUE, -2
        }) {
            images.changed(SIZE, b -> b.putInt(VhdImages.BAT + 4, entry));
            VirtualDisk disk = images.open();
            for (int i = 0; i < 2; i++) {
                assertEquals(Errno.EIO, images.submit(disk, Operation.READ, BLOCK, 4096), "entry " + entry);
                assertEquals(Errno.EIO, images.submit(disk, Operation.WRITE, BLOCK + 512, 512));
                assertEquals(Errno.EIO, images.submit(disk, Operation.WRITE_ZEROES, BLOCK + 512, 512));
                assertEquals(0, images.write(disk, 4096L * i, 4096, 3));
                // the file grows past where the entry points
                assertEquals(0, images.write(disk, (2L + i) * BLOCK, 4096, 3));
            }
            disk.close();
            assertEquals(1, problems(), "entry " + entry);
        }
    }

    @Test
    void structuresAndBlocksOnEachOtherAreFound() throws Exception {
        images.changed(SIZE, b -> {});
        VirtualDisk disk = images.open();
        assertEquals(0, images.write(disk, 0, 4096, 1));
        assertEquals(0, images.write(disk, BLOCK, 4096, 2));
        disk.close();
        assertEquals(0, problems());
        ByteBuffer b = ByteBuffer.wrap(images.bytes(VhdImages.IMAGE));
        byte[] right = b.array().clone();
        b.putInt(VhdImages.BAT + 4, b.getInt(VhdImages.BAT));
        assertEquals(1, checked(b.array()));
        b = ByteBuffer.wrap(right.clone());
        // what it takes for the bitmap is data, and not all ones
        b.putInt(VhdImages.BAT + 4, b.getInt(VhdImages.BAT) + 1);
        assertEquals(2, checked(b.array()));
        // a batmap that says too much: a block that is not there, and one that is not full
        b = ByteBuffer.wrap(right.clone());
        b.put(BATMAP, (byte) 0xe0).putInt(BATMAP_HEADER + 24, ~0xe0);
        assertEquals(1, checked(b.array()));
        b.put(b.getInt(VhdImages.BAT) * 512 + 9, (byte) 0xfe);
        assertEquals(2, checked(b.array()));
        b = ByteBuffer.wrap(right.clone());
        b.putInt(3, 0);
        leftover(b.array(), "copy of the footer");
        b = ByteBuffer.wrap(right.clone());
        b.putInt(b.capacity() - 512, 0);
        leftover(b.array(), "footer at the end");
        b = ByteBuffer.wrap(right.clone());
        b.putInt(BATMAP_HEADER + 24, 1);
        leftover(b.array(), "batmap");
        // as a killed daemon leaves it: with space ahead, and a footer at its end
        b = ByteBuffer.allocate(right.length + 3 * BLOCK + 4096).put(right);
        b.position(b.capacity() - 512).put(right, right.length - 512, 512);
        images.put(VhdImages.IMAGE, b.array());
        assertEquals(
                3,
                images.driver
                        .check(VhdImages.IMAGE, images.context.forReading())
                        .leaked());
        assertEquals(0, images.driver.check(VhdImages.IMAGE, images.context).leaked());
        assertTrue(images.bytes(VhdImages.IMAGE).length <= right.length);
        assertFalse(images.driver
                .check(VhdImages.IMAGE, images.context.forReading())
                .wantsRepair());
    }

    /** What is no error, but listed, and done by a repair. */
    private void leftover(byte[] bytes, String line) throws Exception {
        assertEquals(0, checked(bytes), line);
        CheckReport found = images.driver.check(VhdImages.IMAGE, images.context.forReading());
        assertEquals(1, found.repairs().size(), found.toString());
        assertTrue(found.repairs().get(0).startsWith(line), found.toString());
        assertEquals(
                found.repairs(),
                images.driver.check(VhdImages.IMAGE, images.context).repairs());
        CheckReport left = images.driver.check(VhdImages.IMAGE, images.context.forReading());
        assertFalse(left.wantsRepair(), left.toString());
    }

    private int checked(byte[] bytes) throws Exception {
        images.put(VhdImages.IMAGE, bytes);
        return problems();
    }

    /** A clear bit hides old bytes; what is written over them hides no neighbour, and zeros are zeros. */
    @Test
    void clearBitsAreZerosWhateverIsUnderThem() throws Exception {
        images.changed(SIZE, b -> {});
        VirtualDisk disk = images.open();
        assertEquals(0, images.write(disk, 0, BLOCK, 7));
        disk.close();
        ByteBuffer b = ByteBuffer.wrap(images.bytes(VhdImages.IMAGE));
        int block = b.getInt(VhdImages.BAT) * 512;
        b.put(BATMAP, (byte) 0).putInt(BATMAP_HEADER + 24, ~0);
        Arrays.fill(b.array(), block, block + 256, (byte) 0x0f);
        images.put(VhdImages.IMAGE, b.array());
        disk = images.open();
        assertEquals(0, images.read(disk, 0, 2048));
        assertEquals(7, images.read(disk, 2048, 2048));
        assertEquals(0, images.submit(disk, Operation.WRITE_ZEROES, 512, 512));
        assertEquals(0, images.write(disk, 8 * 512, 512, 5));
        assertEquals(0, images.read(disk, 0, 2048));
        assertEquals(5, images.read(disk, 8 * 512, 512));
        assertEquals(0, images.read(disk, 9 * 512, 3 * 512));
        assertEquals(0, images.submit(disk, Operation.FLUSH, 0, 0));
        disk.close();
        disk = images.open();
        assertEquals(5, images.read(disk, 8 * 512, 512));
        assertEquals(0, images.read(disk, 9 * 512, 3 * 512));
        disk.close();
        b = ByteBuffer.wrap(images.bytes(VhdImages.IMAGE));
        assertEquals((byte) 0x8f, b.get(block + 1));
        assertEquals(0, b.get(BATMAP));
        assertEquals(0, problems());
        // full again: the batmap says so when it is closed
        disk = images.open();
        assertEquals(0, images.write(disk, 0, 2048 * 512, 6));
        disk.close();
        assertEquals((byte) 0x80, images.bytes(VhdImages.IMAGE)[BATMAP]);
        assertEquals(0, problems());
    }

    @Test
    void aDamagedFooterIsReplacedByItsCopy() throws Exception {
        images.changed(SIZE, b -> {});
        VirtualDisk disk = images.open();
        assertEquals(0, images.write(disk, 0, 4096, 1));
        disk.close();
        byte[] right = images.bytes(VhdImages.IMAGE);
        assertEquals(0, right.length % 512);
        for (int from : new int[] {right.length - 512, 0}) {
            byte[] damaged = right.clone();
            Arrays.fill(damaged, from, from + 512, (byte) 0xc7);
            images.put(VhdImages.IMAGE, damaged);
            disk = images.driver.open(VhdImages.IMAGE, images.context.forReading());
            assertEquals(1, images.read(disk, 0, 4096));
            assertEquals(from > 0, disk.info().details().containsKey("footer"));
            disk.close();
            disk = images.open();
            disk.close();
            ByteBuffer mended = ByteBuffer.wrap(images.bytes(VhdImages.IMAGE));
            assertTrue(VhdFooter.isValid(mended.slice(0, 512)));
            assertTrue(VhdFooter.isValid(mended.slice(mended.capacity() - 512, 512)));
        }
        // 511 bytes, as Virtual PC's first versions had it
        images.put(VhdImages.IMAGE, Arrays.copyOf(right, right.length - 1));
        disk = images.open();
        assertFalse(disk.info().details().containsKey("footer"));
        disk.close();
    }

    /** New space is durable before a block is in it: where a block ends past the file, something was lost. */
    @Test
    void blocksThatAreCutOffAreTold() throws Exception {
        images.create(VhdImages.IMAGE, 8 << 20, null);
        VirtualDisk disk = images.open();
        assertEquals(0, images.write(disk, 0, 4096, 7));
        assertEquals(0, images.write(disk, 4 << 20, 4096, 7));
        disk.close();
        byte[] whole = images.bytes(VhdImages.IMAGE);
        images.put(VhdImages.IMAGE, Arrays.copyOf(whole, whole.length - (1 << 20)));
        disk = images.open();
        assertEquals(7, images.read(disk, 0, 4096));
        assertEquals(-1000 - Errno.EIO, images.read(disk, 4 << 20, 4096));
        disk.close();
        images.put(VhdImages.IMAGE, Arrays.copyOf(whole, whole.length - (1 << 20)));
        assertEquals(
                1,
                images.driver
                        .check(VhdImages.IMAGE, images.context.forReading())
                        .problems()
                        .size());
    }

    /** What a guest wrote may be at the end of a file that was cut off; its footer is not the image's. */
    @Test
    void aForeignFooterAtTheEndDoesNotCount() throws Exception {
        images.changed(SIZE, b -> VhdImages.seal(b.putLong(END + 48, 512).putLong(END + 68, 1), END, 512, 64));
        VirtualDisk disk = images.open();
        assertEquals(SIZE, disk.info().sizeBytes());
        disk.close();
    }

    /** The first sector of a fixed disk is the guest's: a footer that it writes there is none. */
    @Test
    void aFixedDiskIsNotWhatItsGuestWritesThere() throws Exception {
        VhdImages fixed = new VhdImages(Map.of("subformat", "fixed"));
        fixed.create(VhdImages.IMAGE, 1 << 20, null);
        byte[] b = fixed.bytes(VhdImages.IMAGE);
        System.arraycopy(images.changed(SIZE, x -> {}).bytes(), 0, b, 0, END);
        fixed.put(VhdImages.IMAGE, b);
        VirtualDisk disk = fixed.open();
        assertEquals(1 << 20, disk.info().sizeBytes());
        assertEquals("fixed", disk.info().details().get("subformat"));
        disk.close();
        // nor one that would be refused
        VhdImages.seal(ByteBuffer.wrap(b).putInt(60, 1), 0, 512, 64);
        fixed.put(VhdImages.IMAGE, b);
        fixed.open().close();
        fixed.close();
    }

    @Test
    void theSizeIsTheGeometrysForThoseWhoMeanIt() throws Exception {
        int geometry = VhdFooter.geometry(SIZE);
        long chs = 512L * (geometry >>> 16) * (geometry >>> 8 & 0xff) * (geometry & 0xff);
        assertTrue(chs < SIZE);
        for (String creator : List.of("vpc ", "qemu", "qem2", "win ", "vs  ", "wa\0\0", "tap\0")) {
            images.changed(SIZE, footer(f -> f.put(28, creator.getBytes(StandardCharsets.ISO_8859_1))));
            VirtualDisk disk = images.open();
            boolean means = creator.equals("vpc ") || creator.equals("qemu");
            assertEquals(means ? chs : SIZE, disk.info().sizeBytes(), creator);
            disk.close();
        }
    }

    @Test
    void theGeometryIsThatOfTheSpecification() {
        assertEquals(1020 << 16 | 8 << 8 | 17, VhdFooter.geometry(1020L * 8 * 17 * 512), "small");
        assertEquals(65535 << 16 | 16 << 8 | 255, VhdFooter.geometry(2040L << 30), "the largest");
    }

    @Test
    void aParentIsKnownByItsUuid() throws Exception {
        images.create("/sim/p.vhd", 4 << 20, null);
        VirtualDisk disk = images.driver.open("/sim/p.vhd", images.context);
        assertEquals(0, images.write(disk, 4096, 4096, 8));
        disk.close();
        images.reopen();
        images.create(VhdImages.IMAGE, -1, new TapSpec("vhd", "/sim/p.vhd"));
        disk = images.open();
        assertEquals("vhd:p.vhd", disk.info().details().get("backing"));
        assertEquals(4 << 20, disk.info().sizeBytes());
        assertEquals(8, images.read(disk, 4096, 4096));
        assertEquals(0, images.write(disk, 4608, 512, 9));
        assertEquals(8, images.read(disk, 4096, 512));
        assertEquals(9, images.read(disk, 4608, 512));
        disk.close();
        assertEquals(0, problems());
        // each locator alone, and then the name in the header alone
        for (int locators = 7; locators >= 0; locators--) {
            byte[] whole = images.bytes(VhdImages.IMAGE);
            ByteBuffer b = ByteBuffer.wrap(whole.clone());
            for (int i = 0; i < 3; i++) {
                if ((locators & 1 << i) == 0) {
                    b.putInt(VhdImages.HEADER + 576 + i * 24, 0);
                }
            }
            VhdImages.sealHeader(b);
            images.put(VhdImages.IMAGE, b.array());
            disk = images.open();
            assertEquals(8, images.read(disk, 4096, 512));
            disk.close();
            images.put(VhdImages.IMAGE, whole);
        }
        images.create("/sim/p.vhd", 4 << 20, null);
        DiskException e = assertThrows(DiskException.class, images::open);
        assertEquals(Reason.CORRUPT, e.reason());
        assertTrue(e.getMessage().contains("parent_unique_id"), e.getMessage());
        images.context.files.remove(java.nio.file.Path.of("/sim/p.vhd"));
        assertEquals(
                Reason.NOT_FOUND,
                assertThrows(DiskException.class, images::open).reason());
    }

    /** A locator's code, and how its name is encoded; of a host whose paths are not here. */
    private static final Object[][] FOREIGN = {
        {0x5732_6b75, "C:\\Virtual Machines\\p.vhd", StandardCharsets.UTF_16LE},
        {0x5732_7275, "..\\..\\templates\\p.vhd", StandardCharsets.UTF_16LE},
        {0x5732_7275, "..\\..\\templates\\p.vhd", StandardCharsets.UTF_16BE},
        {0x5732_6b75, "\\\\server\\share\\p.vhd", StandardCharsets.UTF_16LE},
        {0x4d61_6358, "file:///Users/x/p.vhd", StandardCharsets.UTF_8},
        {0x4d61_6358, "file://localhost/var/run/sr-mount/1234/p.vhd", StandardCharsets.UTF_8},
        {0x5769_326b, "D:\\p.vhd", StandardCharsets.ISO_8859_1},
        {0x5769_3272, ".\\x\\p.vhd", StandardCharsets.ISO_8859_1}
    };

    private void parentAndChild() throws Exception {
        images.create("/sim/p.vhd", 4 << 20, null);
        VirtualDisk disk = images.driver.open("/sim/p.vhd", images.context);
        assertEquals(0, images.write(disk, 4096, 4096, 8));
        disk.close();
        images.reopen();
        images.create(VhdImages.IMAGE, -1, new TapSpec("vhd", "/sim/p.vhd"));
    }

    /** In place of all names that the image has for its parent. */
    private void rename(int code, byte[] name, byte[] inHeader) {
        ByteBuffer b = ByteBuffer.wrap(images.bytes(VhdImages.IMAGE));
        for (int i = 1; i < 3; i++) {
            b.putInt(VhdImages.HEADER + 576 + i * 24, 0);
        }
        b.putInt(VhdImages.HEADER + 576, code).putInt(VhdImages.HEADER + 576 + 8, name.length);
        b.put((int) b.getLong(VhdImages.HEADER + 576 + 16), name);
        b.put(VhdImages.HEADER + 64, new byte[512]).put(VhdImages.HEADER + 64, inHeader);
        VhdImages.sealHeader(b);
        images.put(VhdImages.IMAGE, b.array());
    }

    @Test
    void aParentBesideTheImageIsFoundWhateverHostItsNameIsOf() throws Exception {
        parentAndChild();
        byte[] whole = images.bytes(VhdImages.IMAGE);
        for (Object[] each : FOREIGN) {
            images.put(VhdImages.IMAGE, whole.clone());
            rename((int) each[0], ((String) each[1]).getBytes((java.nio.charset.Charset) each[2]), new byte[0]);
            VirtualDisk disk = images.open();
            assertEquals(8, images.read(disk, 4096, 512), each[1] + " in " + each[2]);
            disk.close();
        }
        for (java.nio.charset.Charset order : List.of(StandardCharsets.UTF_16LE, StandardCharsets.UTF_16BE)) {
            rename(0, new byte[0], "E:\\vm\\p.vhd".getBytes(order));
            VirtualDisk disk = images.open();
            assertEquals(8, images.read(disk, 4096, 512), order.name());
            disk.close();
        }
    }

    @Test
    void aFileBesideTheImageIsNotItsParentForItsNameAlone() throws Exception {
        parentAndChild();
        rename(0x5732_6b75, "C:\\p.vhd".getBytes(StandardCharsets.UTF_16LE), new byte[0]);
        images.create("/sim/p.vhd", 4 << 20, null);
        DiskException e = assertThrows(DiskException.class, images::open);
        assertEquals(Reason.CORRUPT, e.reason());
        assertTrue(e.getMessage().contains("parent_unique_id") && e.getMessage().contains("/p.vhd"), e.getMessage());
        assertTrue(images.context.files.values().stream().allMatch(file -> file.isClosed()));
    }

    @Test
    void theOperatorNamesTheParent() throws Exception {
        parentAndChild();
        images.put("/elsewhere/q.vhd", images.bytes("/sim/p.vhd"));
        images.context.files.remove(java.nio.file.Path.of("/sim/p.vhd"));
        DiskException e = assertThrows(DiskException.class, images::open);
        assertEquals(Reason.NOT_FOUND, e.reason());
        assertTrue(e.getMessage().contains("-o parent="), e.getMessage());
        for (String name : List.of("/elsewhere/q.vhd", "../elsewhere/q.vhd")) {
            images.context = images.context.with(Map.of("parent", name));
            VirtualDisk disk = images.open();
            assertEquals(8, images.read(disk, 4096, 512));
            disk.close();
        }
        images.create("/elsewhere/q.vhd", 4 << 20, null);
        assertTrue(assertThrows(DiskException.class, images::open).getMessage().contains("parent_unique_id"));
    }

    @Test
    void locatorsThatLeadNowhereArePassedOver() throws Exception {
        images.put("/sim/p.raw", new byte[1 << 20]);
        images.create(VhdImages.IMAGE, -1, new TapSpec("aio", "/sim/p.raw"));
        byte[] whole = images.bytes(VhdImages.IMAGE);
        long[] bad = {0, 1, -1, Long.MAX_VALUE, Long.MIN_VALUE, whole.length};
        for (long offset : bad) {
            ByteBuffer b = ByteBuffer.wrap(whole.clone());
            for (int i = 0; i < 3; i++) {
                b.putLong(VhdImages.HEADER + 576 + i * 24 + 16, offset);
            }
            VhdImages.sealHeader(b);
            images.put(VhdImages.IMAGE, b.array());
            // the name in the header is right
            images.open().close();
            assertTrue(problems() >= 3);
            for (int length : new int[] {0, -1, Integer.MAX_VALUE, 513}) {
                b = ByteBuffer.wrap(whole.clone());
                for (int i = 0; i < 3; i++) {
                    b.putInt(VhdImages.HEADER + 576 + i * 24 + 8, length)
                            .putInt(VhdImages.HEADER + 576 + i * 24 + 4, length == 513 ? 1 : length);
                }
                VhdImages.sealHeader(b);
                images.put(VhdImages.IMAGE, b.array());
                images.open().close();
            }
        }
    }

    @Test
    void namesOfOtherSystemsAreRead() {
        assertEquals("base.vhd", utf16(".\\base.vhd"));
        assertEquals("dir/base.vhd", utf16(".\\dir\\base.vhd\0\0"));
        assertEquals("../base.vhd", utf16("..\\base.vhd"));
        assertEquals("/vm/base.vhd", utf16("C:\\vm\\base.vhd"));
        assertEquals("json:{}", utf16("json:{}"));
        assertEquals(null, ParentNames.decode(ParentNames.W2RU, ByteBuffer.wrap(new byte[] {0, (byte) 0xd8})));
        assertEquals("/vm/b c%zz.vhd", url("file:///vm/b%20c%zz.vhd"));
        assertEquals("/vm/bä.vhd", url("file://localhost/vm/bä.vhd"));
        assertEquals("base.vhd", url("file://./base.vhd"));
        assertEquals(null, url("http://x/base.vhd"));
        assertEquals("caf\udce9 \u00e9.vhd", url("file://./caf%E9 %C3%A9.vhd"));
    }

    @Test
    void aNameThatIsNotUtf8IsInTheUrl() throws Exception {
        for (String name : new String[] {"caf\udce9 100%.vhd", "\udcff\u00e9"}) {
            List<String> read = ParentNames.encode(Path.of("/vm/a.vhd"), "/vm/" + name).stream()
                    .map(each -> ParentNames.decode(each.code(), ByteBuffer.wrap(each.name())))
                    .filter(Objects::nonNull)
                    .toList();
            assertEquals(List.of(name), read);
        }
    }

    private static String utf16(String text) {
        return ParentNames.decode(ParentNames.W2RU, ByteBuffer.wrap(text.getBytes(StandardCharsets.UTF_16LE)));
    }

    private static String url(String text) {
        return ParentNames.decode(ParentNames.MACX, ByteBuffer.wrap(text.getBytes(StandardCharsets.UTF_8)));
    }

    @Test
    void creationRefusesWhatCannotBe() {
        for (long size : new long[] {0, -2, (2040L << 30) + 1, Long.MAX_VALUE}) {
            assertEquals(Reason.BAD_OPTION, notCreated(Map.of(), size, null));
        }
        assertEquals(Reason.BAD_OPTION, notCreated(Map.of(), -1, null));
        assertEquals(Reason.BAD_OPTION, notCreated(Map.of("block-size", "3M"), SIZE, null));
        assertEquals(Reason.BAD_OPTION, notCreated(Map.of("block-size", "4K"), 1L << 40, null));
        assertEquals(Reason.BAD_OPTION, notCreated(Map.of("subformat", "thin"), SIZE, null));
        assertEquals(Reason.BAD_OPTION, notCreated(Map.of("subformat", "fixed"), SIZE, new TapSpec("aio", "/sim/p")));
        assertEquals(Reason.UNSUPPORTED, notCreated(Map.of(), SIZE, new TapSpec("qcow2", "/sim/p")));
    }

    private static Reason notCreated(Map<String, String> options, long size, TapSpec backing) {
        try (VhdImages images = new VhdImages(options)) {
            images.put("/sim/p", new byte[512]);
            return assertThrows(DiskException.class, () -> images.create(VhdImages.IMAGE, size, backing))
                    .reason();
        }
    }
}
