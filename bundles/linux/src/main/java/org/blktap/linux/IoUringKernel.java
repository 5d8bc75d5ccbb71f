package org.blktap.linux;

import java.io.IOException;
import java.nio.file.Path;
import org.blktap.api.engine.Errno;
import org.blktap.api.engine.ErrnoException;

/**
 * The kernel's side of an {@link IoUring}: its system calls, each of which returns a negative errno if it fails. A test
 * may simulate it.
 */
public interface IoUringKernel {
    /** This machine's kernel. */
    IoUringKernel THIS = new SystemCalls();

    /** io_uring_setup(2). */
    int setup(int entries, long params);

    /** io_uring_enter(2). */
    int enter(int fd, int submit, int wait, int flags);

    /** io_uring_register(2). */
    int register(int fd, int operation, long argument, int count);

    /** mmap(2) of a part of a ring, for reading and writing. */
    long map(int fd, long offset, long bytes);

    /** munmap(2). */
    void unmap(long address, long bytes);

    /** close(2). */
    void close(int fd);

    /** What io_uring_setup(2) says with EPERM and ENOSYS, and what sysctl says of it (io_uring_disabled, Linux 6.6). */
    static String forbidden(ErrnoException failure) {
        if (failure.errno() != Errno.EPERM) {
            return failure.getMessage();
        }
        String setting;
        try {
            setting = ProcFile.read(Path.of("/proc/sys/kernel/io_uring_disabled"));
        } catch (IOException e) {
            // a kernel that has no such setting
            setting = "0";
        }
        return "io_uring is forbidden here: "
                + (setting.equals("0") ? "by seccomp" : "kernel.io_uring_disabled is " + setting);
    }

    /** The numbers of these calls are the same on all processors. */
    final class SystemCalls implements IoUringKernel {
        private static final int SYS_IO_URING_SETUP = 425;
        private static final int SYS_IO_URING_ENTER = 426;
        private static final int SYS_IO_URING_REGISTER = 427;

        private SystemCalls() {}

        private static int result(long returned) {
            return returned < 0 ? -Libc.errno() : (int) returned;
        }

        @Override
        public int setup(int entries, long params) {
            return result(Libc.syscall(SYS_IO_URING_SETUP, entries, params, 0, 0, 0, 0));
        }

        @Override
        public int enter(int fd, int submit, int wait, int flags) {
            return result(Libc.syscall(SYS_IO_URING_ENTER, fd, submit, wait, flags, 0, 0));
        }

        @Override
        public int register(int fd, int operation, long argument, int count) {
            return result(Libc.syscall(SYS_IO_URING_REGISTER, fd, operation, argument, count, 0, 0));
        }

        @Override
        public long map(int fd, long offset, long bytes) {
            long address = Libc.mmap(
                    0, bytes, Libc.PROT_READ | Libc.PROT_WRITE, Libc.MAP_SHARED | Libc.MAP_POPULATE, fd, offset);
            return address == -1 ? -Libc.errno() : address;
        }

        @Override
        public void unmap(long address, long bytes) {
            Libc.munmap(address, bytes);
        }

        @Override
        public void close(int fd) {
            Libc.close(fd);
        }
    }
}
