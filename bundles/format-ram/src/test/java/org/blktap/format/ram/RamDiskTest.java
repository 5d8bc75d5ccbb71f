package org.blktap.format.ram;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.blktap.api.disk.DiskContext;
import org.blktap.api.disk.DiskException;
import org.blktap.api.disk.DiskException.Reason;
import org.blktap.api.disk.Operation;
import org.blktap.api.disk.Options;
import org.blktap.api.disk.Request;
import org.blktap.api.disk.VirtualDisk;
import org.blktap.api.engine.IoFile;
import org.blktap.api.engine.IoLoop;
import org.blktap.api.memory.NativeBuffer;
import org.blktap.api.memory.NativeMemory;
import org.blktap.linux.Mapping;
import org.blktap.linux.NativeMemoryService;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

class RamDiskTest {
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
        return driver.open(path, new Context(memory, new Options(map), kept));
    }

    private int run(VirtualDisk disk, Operation operation, long offset, int length) {
        Request request = new Request(r -> { }, 1);
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
        assertEquals(Reason.BAD_OPTION, assertThrows(DiskException.class, () -> open("b")).reason());
        for (String path : new String[] {"", ",size=1M", "../x,size=1M", "b,size=0", "b,size=5000", "b,size=-4096", "b,size=2T",
            "a,size=128k", "b,size=1M,keep=perhaps", "b,size=1M,sise=2", "b,size"}) {
            assertEquals(Reason.BAD_OPTION, assertThrows(DiskException.class, () -> open(path), path).reason());
        }
        assertEquals(1, kept.size());
    }

    private record Context(NativeMemory memory, Options options, List<AutoCloseable> kept) implements DiskContext {
        @Override
        public boolean readOnly() {
            return false;
        }

        @Override
        public IoLoop loop() {
            throw new AssertionError("a RAM disk needs no loop");
        }

        @Override
        public IoFile openFile(Path path) {
            throw new AssertionError("a RAM disk has no file");
        }

        @Override
        public IoFile createFile(Path path) {
            throw new AssertionError("a RAM disk has no file");
        }

        @Override
        public Path confine(Path image, String named) {
            throw new AssertionError("a RAM disk names no file");
        }

        @Override
        public VirtualDisk openBacking(String type, Path path) {
            throw new AssertionError("a RAM disk has no backing");
        }

        @Override
        public String backingType(String otherwise) {
            return otherwise;
        }

        @Override
        public void untilDetach(AutoCloseable resource) {
            kept.add(resource);
        }
    }
}
