package org.blktap.format.vmdk;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.io.RandomAccessFile;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.TreeMap;
import java.util.concurrent.TimeUnit;
import java.util.function.Function;
import org.blktap.api.disk.CompressedImage;
import org.blktap.api.disk.DiskException;
import org.blktap.api.disk.DiskException.Reason;
import org.blktap.api.disk.Operation;
import org.blktap.api.disk.TapSpec;
import org.blktap.api.disk.VirtualDisk;
import org.blktap.api.memory.Memory;
import org.blktap.api.memory.NativeBuffer;
import org.blktap.image.sim.SimContext;
import org.blktap.image.sim.SimFile;
import org.blktap.image.sim.SimLoop;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** Disks that grow, as QEMU reads them, and when the machine fails meanwhile. */
@Timeout(300)
class VmdkResizeTest {
    private static final String IMAGE = "/sim/a.vmdk";
    private static final String CHILD = "/sim/child.vmdk";
    private static final int PIECE = 64 << 10;
    /** The grain directory needs more sectors: one has 128 tables of 32 MiB. */
    private static final long LARGE = 5L << 30;

    private final SimLoop loop = new SimLoop(new Random(1));
    private SimContext context = new SimContext(loop, false, Map.of());
    private final VmdkDriver driver = new VmdkDriver();
    private final NativeBuffer memory = context.memory().allocate(PIECE);
    private long old;
    /** Bytes at the beginning of sectors, by offset. */
    private final Map<Long, Integer> written = new TreeMap<>();

    @TempDir
    Path directory;

    @AfterEach
    void free() {
        memory.close();
    }

    /** Several grain tables, or a short file, and a part of a grain. */
    private void create(String subformat) throws DiskException {
        old = (subformat.endsWith("Flat") ? 1 << 20 : 64 << 20) + 512;
        create(subformat, old, null);
    }

    private void create(String subformat, long size, TapSpec backing) throws DiskException {
        context = context.with(Map.of("subformat", subformat));
        context.drivers.put("vmdk", driver);
        driver.create(IMAGE, size, backing, context);
        context = context.with(Map.of());
    }

    private void renew(Map<Path, SimFile> from, Function<SimFile, byte[]> bytes) {
        from.forEach((path, file) -> context.put(path.toString(), bytes.apply(file)));
    }

    private void reopen() {
        renew(new TreeMap<>(context.files), SimFile::bytes);
    }

    private void write(String path, long offset, int value) throws DiskException {
        reopen();
        VirtualDisk disk = driver.open(path, context);
        Memory.fill(memory.address(), PIECE, (byte) value);
        assertEquals(0, loop.submit(disk, Operation.WRITE, offset, memory.address(), 512));
        disk.close();
        reopen();
        if (path.equals(IMAGE)) {
            written.put(offset, value);
        }
    }

    private int read(VirtualDisk disk, long offset) {
        assertEquals(0, loop.submit(disk, Operation.READ, offset, memory.address(), 512));
        for (int i = 1; i < 512; i++) {
            assertEquals(Memory.getByte(memory.address()), Memory.getByte(memory.address() + i));
        }
        return Memory.getByte(memory.address());
    }

    private void grow(long size) throws DiskException {
        reopen();
        driver.resize(IMAGE, size, context);
        reopen();
        assertEquals(List.of(), driver.check(IMAGE, context.forReading()).problems());
        looksRight(size);
    }

    private void looksRight(long size) throws DiskException {
        VirtualDisk disk = driver.open(IMAGE, context.forReading());
        assertEquals(size, disk.info().sizeBytes());
        for (Map.Entry<Long, Integer> each : written.entrySet()) {
            assertEquals(each.getValue(), read(disk, each.getKey()));
        }
        assertEquals(0, read(disk, size - 512));
        disk.close();
        reopen();
    }

    private String qemuImg(String... arguments) throws IOException, InterruptedException {
        Assumptions.assumeTrue(Files.exists(Path.of("/usr/bin/qemu-img")), "qemu-img is not installed");
        List<String> command = new ArrayList<>(List.of("qemu-img"));
        command.addAll(List.of(arguments));
        Path output = Files.createTempFile(directory, "out", "");
        Process process = new ProcessBuilder(command)
                .redirectErrorStream(true)
                .redirectOutput(output.toFile())
                .start();
        boolean ended = process.waitFor(2, TimeUnit.MINUTES);
        process.destroyForcibly();
        String text = Files.readString(output);
        assertTrue(ended && process.exitValue() == 0, String.join(" ", command) + ": " + text);
        return text;
    }

    /** QEMU sees the same disk, finds no error, and can write to what is new. */
    private void qemuAgrees(long size) throws Exception {
        for (Map.Entry<Path, SimFile> each : context.files.entrySet()) {
            Files.write(
                    directory.resolve(each.getKey().getFileName()),
                    each.getValue().bytes());
        }
        String image = directory.resolve("a.vmdk").toString();
        String info = qemuImg("info", "-f", "vmdk", "--output=json", image);
        assertTrue(info.contains("\"virtual-size\": " + size), info);
        Path raw = directory.resolve("expected");
        try (RandomAccessFile file = new RandomAccessFile(raw.toFile(), "rw")) {
            file.setLength(0);
            file.setLength(size);
            for (Map.Entry<Long, Integer> each : written.entrySet()) {
                byte[] bytes = new byte[512];
                java.util.Arrays.fill(bytes, (byte) (int) each.getValue());
                file.seek(each.getKey());
                file.write(bytes);
            }
        }
        qemuImg("compare", "-f", "vmdk", "-F", "raw", image, raw.toString());
        if (!info.contains("Flat\"")) {
            qemuImg("check", "-f", "vmdk", image);
        }
    }

    private void growsStepByStep(String subformat, long... sizes) throws Exception {
        create(subformat);
        write(IMAGE, 0, 1);
        write(IMAGE, old - 512, 2);
        for (long size : sizes) {
            grow(size);
            write(IMAGE, size - 1024, 3);
            looksRight(size);
            qemuAgrees(size);
        }
    }

    @Test
    void aDiskOfOneSparseFileGrows() throws Exception {
        growsStepByStep("monolithicSparse", 65 << 20, 96 << 20, 1 << 30, LARGE, LARGE + (1 << 20), 2 * LARGE);
    }

    @Test
    void theLastExtentOfASplitDiskGrows() throws Exception {
        growsStepByStep("twoGbMaxExtentSparse", 65 << 20, 1 << 30, 2L << 30);
        assertTrue(refused(Reason.UNSUPPORTED, (2L << 30) + 512).contains("2G"));
    }

    @Test
    void flatDisksGrow() throws Exception {
        growsStepByStep("monolithicFlat", (1 << 20) + 1024, 2 << 20, 3 << 20);
    }

    @Test
    void flatExtentsGrow() throws Exception {
        growsStepByStep("twoGbMaxExtentFlat", (1 << 20) + 1024, 2 << 20);
    }

    /** What is new is zeros, also where the parent has data. */
    @Test
    void anOverlayGrowsPastItsParent() throws Exception {
        driver.create("/sim/base.vmdk", 66 << 20, null, context);
        write("/sim/base.vmdk", 65 << 20, 5);
        write("/sim/base.vmdk", 4096, 6);
        create("monolithicSparse", 64 << 20, new TapSpec("vmdk", "/sim/base.vmdk"));
        write(IMAGE, 0, 1);
        written.put(4096L, 6);
        written.put(65L << 20, 0);
        grow(LARGE);
        qemuAgrees(LARGE);
    }

    @Test
    void aCrashLeavesTheOldSizeOrTheNew() throws Exception {
        crashes("monolithicSparse", 1 << 30);
        crashes("monolithicSparse", LARGE);
        crashes("twoGbMaxExtentSparse", 1 << 27);
        crashes("monolithicFlat", 2 << 20);
    }

    private void crashes(String subformat, long size) throws Exception {
        context = new SimContext(loop, false, Map.of());
        written.clear();
        create(subformat);
        write(IMAGE, old - 512, 2);
        crashes(size);
    }

    private void crashes(long size) throws Exception {
        Map<Path, SimFile> running = new TreeMap<>(context.files);
        Random random = new Random(2);
        int begin = loop.moment();
        driver.resize(IMAGE, size, context);
        int end = loop.moment();
        for (int point = begin; point <= end; point++) {
            for (int i = 0; i < 3; i++) {
                int moment = point;
                boolean powerLoss = i > 0;
                renew(running, file -> powerLoss ? file.afterPowerLoss(moment, random) : file.afterKill(moment));
                assertEquals(
                        List.of(), driver.check(IMAGE, context.forReading()).problems(), "at " + point);
                VirtualDisk disk = driver.open(IMAGE, context);
                long now = disk.info().sizeBytes();
                assertTrue(now == old || now == size, now + " bytes");
                assertEquals(2, read(disk, old - 512));
                disk.close();
                grow(size);
            }
        }
    }

    private String refused(Reason reason, long size) {
        DiskException e = assertThrows(DiskException.class, () -> driver.resize(IMAGE, size, context));
        assertEquals(reason, e.reason(), e.getMessage());
        return e.getMessage();
    }

    @Test
    void whatCannotGrowIsRefused() throws Exception {
        create("monolithicSparse");
        reopen();
        refused(Reason.BAD_OPTION, old - 512);
        refused(Reason.UNSUPPORTED, 100L << 40);
        context.put(IMAGE, VmdkModelTest.cowd(old));
        refused(Reason.UNSUPPORTED, 2 * old);
        context.files.remove(Path.of(IMAGE));
        try (CompressedImage image = driver.createCompressed(IMAGE, old, context)) {
            image.finish();
        }
        reopen();
        assertTrue(refused(Reason.UNSUPPORTED, 2 * old).contains("streamOptimized"));
    }

    @Test
    void theTargetOfACommitKeepsItsIdentity() throws Exception {
        create("monolithicSparse");
        String before = cid();
        driver.create(CHILD, -1, new TapSpec(VmdkDriver.TYPE, IMAGE), context);
        VirtualDisk child = driver.open(CHILD, context);
        VirtualDisk base = driver.open(IMAGE, context);
        Memory.fill(memory.address(), PIECE, (byte) 1);
        assertEquals(0, loop.submit(base, Operation.WRITE, 0, memory.address(), 512));
        assertEquals(0, loop.submit(base, Operation.FLUSH, 0, 0, 0));
        base.close();
        child.close();
        assertEquals(before, cid());
        driver.open(CHILD, context).close();
        write(IMAGE, 0, 2);
        assertTrue(!before.equals(cid()), "no child is open: it is another disk now");
    }

    private String cid() throws DiskException {
        reopen();
        VirtualDisk disk = driver.open(IMAGE, context.forReading());
        disk.close();
        return disk.info().details().get(VmdkDriver.CID);
    }
}
