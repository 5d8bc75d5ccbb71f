package org.blktap.api.testkit;

import java.nio.ByteBuffer;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicLong;
import org.blktap.api.memory.NativeBuffer;
import org.blktap.api.memory.NativeMemory;

/**
 * Native memory that counts what has not been freed, and that can have a limit. Shared memory is passed on and not
 * counted. Any thread may call it.
 */
public final class CountedMemory implements NativeMemory {
    private final NativeMemory memory;
    private final Set<Counted> buffers = ConcurrentHashMap.newKeySet();
    private final AtomicLong inUse = new AtomicLong();
    private volatile long limit = Long.MAX_VALUE;

    /** @param memory allocates what this counts */
    public CountedMemory(NativeMemory memory) {
        this.memory = memory;
    }

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
        public void discard(long offset, long bytes) {
            buffer.discard(offset, bytes);
        }

        @Override
        public void close() {
            if (!buffers.remove(this)) {
                throw new AssertionError("a buffer is freed twice");
            }
            inUse.addAndGet(-buffer.size());
            buffer.close();
        }
    }

    /** Fails, from now on, an allocation with which more than so many bytes would be in use. */
    public void limit(long bytes) {
        limit = bytes;
    }

    /** Bytes in buffers that have not been freed. */
    public long inUse() {
        return inUse.get();
    }

    /** Buffers that have not been freed. */
    public int count() {
        return buffers.size();
    }

    /** Whether a range lies inside one buffer that has not been freed. */
    public boolean has(long address, long bytes) {
        return buffers.stream()
                .anyMatch(buffer -> address >= buffer.address()
                        && bytes > 0
                        && address + bytes <= buffer.address() + buffer.size());
    }

    /** Frees all buffers, as the end of a process does. */
    public void closeAll() {
        buffers.forEach(Counted::close);
    }

    /**
     * Allocates a buffer that is counted until it is closed.
     *
     * @throws AssertionError if the limit is exceeded
     */
    @Override
    public NativeBuffer allocate(long bytes) {
        if (bytes > limit - inUse.get()) {
            throw new AssertionError(
                    inUse.get() + bytes + " bytes of native memory would be in use, " + limit + " are allowed");
        }
        Counted counted = new Counted(memory.allocate(bytes));
        inUse.addAndGet(counted.size());
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
