package org.blktap.core;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.lang.reflect.Proxy;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.stream.Stream;
import org.blktap.api.disk.DiskDriver;
import org.blktap.api.disk.DiskException;
import org.blktap.api.disk.DiskException.Reason;
import org.blktap.api.disk.Options;
import org.blktap.api.disk.SimpleDriver;
import org.blktap.api.disk.VirtualDisk;
import org.blktap.api.engine.IoFile;
import org.blktap.api.engine.IoLoop;
import org.blktap.api.engine.IoQueue;
import org.blktap.linux.EpollLoops;
import org.blktap.linux.FileStatus;
import org.blktap.linux.NativeMemoryService;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class OpenContextTest {
    private static final Map<String, String> ALLOWED = Map.of("external-files", "writable");

    @TempDir
    Path directory;

    private final EpollLoops loops = new EpollLoops();
    private final Registry<DiskDriver> drivers = new Registry<>("tap.type", "tap.summary");
    private final List<AutoCloseable> kept = new ArrayList<>();
    private IoLoop loop;
    /** Of a planted link. */
    private Path target;

    private Path image;
    private long descriptors;

    /** Opens nothing, and notes of what it was asked. */
    private final class Queue implements IoQueue {
        private final List<Long> inodes = new ArrayList<>();

        @Override
        public IoFile open(Path path, boolean writable) {
            throw new AssertionError(path + ": opened by its name");
        }

        @Override
        public IoFile open(Path path, int descriptor, boolean writable) {
            inodes.add(FileStatus.of(descriptor).inode());
            return (IoFile) Proxy.newProxyInstance(
                    IoFile.class.getClassLoader(),
                    new Class<?>[] {IoFile.class},
                    (proxy, method, arguments) -> method.getName().equals("path") ? path : null);
        }

        @Override
        public void close() {}

        long last() {
            return inodes.get(inodes.size() - 1);
        }
    }

    private final Queue queue = new Queue();

    @BeforeEach
    void start() throws Exception {
        directory = directory.toRealPath();
        image = Files.createFile(directory.resolve("disk.img"));
        target = Files.createFile(
                Files.createDirectory(directory.resolve("outside")).resolve("target"));
        loop = loops.start("test");
        descriptors = descriptors();
    }

    @AfterEach
    void stop() throws Exception {
        assertEquals(descriptors, descriptors(), "descriptors left open");
        loop.close();
        loops.stop();
    }

    private static long descriptors() throws Exception {
        try (Stream<Path> open = Files.list(Path.of("/proc/self/fd"))) {
            return open.filter(fd -> {
                        try {
                            return Files.readSymbolicLink(fd).toString().contains("/junit");
                        } catch (java.io.IOException e) {
                            return false;
                        }
                    })
                    .count();
        }
    }

    private OpenContext context(boolean readOnly, Map<String, String> options) {
        return new OpenContext(
                new OpenEnvironment(
                        loop,
                        queue,
                        new NativeMemoryService(),
                        drivers,
                        PathPolicy.of(List.of()),
                        new HashSet<>(),
                        kept,
                        new CopyOnWriteArrayList<>(),
                        OpenEnvironment.REQUESTS_FAIL),
                readOnly,
                new Options(options));
    }

    private static long inode(Path path) throws Exception {
        return (Long) Files.getAttribute(path, "unix:ino");
    }

    /** Opens what the image names, as a format would. */
    private void open(boolean readOnly, Map<String, String> options, String named) throws DiskException {
        try (OpenContext context = context(readOnly, options)) {
            context.openFile(image);
            context.openFile(context.confine(image, named));
        }
    }

    private static void refused(Reason reason, org.junit.jupiter.api.function.Executable call) {
        DiskException e = assertThrows(DiskException.class, call);
        assertEquals(reason, e.reason(), e.getMessage());
    }

    @Test
    void aFileThatIsNotTheImagesOwnIsOnlyRead() throws Exception {
        Path neighbour = Files.createFile(directory.resolve("neighbour.img"));
        refused(Reason.FORBIDDEN_PATH, () -> open(false, Map.of(), "neighbour.img"));
        Files.createSymbolicLink(directory.resolve("link"), neighbour);
        refused(Reason.FORBIDDEN_PATH, () -> open(false, Map.of(), "link"));
        open(true, Map.of(), "neighbour.img");
        assertEquals(inode(neighbour), queue.last());
        open(false, ALLOWED, "neighbour.img");
        assertEquals(inode(neighbour), queue.last());
        refused(Reason.BAD_OPTION, () -> open(true, Map.of("external-files", "perhaps"), "neighbour.img"));
    }

    @Test
    void aPartByItsNameIsWrittenBesideTheImageOnly() throws Exception {
        Files.createFile(directory.resolve("disk-flat.img"));
        Files.createFile(Files.createDirectory(directory.resolve("below")).resolve("disk-flat.img"));
        try (OpenContext context = context(false, Map.of())) {
            context.openFile(image);
            context.openPart(context.confine(image, "disk-flat.img"));
            assertEquals(inode(directory.resolve("disk-flat.img")), queue.last());
            refused(Reason.FORBIDDEN_PATH, () -> context.openPart(context.confine(image, "below/disk-flat.img")));
        }
    }

    @Test
    void whatWasCreatedTogetherIsTheImagesOwn() throws Exception {
        Path made = directory.resolve("made.img");
        try (OpenContext context = context(false, Map.of())) {
            context.createFile(made);
            context.createFile(directory.resolve("made.data"));
            context.openFile(made);
            context.openFile(context.confine(made, "made.data"));
            context.nameCreated();
        }
        image = made;
        open(false, Map.of(), "made.data");
        assertEquals(inode(directory.resolve("made.data")), queue.last());
        image = Files.move(made, directory.resolve("renamed.img"));
        refused(Reason.FORBIDDEN_PATH, () -> open(false, Map.of(), "made.data"));
        open(false, ALLOWED, "made.data");
    }

    @Test
    void anImageDoesNotNameItself() throws Exception {
        refused(Reason.CORRUPT, () -> open(true, Map.of(), "disk.img"));
        Files.createSymbolicLink(directory.resolve("link"), image);
        refused(Reason.CORRUPT, () -> open(true, Map.of(), "link"));
        Files.createLink(directory.resolve("hard link"), image);
        refused(Reason.CORRUPT, () -> open(false, ALLOWED, "hard link"));
    }

    @Test
    void whatWasFoundIsWhatIsOpened() throws Exception {
        Path base = Files.createFile(directory.resolve("base"));
        long inode = inode(base);
        try (OpenContext context = context(true, Map.of())) {
            context.openFile(image);
            Path found = context.confine(image, "base");
            Files.move(base, directory.resolve("elsewhere"));
            Files.createSymbolicLink(base, target);
            context.openFile(found);
            assertEquals(inode, queue.last());
            refused(Reason.FORBIDDEN_PATH, () -> context.openFile(found));
        }
    }

    @Test
    void aNewFileIsWrittenUnderWhateverNameItIs() throws Exception {
        Path made = directory.resolve("made.img");
        try (OpenContext context = context(false, Map.of())) {
            context.createFile(made);
            long inode = queue.last();
            try (Stream<Path> files = Files.list(directory)) {
                assertTrue(files.noneMatch(f -> f.toString().endsWith(".new")), "it has no name yet");
            }
            // somebody else takes its name
            Files.createSymbolicLink(made, target);
            context.openFile(made);
            assertEquals(inode, queue.last());
            assertThrows(DiskException.class, context::nameCreated);
            context.undo();
        }
        assertTrue(Files.exists(target) && Files.isSymbolicLink(made));
    }

    private static SimpleDriver simple(List<String> paths) {
        return (path, options, readOnly) -> {
            paths.add(path);
            return new SimpleDriver.SimpleDisk() {
                @Override
                public long size() {
                    return 4096;
                }

                @Override
                public void read(ByteBuffer into, long offset) {}

                @Override
                public boolean writable() {
                    return !readOnly;
                }
            };
        };
    }

    @Test
    void aSimpleDriversFileIsLocked() throws Exception {
        FakeReference<DiskDriver> reference = new FakeReference<>(Map.of("tap.type", "simple"));
        List<String> paths = new ArrayList<>();
        drivers.add(reference, SimpleDrivers.of(simple(paths)));
        VirtualDisk writer = context(false, Map.of()).open("simple", image.toString());
        refused(Reason.BUSY, () -> context(false, Map.of()).open("simple", image.toString()));
        refused(Reason.BUSY, () -> context(true, Map.of()).open("simple", image.toString()));
        assertEquals(List.of(image.toString()), paths, "the driver opens nothing that is in use");
        writer.close();
        VirtualDisk one = context(true, Map.of()).open("simple", image.toString());
        VirtualDisk two = context(true, Map.of()).open("simple", image.toString());
        refused(Reason.BUSY, () -> context(false, Map.of()).open("simple", image.toString()));
        one.close();
        two.close();
        context(false, Map.of()).open("simple", image.toString()).close();
        // a path that is no file's is not locked
        VirtualDisk first = context(false, Map.of()).open("simple", "1G");
        context(false, Map.of()).open("simple", "1G").close();
        first.close();
    }

    @Test
    void aSimpleDriverGetsTheBackingFileThatWasFound() throws Exception {
        List<String> paths = new ArrayList<>();
        drivers.add(new FakeReference<>(Map.of("tap.type", "simple")), SimpleDrivers.of(simple(paths)));
        Path base = Files.createFile(directory.resolve("base"));
        try (OpenContext context = context(true, Map.of())) {
            context.openFile(image);
            Path found = context.confine(image, "base");
            Files.delete(base);
            Files.createSymbolicLink(base, target);
            context.openBacking("simple", found).close();
            assertTrue(paths.get(0).startsWith("/proc/self/fd/"), paths::toString);
            refused(Reason.CORRUPT, () -> context.openBacking("simple", context.confine(image, "disk.img")));
        }
    }
}
