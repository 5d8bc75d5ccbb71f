package org.blktap.node.vhostuser;

import static org.blktap.api.memory.Alignment.PAGE;

import org.blktap.api.engine.Errno;
import org.blktap.api.memory.Alignment;
import org.blktap.api.memory.Memory;
import org.blktap.linux.Libc;
import org.blktap.linux.Mapping;

/**
 * Maps parts of files that a client sent: memfds, and files on tmpfs or hugetlbfs. The pages of other files may arrive
 * late or never, as those of a FUSE file whose server does not answer: the whole JVM would wait for the thread that
 * touched one.
 */
final class SharedFile {
    // struct statx of linux/stat.h: u32 blksize@4, u64 size@40
    private static final int STATX_SIZE = 0x200;
    /** The largest huge page of x86-64 and aarch64. */
    private static final long HUGE_PAGE_MAX = 1L << 34;

    private SharedFile() {}

    /**
     * A mapping, and the address of the wanted part in it.
     *
     * @param share what the mapping counts against
     */
    record Part(Mapping mapping, long address, VhostUserLimits.MemoryShare share) implements AutoCloseable {
        @Override
        public void close() {
            mapping.close();
            share.giveBack(mapping.size());
        }
    }

    /**
     * Maps {@code bytes} bytes from {@code offset}, all of which the file must have: an access past its end would be a
     * bus error. The mapping begins and ends where the file's pages do, which on hugetlbfs are huge.
     *
     * @param what names the part in messages
     * @param share what the mapping counts against
     */
    static Part map(int fd, long offset, long bytes, String what, VhostUserLimits.MemoryShare share)
            throws ProtocolException {
        if (Received.kind(fd) != Received.MEMORY) {
            throw new ProtocolException(
                    what
                            + ": its descriptor is not shared memory: expected a memfd, or a file on tmpfs (/dev/shm) or hugetlbfs");
        }
        long pageSize;
        try (Mapping status = Mapping.anonymous(Libc.STATX_BYTES)) {
            long at = status.address();
            if (Libc.statx(fd, "", Libc.AT_EMPTY_PATH, STATX_SIZE, at) != 0) {
                throw new ProtocolException(what + ": cannot look at its file: " + Errno.text(Libc.errno()));
            }
            long size = Memory.getLong(at + Libc.STATX_AT_SIZE);
            if (bytes <= 0 || offset < 0 || offset > size || bytes > size - offset) {
                throw new ProtocolException(what + ": bytes " + Long.toUnsignedString(offset) + "+"
                        + Long.toUnsignedString(bytes) + " are not inside its file of " + size);
            }
            long block = Memory.getInt(at + Libc.STATX_AT_BLKSIZE) & 0xffffffffL;
            pageSize = Long.bitCount(block) == 1 && block > PAGE && block <= HUGE_PAGE_MAX ? block : PAGE;
        }
        long start = Alignment.down(offset, pageSize);
        long length = Alignment.upExact(offset + bytes - start, pageSize);
        share.take(length, what);
        Mapping mapping = Mapping.ofFile(fd, start, length);
        if (mapping == null) {
            share.giveBack(length);
            throw new ProtocolException(what + ": cannot map " + length + " bytes: " + Errno.text(Libc.errno()));
        }
        return new Part(mapping, mapping.address() + (offset - start), share);
    }
}
