package org.blktap.node.ublk;

import java.io.IOException;
import java.lang.System.Logger.Level;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.stream.IntStream;
import org.blktap.api.engine.ErrnoException;
import org.blktap.api.memory.NativeBuffer;
import org.blktap.linux.IoUring;
import org.blktap.linux.Libc;
import org.blktap.linux.Mapping;

/** This machine. */
final class LinuxHost implements UblkHost {
    static final Path CONTROL = Path.of("/dev/ublk-control");
    private static final Path CHARACTER_DEVICES = Path.of("/sys/class/ublk-char");
    private static final String PREFIX = "ublkc";
    /** The most devices that are looked at. */
    private static final int DEVICES_MAX = 65536;
    /**
     * Time limit of a request, after which the driver of Linux 6.12 notices that a killed daemon had taken all tags;
     * without effect while a daemon serves the device.
     */
    private static final String TIMEOUT_MILLISECONDS = "3000";

    @Override
    public int openControl() throws ErrnoException {
        return open(CONTROL.toString());
    }

    @Override
    public int openQueues(int number) throws ErrnoException {
        return open("/dev/" + PREFIX + number);
    }

    private static int open(String path) throws ErrnoException {
        int fd = Libc.open(path, Libc.O_RDWR | Libc.O_CLOEXEC, 0);
        if (fd < 0) {
            throw new ErrnoException("cannot open " + path, Libc.errno());
        }
        return fd;
    }

    @Override
    public NativeBuffer mapDescriptors(int fd, long offset, long bytes) throws ErrnoException {
        Mapping mapping = Mapping.ofDevice(fd, offset, bytes);
        if (mapping == null) {
            throw new ErrnoException("cannot map descriptors of a ublk device", Libc.errno());
        }
        return mapping;
    }

    @Override
    public IoUring ring(int entries, int flags) throws ErrnoException {
        return IoUring.open(entries, flags);
    }

    @Override
    public int eventFd() throws ErrnoException {
        int fd = Libc.eventfd(0, Libc.EFD_CLOEXEC | Libc.EFD_NONBLOCK);
        if (fd < 0) {
            throw new ErrnoException("cannot make an eventfd", Libc.errno());
        }
        return fd;
    }

    @Override
    public void close(int fd) {
        Libc.close(fd);
    }

    @Override
    public int pageBytes() {
        return Libc.getpagesize();
    }

    @Override
    public int pid() {
        return (int) ProcessHandle.current().pid();
    }

    @Override
    public int user() {
        return Libc.geteuid();
    }

    @Override
    public int[] devices() throws IOException {
        IntStream.Builder numbers = IntStream.builder();
        int count = 0;
        try (DirectoryStream<Path> all = Files.newDirectoryStream(CHARACTER_DEVICES, PREFIX + "*")) {
            for (Path each : all) {
                String number = each.getFileName().toString().substring(PREFIX.length());
                if (number.matches("[0-9]{1,7}") && count++ < DEVICES_MAX) {
                    numbers.add(Integer.parseInt(number));
                }
            }
        }
        return numbers.build().sorted().toArray();
    }

    @Override
    public String holder(int number) {
        return Holders.of(number);
    }

    @Override
    public void shortTimeout(int number) {
        Path timeout = Path.of("/sys/block/ublkb" + number + "/queue/io_timeout");
        try {
            Files.writeString(timeout, TIMEOUT_MILLISECONDS);
        } catch (IOException e) {
            System.getLogger("org.blktap.node.ublk").log(Level.DEBUG, "cannot write " + timeout + ": " + e);
        }
    }
}
