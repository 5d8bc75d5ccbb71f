package org.blktap.node.xen;

import java.io.IOException;
import java.nio.file.DirectoryIteratorException;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.blktap.api.engine.Errno;
import org.blktap.linux.Libc;
import org.blktap.linux.Mapping;
import org.blktap.linux.PinnedFile;

/**
 * The file in which the request logs of one device are, so that they outlive the process: in the directory for sockets,
 * which does not outlive the machine, as what is logged does not either. Any thread, one at a time.
 */
final class RequestLogFile implements AutoCloseable {
    private static final Pattern NAME = Pattern.compile("xen-([0-9]{1,5})-([0-9]{1,9})\\.log");

    private final Path path;
    private Mapping mapping;

    private RequestLogFile(Path path) {
        this.path = path;
    }

    /** That of one device of a domain. */
    static RequestLogFile of(Path runDir, int domain, int device) {
        return new RequestLogFile(runDir.resolve("xen-" + domain + "-" + device + ".log"));
    }

    /** Whether a device may have requests in flight. */
    interface InUse {
        boolean test(int domain, int device) throws IOException;
    }

    /** Removes the files of devices that are not in use: their domains have ended while no daemon ran. */
    static void removeOthers(Path runDir, InUse inUse) throws IOException {
        try (DirectoryStream<Path> files = Files.newDirectoryStream(runDir, "xen-*.log")) {
            for (Path file : files) {
                Matcher name = NAME.matcher(file.getFileName().toString());
                if (name.matches() && !inUse.test(Integer.parseInt(name.group(1)), Integer.parseInt(name.group(2)))) {
                    Files.delete(file);
                }
            }
        } catch (DirectoryIteratorException e) {
            throw e.getCause();
        }
    }

    /**
     * Maps so many bytes: what an earlier process left, if it is as long, else zeros.
     *
     * @return the address
     */
    long open(long bytes) throws IOException {
        close();
        if (Files.exists(path, LinkOption.NOFOLLOW_LINKS)
                && (!Files.isRegularFile(path, LinkOption.NOFOLLOW_LINKS) || Files.size(path) != bytes)) {
            Files.delete(path);
        }
        int fd = Libc.open(
                path.toString(), Libc.O_RDWR | Libc.O_CREAT | Libc.O_NOFOLLOW | Libc.O_NONBLOCK | Libc.O_CLOEXEC, 0600);
        if (fd < 0) {
            throw failed("opened");
        }
        try {
            // with its space: a store into a hole of a full file system would fault
            if (Libc.fallocate(fd, 0, 0, bytes) != 0) {
                throw failed("extended");
            }
            mapping = Mapping.ofFile(fd, 0, bytes);
            if (mapping == null) {
                throw failed("mapped");
            }
            return mapping.address();
        } finally {
            Libc.close(fd);
        }
    }

    private IOException failed(String what) {
        return new IOException(path + ": cannot be " + what + ": " + Errno.text(Libc.errno()));
    }

    /** Forgets what is logged: the connection has ended. */
    void delete() {
        close();
        Libc.unlink(PinnedFile.bytes(path));
    }

    /** Unmaps the file and leaves it for the next process. */
    @Override
    public void close() {
        if (mapping != null) {
            mapping.close();
            mapping = null;
        }
    }
}
