package org.blktap.jobs.fleece;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.RandomAccessFile;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import org.blktap.api.disk.BlockingDisk;
import org.blktap.api.disk.DiskException;
import org.blktap.api.disk.DiskInfo;
import org.blktap.api.disk.Operation;
import org.blktap.api.disk.Options;
import org.blktap.api.disk.Request;
import org.blktap.api.engine.Errno;
import org.blktap.api.engine.ExtentList;
import org.blktap.api.engine.IoLoop;
import org.blktap.api.memory.Memory;
import org.blktap.api.memory.NativeBuffer;
import org.blktap.api.settings.Directories;
import org.blktap.api.testkit.Eventually;
import org.blktap.api.testkit.MemoryPort;
import org.blktap.api.testkit.TestDiskContext;
import org.blktap.api.testkit.TestFilterContext;
import org.blktap.jobs.bits.MappedBits;
import org.blktap.linux.EpollLoops;
import org.blktap.linux.NativeMemoryService;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Points in time over a disk in memory, which changes while they are read from another loop. */
class FleeceTest {
    private static final int SIZE = 4 << 20;
    private static final int RANGE = 64 << 10;

    @TempDir
    Path directory;

    private final NativeMemoryService memory = new NativeMemoryService();
    private final EpollLoops loops = new EpollLoops();
    private final IoLoop loop = loops.start("source");
    private final IoLoop readerLoop = loops.start("reader");
    private final NativeBuffer contents = memory.allocate(SIZE);
    private final MemoryPort below = new MemoryPort(contents);
    private final NativeBuffer buffers = memory.allocate(2 * SIZE);
    private final List<AutoCloseable> open = new ArrayList<>();
    private FleeceFilter filter;
    private FleeceDisk disk;
    private byte[] then;

    @BeforeEach
    void start() throws Exception {
        below.runBytes = Long.MAX_VALUE / 2;
        loop.call(() -> {
            loop.addEngine(below);
            return null;
        });
        restartBundle();
        byte[] random = new byte[SIZE];
        new Random(1).nextBytes(random);
        contents.bytes().put(random);
        then = random;
    }

    @AfterEach
    void stop() throws Exception {
        for (AutoCloseable each : open) {
            each.close();
        }
        if (disk != null && !disk.isClosed()) {
            closeDisk();
        }
        filter.deactivate();
        readerLoop.close();
        loop.close();
        loops.stop();
        buffers.close();
        contents.close();
    }

    private void restartBundle() {
        filter = new FleeceFilter(new Directories(directory, directory, directory, directory, directory));
    }

    private void begin(String... options) throws Exception {
        PointFile.ask(
                filter.directory(),
                "a",
                new PointHeader.Asked("p", RANGE, List.of(options).contains("once=yes") ? filter.run() : "", "daily"));
        openDisk(options);
    }

    private void openDisk(String... options) throws Exception {
        Map<String, String> all = new LinkedHashMap<>(Map.of("name", "p"));
        all.putAll(Options.valuesIn("fleece," + String.join(",", options), "test"));
        disk = (FleeceDisk)
                filter.open(below, TestFilterContext.of("a", loop, memory).withOptions(all));
        loop.call(() -> {
            disk.draining(false);
            return null;
        });
    }

    /** As the core does: no more is begun, all ends, it is closed. */
    private void closeDisk() throws Exception {
        loop.call(() -> {
            disk.draining(true);
            return null;
        });
        Eventually.holds("it is not busy", () -> !loop.call(disk::busy));
        loop.call(() -> {
            disk.close();
            return null;
        });
    }

    private ViewDisk view(String... options) throws Exception {
        return (ViewDisk) new FleeceDriver(filter)
                .open(
                        "a/p",
                        new TestDiskContext(
                                readerLoop,
                                memory,
                                new Options(Options.valuesIn("fleece," + String.join(",", options), "test")),
                                true));
    }

    /** A request of the VM; the future has its errno. */
    private CompletableFuture<Integer> vm(Operation operation, long offset, int length, byte fill) throws Exception {
        CompletableFuture<Integer> ended = new CompletableFuture<>();
        NativeBuffer data = memory.allocate(length);
        Memory.fill(data.address(), length, fill);
        Request request = new Request(
                each -> {
                    data.close();
                    ended.complete(each.error());
                },
                1);
        if (operation == Operation.WRITE) {
            request.data().add(data.address(), length);
        }
        loop.execute(() -> disk.submit(request.set(operation, offset, length, 0)));
        return ended;
    }

    private CompletableFuture<Integer> read(ViewDisk view, long offset, int length) throws Exception {
        CompletableFuture<Integer> ended = new CompletableFuture<>();
        Request request = new Request(each -> ended.complete(each.error()), 1);
        request.data().add(buffers.address() + offset, length);
        readerLoop.execute(() -> view.submit(request.set(Operation.READ, offset, length, 0)));
        return ended;
    }

    private void assertRead(long offset, int length) {
        ByteBuffer expected = ByteBuffer.wrap(then, (int) offset, length);
        ByteBuffer found = buffers.bytes(offset, length);
        int at = expected.slice().mismatch(found);
        assertEquals(-1, at, () -> "the first other byte is at " + (offset + at));
    }

    private static int ended(CompletableFuture<Integer> future) throws Exception {
        return future.get(120, TimeUnit.SECONDS);
    }

    @Test
    void aReaderSeesThePointInTimeWhileTheDiskChanges() throws Exception {
        long seed = Long.getLong("test.seed", System.nanoTime());
        System.out.println("FleeceTest seed " + seed);
        Random random = new Random(seed);
        below.shuffle = new Random(seed + 1);
        begin();
        ViewDisk view = view();
        List<CompletableFuture<Integer>> writes = new ArrayList<>();
        for (int round = 0; round < 150; round++) {
            for (int i = 0; i < 4; i++) {
                int length = 512 * (1 + random.nextInt(random.nextInt(8) == 0 ? 1000 : 40));
                long offset = 512L * random.nextInt((SIZE - length) / 512 + 1);
                Operation operation = new Operation[] {
                            Operation.WRITE, Operation.WRITE, Operation.WRITE_ZEROES, Operation.DISCARD
                        }
                        [random.nextInt(4)];
                writes.add(vm(operation, offset, length, (byte) random.nextInt()));
            }
            int length = 512 * (1 + random.nextInt(2000));
            long offset = 512L * random.nextInt((SIZE - length) / 512 + 1);
            assertEquals(0, ended(read(view, offset, length)), "seed " + seed);
            assertRead(offset, length);
            if (round % 40 == 39) {
                for (CompletableFuture<Integer> each : writes) {
                    assertEquals(0, ended(each));
                }
                closeDisk();
                if (round % 80 == 79) {
                    // the daemon was killed: what is mapped is all that is left
                    restartBundle();
                }
                CompletableFuture<Integer> meanwhile = read(view = view(), 0, RANGE);
                openDisk();
                assertEquals(0, ended(meanwhile));
                assertRead(0, RANGE);
            }
        }
        for (CompletableFuture<Integer> each : writes) {
            assertEquals(0, ended(each));
        }
        assertEquals(0, ended(read(view, 0, SIZE)));
        assertRead(0, SIZE);
    }

    @Test
    void aWriteWaitsForTheSaveOfItsRangesAndForReadersOfThem() throws Exception {
        begin();
        ViewDisk view = view();
        below.hold = true;
        CompletableFuture<Integer> reader = read(view, 0, 4096);
        Eventually.holds("the reader reads", () -> below.pending() == 1);
        CompletableFuture<Integer> write = vm(Operation.WRITE, 0, 4096, (byte) 7);
        Eventually.holds("old data is being read", () -> below.pending() == 2);
        assertEquals("READ 0 65536 8", below.seen.get(1).toString());
        // the save ends, but not the reader
        List<Request> both = loop.call(below::take);
        below.hold = false;
        loop.call(() -> {
            both.get(1).data().copyFrom(contents.address(), 0, RANGE);
            both.get(1).complete(0);
            return null;
        });
        Thread.sleep(200);
        assertFalse(write.isDone());
        loop.call(() -> {
            both.get(0).data().copyFrom(contents.address(), 0, 4096);
            both.get(0).complete(0);
            return null;
        });
        assertEquals(0, ended(write));
        assertEquals(0, ended(reader));
        assertRead(0, 4096);
        below.seen.clear();
        assertEquals(0, ended(vm(Operation.WRITE, 4096, 4096, (byte) 7)));
        assertEquals("[WRITE 4096 4096 0]", below.seen.toString(), "saved once");
    }

    @Test
    void aFullBufferEndsThePointInTimeAndNotTheVm() throws Exception {
        begin("buffer=1M");
        ViewDisk view = view();
        for (int i = 0; i < 32; i++) {
            assertEquals(0, ended(vm(Operation.WRITE, i * RANGE, RANGE, (byte) i)));
        }
        assertEquals(Errno.EIO, ended(read(view, 0, 4096)));
        String state = loop.call(() -> disk.stats().get("state").toString());
        assertEquals("lost: its buffer of 1M is full", state);
        DiskException why = assertThrows(DiskException.class, () -> view());
        assertTrue(why.getMessage().contains("is lost: its buffer of 1M is full"), why.getMessage());
    }

    @Test
    void aVmThatMayWaitWaitsForTheReaderAndNotInAPark() throws Exception {
        begin("buffer=1M", "full=wait", "once=yes");
        ViewDisk view = view();
        List<CompletableFuture<Integer>> writes = new ArrayList<>();
        for (int i = 0; i < SIZE / RANGE; i++) {
            writes.add(vm(Operation.WRITE, (long) i * RANGE, RANGE, (byte) i));
        }
        Eventually.holds(
                "some wait",
                () -> loop.call(() -> (int) disk.stats().get("waiting")) > 0 && loop.call(() -> !disk.busy()));
        assertTrue(writes.stream().filter(CompletableFuture::isDone).count() <= 16);
        for (int i = 0; i < SIZE / 2; i += 512 << 10) {
            assertEquals(0, ended(read(view, i, 512 << 10)));
            assertRead(i, 512 << 10);
        }
        // half is still to be read: the park lets the rest through
        closeDisk();
        for (CompletableFuture<Integer> each : writes) {
            assertEquals(0, ended(each));
        }
        openDisk("buffer=1M", "full=wait", "once=yes");
        for (int i = SIZE / 2; i < SIZE; i += 512 << 10) {
            assertEquals(0, ended(read(view, i, 512 << 10)));
            assertRead(i, 512 << 10);
        }
        Eventually.holds(
                "all of the buffer is free",
                () -> loop.call(() -> (long) disk.stats().get("saved bytes")) == 0);
        assertEquals(Errno.EIO, ended(read(view, 0, 4096)), "it was read");
    }

    @Test
    void whatABackupHasReadNeedsNoSaving() throws Exception {
        begin("once=yes");
        ViewDisk view = view();
        assertEquals(0, ended(read(view, 0, 1 << 20)));
        assertRead(0, 1 << 20);
        below.seen.clear();
        assertEquals(0, ended(vm(Operation.WRITE, 0, 4096, (byte) 1)));
        assertEquals("[WRITE 0 4096 0]", below.seen.toString());
    }

    @Test
    void aMapShowsWhatWasThereThen() throws Exception {
        below.runBytes = 1 << 20;
        begin();
        ViewDisk view = view();
        BlockingDisk access = new BlockingDisk(view, readerLoop, "view");
        ExtentList extents = new ExtentList();
        assertEquals(SIZE, access.map(0, SIZE, extents));
        assertEquals(4, extents.count());
        assertEquals(0, ended(vm(Operation.DISCARD, RANGE, RANGE, (byte) 0)));
        access.map(0, 1 << 20, extents);
        assertEquals(1, extents.count(), "saved data is data");
        assertEquals(ExtentList.DATA, extents.state(0));
    }

    @Test
    void aReaderOfChangesSeesTheseAndNothingElse() throws Exception {
        begin();
        try (MappedBits bits = MappedBits.create(directory.resolve("bits"), SIZE, 32 << 10)) {
            bits.set(5 * RANGE, 1);
            bits.set(9 * RANGE + 40000, 512);
            bits.set(SIZE - 512, 512);
            PointFile.note(filter.directory(), "a", bits);
        }
        ViewDisk all = view();
        assertEquals(List.of("dirty-bitmap:daily"), all.info().contexts());
        ExtentList extents = new ExtentList();
        CompletableFuture<Integer> mapped = new CompletableFuture<>();
        Request map = new Request(each -> mapped.complete(each.error()), 0);
        readerLoop.execute(() -> all.submit(map.setMap(0, SIZE, extents, 1)));
        assertEquals(0, ended(mapped));
        assertEquals("0+5 1+1 0+3 1+1 0+53 1+1", text(extents, false));

        // zeros that were written are changes too
        assertEquals(0, ended(vm(Operation.WRITE, 9 * RANGE, 4096, (byte) 9)));
        ViewDisk view = view("changes=yes");
        new BlockingDisk(view, readerLoop, "view").map(0, SIZE, extents);
        assertEquals("3/0+5 0/1+1 3/0+3 0/1+1 3/0+53 0/1+1", text(extents, true));
        assertEquals(0, ended(read(view, 0, SIZE)));
        assertRead(5 * RANGE, RANGE);
        assertRead(9 * RANGE, RANGE);
        assertRead(SIZE - RANGE, RANGE);
        assertEquals(0, Memory.getLong(buffers.address()));
        assertEquals(0, Memory.getLong(buffers.address() + 8 * RANGE));
    }

    /** The runs, in ranges: state, or state and depth, and length. */
    private static String text(ExtentList extents, boolean depth) {
        StringBuilder text = new StringBuilder();
        for (int i = 0; i < extents.count(); i++) {
            text.append(i == 0 ? "" : " ")
                    .append(extents.state(i))
                    .append(depth ? "/" + extents.depth(i) : "")
                    .append('+')
                    .append(extents.length(i) / RANGE);
        }
        return text.toString();
    }

    @Test
    void errorsBelowAreTheVmsOnlyIfTheyAreItsOwn() throws Exception {
        begin();
        below.fails = request -> request.operation() == Operation.READ ? Errno.EIO : 0;
        assertEquals(0, ended(vm(Operation.WRITE, 0, 4096, (byte) 1)));
        String state = loop.call(() -> disk.stats().get("state").toString());
        assertTrue(state.startsWith("lost: old data cannot be read"), state);
    }

    @Test
    void readersOfASourceThatIsGoneFailAfterAWhile() throws Exception {
        begin();
        ViewDisk view = view("patience=2");
        assertEquals(0, ended(read(view, 0, 4096)));
        closeDisk();
        CompletableFuture<Integer> waits = read(view, 0, 4096);
        long begun = System.nanoTime();
        assertEquals(Errno.EIO, ended(waits));
        assertTrue(System.nanoTime() - begun > TimeUnit.SECONDS.toNanos(1));
        CompletableFuture<Integer> ends = read(view, 0, 4096);
        Eventually.holds("it waits", () -> !ends.isDone());
        filter.deactivate();
        assertEquals(Errno.EIO, ended(ends));
    }

    @Test
    void itEndsWithTheBootAndABackupsWithTheBundle() throws Exception {
        begin("once=yes");
        closeDisk();
        restartBundle();
        openDisk("once=yes");
        assertTrue(disk.isLost());
        closeDisk();
        begin();
        assertEquals(0, ended(vm(Operation.WRITE, 0, 4096, (byte) 1)));
        closeDisk();
        try (RandomAccessFile file =
                new RandomAccessFile(directory.resolve("fleece/a.point").toFile(), "rw")) {
            file.seek(70);
            file.write('x');
        }
        openDisk();
        assertTrue(disk.isLost());
        assertEquals(0, ended(vm(Operation.WRITE, 0, 4096, (byte) 1)));
        assertEquals(0, Files.size(directory.resolve("fleece/a.scratch")));
        closeDisk();
        Files.delete(directory.resolve("fleece/a.point"));
        var without = filter.open(below, TestFilterContext.of("a", loop, memory).withOptions(Map.of("name", "p")));
        assertTrue(without.stats().get("state").toString().startsWith("lost: "));
    }

    @Test
    void theReaderCanBeSlowedDown() throws Exception {
        begin();
        ViewDisk view = view("paced=yes");
        filter.point("a").pace(4 << 20, false);
        long begun = System.nanoTime();
        List<CompletableFuture<Integer>> all = new ArrayList<>();
        for (int i = 0; i < SIZE; i += 512 << 10) {
            all.add(read(view, i, 512 << 10));
        }
        for (CompletableFuture<Integer> each : all) {
            assertEquals(0, ended(each));
        }
        assertTrue(System.nanoTime() - begun > TimeUnit.MILLISECONDS.toNanos(700));
        assertRead(0, SIZE);
        assertEquals(DiskInfo.ofSize(SIZE).sizeBytes(), view.info().sizeBytes());
    }

    @Test
    void aMapThatEndsAfterThePointInTimeWasLostFails() throws Exception {
        begin();
        ViewDisk view = view();
        below.hold = true;
        CompletableFuture<Integer> mapped = new CompletableFuture<>();
        Request map = new Request(each -> mapped.complete(each.error()), 0);
        ExtentList extents = new ExtentList();
        readerLoop.execute(() -> view.submit(map.setMap(0, RANGE, extents)));
        Eventually.holds("the map is asked for", () -> below.pending() == 1);
        CompletableFuture<Integer> write = vm(Operation.WRITE, 0, 4096, (byte) 7);
        Eventually.holds("old data is being read", () -> below.pending() == 2);
        List<Request> both = loop.call(below::take);
        below.hold = false;
        loop.call(() -> {
            both.get(1).complete(Errno.EIO);
            return null;
        });
        assertEquals(0, ended(write));
        assertTrue(loop.call(() -> disk.isLost()));
        loop.call(() -> {
            both.get(0).extents().add(RANGE, ExtentList.DATA);
            both.get(0).complete(0);
            return null;
        });
        assertEquals(Errno.EIO, ended(mapped));
    }
}
