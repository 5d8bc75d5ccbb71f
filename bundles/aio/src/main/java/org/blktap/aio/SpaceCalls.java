package org.blktap.aio;

import static org.blktap.api.memory.Alignment.SECTOR;

import org.blktap.api.engine.Errno;
import org.blktap.api.engine.ExtentList;
import org.blktap.api.memory.Alignment;
import org.blktap.api.memory.Memory;
import org.blktap.linux.Libc;
import org.blktap.linux.Mapping;

/** The blocking calls that manage a file's space; each returns 0 or an errno. For helper threads. */
final class SpaceCalls {
    private static final int ZEROS = 1 << 20;
    /** Extents after which a map stops; the caller asks again for the rest. */
    private static final int MAX_EXTENTS = 1024;

    // the argument of BLKDISCARD and BLKZEROOUT: two u64, in bytes
    private static final int AT_BEGIN = 0;
    private static final int AT_BYTES = 8;
    private static final int RANGE_BYTES = 16;

    private SpaceCalls() {}

    /** Frees space. A file system that cannot do that is no error, since a discard is a hint. */
    static int discard(OpenedFile file, long offset, long length) {
        int result = file.blockDevice()
                ? range(file.fd(), Libc.BLKDISCARD, offset, length)
                : call(Libc.fallocate(file.fd(), Libc.FALLOC_FL_PUNCH_HOLE | Libc.FALLOC_FL_KEEP_SIZE, offset, length));
        return result == Errno.EOPNOTSUPP ? 0 : result;
    }

    /** Makes a range zero, by the file system or device, or by writing. */
    static int zero(OpenedFile file, long size, long offset, long length, boolean unmap) {
        int result;
        if (file.blockDevice()) {
            result = range(file.fd(), Libc.BLKZEROOUT, offset, length);
        } else {
            result = zeroRange(file.fd(), size, offset, length, unmap);
        }
        return result == Errno.EOPNOTSUPP ? writeZeros(file, offset, length) : result;
    }

    private static int zeroRange(int fd, long size, long offset, long length, boolean unmap) {
        if (unmap) {
            int result = call(Libc.fallocate(fd, Libc.FALLOC_FL_PUNCH_HOLE | Libc.FALLOC_FL_KEEP_SIZE, offset, length));
            if (result != 0 || offset + length <= size) {
                return result;
            }
            return call(Libc.ftruncate(fd, offset + length));
        }
        int result = call(Libc.fallocate(fd, Libc.FALLOC_FL_ZERO_RANGE, offset, length));
        if (result != Errno.EOPNOTSUPP) {
            return result;
        }
        // tmpfs has no ZERO_RANGE: punch a hole, then allocate it
        result = call(Libc.fallocate(fd, Libc.FALLOC_FL_PUNCH_HOLE | Libc.FALLOC_FL_KEEP_SIZE, offset, length));
        return result != 0 ? result : call(Libc.fallocate(fd, 0, offset, length));
    }

    private static int writeZeros(OpenedFile file, long offset, long length) {
        try (Mapping zeros = Mapping.anonymous(Math.min(ZEROS, length))) {
            while (length > 0) {
                long n = Libc.pwrite(file.fd(), zeros.address(), Math.min(zeros.size(), length), offset);
                if (n < 0 && Libc.errno() != Errno.EINTR) {
                    return Libc.errno();
                }
                offset += Math.max(0, n);
                length -= Math.max(0, n);
            }
        }
        return 0;
    }

    static int truncate(int fd, long size) {
        return call(Libc.ftruncate(fd, size));
    }

    static int flush(int fd) {
        return call(Libc.fdatasync(fd));
    }

    /** Finds data and holes by lseek; a file system without support reports all as data. */
    static int map(OpenedFile file, DataRun known, long offset, long length, ExtentList into) {
        long end = offset + length;
        long at = offset;
        while (at < end && into.count() < MAX_EXTENTS) {
            int asOf = known.holes();
            long dataEnd = known.endAround(at);
            if (dataEnd > at) {
                dataEnd = Math.min(dataEnd, end);
                into.add(dataEnd - at, ExtentList.DATA);
                at = dataEnd;
                continue;
            }
            long data = file.blockDevice() ? at : Libc.lseek(file.fd(), at, Libc.SEEK_DATA);
            if (data < 0) {
                // ENXIO: no data from here on
                boolean hole = Libc.errno() == Errno.ENXIO;
                into.add(end - at, hole ? ExtentList.HOLE | ExtentList.ZERO : ExtentList.DATA);
                return 0;
            }
            data = Math.min(Math.max(at, data), end);
            into.add(data - at, ExtentList.HOLE | ExtentList.ZERO);
            long hole = data == end || file.blockDevice() ? end : Libc.lseek(file.fd(), data, Libc.SEEK_HOLE);
            if (hole > data) {
                known.found(data, hole, asOf);
            }
            hole = hole <= data ? end : Math.min(hole, end);
            into.add(hole - data, ExtentList.DATA);
            at = hole;
        }
        return 0;
    }

    private static int range(int fd, long request, long offset, long length) {
        long begin = request == Libc.BLKDISCARD ? Alignment.up(offset, SECTOR) : offset;
        long bytes = request == Libc.BLKDISCARD ? Alignment.down(offset + length, SECTOR) - begin : length;
        if (bytes <= 0) {
            return 0;
        }
        try (Mapping argument = Mapping.anonymous(RANGE_BYTES)) {
            Memory.putLong(argument.address() + AT_BEGIN, begin);
            Memory.putLong(argument.address() + AT_BYTES, bytes);
            int result = call(Libc.ioctl(fd, request, argument.address()));
            // a device that cannot do it, or one with larger sectors
            return result == Errno.ENOTTY || result == Errno.EINVAL ? Errno.EOPNOTSUPP : result;
        }
    }

    private static int call(int result) {
        return result == 0 ? 0 : Libc.errno();
    }
}
