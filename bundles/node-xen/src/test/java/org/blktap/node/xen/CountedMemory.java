package org.blktap.node.xen;

import java.nio.ByteBuffer;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import org.blktap.api.memory.NativeBuffer;
import org.blktap.api.memory.NativeMemory;
import org.blktap.linux.NativeMemoryService;

/** Native memory that knows what has not been given back. */
final class CountedMemory implements NativeMemory {
    private final NativeMemory memory = new NativeMemoryService();
    private final Set<Counted> buffers = ConcurrentHashMap.newKeySet();

    private final class Counted implements NativeBuffer {
        private final NativeBuffer buffer;

        Counted(NativeBuffer buffer) {
            this.buffer = buffer;
        }

        @Override
        public long address() {
            return buffer.address();
        }

        @Override
        public long size() {
            return buffer.size();
        }

        @Override
        public ByteBuffer bytes(long offset, int length) {
            return buffer.bytes(offset, length);
        }

        @Override
        public void close() {
            if (!buffers.remove(this)) {
                throw new AssertionError("a buffer is closed twice");
            }
            buffer.close();
        }
    }

    /** Whether these bytes are of one buffer that is in use. */
    boolean has(long address, long bytes) {
        return buffers.stream().anyMatch(buffer -> address >= buffer.address() && bytes > 0 && address + bytes <= buffer.address() + buffer.size());
    }

    int count() {
        return buffers.size();
    }

    /** What a process holds goes when it dies. */
    void closeAll() {
        buffers.forEach(Counted::close);
    }

    @Override
    public NativeBuffer allocate(long bytes) {
        Counted counted = new Counted(memory.allocate(bytes));
        buffers.add(counted);
        return counted;
    }

    @Override
    public NativeBuffer shared(String name, long bytes) {
        return memory.shared(name, bytes);
    }

    @Override
    public boolean keep(String name, boolean keep) {
        return memory.keep(name, keep);
    }

    @Override
    public long sharedSize(String name) {
        return memory.sharedSize(name);
    }

    @Override
    public int holders(String name) {
        return memory.holders(name);
    }
}
