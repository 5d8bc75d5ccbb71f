package org.blktap.api.testkit;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.function.Predicate;
import java.util.stream.Stream;

/**
 * What this process holds, from {@code /proc/self}, for comparison before and after. The JVM opens and closes
 * descriptors of its own at any time.
 */
public final class ProcessResources {
    private static final Path DESCRIPTORS = Path.of("/proc/self/fd");

    private ProcessResources() {}

    /** The number of open descriptors. */
    public static long descriptors() throws IOException {
        try (Stream<Path> descriptors = Files.list(DESCRIPTORS)) {
            return descriptors.count();
        }
    }

    /** The number of open sockets. */
    public static long sockets() throws IOException {
        try (Stream<Path> descriptors = Files.list(DESCRIPTORS)) {
            return descriptors.filter(ProcessResources::isSocket).count();
        }
    }

    private static boolean isSocket(Path descriptor) {
        try {
            return Files.readSymbolicLink(descriptor).toString().startsWith("socket:");
        } catch (IOException e) {
            // closed meanwhile
            return false;
        }
    }

    /** The number of mappings whose lines in {@code /proc/self/maps} are of this kind. */
    public static long mappings(Predicate<String> kind) throws IOException {
        try (Stream<String> lines = Files.lines(Path.of("/proc/self/maps"))) {
            return lines.filter(kind).count();
        }
    }

    /** The number of mappings of the file behind a descriptor. */
    public static long mappingsOf(int descriptor) throws IOException {
        Object inode = Files.getAttribute(DESCRIPTORS.resolve(Integer.toString(descriptor)), "unix:ino");
        return mappings(line -> line.contains(" " + inode + " "));
    }
}
