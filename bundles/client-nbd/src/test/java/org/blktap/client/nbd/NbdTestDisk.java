package org.blktap.client.nbd;

import java.util.concurrent.CompletableFuture;
import org.blktap.api.disk.Operation;
import org.blktap.api.disk.Options;
import org.blktap.api.disk.Request;
import org.blktap.api.disk.VirtualDisk;
import org.blktap.api.engine.ExtentList;
import org.blktap.api.engine.IoLoop;
import org.blktap.api.memory.NativeBuffer;
import org.blktap.api.memory.NativeMemory;
import org.blktap.api.testkit.TestDiskContext;
import org.blktap.linux.EpollLoops;
import org.blktap.linux.NativeMemoryService;

/** An export opened as the core would, on a loop, and requests to it from a test's thread. */
final class NbdTestDisk implements AutoCloseable {
    private final EpollLoops loops = new EpollLoops();
    private final IoLoop loop = loops.start("nbd-disk");
    private final NativeMemory memory = new NativeMemoryService();
    final VirtualDisk disk;

    /** A request under way, and its memory. */
    static final class Asked {
        final CompletableFuture<Integer> error = new CompletableFuture<>();
        final ExtentList extents = new ExtentList();
        private final NativeBuffer buffer;
        private final Request request;

        private Asked(NativeMemory memory, int bytes) {
            buffer = bytes == 0 ? null : memory.allocate(bytes);
            request = new Request(done -> error.complete(done.error()), 1);
        }

        /** The data of a READ; to be asked for once. */
        byte[] data() {
            byte[] data = new byte[(int) request.length()];
            buffer.bytes(0, data.length).get(data);
            return data;
        }

        void free() {
            if (buffer != null) {
                buffer.close();
            }
        }
    }

    NbdTestDisk(NbdUri uri, boolean readOnly) throws Exception {
        ServerConnection first = new ServerConnection(new Server(uri, null));
        disk = loop.call(() -> new NbdDisk(
                new Server(uri, null), "test", first, new TestDiskContext(loop, memory, Options.none(), readOnly)));
    }

    Asked ask(Operation operation, long offset, long length, byte[] data) {
        boolean carries = operation == Operation.READ || operation == Operation.WRITE;
        Asked asked = new Asked(memory, carries ? (int) length : 0);
        if (carries) {
            if (data != null) {
                asked.buffer.bytes(0, (int) length).put(data);
            }
            asked.request.data().add(asked.buffer.address(), (int) length);
        }
        if (operation == Operation.MAP) {
            asked.request.setMap(offset, length, asked.extents);
        } else {
            asked.request.set(operation, offset, length, 0);
        }
        loop.execute(() -> disk.submit(asked.request));
        return asked;
    }

    /** Asks and waits. */
    int run(Operation operation, long offset, byte[] data) throws Exception {
        Asked asked = ask(operation, offset, data.length, data);
        int error = asked.error.get();
        if (operation == Operation.READ) {
            System.arraycopy(asked.data(), 0, data, 0, data.length);
        }
        asked.free();
        return error;
    }

    @Override
    public void close() {
        loop.execute(disk::close);
        loop.close();
        loops.stop();
    }
}
