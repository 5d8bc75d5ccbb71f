package org.blktap.itests;

import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.Map;
import java.util.stream.Stream;

/**
 * The built distribution, unpacked once for all classes of tests, with an archive of its classes. A daemon's copy has
 * hard links to the jars of the class path, without which Java would not take the archive.
 */
final class Distribution {
    private Distribution() {}

    /** The archive, for {@code BLKTAP_ARCHIVE_DIR}. */
    static Path archive() throws Exception {
        return unpacked().resolve("archive");
    }

    /** Puts a copy into a directory, whose files tests may replace but not write into; returns its path. */
    static Path copy(Path directory) throws Exception {
        Path original = home(unpacked());
        Path copy = directory.resolve(original.getFileName());
        Files.createDirectory(copy);
        try (Stream<Path> parts = Files.list(original)) {
            for (Path part : (Iterable<Path>) parts::iterator) {
                boolean linked = part.endsWith("lib") || part.endsWith("bundle");
                // where the directory is on another file system, the daemon starts without the archive
                if (!linked
                        || Run.of("cp", "-al", part.toString(), copy.toString()).status() != 0) {
                    Run.of("cp", "-a", part.toString(), copy.toString()).ok();
                }
            }
        }
        return copy;
    }

    private static Path home(Path directory) throws IOException {
        try (Stream<Path> files = Files.list(directory)) {
            return files.filter(f -> Files.isDirectory(f.resolve("bin")))
                    .findFirst()
                    .orElseThrow();
        }
    }

    /** Classes of tests run in processes of their own, two at the same time: the first one makes it. */
    private static synchronized Path unpacked() throws Exception {
        Path directory = Path.of(System.getProperty("distribution.directory")).resolve("for-tests");
        Files.createDirectories(directory);
        Path tar = tar();
        String state = tar.getFileName() + " " + Files.getLastModifiedTime(tar);
        Path made = directory.resolve("made");
        try (FileChannel lock =
                FileChannel.open(directory.resolve("lock"), StandardOpenOption.CREATE, StandardOpenOption.WRITE)) {
            lock.lock();
            Path current = directory.resolve("current");
            if (!Files.exists(made) || !Files.readString(made).equals(state)) {
                Files.deleteIfExists(made);
                Run.of("rm", "-rf", current.toString()).ok();
                Files.createDirectory(current);
                Run.of("tar", "xf", tar.toString(), "-C", current.toString()).ok();
                makeArchive(current);
                Files.writeString(made, state);
            }
            return current;
        }
    }

    private static void makeArchive(Path directory) throws Exception {
        Map<String, String> environment = Map.of(
                "BLKTAP_ARCHIVE_DIR", directory.resolve("archive").toString(),
                "BLKTAP_DATA_DIR", directory.resolve("data").toString(),
                "BLKTAP_RUN_DIR", directory.resolve("run").toString());
        Run.of(environment, home(directory).resolve("bin/blktapd").toString(), "--archive")
                .ok();
        assertTrue(Files.exists(directory.resolve("archive/classes.jsa")), "no archive was made");
    }

    private static Path tar() throws IOException {
        try (Stream<Path> files = Files.list(Path.of(System.getProperty("distribution.directory")))) {
            return files.filter(f -> f.getFileName().toString().matches("blktap-.*\\.tar\\.gz"))
                    .findFirst()
                    .orElseThrow();
        }
    }
}
