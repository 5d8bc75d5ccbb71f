package org.blktap.format.ram;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.lang.reflect.Proxy;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.blktap.api.disk.DiskException;
import org.blktap.api.disk.DiskException.Reason;
import org.blktap.api.disk.DiskInfo;
import org.blktap.api.disk.Operation;
import org.blktap.api.disk.Options;
import org.blktap.api.disk.Request;
import org.blktap.api.disk.VirtualDisk;
import org.blktap.api.engine.ExtentList;
import org.blktap.api.engine.IoLoop;
import org.blktap.api.memory.NativeBuffer;
import org.blktap.api.memory.NativeMemory;
import org.blktap.api.testkit.TestDiskContext;
import org.blktap.linux.Mapping;
import org.blktap.linux.NativeMemoryService;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class RamDiskTest {
    /** Executes tasks at once. */
    private static final IoLoop AT_ONCE = (IoLoop) Proxy.newProxyInstance(
            IoLoop.class.getClassLoader(), new Class<?>[] {IoLoop.class}, (proxy, method, arguments) -> {
                assertEquals("execute", method.getName());
                ((Runnable) arguments[0]).run();
                return null;
            });

    private final NativeMemory memory = new NativeMemoryService();
    private final RamDriver driver = new RamDriver();
    private final List<AutoCloseable> kept = new ArrayList<>();
    private final NativeBuffer buffer = Mapping.anonymous(1 << 16);

    @AfterEach
    void detach() throws Exception {
        for (AutoCloseable resource : kept) {
            resource.close();
        }
        buffer.close();
    }

    private VirtualDisk open(String path, String... options) throws DiskException {
        Map<String, String> map = new java.util.LinkedHashMap<>();
        for (int i = 0; i < options.length; i += 2) {
            map.put(options[i], options[i + 1]);
        }
        return driver.open(path, new Context(new Options(map)));
    }

    private int run(VirtualDisk disk, Operation operation, long offset, int length) {
        Request request = new Request(r -> {}, 1);
        request.data().add(buffer.address(), length);
        disk.submit(request.set(operation, offset, length, 0));
        return request.error();
    }

    @Test
    void attachmentsOfOneNameShareTheContents() throws Exception {
        VirtualDisk left = open("shared,size=1M");
        VirtualDisk right = open("shared");
        assertEquals(1 << 20, right.info().sizeBytes());
        buffer.bytes().putLong(0, 42).putLong(4088, 43);
        assertEquals(0, run(left, Operation.WRITE, 512, 4096));
        buffer.bytes().putLong(0, 0).putLong(4088, 0);
        assertEquals(0, run(right, Operation.READ, 512, 4096));
        assertEquals(42, buffer.bytes().getLong(0));
        assertEquals(43, buffer.bytes().getLong(4088));
        assertEquals(0, run(left, Operation.WRITE_ZEROES, 1024, 16384));
        assertEquals(0, run(right, Operation.READ, 512, 4096));
        assertEquals(42, buffer.bytes().getLong(0), "the sector before stays");
        assertEquals(0, buffer.bytes().getLong(4088));
    }

    @Test
    void contentsGoWithTheLastDetachUnlessKept() throws Exception {
        open("gone", "size", "64k");
        assertEquals(65536, memory.sharedSize("ram:gone"));
        kept.remove(0).close();
        assertEquals(-1, memory.sharedSize("ram:gone"));
        open("stays,size=64k,keep=always");
        kept.remove(0).close();
        assertEquals(65536, memory.sharedSize("ram:stays"));
        open("stays,keep=detach");
        kept.remove(0).close();
        assertEquals(-1, memory.sharedSize("ram:stays"));
    }

    @Test
    void badOptionsAreNamed() throws Exception {
        open("a,size=64k");
        assertEquals(
                Reason.BAD_OPTION,
                assertThrows(DiskException.class, () -> open("b")).reason());
        for (String path : new String[] {
            "",
            ",size=1M",
            "../x,size=1M",
            "b,size=0",
            "b,size=5000",
            "b,size=-4096",
            "b,size=2T",
            "a,size=128k",
            "b,size=1M,keep=perhaps",
            "b,size=1M,sise=2",
            "b,size"
        }) {
            assertEquals(
                    Reason.BAD_OPTION,
                    assertThrows(DiskException.class, () -> open(path), path).reason());
        }
        assertEquals(1, kept.size());
    }

    @Test
    void theLastDetachSavesAndTheFirstAttachLoads(@TempDir Path directory) throws Exception {
        Path file = directory.resolve("saved.img");
        VirtualDisk left = open("s,size=8M", "save", file.toString());
        VirtualDisk right = open("s", "save", file.toString());
        buffer.bytes().putLong(0, 42);
        assertEquals(0, run(left, Operation.WRITE, 5 << 20, 4096));
        left.beforeDetach();
        assertFalse(Files.exists(file), "another is attached");
        kept.remove(0).close();
        assertTrue(right.savesAtDetach());
        right.beforeDetach();
        kept.remove(0).close();
        assertEquals(8 << 20, Files.size(file));
        try (var there = Files.list(directory)) {
            assertEquals(List.of(file), there.toList(), "nothing else is left");
        }

        VirtualDisk again = open("s", "load", "tap:file:" + file);
        assertEquals(8 << 20, again.info().sizeBytes());
        buffer.bytes().putLong(0, 0);
        assertEquals(0, run(again, Operation.READ, 5 << 20, 4096));
        assertEquals(42, buffer.bytes().getLong(0));
        assertFalse(again.savesAtDetach());
        DiskException small = assertThrows(DiskException.class, () -> open("t,size=4M", "load", "tap:file:" + file));
        assertEquals(Reason.BAD_OPTION, small.reason());
        assertEquals(-1, memory.sharedSize("ram:t"));
        assertEquals(
                Reason.BAD_OPTION,
                assertThrows(DiskException.class, () -> open("t,size=4M", "save", "here"))
                        .reason());
    }

    @Test
    void whatCannotBeSavedIsTold(@TempDir Path directory) throws Exception {
        assertEquals(
                Reason.BAD_OPTION,
                assertThrows(
                                DiskException.class,
                                () -> open(
                                        "u,size=1M",
                                        "save",
                                        directory.resolve("missing/a").toString()))
                        .reason());
        assertEquals(
                Reason.BAD_OPTION,
                assertThrows(DiskException.class, () -> open("u,size=1M", "save", "/dev/null"))
                        .reason());
        Path folder = Files.createDirectory(directory.resolve("folder"));
        VirtualDisk disk = open("u,size=1M", "save", folder.resolve("a").toString());
        Files.delete(folder);
        assertTrue(assertThrows(DiskException.class, disk::beforeDetach)
                .getMessage()
                .contains("folder/a"));
        // what comes to be there meanwhile is not replaced either
        Files.createDirectories(folder.resolve("a"));
        assertEquals(
                Reason.WRONG_TYPE,
                assertThrows(DiskException.class, disk::beforeDetach).reason());
    }

    private static void closed(AutoCloseable resource) {
        try {
            resource.close();
        } catch (Exception e) {
            throw new AssertionError(e);
        }
    }

    /** A file as a disk that maps its second half only as data. */
    private record HalfMappedDisk(byte[] bytes) implements VirtualDisk {
        @Override
        public DiskInfo info() {
            return DiskInfo.ofSize(bytes.length);
        }

        @Override
        public void submit(Request request) {
            if (request.operation() == Operation.MAP) {
                request.extents().add(bytes.length / 2, ExtentList.HOLE | ExtentList.ZERO);
                request.extents().add(bytes.length / 2, ExtentList.DATA);
            } else {
                request.data().copyFrom(ByteBuffer.wrap(bytes, (int) request.offset(), (int) request.length()), 0);
            }
            request.complete(0);
        }

        @Override
        public void close() {
            // memory
        }
    }

    private final class Context extends TestDiskContext {
        Context(Options options) {
            super(AT_ONCE, memory, options, false);
        }

        @Override
        public VirtualDisk openBacking(String type, Path path) throws DiskException {
            try {
                return new HalfMappedDisk(Files.readAllBytes(path));
            } catch (IOException e) {
                throw DiskException.io(path, "read", e);
            }
        }

        @Override
        public void untilDetach(AutoCloseable resource) {
            kept.add(resource);
        }
    }
}
