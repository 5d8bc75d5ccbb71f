package org.blktap.filter.luks;

import org.blktap.api.disk.BlockingDisk;
import org.blktap.api.disk.DiskException;
import org.blktap.api.disk.VirtualDisk;
import org.blktap.api.filter.FilterContext;
import org.blktap.api.memory.NativeBuffer;

/** The disk below as the store of its header. */
final class DiskStore implements HeaderStore {
    private final String name;
    private final long size;
    private final BlockingDisk disk;

    DiskStore(VirtualDisk below, FilterContext context) {
        name = context.id();
        size = below.info().sizeBytes();
        disk = new BlockingDisk(below, context.loop(), name);
    }

    @Override
    public String name() {
        return name;
    }

    @Override
    public long size() {
        return size;
    }

    @Override
    public void read(long offset, NativeBuffer into, int bytes) throws DiskException {
        disk.read(offset, into.address(), bytes);
    }

    /** Writes the beginning of a buffer, in whole sectors. */
    void write(long offset, NativeBuffer from, int bytes) throws DiskException {
        disk.write(offset, from.address(), bytes);
    }

    void zero(long offset, long bytes) throws DiskException {
        disk.zero(offset, bytes);
    }

    void flush() throws DiskException {
        disk.flush();
    }
}
