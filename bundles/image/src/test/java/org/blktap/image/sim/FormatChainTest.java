package org.blktap.image.sim;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.TreeMap;
import java.util.concurrent.TimeUnit;
import java.util.function.Function;
import org.blktap.api.disk.DiskDriver;
import org.blktap.api.disk.DiskException;
import org.blktap.api.disk.Operation;
import org.blktap.api.disk.Request;
import org.blktap.api.disk.TapSpec;
import org.blktap.api.disk.VirtualDisk;
import org.blktap.api.engine.ExtentList;
import org.blktap.api.memory.Memory;
import org.blktap.api.memory.NativeBuffer;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/**
 * What every overlay format must do with a chain: say which image of it has a range, and by which spec the next one was
 * opened; get another backing image, also when the machine fails meanwhile. A subclass says which images to make.
 */
@Timeout(600)
public abstract class FormatChainTest {
    /** Bytes that are written as one: whole clusters of all formats. */
    protected static final int UNIT = 128 << 10;

    private static final String DIRECTORY = "/sim/";
    private static final String FAR = "d".repeat(180) + "/" + "e".repeat(200) + "/";
    private static final int POWER_LOSSES = 3;

    protected final SimLoop loop = new SimLoop(new Random(1));
    protected final DiskDriver driver;
    protected final SimContext context;
    private final String type;
    private final String suffix;
    private final String top;
    private final NativeBuffer memory;

    @TempDir
    Path directory;

    /**
     * @param options of the creation of all images
     * @param suffix of the names of files
     */
    protected FormatChainTest(DiskDriver driver, String type, String suffix, Map<String, String> options) {
        this.driver = driver;
        this.type = type;
        this.suffix = suffix;
        top = DIRECTORY + "top." + suffix;
        context = new SimContext(loop, false, options);
        context.drivers.put(type, driver);
        context.usualBackingType = type;
        memory = context.memory().allocate(UNIT);
    }

    @AfterEach
    void free() {
        memory.close();
    }

    /** QEMU's name of the format; null if QEMU does not read chains of it. */
    protected abstract String qemuFormat();

    /** Makes an image that is the end of a chain; with all of its files below the directory of the path. */
    protected void createBase(String path, long size) throws DiskException {
        driver.create(path, size, null, context);
    }

    private TapSpec spec(String path) {
        return new TapSpec(type, path);
    }

    private String name(String name) {
        return DIRECTORY + name + "." + suffix;
    }

    /** As another process finds the files. */
    protected final void reopen() {
        renew(new TreeMap<>(context.files), SimFile::bytes);
    }

    private void renew(Map<Path, SimFile> from, Function<SimFile, byte[]> bytes) {
        from.forEach((path, file) -> context.put(path.toString(), bytes.apply(file)));
    }

    /** Writes units, numbered, with a value. */
    protected final void write(String path, int value, int... units) throws DiskException {
        VirtualDisk disk = driver.open(path, context);
        Memory.fill(memory.address(), UNIT, (byte) value);
        for (int unit : units) {
            assertEquals(0, loop.submit(disk, Operation.WRITE, (long) unit * UNIT, memory.address(), UNIT));
        }
        disk.close();
        reopen();
    }

    /** Returns the value of all bytes of a unit. */
    protected final int read(VirtualDisk disk, int unit) {
        assertEquals(0, loop.submit(disk, Operation.READ, (long) unit * UNIT, memory.address(), UNIT));
        int value = Memory.getByte(memory.address());
        for (int i = 0; i < UNIT; i++) {
            assertEquals(value, Memory.getByte(memory.address() + i));
        }
        return value;
    }

    /** The depth of each range, as the list {@code depth bytes}; equal ones are joined. */
    protected final List<String> depths(VirtualDisk disk, long from, long length) {
        List<String> found = depths(disk, from, length, false);
        assertEquals(found, depths(disk, from, length, true), "a map of depths only");
        return found;
    }

    private List<String> depths(VirtualDisk disk, long from, long length, boolean only) {
        ExtentList all = new ExtentList();
        for (long at = from; at < from + length; ) {
            ExtentList some = new ExtentList();
            int[] error = {-1};
            Request request = new Request(done -> error[0] = done.error(), 0);
            long rest = from + length - at;
            disk.submit(only ? request.setDepthMap(at, rest, some) : request.setMap(at, rest, some));
            loop.drain();
            assertEquals(0, error[0]);
            assertTrue(some.total() > 0 && some.total() <= from + length - at);
            for (int i = 0; i < some.count(); i++) {
                all.add(some.length(i), ExtentList.DATA, some.depth(i));
            }
            at += some.total();
        }
        List<String> list = new ArrayList<>();
        for (int i = 0; i < all.count(); i++) {
            list.add(all.depth(i) + " " + all.length(i));
        }
        return list;
    }

    private static String units(int depth, int count) {
        return depth + " " + (long) count * UNIT;
    }

    @Test
    void eachRangeHasTheDepthOfTheImageThatHasIt() throws Exception {
        createBase(name("base"), 4 * UNIT);
        write(name("base"), 1, 0, 3);
        driver.create(name("middle"), 6 * UNIT, spec(name("base")), context);
        write(name("middle"), 2, 1, 4);
        driver.create(top, 8 * UNIT, spec(name("middle")), context);
        write(top, 3, 2, 6);
        VirtualDisk disk = driver.open(top, context.forReading());
        assertEquals(
                List.of(
                        units(3, 1),
                        units(2, 1),
                        units(1, 1),
                        units(3, 1),
                        units(2, 1),
                        units(0, 1),
                        units(1, 1),
                        units(0, 1)),
                depths(disk, 0, 8 * UNIT));
        assertEquals(List.of("2 " + (UNIT - 4096), "1 4096"), depths(disk, UNIT + 4096, UNIT));
        int[] contents = {1, 2, 3, 1, 2, 0, 3, 0};
        for (int unit = 0; unit < contents.length; unit++) {
            assertEquals(contents[unit], read(disk, unit));
        }
        assertEquals(spec(name("middle")), disk.info().backing());
        disk.close();
        disk = driver.open(name("middle"), context.forReading());
        assertEquals(spec(name("base")), disk.info().backing());
        disk.close();
        disk = driver.open(name("base"), context.forReading());
        assertNull(disk.info().backing());
        disk.close();
    }

    /** Makes an overlay and three images that it may have below. */
    private List<String> overlay() throws DiskException {
        List<String> below = List.of(name("a"), DIRECTORY + FAR + "b." + suffix, DIRECTORY + FAR + "c2." + suffix);
        for (String each : below) {
            createBase(each, 4 * UNIT);
            write(each, 1 + below.indexOf(each), 0);
        }
        driver.create(top, 4 * UNIT, spec(below.get(0)), context);
        write(top, 9, 1);
        return below;
    }

    private void expect(String below, int value) throws DiskException {
        reopen();
        VirtualDisk disk = driver.open(top, context);
        assertEquals(below == null ? null : spec(below), disk.info().backing());
        assertEquals(value, read(disk, 0));
        assertEquals(9, read(disk, 1));
        assertEquals(0, read(disk, 2));
        disk.close();
        reopen();
        assertEquals(List.of(), driver.check(top, context.forReading()).problems());
    }

    @Test
    void anotherBackingImageIsNamed() throws Exception {
        List<String> below = overlay();
        Random random = new Random(3);
        for (int i = 0; i < 30; i++) {
            int next = random.nextInt(below.size() + 1);
            String name = next == below.size() ? null : below.get(next);
            driver.rebase(top, name == null ? null : spec(name), context);
            expect(name, name == null ? 0 : next + 1);
        }
        assertTrue(driver.check(top, context.forReading()).leaked() <= 30);
        // what is written now goes where it should
        driver.rebase(top, spec(below.get(1)), context);
        reopen();
        write(top, 7, 3);
        VirtualDisk disk = driver.open(top, context.forReading());
        assertEquals(7, read(disk, 3));
        assertEquals(2, read(disk, 0));
        disk.close();
    }

    @Test
    void aCrashLeavesTheOldNameOrTheNew() throws Exception {
        List<String> names = new ArrayList<>(overlay());
        names.add(null);
        Random random = new Random(5);
        int from = 0;
        for (int to : new int[] {1, 2, 0, 1, 3, 2, 1, 3, 0, 3, 1}) {
            crashes(names, from, to, random);
            from = to;
        }
    }

    private void crashes(List<String> names, int from, int to, Random random) throws Exception {
        reopen();
        Map<Path, SimFile> running = new TreeMap<>(context.files);
        int begin = loop.moment();
        driver.rebase(top, names.get(to) == null ? null : spec(names.get(to)), context);
        int end = loop.moment();
        Map<Path, SimFile> ended = new TreeMap<>(context.files);
        for (int point = begin; point <= end; point++) {
            for (int i = 0; i <= POWER_LOSSES; i++) {
                int moment = point;
                boolean powerLoss = i > 0;
                renew(running, file -> powerLoss ? file.afterPowerLoss(moment, random) : file.afterKill(moment));
                String when = names.get(from) + " to " + names.get(to) + ", at " + (point - begin) + " of "
                        + (end - begin) + (powerLoss ? ", power loss" : ", killed");
                try {
                    VirtualDisk disk = driver.open(top, context.forReading());
                    TapSpec found = disk.info().backing();
                    disk.close();
                    int now = names.indexOf(found == null ? null : found.path());
                    assertTrue(now == from || now == to, "backing " + found);
                    assertTrue(point < end || now == to, "done, and forgotten");
                    assertEquals(
                            List.of(), driver.check(top, context.forReading()).problems());
                    // for reading, and for writing, which may finish or undo what was begun
                    expect(names.get(now), names.get(now) == null ? 0 : now + 1);
                } catch (AssertionError | Exception e) {
                    throw new AssertionError(when, e);
                }
            }
        }
        renew(ended, SimFile::bytes);
        expect(names.get(to), names.get(to) == null ? 0 : to + 1);
    }

    /** Writes all files below a directory that QEMU can read. */
    protected final Path written() throws IOException {
        for (Map.Entry<Path, SimFile> each : context.files.entrySet()) {
            Path file = directory.resolve(Path.of(DIRECTORY).relativize(each.getKey()));
            Files.createDirectories(file.getParent());
            Files.write(file, each.getValue().bytes());
        }
        return directory.resolve("top." + suffix);
    }

    /** Runs qemu-img; skips the test where there is none. */
    protected final String qemuImg(String... arguments) throws IOException, InterruptedException {
        Assumptions.assumeTrue(Files.exists(Path.of("/usr/bin/qemu-img")), "qemu-img is not installed");
        List<String> command = new ArrayList<>(List.of("qemu-img"));
        command.addAll(List.of(arguments));
        Path output = Files.createTempFile(directory, "out", "");
        Process process = new ProcessBuilder(command)
                .redirectErrorStream(true)
                .redirectOutput(output.toFile())
                .start();
        boolean ended = process.waitFor(5, TimeUnit.MINUTES);
        process.destroyForcibly();
        String text = Files.readString(output);
        assertTrue(ended && process.exitValue() == 0, String.join(" ", command) + ": " + text);
        return text;
    }

    @Test
    void qemuReadsWhatWasRebased() throws Exception {
        Assumptions.assumeTrue(qemuFormat() != null);
        List<String> below = overlay();
        for (int to : new int[] {1, 2, 0, 1}) {
            driver.rebase(top, spec(below.get(to)), context);
            reopen();
            Path image = written();
            String info = qemuImg("info", "-f", qemuFormat(), "--output=json", image.toString());
            String relative = below.get(to).substring(DIRECTORY.length());
            assertTrue(info.contains("\"" + relative + "\""), info);
            byte[] contents = new byte[4 * UNIT];
            java.util.Arrays.fill(contents, 0, UNIT, (byte) (to + 1));
            java.util.Arrays.fill(contents, UNIT, 2 * UNIT, (byte) 9);
            Path raw = directory.resolve("expected");
            Files.write(raw, contents);
            qemuImg("compare", "-f", qemuFormat(), "-F", "raw", image.toString(), raw.toString());
            if (!qemuFormat().equals("qcow")) {
                qemuImg("check", "-f", qemuFormat(), image.toString());
            }
        }
        driver.rebase(top, null, context);
        reopen();
        String info =
                qemuImg("info", "-f", qemuFormat(), "--output=json", written().toString());
        assertTrue(!info.contains("backing-filename"), info);
    }
}
