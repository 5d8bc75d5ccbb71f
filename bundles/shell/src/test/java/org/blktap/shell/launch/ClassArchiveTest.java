package org.blktap.shell.launch;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.FileTime;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class ClassArchiveTest {
    @TempDir
    Path directory;

    private ClassArchive archive;
    private Path made;

    @BeforeEach
    void installation() throws IOException {
        for (String jar : new String[] {
            "home/lib/felix-main.jar", "home/bundle/shell.jar", "home/bundle/core.jar", "deploy/aio.jar"
        }) {
            Files.createDirectories(directory.resolve(jar).getParent());
            Files.writeString(directory.resolve(jar), jar);
        }
        archive = new ClassArchive(directory.resolve("home"), directory.resolve("deploy"));
        made = Files.createDirectory(directory.resolve("archive"));
    }

    private void make() throws IOException {
        Files.writeString(made.resolve(ClassArchive.DESCRIPTION), archive.description());
    }

    @Test
    void oneIsMadeWhereThereIsNone() throws IOException {
        assertFalse(archive.isCurrent(made));
        assertFalse(archive.isCurrent(directory.resolve("nowhere")));
        make();
        assertTrue(archive.isCurrent(made));
    }

    @Test
    void anotherJarOfEveryFolderMakesItStale() throws IOException {
        for (String jar : new String[] {"home/lib/felix-main.jar", "home/bundle/core.jar", "deploy/aio.jar"}) {
            make();
            Files.setLastModifiedTime(directory.resolve(jar), FileTime.fromMillis(1_000_000));
            assertFalse(archive.isCurrent(made), jar);
            make();
            Files.writeString(directory.resolve(jar), "longer than before");
            Files.setLastModifiedTime(directory.resolve(jar), FileTime.fromMillis(1_000_000));
            assertFalse(archive.isCurrent(made), jar);
        }
        make();
        Files.delete(directory.resolve("deploy/aio.jar"));
        assertFalse(archive.isCurrent(made));
    }

    @Test
    void itNamesTheJava() throws IOException {
        assertEquals(
                System.getProperty("java.home"),
                archive.description().lines().findFirst().orElseThrow());
        assertTrue(archive.description().contains(System.getProperty("java.vm.version")));
    }

    @Test
    void aTrialWhoseJarsHaveChangedIsNotDescribed() throws IOException {
        Path trial = directory.resolve("description");
        archive.begin(trial);
        Files.writeString(directory.resolve("deploy/aio.jar"), "another version");
        archive.describe(trial);
        assertFalse(Files.exists(trial));
        archive.begin(trial);
        archive.describe(trial);
        assertEquals(archive.description(), Files.readString(trial));
    }
}
