package org.blktap.linux;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.List;
import java.util.stream.Stream;
import org.blktap.api.disk.FileNames;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class WholeFileTest {
    @TempDir
    Path directory;

    private Path file;
    private Path temporary;

    @BeforeEach
    void names() {
        file = directory.resolve("a");
        temporary = directory.resolve(".a.new");
    }

    @Test
    void aFileIsReplaced() throws IOException {
        Files.writeString(file, "old");
        WholeFile.write(file, "new".getBytes());
        assertEquals("new", Files.readString(file));
        assertEquals("rw-------", mode());
        assertEquals(List.of("a"), names(directory));
        WholeFile.remove(file);
        WholeFile.remove(file);
        assertEquals(List.of(), names(directory));
    }

    @Test
    void whatIsPreparedIsThereWhenItIsCommitted() throws IOException {
        Files.writeString(file, "old");
        Files.writeString(temporary, "left over");
        try (WholeFile.Prepared prepared = WholeFile.prepare(file, "new".getBytes())) {
            assertEquals("old", Files.readString(file));
            prepared.commit();
            assertEquals("new", Files.readString(file));
            assertEquals("rw-------", mode());
        }
        assertEquals(List.of("a"), names(directory));
        WholeFile.prepare(file, "newer".getBytes()).close();
        assertEquals(List.of("a"), names(directory));
        WholeFile.Prepared killed = WholeFile.prepare(file, "newer".getBytes());
        WholeFile.forget(file);
        WholeFile.forget(file);
        assertThrows(IOException.class, killed::commit);
        assertEquals("new", Files.readString(file));
        assertEquals(List.of("a"), names(directory));
    }

    @Test
    void aNameNeedNotBeUtf8() throws IOException {
        file = FileNames.path(directory + "/caf\udce9");
        WholeFile.write(file, "new".getBytes());
        assertEquals("new", Files.readString(file));
    }

    @Test
    void aCopyHasTheModeOfItsSource() throws IOException {
        Path source = Files.writeString(directory.resolve("source"), "jar");
        for (String mode : List.of("rw-r--r--", "rw-rw----")) {
            Files.setPosixFilePermissions(source, PosixFilePermissions.fromString(mode));
            Files.writeString(temporary, "left over, and longer");
            WholeFile.copy(source, file);
            assertEquals("jar", Files.readString(file));
            // less what the umask takes
            assertEquals(mode.substring(0, 3), mode().substring(0, 3));
            assertEquals(List.of("a", "source"), names(directory));
        }
    }

    @Test
    void aPlantedLinkIsNotFollowed() throws IOException {
        Path victim = Files.writeString(directory.resolve("victim"), "precious");
        Path source = Files.writeString(directory.resolve("source"), "jar");
        for (Path planted : List.of(temporary, file)) {
            Files.deleteIfExists(planted);
            Files.createSymbolicLink(planted, victim);
            WholeFile.write(file, "new".getBytes());
            assertTrue(Files.isRegularFile(file, LinkOption.NOFOLLOW_LINKS));
            Files.delete(file);
            Files.createSymbolicLink(planted, victim);
            WholeFile.copy(source, file);
            assertTrue(Files.isRegularFile(file, LinkOption.NOFOLLOW_LINKS));
            assertEquals("precious", Files.readString(victim), () -> "written by " + planted);
        }
        Files.createLink(temporary, victim);
        WholeFile.write(file, "new".getBytes());
        assertEquals("precious", Files.readString(victim));
    }

    @Test
    void aFailureLeavesTheOldFileAlone() throws IOException {
        Files.writeString(file, "old");
        assertThrows(
                IOException.class,
                () -> WholeFile.write(file, channel -> {
                    throw new IOException("no space");
                }));
        assertThrows(IOException.class, () -> WholeFile.copy(directory.resolve("missing"), file));
        assertEquals("old", Files.readString(file));
        assertEquals(List.of("a"), names(directory));
    }

    @Test
    void aDirectoryOfTheTemporaryNameStays() throws IOException {
        Files.createDirectory(temporary);
        assertThrows(IOException.class, () -> WholeFile.write(file, new byte[0]));
        assertTrue(Files.isDirectory(temporary));
        assertFalse(Files.exists(file));
    }

    @Test
    void whatAKillHasLeftUnfinishedIsRemoved() throws IOException {
        Files.writeString(file, "a");
        for (String name : List.of(".a.new", ".b.new", ".hidden", "c.new")) {
            Files.createFile(directory.resolve(name));
        }
        WholeFile.removeUnfinished(directory);
        WholeFile.removeUnfinished(directory.resolve("missing"));
        assertEquals(List.of(".hidden", "a", "c.new"), names(directory));
    }

    private String mode() throws IOException {
        return PosixFilePermissions.toString(Files.getPosixFilePermissions(file));
    }

    private static List<String> names(Path directory) throws IOException {
        try (Stream<Path> files = Files.list(directory)) {
            return files.map(f -> f.getFileName().toString()).sorted().toList();
        }
    }
}
