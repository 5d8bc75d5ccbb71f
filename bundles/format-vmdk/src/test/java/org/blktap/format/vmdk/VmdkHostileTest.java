package org.blktap.format.vmdk;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.function.Consumer;
import org.blktap.api.disk.DiskDriver.CheckReport;
import org.blktap.api.disk.DiskException;
import org.blktap.api.disk.DiskException.Reason;
import org.blktap.api.disk.Operation;
import org.blktap.api.disk.TapSpec;
import org.blktap.api.disk.VirtualDisk;
import org.blktap.api.engine.Errno;
import org.blktap.api.memory.Memory;
import org.blktap.api.memory.NativeBuffer;
import org.blktap.image.sim.SimContext;
import org.blktap.image.sim.SimFile;
import org.blktap.image.sim.SimLoop;
import org.blktap.linux.Mapping;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** Images that others made, by mistake or by intent; and what is right but rare. */
@Timeout(300)
class VmdkHostileTest {
    private static final String IMAGE = "/sim/a.vmdk";
    private static final int SECTOR = 512;
    /** Of a disk of 64 MiB: two grain tables of 32 MiB each; the directory, and its tables. */
    private static final int RGD = 21 * SECTOR;

    private static final int GD = (21 + 1 + 8) * SECTOR;
    private static final int GT = GD + SECTOR;
    private static final int FIRST_GRAIN = 65536;
    private static final long SLOT = 32 << 20;
    private final SimLoop loop = new SimLoop(new Random(1));
    private final SimContext context = new SimContext(loop, false, Map.of());
    private final VmdkDriver driver = new VmdkDriver();
    private final NativeBuffer memory = Mapping.anonymous(1 << 20);

    @AfterEach
    void free() {
        memory.close();
    }

    /** An empty image of 64 MiB and two grains' room, changed. */
    private SimFile image(Consumer<ByteBuffer> change) throws DiskException {
        context.files.remove(Path.of(IMAGE));
        driver.create(IMAGE, 2 * SLOT, null, context);
        ByteBuffer bytes = ByteBuffer.wrap(
                        Arrays.copyOf(context.files.get(Path.of(IMAGE)).bytes(), 3 * FIRST_GRAIN))
                .order(ByteOrder.LITTLE_ENDIAN);
        change.accept(bytes);
        return context.put(IMAGE, bytes.array());
    }

    private String refused(Reason reason, Consumer<ByteBuffer> change) throws DiskException {
        return context.refused(driver, image(change), reason);
    }

    private int submit(VirtualDisk disk, Operation operation, long offset, int length) {
        return loop.submit(disk, operation, offset, memory.address(), length);
    }

    private byte first() {
        return memory.bytes().get(0);
    }

    private void fill(int value) {
        Memory.fill(memory.address(), memory.size(), (byte) value);
    }

    private String describe(String createType, String... lines) {
        String text = "# Disk DescriptorFile\r\nversion=1\r\nCID=12345678\r\nparentCID=ffffffff\r\ncreateType=\""
                + createType + "\"\r\n" + String.join("\r\n", lines) + "\r\nddb.adapterType = \"ide\"\r\n";
        context.put(IMAGE, text.getBytes(StandardCharsets.UTF_8));
        return text;
    }

    private String refusedText(Reason reason, String text) {
        SimFile file = context.put(IMAGE, text.getBytes(StandardCharsets.UTF_8));
        DiskException e = assertThrows(DiskException.class, () -> driver.open(IMAGE, context), text);
        assertEquals(reason, e.reason(), e.getMessage());
        assertTrue(file.isClosed());
        return e.getMessage();
    }

    /**
     * The file's name is in the descriptor's encoding, or has the descriptor's bytes, as after a copy that ignores
     * encodings.
     */
    @Test
    void namesInAnyEncodingAndNone() throws Exception {
        for (String encoding : new String[] {"UTF-8", "windows-1252"}) {
            for (String file : encoding.equals("UTF-8")
                    ? new String[] {"caf\udce9-flat.vmdk"}
                    : new String[] {"caf\udce9-flat.vmdk", "caf\u00e9-flat.vmdk"}) {
                SimContext other = new SimContext(loop, false, Map.of()) {
                    @Override
                    public Path confine(Path image, String named) throws DiskException {
                        Path path = super.confine(image, named);
                        openFile(path).close();
                        return path;
                    }
                };
                other.put("/sim/" + file, new byte[1 << 20]);
                other.put(
                        IMAGE,
                        ("# Disk DescriptorFile\nversion=1\nencoding=\"" + encoding
                                        + "\"\nCID=12345678\nparentCID=ffffffff\n"
                                        + "createType=\"monolithicFlat\"\nRW 2048 FLAT \"caf\u00e9-flat.vmdk\" 0\n")
                                .getBytes(StandardCharsets.ISO_8859_1));
                driver.open(IMAGE, other).close();
            }
        }
    }

    @Test
    void headersThatBreakTheRulesAreRefused() throws Exception {
        refused(Reason.CORRUPT, b -> b.putInt(0, 0));
        refused(Reason.CORRUPT, b -> b.putInt(4, 0));
        for (int version : new int[] {4, -1}) {
            refused(Reason.UNSUPPORTED, b -> b.putInt(4, version));
        }
        assertTrue(refused(Reason.UNSUPPORTED, b -> b.putInt(4, 3)).contains("read-only"));
        refused(Reason.UNSUPPORTED, b -> b.putInt(8, 1 << 20 | 3));
        for (long capacity : new long[] {-1, Long.MIN_VALUE, Long.MAX_VALUE, 1L << 44}) {
            refused(Reason.CORRUPT, b -> b.putLong(12, capacity));
        }
        // grain directories of gigabytes
        refused(Reason.UNSUPPORTED, b -> b.putInt(8, 1).putLong(12, 1L << 42));
        for (long grain : new long[] {0, 3, -1, 4096, 1L << 32, Long.MIN_VALUE}) {
            refused(Reason.CORRUPT, b -> b.putLong(20, grain));
        }
        for (int entries : new int[] {0, 1, 511, 1024, -1}) {
            refused(Reason.CORRUPT, b -> b.putInt(44, entries));
        }
        for (int field : new int[] {48, 56}) {
            for (long offset : new long[] {1 << 20, -2, Long.MIN_VALUE, 1L << 32}) {
                refused(Reason.CORRUPT, b -> b.putLong(field, offset));
            }
        }
        refused(Reason.CORRUPT, b -> b.putLong(56, 0));
        refused(Reason.CORRUPT, b -> b.putLong(48, GD / SECTOR));
        for (long overHead : new long[] {1 << 20, -1, Long.MIN_VALUE}) {
            refused(Reason.CORRUPT, b -> b.putLong(64, overHead));
        }
        assertTrue(refused(Reason.CORRUPT, b -> b.put(74, (byte) '\n')).contains("newline check bytes"));
        refused(Reason.CORRUPT, b -> b.putChar(77, (char) 2));
        refused(Reason.CORRUPT, b -> b.putLong(28, 1 << 20));
        refused(Reason.CORRUPT, b -> b.putLong(36, 1 << 20));
        refused(Reason.UNSUPPORTED, b -> b.putLong(28, 0));
        refused(Reason.CORRUPT, b -> b.putLong(56, -1));
    }

    @Test
    void shortFilesAreRefused() throws Exception {
        byte[] whole = image(b -> {}).bytes();
        for (int length : new int[] {0, 3, 4, 511, 512, 4096, RGD, GD}) {
            SimFile file = context.put(IMAGE, Arrays.copyOf(whole, length));
            assertEquals(
                    Reason.CORRUPT,
                    assertThrows(DiskException.class, () -> driver.open(IMAGE, context), length + " bytes")
                            .reason());
            assertTrue(file.isClosed());
        }
    }

    @Test
    void entriesThatLeadNowhereFailTheirRangeAlone() throws Exception {
        for (int entry : new int[] {
            1, 20, GD / SECTOR, GT / SECTOR, FIRST_GRAIN / SECTOR - 1, 3 * FIRST_GRAIN / SECTOR, -1, Integer.MAX_VALUE
        }) {
            image(b -> b.putInt(GT + 4, entry));
            VirtualDisk disk = driver.open(IMAGE, context);
            for (int i = 0; i < 2; i++) {
                assertEquals(Errno.EIO, submit(disk, Operation.READ, 65536, 4096), "grain table entry " + entry);
                assertEquals(Errno.EIO, submit(disk, Operation.WRITE, 65536 + 512, 512));
                assertEquals(Errno.EIO, submit(disk, Operation.WRITE_ZEROES, 65536, 65536));
                assertEquals(0, submit(disk, Operation.READ, 0, 4096));
                assertEquals(0, submit(disk, Operation.WRITE, 131072 + (long) i * 131072, 131072));
            }
            disk.close();
            context.put(IMAGE, context.files.get(Path.of(IMAGE)).bytes());
            assertFalse(driver.check(IMAGE, context.forReading()).clean(), "grain table entry " + entry);
        }
        for (int entry : new int[] {
            GD / SECTOR, GD / SECTOR - 1, RGD / SECTOR, 3 * FIRST_GRAIN / SECTOR, 3 * FIRST_GRAIN / SECTOR - 1, -1
        }) {
            image(b -> b.putInt(GD + 4, entry));
            VirtualDisk disk = driver.open(IMAGE, context);
            assertEquals(Errno.EIO, submit(disk, Operation.READ, SLOT, 4096), "grain directory entry " + entry);
            assertEquals(Errno.EIO, submit(disk, Operation.WRITE, SLOT + 512, 512));
            assertEquals(0, submit(disk, Operation.WRITE, 0, 4096));
            disk.close();
        }
    }

    @Test
    void redundantTablesThatWouldOverwriteOthersAreRefused() throws Exception {
        for (int entry : new int[] {GT / SECTOR, RGD / SECTOR, GD / SECTOR, 3 * FIRST_GRAIN / SECTOR, -1}) {
            refused(Reason.CORRUPT, b -> b.putInt(RGD, entry));
        }
        image(b -> b.putInt(RGD, -1));
        driver.open(IMAGE, context.forReading()).close();
    }

    @Test
    void bothGrainTablesAreWrittenAndCompared() throws Exception {
        SimFile file = image(b -> {});
        VirtualDisk disk = driver.open(IMAGE, context);
        assertEquals(0, submit(disk, Operation.WRITE, 65536, 4096));
        disk.close();
        ByteBuffer bytes = ByteBuffer.wrap(file.bytes()).order(ByteOrder.LITTLE_ENDIAN);
        assertNotEquals(0, bytes.getInt(GT + 4));
        assertEquals(bytes.getInt(GT + 4), bytes.getInt(RGD + SECTOR + 4));
        bytes.putInt(RGD + SECTOR + 4, bytes.getInt(GT + 4) + 128);
        context.put(IMAGE, bytes.array());
        assertTrue(driver.check(IMAGE, context.forReading())
                .problems()
                .get(0)
                .contains("redundant grain table entry 1 of slot 0"));
        bytes.putInt(RGD + SECTOR + 4, 0);
        file = context.put(IMAGE, bytes.array());
        assertTrue(driver.check(IMAGE, context).clean());
        bytes = ByteBuffer.wrap(file.bytes()).order(ByteOrder.LITTLE_ENDIAN);
        assertEquals(bytes.getInt(GT + 4), bytes.getInt(RGD + SECTOR + 4));
    }

    @Test
    void grainsInUseTwiceAreFound() throws Exception {
        image(b -> b.putInt(GT, 128).putInt(GT + 4, 129));
        assertEquals(1, driver.check(IMAGE, context.forReading()).problems().size());
        image(b -> b.putInt(GD + 4, GT / SECTOR));
        assertTrue(driver.check(IMAGE, context.forReading()).problems().get(0).contains("grain directory entry 1"));
    }

    /** What a crash leaves is listed by a check; after a repair there is nothing to do. */
    @Test
    void leftoversOfACrashAreListedAndRepaired() throws Exception {
        // a grain that the redundant table does not have yet, the flag of an unclean shutdown, and room for one more
        // grain
        image(b -> b.putInt(GT, FIRST_GRAIN / SECTOR).put(SparseHeader.AT_UNCLEAN, (byte) 1));
        CheckReport found = driver.check(IMAGE, context.forReading());
        assertEquals(List.of(), found.problems());
        assertEquals(2, found.repairs().size(), found.toString());
        assertTrue(
                found.repairs().get(0).contains("redundant grain tables")
                        && found.repairs().get(1).contains("unclean"),
                found.toString());
        assertEquals(1, found.leaked());
        CheckReport repaired = driver.check(IMAGE, context);
        assertEquals(found.repairs(), repaired.repairs());
        assertEquals(0, repaired.leaked());
        reopened();
        assertEquals(2 * FIRST_GRAIN, context.files.get(Path.of(IMAGE)).bytes().length);
        assertFalse(driver.check(IMAGE, context.forReading()).wantsRepair());
        // two redundant tables that contradict are an error, and nothing is repaired
        image(b -> b.putInt(GT, FIRST_GRAIN / SECTOR)
                .putInt(RGD + SECTOR, FIRST_GRAIN / SECTOR + 128)
                .put(SparseHeader.AT_UNCLEAN, (byte) 1));
        assertEquals(1, driver.check(IMAGE, context).problems().size());
        assertEquals(1, context.files.get(Path.of(IMAGE)).bytes()[SparseHeader.AT_UNCLEAN]);
    }

    /**
     * A table of grains that all slots share would be as many problems as there are slots, each with as many entries.
     */
    @Test
    void aTableThatSlotsShareIsReadOnce() throws Exception {
        image(b -> b.putInt(GD + 4, GT / SECTOR)
                .putInt(GT, FIRST_GRAIN / SECTOR)
                .putInt(RGD + SECTOR, FIRST_GRAIN / SECTOR));
        CheckReport report = driver.check(IMAGE, context.forReading());
        assertEquals(1, report.problems().size(), report.toString());
        assertEquals(1, report.clusters());
    }

    @Test
    void descriptorsThatBreakTheRulesAreRefused() {
        String right = describe("monolithicFlat", "RW 8 FLAT \"f\" 0");
        context.put("/sim/f", new byte[4096]);
        for (String key : List.of("version", "CID", "createType")) {
            refusedText(Reason.CORRUPT, right.replace("\n" + key + "=", "\n" + key + "x="));
            refusedText(Reason.CORRUPT, right.replace("\n" + key + "=", "\n" + key + "=\n" + key + "="));
        }
        refusedText(Reason.CORRUPT, right.replace("CID=12345678", "CID=123456789"));
        refusedText(Reason.CORRUPT, right.replace("CID=12345678", "CID=-1"));
        refusedText(Reason.CORRUPT, right.replace("version=1", "version=9"));
        refusedText(Reason.CORRUPT, right.replace("parentCID=ffffffff", "parentCID=1"));
        refusedText(
                Reason.NOT_FOUND, right.replace("parentCID=ffffffff", "parentCID=1\nparentFileNameHint=\"json:{}\""));
        refusedText(Reason.UNSUPPORTED, right.replace("monolithicFlat", "fullDevice"));
        refusedText(Reason.UNSUPPORTED, right.replace("\"f\"", "\"\u00e9\"") + "encoding=\"none such\"\n");
        for (String line : List.of(
                "RW FLAT \"f\" 0",
                "RW 0 FLAT \"f\" 0",
                "RW 8 FLAT \"f\"",
                "RW 8 FLAT",
                "RW -8 FLAT \"f\" 0",
                "RW 8 FLAT \"f\" -1",
                "RW 999999999999999999 FLAT \"f\" 0",
                "RW 99999999999999999999999 FLAT \"f\" 0",
                "RW 8 FLAT \"f\" 1",
                "RW 9 FLAT \"f\" 0",
                "RW 8 FLAT \"f\" 999999999999999999",
                "RW 8 FLAT \"f 0",
                "RW 8 SPARSE \"f\"",
                "RW 8 SPARSE \"f\" 1",
                "RW 8 FLAT \"f\" 0x",
                "RW 8 FLAT \"f\" 0 a b c",
                "RW8 FLAT \"f\" 0 \"b",
                "RW 8 VMFSSPARSE \"f\"",
                "RW 8 SESPARSE \"f\"")) {
            refusedText(Reason.CORRUPT, right.replace("RW 8 FLAT \"f\" 0", line));
        }
        refusedText(Reason.NOT_FOUND, right.replace("\"f\"", "\"http://x/f\""));
        refusedText(Reason.CORRUPT, right.replace("\"f\"", "\"a.vmdk\""));
        refusedText(Reason.UNSUPPORTED, right.replace("FLAT", "VMFSRDM"));
        refusedText(Reason.CORRUPT, right.replace("RW 8 FLAT \"f\" 0", ""));
        refusedText(Reason.UNSUPPORTED, right + "RW 1 ZERO\n".repeat(1100));
        refusedText(Reason.WRONG_TYPE, right + "#".repeat(262144));
        refusedText(Reason.CORRUPT, "\0");
    }

    @Test
    void extentLinesMayHaveAllTheirValuesOrFew() throws Exception {
        byte[] contents = new byte[4096];
        Arrays.fill(contents, (byte) 7);
        for (String line : List.of(
                "RW 8 FLAT \"f\" 0 6000C29f-uuid ata-disk-1",
                "RW 8 FLAT \"f\" 0 partition-uuid",
                "RW 8 FLAT \"f\" 0 \"uuid\" \"a device\"",
                "RW\t8  FLAT\t \"f\" \t0\t",
                "  RW 8 VMFS \"f\"",
                "rw 8 flat \"f\" 0",
                "RW 8 VMFS \"f\" 0",
                "RW 8 FLAT \"f\" 0 # a comment",
                "RW 8 VMFS \"f\" uuid-without-offset")) {
            context.put("/sim/f", contents);
            describe("MONOLITHICFLAT", line);
            VirtualDisk disk = driver.open(IMAGE, context);
            assertEquals(4096, disk.info().sizeBytes(), line);
            assertEquals(0, submit(disk, Operation.READ, 0, 4096));
            assertEquals(7, first(), line);
            disk.close();
        }
        driver.create("/sim/s.vmdk", 1 << 20, null, context);
        reopened();
        describe("custom", "RW 2048 SPARSE \"s.vmdk\" 0", "RW 8 ZERO", "RW 8 ZERO # a hole");
        VirtualDisk disk = driver.open(IMAGE, context.forReading());
        assertEquals((1 << 20) + 8192, disk.info().sizeBytes());
        disk.close();
    }

    @Test
    void aDescriptorMayBeInManyEncodings() throws Exception {
        byte[] contents = new byte[4096];
        Arrays.fill(contents, (byte) 7);
        for (String encoding : List.of("UTF-8", "windows-1252", "GBK", "Shift_JIS", "Big5", "windows-1251")) {
            String name = switch (encoding) {
                case "GBK", "Big5" -> "\u4e2d\u6587.vmdk";
                case "Shift_JIS" -> "\u8868.vmdk";
                case "windows-1251" -> "\u0434\u0438\u0441\u043a.vmdk";
                default -> "d\u00e9j\u00e0.vmdk";
            };
            context.put("/sim/" + name, contents);
            String text = "\ufeff".substring(encoding.equals("UTF-8") ? 0 : 1) + "version = 1\r\nencoding=\"" + encoding
                    + "\"\r\nCID = 12345678\r\nCREATETYPE = monolithicFlat\r\nRW 8 FLAT \"" + name + "\" 0\r\n";
            context.put(IMAGE, text.getBytes(encoding));
            VirtualDisk disk = driver.open(IMAGE, context);
            assertEquals(0, submit(disk, Operation.READ, 0, 4096));
            assertEquals(7, first(), encoding);
            disk.close();
        }
    }

    /** 2 TiB in extents of 2047 MiB are so many, and a descriptor of more than 64 KiB. */
    @Test
    void aDiskOfMoreThanAThousandExtentsOpens() throws Exception {
        String name = "a long name of a virtual machine, as people give them, with the number of the extent";
        context.put("/sim/" + name, new byte[4096]);
        String[] lines = new String[1025];
        Arrays.fill(lines, "RW 8 FLAT \"" + name + "\" 0");
        assertTrue(describe("twoGbMaxExtentFlat", lines).length() > 64 << 10);
        VirtualDisk disk = driver.open(IMAGE, context);
        assertEquals(1025 * 4096, disk.info().sizeBytes());
        disk.close();
    }

    @Test
    void accessesAreHonoured() throws Exception {
        byte[] contents = new byte[4 * 4096];
        Arrays.fill(contents, (byte) 7);
        context.put("/sim/f", contents);
        describe(
                "custom",
                "RW 8 FLAT \"f\" 8",
                "RDONLY 8 FLAT \"f\" 0",
                "NOACCESS 8 FLAT \"f\" 16",
                "RW 8 ZERO",
                "RW 8 VMFS \"f\"");
        VirtualDisk disk = driver.open(IMAGE, context);
        int[] writes = {0, Errno.EIO, Errno.EIO, Errno.EIO, 0};
        int[] reads = {0, 0, Errno.EIO, 0, 0};
        for (int i = 0; i < 5; i++) {
            fill(1);
            assertEquals(reads[i], submit(disk, Operation.READ, i * 4096L, 4096), "extent " + i);
            assertEquals(reads[i] != 0 ? 1 : i == 3 ? 0 : 7, first());
        }
        for (int i = 0; i < 5; i++) {
            fill(10 + i);
            assertEquals(writes[i], submit(disk, Operation.WRITE, i * 4096L, 4096), "extent " + i);
            assertEquals(
                    writes[i],
                    submit(disk, Operation.WRITE_ZEROES, i * 4096L, 512) == 0 && i == 3 ? Errno.EIO : writes[i]);
        }
        assertEquals(0, submit(disk, Operation.READ, 4096 - 512, 1024));
        disk.close();
        byte[] after = context.files.get(Path.of("/sim/f")).bytes();
        assertEquals(10, after[4096 + 512]);
        assertEquals(14, after[512]);
        assertEquals(7, after[2 * 4096]);
    }

    @Test
    void aNewCidIsWrittenBeforeTheFirstChange() throws Exception {
        SimFile file = image(b -> {});
        VirtualDisk disk = driver.open(IMAGE, context);
        String before = disk.info().details().get("CID");
        byte[] untouched = file.bytes();
        assertEquals(0, submit(disk, Operation.READ, 0, 4096));
        assertEquals(0, submit(disk, Operation.FLUSH, 0, 0));
        assertTrue(Arrays.equals(untouched, file.bytes()));
        file.failWith(() -> Errno.ENOSPC);
        assertEquals(Errno.ENOSPC, submit(disk, Operation.WRITE, 0, 512));
        file.failWith(() -> 0);
        assertEquals(0, submit(disk, Operation.WRITE, 0, 512));
        disk.close();
        context.put(IMAGE, file.bytes());
        disk = driver.open(IMAGE, context.forReading());
        assertNotEquals(before, disk.info().details().get("CID"));
        disk.close();
    }

    @Test
    void aParentBesideTheDiskIsFoundWhateverHostItsNameIsOf() throws Exception {
        context.drivers.put("vmdk", driver);
        byte[] base = new byte[4096];
        Arrays.fill(base, (byte) 7);
        context.put("/sim/base-flat.vmdk", base);
        context.put(
                "/sim/base.vmdk",
                "version=1\nCID=aabbccdd\ncreateType=\"vmfs\"\nRW 8 VMFS \"base-flat.vmdk\"\n"
                        .getBytes(StandardCharsets.UTF_8));
        driver.create("/sim/top.vmdk", 4096, null, context);
        for (String hint : List.of(
                "/vmfs/volumes/5f0e1c2d-8a/template/base.vmdk",
                "D:\\Virtual Machines\\base\\base.vmdk",
                ".\\base.vmdk",
                "\\\\server\\share\\base.vmdk",
                "../x/base.vmdk",
                "[datastore1] vm/base.vmdk")) {
            String text = "version=1\nCID=1\nparentCID=aabbccdd\ncreateType=\"custom\"\nparentFileNameHint=\"" + hint
                    + "\"\nRW 8 SPARSE \"top.vmdk\"\n";
            context.put(IMAGE, text.getBytes(StandardCharsets.UTF_8));
            reopened();
            VirtualDisk disk = driver.open(IMAGE, context.forReading());
            fill(1);
            assertEquals(0, submit(disk, Operation.READ, 0, 4096));
            assertEquals(7, first(), hint);
            disk.close();
            reopened();
            DiskException e = assertThrows(DiskException.class, () -> {
                context.put(IMAGE, text.replace("aabbccdd", "aabbccde").getBytes(StandardCharsets.UTF_8));
                driver.open(IMAGE, context.forReading());
            });
            assertEquals(Reason.CORRUPT, e.reason());
            assertTrue(e.getMessage().contains("base.vmdk") && e.getMessage().contains("aabbccdd"), e.getMessage());
        }
        assertTrue(context.files.values().stream().allMatch(SimFile::isClosed));
    }

    @Test
    void aParentThatWasChangedIsRefused() throws Exception {
        context.drivers.put("vmdk", driver);
        driver.create("/sim/p.vmdk", 1 << 20, null, context);
        driver.create(IMAGE, -1, new TapSpec("vmdk", "/sim/p.vmdk"), context);
        reopened();
        VirtualDisk disk = driver.open(IMAGE, context);
        assertEquals("vmdk:p.vmdk", disk.info().details().get("backing"));
        disk.close();
        reopened();
        VirtualDisk parent = driver.open("/sim/p.vmdk", context);
        assertEquals(0, submit(parent, Operation.WRITE, 0, 512));
        parent.close();
        reopened();
        DiskException e = assertThrows(DiskException.class, () -> driver.open(IMAGE, context));
        assertEquals(Reason.CORRUPT, e.reason());
        assertTrue(e.getMessage().contains("parentCID"), e.getMessage());
        assertTrue(context.files.values().stream().allMatch(SimFile::isClosed));
    }

    private void reopened() {
        List.copyOf(context.files.keySet())
                .forEach(f -> context.put(f.toString(), context.files.get(f).bytes()));
    }

    /** Our stream, whose last grain is cut off as others do it, read back; then broken in several ways. */
    @Test
    void compressedDisksAreWrittenAndRead() throws Exception {
        long size = SLOT + 3 * 65536 + 1024;
        byte[] plain = new byte[65536];
        new Random(5).nextBytes(plain);
        Arrays.fill(plain, 100, 30_000, (byte) 3);
        context.files.remove(Path.of(IMAGE));
        try (var out = driver.createCompressed(IMAGE, size, context)) {
            for (long at : new long[] {0, 65536, 5 * 65536, SLOT + 3 * 65536}) {
                ByteBuffer cluster = ByteBuffer.wrap(plain);
                out.append(at, cluster, out.compress(cluster));
            }
            out.finish();
        }
        byte[] stream = context.files.get(Path.of(IMAGE)).bytes();
        context.put(IMAGE, stream);
        assertEquals(
                Reason.UNSUPPORTED,
                assertThrows(DiskException.class, () -> driver.open(IMAGE, context))
                        .reason());
        context.put(IMAGE, stream);
        assertEquals(List.of(), driver.check(IMAGE, context.forReading()).problems());
        context.put(IMAGE, stream);
        VirtualDisk disk = driver.open(IMAGE, context.forReading());
        for (long at : new long[] {0, 65536, 5 * 65536}) {
            assertEquals(0, submit(disk, Operation.READ, at, 65536));
            byte[] found = new byte[65536];
            memory.bytes().get(0, found);
            assertTrue(Arrays.equals(plain, found), "at " + at);
        }
        assertEquals(0, submit(disk, Operation.READ, 2 * 65536, 65536));
        assertEquals(0, first());
        assertEquals(0, submit(disk, Operation.READ, SLOT + 3 * 65536, 1024));
        assertEquals(plain[0], first());
        disk.close();
        byte[] torn = stream.clone();
        Arrays.fill(torn, 65536 + 5000, 65536 + 6000, (byte) 0);
        context.put(IMAGE, torn);
        disk = driver.open(IMAGE, context.forReading());
        assertEquals(Errno.EIO, submit(disk, Operation.READ, 0, 512));
        assertEquals(0, submit(disk, Operation.READ, 65536, 512));
        disk.close();
        ByteBuffer marker =
                ByteBuffer.wrap(stream.clone()).order(ByteOrder.LITTLE_ENDIAN).putLong(65536, 77);
        context.put(IMAGE, marker.array());
        assertTrue(driver.check(IMAGE, context.forReading()).problems().get(0).contains("grain marker"));
        for (int footer : new int[] {3, 2, 1}) {
            byte[] broken = stream.clone();
            broken[stream.length - footer * SECTOR + 12] ^= 5;
            broken[stream.length - footer * SECTOR] ^= 5;
            context.put(IMAGE, broken);
            assertThrows(
                    DiskException.class,
                    () -> driver.open(IMAGE, context.forReading()).close(),
                    "footer " + footer);
        }
    }

    @Test
    void grainsThatInflateToMoreOrLessAreErrors() {
        GrainInflater inflater = new GrainInflater();
        for (int length : new int[] {65536, 512, 65024}) {
            ByteBuffer plain = ByteBuffer.allocate(65536);
            Arrays.fill(plain.array(), (byte) 9);
            assertTrue(inflater.decompress(zlib(new byte[length]), plain), length + " bytes");
            assertEquals(0, plain.get(65535));
        }
        for (int length : new int[] {0, 1, 511, 65535, 65537, 1 << 20}) {
            assertFalse(inflater.decompress(zlib(new byte[length]), ByteBuffer.allocate(65536)), length + " bytes");
        }
        for (int length : new int[] {65536, 512}) {
            ByteBuffer wrong = zlib(new byte[length]);
            wrong.put(wrong.limit() - 1, (byte) 77);
            assertFalse(inflater.decompress(wrong, ByteBuffer.allocate(65536)));
        }
        inflater.close();
    }

    private static ByteBuffer zlib(byte[] plain) {
        java.util.zip.Deflater deflater = new java.util.zip.Deflater();
        deflater.setInput(plain);
        deflater.finish();
        ByteBuffer out = ByteBuffer.allocate(plain.length + 100);
        deflater.deflate(out);
        deflater.end();
        return out.flip();
    }

    @Test
    void cowdDisksKeepTheirFreeSectorAndRefuseParentsOfTheirOwn() throws Exception {
        SimFile file = context.put(IMAGE, VmdkModelTest.cowd(8 << 20));
        VirtualDisk disk = driver.open(IMAGE, context);
        assertEquals(0, submit(disk, Operation.WRITE, 4 << 20, 1024));
        assertTrue(ByteBuffer.wrap(file.bytes()).order(ByteOrder.LITTLE_ENDIAN).getInt(28) > 40);
        disk.close();
        assertEquals(
                file.bytes().length / SECTOR,
                ByteBuffer.wrap(file.bytes()).order(ByteOrder.LITTLE_ENDIAN).getInt(28));
        ByteBuffer child = ByteBuffer.wrap(VmdkModelTest.cowd(8 << 20))
                .order(ByteOrder.LITTLE_ENDIAN)
                .putInt(8, 2)
                .put(32, (byte) 'p');
        context.put(IMAGE, child.array());
        assertEquals(
                Reason.UNSUPPORTED,
                assertThrows(DiskException.class, () -> driver.open(IMAGE, context))
                        .reason());
        for (int[] wrong : new int[][] {{12, 0}, {16, 0}, {16, 3}, {20, 0}, {20, 3}, {20, -1}, {24, 3}, {24, 0}}) {
            context.put(
                    IMAGE,
                    ByteBuffer.wrap(VmdkModelTest.cowd(8 << 20))
                            .order(ByteOrder.LITTLE_ENDIAN)
                            .putInt(wrong[0], wrong[1])
                            .array());
            assertEquals(
                    Reason.CORRUPT,
                    assertThrows(DiskException.class, () -> driver.open(IMAGE, context), Arrays.toString(wrong))
                            .reason());
        }
    }

    @Test
    void seSparseDisksAreRead() throws Exception {
        byte[] bytes = new byte[(1 + 1 + 1 + 64 + 8 + 8) * SECTOR];
        ByteBuffer b = ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN);
        long[] header = {
            SeSparseHeader.MAGIC,
            0x200000001L,
            40,
            8,
            64,
            0,
            0,
            0,
            0,
            0,
            1,
            1,
            0,
            0,
            0,
            0,
            2,
            1,
            3,
            64,
            0,
            0,
            0,
            0,
            67,
            16
        };
        for (int i = 0; i < header.length; i++) {
            b.putLong(i * 8, header[i]);
        }
        b.putLong(SECTOR, 0xcafecafeL).putLong(2 * SECTOR, 0x1000000000000000L);
        int table = 3 * SECTOR;
        b.putLong(table, 0x3001000000000000L)
                .putLong(table + 8, 0x2000000000000000L)
                .putLong(table + 16, 0x3000000000000000L)
                .putLong(table + 24, 0x3002000000000000L);
        Arrays.fill(bytes, 67 * SECTOR, 75 * SECTOR, (byte) 5);
        Arrays.fill(bytes, 75 * SECTOR, 83 * SECTOR, (byte) 6);
        context.put("/sim/s", bytes);
        describe("seSparse", "RW 40 SESPARSE \"s\"");
        assertEquals(
                Reason.UNSUPPORTED,
                assertThrows(DiskException.class, () -> driver.open(IMAGE, context))
                        .reason());
        reopened();
        VirtualDisk disk = driver.open(IMAGE, context.forReading());
        int[] expected = {6, 0, 5, -1, 0};
        for (int i = 0; i < 5; i++) {
            assertEquals(expected[i] < 0 ? Errno.EIO : 0, submit(disk, Operation.READ, i * 4096L, 4096), "grain " + i);
            assertEquals(expected[i] < 0 ? first() : expected[i], first(), "grain " + i);
        }
        disk.close();
        b.putLong(SECTOR + 24, 1);
        context.put("/sim/s", bytes);
        reopened();
        assertTrue(assertThrows(DiskException.class, () -> driver.open(IMAGE, context.forReading()))
                .getMessage()
                .contains("journal"));
    }

    /** Bytes changed at random: opened or refused, requests end, nothing else is thrown. */
    @Test
    void randomDamageIsSurvived() throws Exception {
        long seed = Long.getLong("seed", System.nanoTime());
        int rounds = Integer.getInteger("rounds", 10) * 40;
        List<byte[]> images = List.of(
                used(image(b -> b.putInt(8, 7))),
                used(context.put(IMAGE, VmdkModelTest.cowd(8 << 20))),
                stream(),
                describe("custom", "RW 8 FLAT \"f\" 0", "RW 128 SPARSE \"s\"", "RDONLY 8 ZERO")
                        .getBytes(StandardCharsets.UTF_8));
        for (int i = 0; i < rounds; i++) {
            Random random = new Random(seed + i);
            byte[] image = images.get(random.nextInt(images.size())).clone();
            for (int n = 1 + random.nextInt(6); n > 0; n--) {
                int at = random.nextInt(
                        switch (random.nextInt(4)) {
                            case 0 -> Math.min(80, image.length);
                            case 1 -> Math.min(RGD + 4096, image.length);
                            case 2 -> Math.min(2 * FIRST_GRAIN, image.length);
                            default -> image.length;
                        });
                at = random.nextInt(5) == 0 ? image.length - 1 - at : at;
                image[at] = (byte) (random.nextBoolean() ? random.nextInt(256) : image[at] ^ 1 << random.nextInt(8));
            }
            try {
                survive(image, random, i % 2 == 0);
            } catch (RuntimeException | AssertionError e) {
                throw new AssertionError("-Dseed=" + (seed + i) + " -Drounds=1", e);
            }
        }
        System.out.println("randomDamageIsSurvived: seed " + seed);
    }

    private void survive(byte[] image, Random random, boolean readOnly) {
        context.put("/sim/f", new byte[8192]);
        context.put("/sim/s", VmdkModelTest.cowd(65536));
        SimFile file = context.put(IMAGE, image);
        try (VirtualDisk disk = driver.open(IMAGE, readOnly ? context.forReading() : context)) {
            for (int i = 0; i < 12; i++) {
                long sectors = Math.min(disk.info().sectors(), random.nextBoolean() ? 256 : Long.MAX_VALUE);
                long at = (random.nextLong() >>> 1) % sectors;
                int length = (int) Math.min(sectors - at, 1 + random.nextInt(300)) * SECTOR;
                Operation operation = disk.info().readOnly()
                        ? Operation.READ
                        : List.of(Operation.READ, Operation.WRITE, Operation.WRITE_ZEROES, Operation.DISCARD)
                                .get(random.nextInt(4));
                assertNotEquals(-1, submit(disk, operation, at * SECTOR, length));
            }
        } catch (DiskException e) {
            assertTrue(file.isClosed());
        }
        reopened();
        try {
            driver.check(IMAGE, readOnly ? context.forReading() : context);
        } catch (DiskException e) {
            assertTrue(context.files.get(Path.of(IMAGE)).isClosed());
        }
    }

    private byte[] used(SimFile file) throws Exception {
        try (VirtualDisk disk = driver.open(IMAGE, context)) {
            fill(7);
            for (int i = 0; i < 4; i++) {
                assertEquals(0, submit(disk, Operation.WRITE, i * 100_352L, 512 << i));
            }
        }
        return file.bytes();
    }

    private byte[] stream() throws Exception {
        context.files.remove(Path.of(IMAGE));
        try (var out = driver.createCompressed(IMAGE, 1 << 20, context)) {
            for (int i = 0; i < 6; i += 2) {
                ByteBuffer cluster = ByteBuffer.wrap(new byte[65536]).put(9, (byte) i);
                out.append(i * 65536L, cluster, out.compress(cluster));
            }
            out.finish();
        }
        return context.files.get(Path.of(IMAGE)).bytes();
    }
}
