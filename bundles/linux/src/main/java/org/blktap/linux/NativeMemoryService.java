package org.blktap.linux;

import java.util.HashMap;
import java.util.Map;
import org.blktap.api.memory.NativeBuffer;
import org.blktap.api.memory.NativeMemory;
import org.osgi.service.component.annotations.Component;

/** Native memory from anonymous mappings. */
@Component
public final class NativeMemoryService implements NativeMemory {
    private static final class Shared {
        final NativeBuffer memory;
        int holders;
        boolean keep;

        Shared(NativeBuffer memory) {
            this.memory = memory;
        }
    }

    private final Map<String, Shared> shared = new HashMap<>();

    @Override
    public NativeBuffer allocate(long bytes) {
        return Mapping.anonymous(bytes);
    }

    @Override
    public synchronized NativeBuffer shared(String name, long bytes) {
        Shared entry = shared.get(name);
        if (entry == null) {
            entry = new Shared(Mapping.anonymous(bytes));
            shared.put(name, entry);
        } else if (entry.memory.size() != Mapping.wholePages(bytes)) {
            throw new IllegalArgumentException(
                    "memory '" + name + "' has " + entry.memory.size() + " bytes, not " + Mapping.wholePages(bytes));
        }
        entry.holders++;
        return new Holder(name, entry);
    }

    @Override
    public synchronized boolean keep(String name, boolean keep) {
        Shared entry = shared.get(name);
        if (entry == null) {
            return false;
        }
        entry.keep = keep;
        dropIfUnused(name, entry);
        return true;
    }

    @Override
    public synchronized long sharedSize(String name) {
        Shared entry = shared.get(name);
        return entry == null ? -1 : entry.memory.size();
    }

    @Override
    public synchronized int holders(String name) {
        Shared entry = shared.get(name);
        return entry == null ? 0 : entry.holders;
    }

    private void dropIfUnused(String name, Shared entry) {
        if (entry.holders == 0 && !entry.keep) {
            shared.remove(name);
            entry.memory.close();
        }
    }

    /** One holder's view of shared memory. */
    private final class Holder implements NativeBuffer {
        private final String name;
        private final Shared entry;
        private boolean closed;

        Holder(String name, Shared entry) {
            this.name = name;
            this.entry = entry;
        }

        @Override
        public long address() {
            return entry.memory.address();
        }

        @Override
        public long size() {
            return entry.memory.size();
        }

        @Override
        public java.nio.ByteBuffer bytes(long offset, int length) {
            return entry.memory.bytes(offset, length);
        }

        @Override
        public void discard(long offset, long bytes) {
            entry.memory.discard(offset, bytes);
        }

        @Override
        public void close() {
            synchronized (NativeMemoryService.this) {
                if (!closed) {
                    closed = true;
                    entry.holders--;
                    dropIfUnused(name, entry);
                }
            }
        }
    }
}
