package org.blktap.shell.launch;

import static org.junit.jupiter.api.Assertions.assertDoesNotThrow;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class RequirementsTest {
    @TempDir
    Path directory;

    private Path home;

    @BeforeEach
    void make() throws IOException {
        home = Files.createDirectories(directory.resolve("home"));
        Files.createDirectories(home.resolve("bundle"));
        Files.write(home.resolve("bundle/a.jar"), new byte[100_000]);
        Files.createDirectories(home.resolve("deploy"));
        Files.createDirectories(directory.resolve("data/tmp"));
        Files.createDirectories(directory.resolve("run"));
    }

    private void check() throws IOException {
        new Requirements(home, directory.resolve("data"), directory.resolve("run"), home.resolve("deploy")).check();
    }

    private void fails(String says) {
        String message = assertThrows(IOException.class, this::check).getMessage();
        assertTrue(message.contains(says), message);
        assertEquals(1, message.lines().count());
    }

    @Test
    void aSoundMachineIsLeftAsItWas() throws IOException {
        check();
        try (Stream<Path> data = Files.list(directory.resolve("data/tmp"));
                Stream<Path> run = Files.list(directory.resolve("run"))) {
            assertEquals(0, data.count() + run.count());
        }
    }

    @Test
    void namesWhatIsMissing() throws IOException {
        Files.delete(directory.resolve("data/tmp"));
        fails("BLKTAP_DATA_DIR");
        Files.createDirectory(directory.resolve("data/tmp"));
        Files.delete(directory.resolve("run"));
        fails("BLKTAP_RUN_DIR");
        Files.createDirectory(directory.resolve("run"));
        Files.delete(home.resolve("deploy"));
        fails("deploy");
        Files.delete(home.resolve("bundle/a.jar"));
        fails("no jars");
    }

    @Test
    void fewOpenFilesAreRefused() {
        String head = "Limit                     Soft Limit           Hard Limit           Units     \n";
        assertThrows(
                IOException.class,
                () -> Requirements.files(
                        head + "Max open files            100                  1024                 files     \n"));
        assertDoesNotThrow(() -> Requirements.files(
                head + "Max open files            1024                 1024                 files     \n"));
        assertDoesNotThrow(() -> Requirements.files(
                head + "Max open files            unlimited            unlimited            files     \n"));
    }
}
