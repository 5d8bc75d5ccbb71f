package org.blktap.linux;

import org.blktap.api.memory.Alignment;
import org.blktap.api.memory.Memory;

/**
 * The kernel's data about an open file ({@code struct statx} of linux/stat.h).
 *
 * @param mode the type and permission bits, as {@code st_mode}
 * @param links names that the file has; 0 once it is deleted
 * @param owner the user that owns it
 * @param allocated bytes that the file occupies, including its metadata; of a block device 0
 * @param device the number of the device that holds the file
 * @param directMemoryAlignment bytes to which memory must be aligned for O_DIRECT, or 0 if the kernel does not say
 * @param directOffsetAlignment bytes to which offsets and lengths must be aligned for O_DIRECT, or 0 if the kernel does
 *     not say
 */
public record FileStatus(
        int mode,
        int links,
        int owner,
        long inode,
        long size,
        long allocated,
        long device,
        int directMemoryAlignment,
        int directOffsetAlignment) {
    private static final int STATX_BASIC_STATS = 0x7ff;
    private static final int STATX_DIOALIGN = 0x2000;
    private static final int S_IFMT = 0xf000;
    private static final int S_IFREG = 0x8000;
    private static final int S_IFBLK = 0x6000;
    private static final int S_IFDIR = 0x4000;
    private static final int S_IFSOCK = 0xc000;

    /** Returns the status of an open descriptor; null on failure, with the reason in {@link Libc#errno}. */
    public static FileStatus of(int fd) {
        try (Mapping buffer = Mapping.anonymous(Libc.STATX_BYTES)) {
            long at = buffer.address();
            if (Libc.statx(fd, "", Libc.AT_EMPTY_PATH, STATX_BASIC_STATS | STATX_DIOALIGN, at) != 0) {
                return null;
            }
            boolean direct = (Memory.getInt(at) & STATX_DIOALIGN) != 0;
            return new FileStatus(
                    Memory.getShort(at + Libc.STATX_AT_MODE) & 0xffff,
                    Memory.getInt(at + Libc.STATX_AT_NLINK),
                    Memory.getInt(at + Libc.STATX_AT_UID),
                    Memory.getLong(at + Libc.STATX_AT_INO),
                    Memory.getLong(at + Libc.STATX_AT_SIZE),
                    Memory.getLong(at + Libc.STATX_AT_BLOCKS) * Alignment.SECTOR,
                    (long) Memory.getInt(at + Libc.STATX_AT_DEV_MAJOR) << 32
                            | Memory.getInt(at + Libc.STATX_AT_DEV_MINOR) & 0xffffffffL,
                    direct ? Memory.getInt(at + Libc.STATX_AT_DIO_MEM_ALIGN) : 0,
                    direct ? Memory.getInt(at + Libc.STATX_AT_DIO_OFFSET_ALIGN) : 0);
        }
    }

    public boolean regularFile() {
        return (mode & S_IFMT) == S_IFREG;
    }

    public boolean blockDevice() {
        return (mode & S_IFMT) == S_IFBLK;
    }

    public boolean directory() {
        return (mode & S_IFMT) == S_IFDIR;
    }

    public boolean socket() {
        return (mode & S_IFMT) == S_IFSOCK;
    }

    /** Whether both describe one file, under any name. */
    public boolean sameFile(FileStatus other) {
        return device == other.device && inode == other.inode;
    }
}
