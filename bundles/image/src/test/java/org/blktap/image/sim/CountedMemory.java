package org.blktap.image.sim;

import java.nio.ByteBuffer;
import org.blktap.api.memory.NativeBuffer;
import org.blktap.api.memory.NativeMemory;
import org.blktap.linux.Mapping;

/** Native memory that knows how much is handed out. */
public final class CountedMemory implements NativeMemory {
    private long limit = Long.MAX_VALUE;
    private long inUse;

    /** From now on no more than so many bytes at once. */
    public void limit(long bytes) {
        limit = bytes;
    }

    /** Bytes that have not been given back. */
    public long inUse() {
        return inUse;
    }

    @Override
    public NativeBuffer allocate(long bytes) {
        if (inUse + bytes > limit) {
            throw new AssertionError("an image makes its driver take " + (inUse + bytes) + " bytes of native memory");
        }
        NativeBuffer memory = Mapping.anonymous(bytes);
        inUse += memory.size();
        return new NativeBuffer() {
            private boolean closed;

            @Override
            public long address() {
                return memory.address();
            }

            @Override
            public long size() {
                return memory.size();
            }

            @Override
            public ByteBuffer bytes(long offset, int length) {
                return memory.bytes(offset, length);
            }

            @Override
            public void close() {
                if (!closed) {
                    closed = true;
                    inUse -= memory.size();
                    memory.close();
                }
            }
        };
    }

    @Override
    public NativeBuffer shared(String name, long bytes) {
        throw new UnsupportedOperationException("image formats share no memory");
    }

    @Override
    public boolean keep(String name, boolean keep) {
        return false;
    }

    @Override
    public long sharedSize(String name) {
        return -1;
    }

    @Override
    public int holders(String name) {
        return 0;
    }
}
