package org.blktap.core;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import java.lang.reflect.Proxy;
import java.nio.ByteBuffer;
import java.util.Arrays;
import java.util.concurrent.CompletableFuture;
import org.blktap.api.disk.DiskContext;
import org.blktap.api.disk.Operation;
import org.blktap.api.disk.Request;
import org.blktap.api.disk.SimpleDriver.SimpleDisk;
import org.blktap.api.engine.Errno;
import org.blktap.api.engine.IoLoop;
import org.blktap.api.memory.NativeBuffer;
import org.blktap.linux.EpollLoops;
import org.blktap.linux.NativeMemoryService;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** A simple driver's disk that ends inside a sector. */
@Timeout(60)
class SimpleDiskAdapterTest {
    private static final int SIZE = 1000;
    private static final int SECTORS = 1024;

    private final byte[] contents = new byte[SIZE];
    private final EpollLoops loops = new EpollLoops();
    private final IoLoop loop = loops.start("simple");
    private final NativeMemoryService memory = new NativeMemoryService();
    private final NativeBuffer buffer = memory.allocate(SECTORS);
    private final SimpleDiskAdapter disk = new SimpleDiskAdapter(new Bytes(), "/bytes", null, context());

    /** Takes no byte beyond its end. */
    private final class Bytes implements SimpleDisk {
        @Override
        public long size() {
            return SIZE;
        }

        @Override
        public void read(ByteBuffer into, long offset) {
            into.put(contents, (int) offset, into.remaining());
        }

        @Override
        public void write(ByteBuffer from, long offset) {
            from.get(contents, (int) offset, from.remaining());
        }

        @Override
        public boolean writable() {
            return true;
        }
    }

    private DiskContext context() {
        return (DiskContext) Proxy.newProxyInstance(
                getClass().getClassLoader(),
                new Class<?>[] {DiskContext.class},
                (proxy, method, arguments) -> switch (method.getName()) {
                    case "loop" -> loop;
                    case "memory" -> memory;
                    case "readOnly" -> false;
                    default -> throw new UnsupportedOperationException(method.getName());
                });
    }

    @AfterEach
    void close() {
        loop.execute(disk::close);
        loop.close();
        loops.stop();
        buffer.close();
    }

    private int run(Operation operation) throws Exception {
        CompletableFuture<Integer> error = new CompletableFuture<>();
        Request request = new Request(done -> error.complete(done.error()), 1);
        request.data().add(buffer.address(), SECTORS);
        loop.execute(() -> disk.submit(request.set(operation, 0, SECTORS, 0)));
        return error.get();
    }

    @Test
    void theLastBytesAreThereAndNothingIsWrittenBeyond() throws Exception {
        assertEquals(SECTORS, disk.info().sizeBytes());
        assertEquals(SIZE, disk.info().contentBytes());
        Arrays.fill(contents, (byte) 5);
        assertEquals(0, run(Operation.READ));
        byte[] found = new byte[SECTORS];
        buffer.bytes(0, SECTORS).get(found);
        assertArrayEquals(Arrays.copyOf(contents, SECTORS), found);

        Arrays.fill(found, 0, SIZE, (byte) 6);
        buffer.bytes(0, SECTORS).put(found);
        assertEquals(0, run(Operation.WRITE));
        assertArrayEquals(Arrays.copyOf(found, SIZE), contents);

        found[SIZE] = 1;
        buffer.bytes(0, SECTORS).put(found);
        assertEquals(Errno.ENOSPC, run(Operation.WRITE));
        assertEquals(0, run(Operation.WRITE_ZEROES));
        assertArrayEquals(new byte[SIZE], contents);
    }
}
