package org.blktap.itests;

import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;

/**
 * The built distribution, unpacked once for all classes of tests, with an archive of its classes. A daemon's copy has
 * hard links to the jars of the class path, without which Java would not take the archive.
 */
final class UnpackedDistribution {
    /** The jars of the daemon's class path, as {@code bin/blktapd} has it. */
    private static final List<String> CLASS_PATH =
            List.of("lib/felix-main.jar", "bundle/shell.jar", "bundle/deploy.jar", "bundle/api.jar", "bundle/gson.jar");

    private UnpackedDistribution() {}

    /** The archive, for {@code BLKTAP_ARCHIVE_DIR}. */
    static Path archive() throws Exception {
        return unpacked().resolve("archive");
    }

    /** Puts a copy into a directory; returns its path. The jars of the class path may be replaced, not changed. */
    static Path copy(Path directory) throws Exception {
        Path original = home(unpacked());
        Run.of("cp", "-a", original.toString(), directory.toString()).ok();
        Path copy = directory.resolve(original.getFileName());
        for (String jar : CLASS_PATH) {
            // where the directory is on another file system, the daemon starts without the archive
            Run.of(
                    "ln",
                    "-f",
                    original.resolve(jar).toString(),
                    copy.resolve(jar).toString());
        }
        return copy;
    }

    /** Makes a jar of the class path a file of its own, with the same time, that a test may change. */
    static void own(Path jar) throws Exception {
        Path copy = jar.resolveSibling("." + jar.getFileName());
        Files.copy(jar, copy, StandardCopyOption.COPY_ATTRIBUTES);
        Files.move(copy, jar, StandardCopyOption.ATOMIC_MOVE);
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
