package org.blktap.core;

import java.io.IOException;
import java.lang.System.Logger;
import java.lang.System.Logger.Level;
import java.nio.charset.StandardCharsets;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.util.Random;
import java.util.concurrent.atomic.AtomicLong;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.zip.CRC32C;
import org.blktap.api.disk.FileNames;
import org.blktap.linux.ProcFile;

/**
 * Files that are being made: {@code .<name>.<place>-<pid>-<number>.new}, beside where they will be. A process that was
 * killed leaves them, and the next that makes a file in the directory removes them. The place is one boot of one system
 * and its space of process numbers: on a shared file system the same number may be a living process of another host or
 * container.
 */
final class UnfinishedFiles {
    private static final Logger LOG = System.getLogger("org.blktap.core");
    private static final String PLACE = place();
    private static final Pattern NAME = Pattern.compile("\\..+\\." + PLACE + "-(\\d{1,18})-\\d+\\.new");
    /** So that two that are made at once, perhaps of one name, are two files. */
    private static final AtomicLong MADE = new AtomicLong();

    private UnfinishedFiles() {}

    /** A name, not used before, for a file that will have this path. */
    static Path name(Path path) {
        return path.resolveSibling(FileNames.path("." + FileNames.text(path.getFileName()) + "."
                + suffix(ProcessHandle.current().pid(), MADE.incrementAndGet())));
    }

    static String suffix(long pid, long number) {
        return PLACE + "-" + pid + "-" + number + ".new";
    }

    /**
     * Removes what dead processes have left in the directory of a file that {@link #name} has named. Only files of the
     * same owner: the processes of others may be hidden.
     */
    static void removeLeftOver(Path made) {
        try (DirectoryStream<Path> files =
                Files.newDirectoryStream(made.toAbsolutePath().getParent(), ".*.new")) {
            Object owner = owner(made);
            for (Path file : files) {
                Matcher name = NAME.matcher(FileNames.text(file.getFileName()));
                if (name.matches()
                        && ProcessHandle.of(Long.parseLong(name.group(1))).isEmpty()
                        && Files.isRegularFile(file, LinkOption.NOFOLLOW_LINKS)
                        && owner(file).equals(owner)) {
                    Files.deleteIfExists(file);
                    LOG.log(Level.INFO, file + ": removed; the process that was making it has ended");
                }
            }
        } catch (IOException | RuntimeException e) {
            // the new file does not depend on it
            LOG.log(Level.WARNING, made + ": cannot look for files that were not finished: " + e);
        }
    }

    private static Object owner(Path file) throws IOException {
        return Files.getAttribute(file, "unix:uid", LinkOption.NOFOLLOW_LINKS);
    }

    private static String place() {
        CRC32C hash = new CRC32C();
        try {
            hash.update(
                    ProcFile.read(Path.of("/proc/sys/kernel/random/boot_id")).getBytes(StandardCharsets.US_ASCII));
            hash.update(Files.readSymbolicLink(Path.of("/proc/self/ns/pid"))
                    .toString()
                    .getBytes(StandardCharsets.UTF_8));
        } catch (IOException e) {
            // a place of its own: nothing is removed
            hash.update(Long.toString(new Random().nextLong()).getBytes(StandardCharsets.UTF_8));
        }
        return String.format("%08x", hash.getValue());
    }
}
