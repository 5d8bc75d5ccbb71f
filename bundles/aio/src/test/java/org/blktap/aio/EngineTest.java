package org.blktap.aio;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.RandomAccessFile;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;
import org.blktap.api.engine.Errno;
import org.blktap.api.engine.ErrnoException;
import org.blktap.api.engine.ExtentList;
import org.blktap.api.engine.IoCallback;
import org.blktap.api.engine.IoEngine;
import org.blktap.api.engine.IoFile;
import org.blktap.api.engine.IoLoop;
import org.blktap.api.engine.IoQueue;
import org.blktap.api.memory.NativeBuffer;
import org.blktap.api.memory.Segments;
import org.blktap.linux.EpollLoops;
import org.blktap.linux.LibAio;
import org.blktap.linux.Libc;
import org.blktap.linux.Mapping;
import org.blktap.linux.PinnedFile;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.osgi.service.condition.Condition;

/** Both engines do the same: each test runs on each. */
@Timeout(300)
class EngineTest {
    @TempDir
    Path directory;

    private final EpollLoops loops = new EpollLoops();
    private final IoLoop loop = loops.start("engine-test");
    private final NativeBuffer memory = Mapping.anonymous(8 << 20);
    private IoQueue queue;

    @AfterEach
    void close() throws Exception {
        if (queue != null) {
            loop.call(() -> {
                queue.close();
                return null;
            });
        }
        loop.close();
        loops.stop();
        memory.close();
    }

    private void start(String engine) throws Exception {
        IoEngine chosen = engine.equals("libaio") ? new LibaioEngine(Condition.INSTANCE) : new PortableEngine();
        if (engine.equals("libaio")) {
            assertEquals(null, LibAio.missing());
        }
        queue = loop.call(() -> chosen.open(loop));
    }

    private Path file(String name, long size) throws Exception {
        Path path = directory.resolve(name);
        try (RandomAccessFile f = new RandomAccessFile(path.toFile(), "rw")) {
            f.setLength(size);
        }
        return path;
    }

    /** Runs one operation and gives its error. */
    private int run(Consumer<IoCallback> operation) throws Exception {
        CompletableFuture<Integer> result = new CompletableFuture<>();
        loop.execute(() -> operation.accept(result::complete));
        return result.get(2, TimeUnit.MINUTES);
    }

    @ParameterizedTest
    @ValueSource(strings = {"libaio", "portable"})
    void randomOperationsOfAnyAlignmentMatchAModel(String engine) throws Exception {
        start(engine);
        long seed = System.nanoTime();
        System.out.println(engine + " model seed " + seed);
        Random random = new Random(seed);
        int size = 1 << 20;
        IoFile file = queue.open(file("model", size), true);
        byte[] model = new byte[size];
        for (int i = 0; i < 1500; i++) {
            int align = random.nextInt(3) == 0 ? 1 : 512;
            int offset = random.nextInt(size / align) * align;
            int length =
                    Math.min(size - offset, (1 + random.nextInt(random.nextBoolean() ? 300_000 / align : 8)) * align);
            Segments data = pieces(random, length, align);
            switch (random.nextInt(6)) {
                case 0, 1, 2 -> {
                    byte[] bytes = new byte[length];
                    random.nextBytes(bytes);
                    data.copyFrom(ByteBuffer.wrap(bytes), 0);
                    assertEquals(0, run(done -> file.write(offset, data, 0, length, done)));
                    System.arraycopy(bytes, 0, model, offset, length);
                }
                case 3 -> {
                    boolean unmap = random.nextBoolean();
                    assertEquals(0, run(done -> file.zero(offset, length, unmap, done)));
                    Arrays.fill(model, offset, offset + length, (byte) 0);
                }
                case 4 -> {
                    assertEquals(0, run(done -> file.discard(offset, length, done)));
                    Arrays.fill(model, offset, offset + length, (byte) 0);
                }
                default -> {
                    assertEquals(0, run(done -> file.read(offset, data, 0, length, done)));
                    byte[] found = new byte[length];
                    data.copyTo(ByteBuffer.wrap(found), 0);
                    assertArrayEquals(Arrays.copyOfRange(model, offset, offset + length), found, "step " + i);
                }
            }
        }
        assertEquals(0, run(file::flush));
        ByteBuffer all = ByteBuffer.allocate(size);
        file.readFully(all, 0);
        assertArrayEquals(model, all.array());
        file.close();
        assertArrayEquals(model, Files.readAllBytes(directory.resolve("model")));
    }

    /** A list of pieces in any order of memory, cut at multiples of {@code align}. */
    private Segments pieces(Random random, int length, int align) {
        Segments data = new Segments(1);
        int at = align == 1 ? random.nextInt(100) : 0;
        while (length > 0) {
            int part = random.nextInt(4) == 0 ? length : Math.min(length, (1 + random.nextInt(40)) * align);
            data.add(memory.address() + at, part);
            at += part + (random.nextBoolean() ? 0 : align == 1 ? 1 : 512);
            length -= part;
        }
        return data;
    }

    @ParameterizedTest
    @ValueSource(strings = {"libaio", "portable"})
    void hundredsInFlightAllEnd(String engine) throws Exception {
        start(engine);
        IoFile file = queue.open(file("many", 4 << 20), true);
        int count = 1000;
        CompletableFuture<Integer> all = new CompletableFuture<>();
        int[] left = {count};
        loop.execute(() -> {
            Segments data = new Segments(1);
            for (int i = 0; i < count; i++) {
                data.clear();
                data.add(memory.address() + i * 4096L, 4096);
                memory.bytes().putInt(i * 4096, i);
                file.write(i * 4096L, data, 0, 4096, error -> {
                    if (error != 0) {
                        all.complete(error);
                    }
                    if (--left[0] == 0) {
                        all.complete(0);
                    }
                });
            }
        });
        assertEquals(0, all.get(2, TimeUnit.MINUTES));
        ByteBuffer read = ByteBuffer.allocate(count * 4096);
        file.readFully(read, 0);
        for (int i = 0; i < count; i++) {
            assertEquals(i, read.getInt(i * 4096));
        }
        file.close();
    }

    /**
     * A context of the kernel goes from queue to queue, its ring wherever it was left; unless it is left with
     * operations in it.
     */
    @Test
    void queuesFollowEachOther() throws Exception {
        LibaioEngine engine = new LibaioEngine(Condition.INSTANCE);
        Path path = file("reused", 1 << 20);
        for (int i = 0; i < 12; i++) {
            queue = loop.call(() -> engine.open(loop));
            IoFile file = queue.open(path, true);
            int marks = i;
            for (int j = 0; j < 150; j++) {
                Segments data = new Segments(1);
                data.add(memory.address() + j * 4096L, 4096);
                memory.bytes().putInt(j * 4096, marks * 1000 + j);
                long offset = j * 4096L;
                assertEquals(0, run(done -> file.write(offset, data, 0, 4096, done)));
            }
            assertEquals(i * 1000 + 149, firstInt(file, 149 * 4096L));
            if (i % 4 == 3) {
                loop.call(() -> {
                    Segments data = new Segments(1);
                    data.add(memory.address(), 4096);
                    for (int j = 0; j < 50; j++) {
                        file.write(512 << 10, data, 0, 4096, error -> {});
                    }
                    ((LibaioQueue) queue).flush();
                    queue.close();
                    return null;
                });
            } else {
                loop.call(() -> {
                    queue.close();
                    queue.close();
                    return null;
                });
            }
            file.close();
        }
        // the bundle may go before the last queue
        queue = loop.call(() -> engine.open(loop));
        engine.close();
        IoFile file = queue.open(path, true);
        assertEquals(11000, firstInt(file, 0));
        file.close();
    }

    private int firstInt(IoFile file, long offset) throws Exception {
        Segments data = new Segments(1);
        data.add(memory.address() + (4 << 20), 4096);
        assertEquals(0, run(done -> file.read(offset, data, 0, 4096, done)));
        return memory.bytes().getInt(4 << 20);
    }

    @Test
    void queuesOfOneEngineDoNotShareAContext() throws Exception {
        LibaioEngine engine = new LibaioEngine(Condition.INSTANCE);
        for (int round = 0; round < 2; round++) {
            IoQueue[] queues = new IoQueue[10];
            for (int i = 0; i < queues.length; i++) {
                queues[i] = loop.call(() -> engine.open(loop));
            }
            for (int i = 0; i < queues.length; i++) {
                queue = queues[i];
                IoFile file = queue.open(file("shared" + i, 4096), true);
                Segments data = new Segments(1);
                data.add(memory.address(), 4096);
                memory.bytes().putInt(0, i + 1);
                assertEquals(0, run(done -> file.write(0, data, 0, 4096, done)));
                assertEquals(i + 1, firstInt(file, 0));
                file.close();
            }
            for (IoQueue each : queues) {
                loop.call(() -> {
                    each.close();
                    return null;
                });
            }
        }
        queue = null;
        engine.close();
    }

    @ParameterizedTest
    @ValueSource(strings = {"libaio", "portable"})
    void overlappingUnalignedWritesLoseNothing(String engine) throws Exception {
        start(engine);
        IoFile file = queue.open(file("parts", 4096), true);
        CompletableFuture<Integer> all = new CompletableFuture<>();
        int[] left = {256};
        loop.execute(() -> {
            Segments data = new Segments(1);
            for (int i = 0; i < 256; i++) {
                data.clear();
                data.add(memory.address() + i * 16L, 16);
                for (int b = 0; b < 16; b++) {
                    memory.bytes().put(i * 16 + b, (byte) i);
                }
                file.write(i * 16L, data, 0, 16, error -> {
                    if (--left[0] == 0 || error != 0) {
                        all.complete(error);
                    }
                });
            }
        });
        assertEquals(0, all.get(2, TimeUnit.MINUTES));
        byte[] found = Files.readAllBytes(file.path());
        assertEquals(4096, found.length);
        for (int i = 0; i < 4096; i++) {
            assertEquals((byte) (i / 16), found[i], "byte " + i);
        }
        file.close();
    }

    @ParameterizedTest
    @ValueSource(strings = {"libaio", "portable"})
    void readsPastTheEndAreZerosAndWritesGrow(String engine) throws Exception {
        start(engine);
        Path path = directory.resolve("short");
        Files.write(path, new byte[] {1, 2, 3});
        IoFile file = queue.open(path, true);
        memory.bytes().put(0, new byte[8192]).putLong(1024, -1);
        Segments data = new Segments(1);
        data.add(memory.address(), 4096);
        assertEquals(0, run(done -> file.read(0, data, 0, 4096, done)));
        assertEquals(0x01020300, memory.bytes().getInt(0));
        assertEquals(0, memory.bytes().getLong(1024));
        assertEquals(0, run(done -> file.write(8192, data, 0, 4096, done)));
        assertEquals(12288, file.size());
        assertEquals(12288, Files.size(path));
        assertEquals(0, run(done -> file.write(12288, data, 0, 100, done)));
        assertEquals(12388, Files.size(path));
        assertEquals(0, run(done -> file.truncate(500, done)));
        assertEquals(500, file.size());
        file.close();
    }

    @ParameterizedTest
    @ValueSource(strings = {"libaio", "portable"})
    void holesAreTold(String engine) throws Exception {
        start(engine);
        IoFile file = queue.open(file("holes", 16 << 20), true);
        Segments data = new Segments(1);
        data.add(memory.address(), 1 << 20);
        assertEquals(0, run(done -> file.write(4 << 20, data, 0, 1 << 20, done)));
        ExtentList extents = new ExtentList();
        assertEquals(0, run(done -> file.map(0, 16 << 20, extents, done)));
        assertEquals(3, extents.count());
        assertEquals(4 << 20, extents.length(0));
        assertEquals(ExtentList.HOLE | ExtentList.ZERO, extents.state(0));
        assertEquals(ExtentList.HERE, extents.depth(0), "a hole is the file's own");
        assertEquals(1 << 20, extents.length(1));
        assertEquals(ExtentList.DATA, extents.state(1));
        assertHole(file, 9 << 19, done -> file.discard(9 << 19, 1 << 19, done));
        assertEquals(0, run(done -> file.write(9 << 19, data, 0, 1 << 19, done)));
        assertHole(file, 4 << 20, done -> file.zero(4 << 20, 1 << 20, true, done));
        assertEquals(0, run(done -> file.write(4 << 20, data, 0, 1 << 20, done)));
        assertHole(file, 9 << 19, done -> file.truncate(9 << 19, error -> file.truncate(16 << 20, done)));
        file.close();
    }

    /** What a map has found before a change is not what it tells after it. */
    private void assertHole(IoFile file, long at, Consumer<IoCallback> change) throws Exception {
        ExtentList extents = new ExtentList();
        long half = 1 << 19;
        assertEquals(0, run(done -> file.map(4 << 20, half, extents, done)));
        assertEquals(ExtentList.DATA, extents.state(0));
        assertEquals(0, run(change));
        ExtentList after = new ExtentList();
        assertEquals(0, run(done -> file.map(at, half, after, done)));
        assertEquals(ExtentList.HOLE | ExtentList.ZERO, after.state(0));
    }

    @ParameterizedTest
    @ValueSource(strings = {"libaio", "portable"})
    void openingSaysWhatIsWrong(String engine) throws Exception {
        start(engine);
        Path path = file("image", 4096);
        assertRefused(Errno.ENOENT, directory.resolve("none"), true);
        assertRefused(Errno.EISDIR, directory, false);
        assertRefused(Errno.ENOTBLK, Path.of("/dev/zero"), false);
        Path pipe = directory.resolve("pipe");
        assertEquals(0, new ProcessBuilder("mkfifo", pipe.toString()).start().waitFor());
        assertRefused(Errno.ENOTBLK, pipe, true);
        IoFile writer = queue.open(path, true);
        assertRefused(Errno.EBUSY, path, true);
        assertRefused(Errno.EBUSY, path, false);
        writer.close();
        IoFile one = queue.open(path, false);
        IoFile two = queue.open(path, false);
        assertRefused(Errno.EBUSY, path, true);
        one.close();
        two.close();
        queue.open(path, true).close();
    }

    /** Files of one queue may be opened beside each other; what others have open still counts. */
    @ParameterizedTest
    @ValueSource(strings = {"libaio", "portable"})
    void ownFilesDoNotLockEachOtherOut(String engine) throws Exception {
        start(engine);
        Path path = file("image", 4096);
        try (PinnedFile pinned = PinnedFile.of(path)) {
            IoFile reader = queue.open(path, false);
            IoFile another = queue.open(path, false);
            assertThrows(ErrnoException.class, () -> queue.open(path, pinned.fd(), true, List.of(reader)));
            assertRefused(Errno.EBUSY, path, true);
            another.close();
            IoFile writer = queue.open(path, pinned.fd(), true, List.of(reader, another));
            assertTrue(writer.writable());
            assertRefused(Errno.EBUSY, path, false);
            writer.close();
            assertRefused(Errno.EBUSY, path, true);
            reader.close();
            queue.open(path, pinned.fd(), true, List.of(reader)).close();
        }
    }

    private void assertRefused(int errno, Path path, boolean writable) {
        ErrnoException e = assertThrows(ErrnoException.class, () -> queue.open(path, writable));
        assertEquals(errno, e.errno(), e.getMessage());
        assertTrue(e.getMessage().startsWith(path.toString()), e.getMessage());
    }

    /** What was judged is opened, though its name leads elsewhere by now. */
    @ParameterizedTest
    @ValueSource(strings = {"libaio", "portable"})
    void aDescriptorIsOpenedWhateverItsName(String engine) throws Exception {
        start(engine);
        Path path = file("held", 8192);
        try (PinnedFile pinned = PinnedFile.of(path)) {
            Files.move(path, directory.resolve("elsewhere"));
            Files.createSymbolicLink(path, file("other", 4096));
            IoFile opened = queue.open(path, pinned.fd(), true);
            assertEquals(8192, opened.size());
            assertEquals(path, opened.path());
            opened.close();
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"libaio", "portable"})
    void writingAReadOnlyFileFails(String engine) throws Exception {
        start(engine);
        IoFile file = queue.open(file("ro", 4096), false);
        Segments data = new Segments(1);
        data.add(memory.address(), 4096);
        assertEquals(9, run(done -> file.write(0, data, 0, 4096, done)), "EBADF");
        assertEquals(0, run(done -> file.read(0, data, 0, 4096, done)));
        file.close();
    }

    /**
     * A VM that truncates its memory while it reads past the end of its file gets an error, and nothing else happens.
     */
    @ParameterizedTest
    @ValueSource(strings = {"libaio", "portable"})
    void aReadPastTheEndIntoMemoryThatIsGoneFails(String engine) throws Exception {
        start(engine);
        IoFile file = queue.open(file("short", 4096), true);
        int memfd = Libc.memfd_create("gone", Libc.MFD_CLOEXEC);
        assertEquals(0, Libc.ftruncate(memfd, 1 << 20));
        Mapping shared = Mapping.ofFile(memfd, 0, 1 << 20);
        Segments data = new Segments(1);
        data.add(shared.address(), 1 << 20);
        assertEquals(0, run(done -> file.read(8192, data, 0, 1 << 20, done)));
        assertEquals(0, Libc.ftruncate(memfd, 0));
        for (int i = 0; i < 3; i++) {
            assertEquals(Errno.EFAULT, run(done -> file.read(8192, data, 0, 1 << 20, done)));
            assertEquals(Errno.EFAULT, run(done -> file.read(0, data, 0, 1 << 20, done)));
        }
        assertEquals(0, Libc.ftruncate(memfd, 1 << 20));
        assertEquals(0, run(done -> file.read(8192, data, 0, 1 << 20, done)));
        loop.call(() -> {
            file.close();
            return null;
        });
        shared.close();
        Libc.close(memfd);
    }
}
