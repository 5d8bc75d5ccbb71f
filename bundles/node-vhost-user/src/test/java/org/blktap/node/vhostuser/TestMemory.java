package org.blktap.node.vhostuser;

import org.blktap.api.memory.Memory;
import org.blktap.linux.Libc;
import org.blktap.linux.Mapping;

/** A memfd, mapped here as a VM's side sees it. */
@VhostSettings
final class TestMemory implements AutoCloseable {
    static final VhostSettings SETTINGS = TestMemory.class.getAnnotation(VhostSettings.class);
    static final VhostUserLimits LIMITS = new VhostUserLimits(SETTINGS);

    final int fd;
    final Mapping mapping;

    TestMemory(long bytes) {
        fd = Libc.memfd_create("test", Libc.MFD_CLOEXEC);
        if (fd < 0 || Libc.ftruncate(fd, bytes) != 0) {
            throw new IllegalStateException("errno " + Libc.errno());
        }
        mapping = Mapping.ofFile(fd, 0, bytes);
    }

    long address() {
        return mapping.address();
    }

    /** A region as a message describes it. */
    static MemoryRegion region(int fd, long guest, long size, long user, long offset) throws ProtocolException {
        try (Mapping wire = Mapping.anonymous(Protocol.REGION_BYTES)) {
            describe(wire.address(), guest, size, user, offset);
            return MemoryRegion.map(wire.address(), fd, LIMITS.memoryShare());
        }
    }

    static void describe(long at, long guest, long size, long user, long offset) {
        Memory.putLong(at, guest);
        Memory.putLong(at + 8, size);
        Memory.putLong(at + 16, user);
        Memory.putLong(at + 24, offset);
    }

    @Override
    public void close() {
        mapping.close();
        Libc.close(fd);
    }
}
