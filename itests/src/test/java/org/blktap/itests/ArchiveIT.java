package org.blktap.itests;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.FileSystem;
import java.nio.file.FileSystems;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.attribute.FileTime;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The archive of classes: made once, used by later starts, ignored and made anew where it does not fit. */
class ArchiveIT {
    @TempDir
    Path directory;

    private Path archive;
    private Daemon daemon;

    /**
     * Logs where each class came from, in a file for each process: the one that makes an archive has the same options.
     */
    @BeforeEach
    void prepare() throws Exception {
        archive = directory.resolve("data/archive");
        daemon = new Daemon(
                directory,
                Map.of(
                        "BLKTAP_ARCHIVE_DIR",
                        "",
                        "BLKTAP_JAVA_OPTS",
                        "-Xlog:class+load:file=" + directory.resolve("loaded-%p") + ":none:filecount=0"));
    }

    @AfterEach
    void end() throws Exception {
        daemon.close();
    }

    /** What an archive was made from; empty while a new one is put in its place. */
    private String description() throws IOException {
        try {
            return Files.readString(archive.resolve("classes.txt"));
        } catch (NoSuchFileException e) {
            return "";
        }
    }

    @Test
    void itIsMadeUsedAndMadeAnew() throws Exception {
        daemon.start();
        Wait.until("the archive is made", () -> Files.exists(archive.resolve("classes.txt")));
        daemon.stop();
        assertTrue(Files.size(archive.resolve("classes.jsa")) > 1 << 20, "the size of the archive");
        assertNothingElseIn(archive);
        String made = Files.readString(archive.resolve("classes.txt"));
        assertEquals(0, archived("org.apache.felix.framework.Felix"));

        daemon.start();
        assertEquals(1, archived("org.apache.felix.framework.Felix"), "the framework's");
        assertEquals(1, archived("org.apache.felix.scr.impl.Activator"), "a bundle's of the platform");
        assertEquals(1, archived("org.blktap.aio.AioDriver"));
        daemon.blktap("diag").ok();
        daemon.stop();
        assertEquals(made, Files.readString(archive.resolve("classes.txt")));

        // another jar of the class path: the archive as a whole does not fit
        Path shell = daemon.home.resolve("bundle/shell.jar");
        UnpackedDistribution.own(shell);
        Files.setLastModifiedTime(
                shell, FileTime.fromMillis(Files.getLastModifiedTime(shell).toMillis() - 10_000));
        daemon.start();
        assertEquals(0, archived("org.apache.felix.framework.Felix"));
        Wait.until("the archive is made anew", () -> !List.of("", made).contains(description()));
        daemon.stop();
        daemon.start();
        assertEquals(1, archived("org.apache.felix.framework.Felix"));
        assertNoWarning();
    }

    @Test
    void whatIsNotAnArchiveKeepsNothingFromStarting() throws Exception {
        Files.createDirectories(archive);
        Files.write(archive.resolve("classes.jsa"), new byte[100_000]);
        daemon.start();
        assertEquals(0, archived("org.apache.felix.framework.Felix"));
        Wait.until("the archive is made", () -> Files.exists(archive.resolve("classes.txt")));
        byte[] whole = Files.readAllBytes(archive.resolve("classes.jsa"));
        assertNotEquals(100_000, whole.length);
        daemon.stop();
        Files.write(archive.resolve("classes.jsa"), Arrays.copyOf(whole, whole.length / 2));
        daemon.start();
        assertEquals(0, archived("org.apache.felix.framework.Felix"));
        assertTrue(daemon.log().contains("classes.jsa is not used: it has not the length"), daemon::log);
        Wait.until("the archive is made anew", () -> Files.exists(archive.resolve("classes.txt")));
        daemon.stop();
        daemon.start();
        assertEquals(1, archived("org.apache.felix.framework.Felix"));
    }

    @Test
    void anArchiveWithWhichAStartDidNotBecomeReadyIsMadeAnew() throws Exception {
        daemon.start();
        Wait.until("the archive is made", () -> Files.exists(archive.resolve("classes.txt")));
        daemon.stop();
        // the files left by a start whose JVM died of a signal; whether a damaged archive kills the JVM depends on its
        // version
        Path file = archive.resolve("classes.jsa");
        long seconds = Files.getLastModifiedTime(file).toMillis() / 1000;
        Files.writeString(
                directory.resolve("data/archive-unready"), archive + " " + Files.size(file) + " " + seconds + "\n");
        daemon.start();
        assertEquals(0, archived("org.apache.felix.framework.Felix"));
        assertTrue(
                daemon.log().contains("classes.jsa is not used: the last start with it has not become ready"),
                daemon::log);
        Wait.until("the archive is made anew", () -> Files.exists(archive.resolve("classes.txt")));
        daemon.stop();
        daemon.start();
        assertEquals(1, archived("org.apache.felix.framework.Felix"));
    }

    @Test
    void aDeployedJarThatHasChangedIsRead() throws Exception {
        daemon.start();
        Wait.until("the archive is made", () -> Files.exists(archive.resolve("classes.txt")));
        daemon.stop();
        daemon.start();
        assertEquals(1, archived("org.blktap.format.ram.RamDriver"));
        assertTrue(daemon.blktap("attach", "tap:ram:#").err().contains("letters, digits"));
        daemon.stop();

        Path jar = daemon.home.resolve("deploy/format-ram.jar");
        FileTime time = Files.getLastModifiedTime(jar);
        try (FileSystem inside = FileSystems.newFileSystem(jar)) {
            Path file = inside.getPath("org/blktap/format/ram/RamDriver.class");
            String code = new String(Files.readAllBytes(file), StandardCharsets.ISO_8859_1);
            Files.write(file, code.replace("letters, digits", "LETTERS, DIGITS").getBytes(StandardCharsets.ISO_8859_1));
        }
        // only the bytes differ
        Files.setLastModifiedTime(jar, time);
        daemon.start();
        assertTrue(daemon.blktap("attach", "tap:ram:#").err().contains("LETTERS, DIGITS"));
        assertEquals(0, archived("org.blktap.format.ram.RamDriver"));
        assertEquals(1, archived("org.blktap.aio.AioDriver"));
        assertNoWarning();
    }

    /** How many classes of a name came from the archive in the last start. */
    private long archived(String name) throws IOException {
        try (Stream<String> lines = Files.lines(directory.resolve("loaded-" + daemon.pid()))) {
            return lines.filter(line -> line.startsWith(name + " ") && line.endsWith("shared objects file (top)"))
                    .count();
        }
    }

    private static void assertNothingElseIn(Path folder) throws IOException {
        try (Stream<Path> files = Files.list(folder)) {
            assertEquals(3, files.count());
        }
    }

    private void assertNoWarning() {
        assertFalse(
                Pattern.compile("WARN|warning|archive of classes")
                        .matcher(daemon.log())
                        .find(),
                daemon.log());
    }
}
