package org.blktap.core;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;
import org.blktap.api.disk.DiskException;
import org.blktap.api.disk.DiskException.Reason;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class NewFilesTest {
    @TempDir
    Path directory;

    private List<String> names() throws IOException {
        try (Stream<Path> files = Files.list(directory)) {
            return files.map(file -> file.getFileName().toString()).sorted().toList();
        }
    }

    @Test
    void theyHaveNoNamesUntilAllAreComplete() throws Exception {
        NewFiles files = new NewFiles();
        Path first = directory.resolve("a");
        Path second = directory.resolve("b");
        Files.writeString(Path.of(files.create(first).magicLink()), "one");
        Files.writeString(Path.of(files.create(second).magicLink()), "two");
        assertEquals(List.of(), names(), "a kill now leaves nothing");
        files.nameAll();
        assertEquals(List.of("a", "b"), names());
        assertEquals("one", Files.readString(first));
        assertEquals("two", Files.readString(second));
        assertEquals(
                Files.getPosixFilePermissions(Files.createFile(directory.resolve("usual"))),
                Files.getPosixFilePermissions(first));
    }

    @Test
    void aNameThatOthersHaveTakenMeanwhileIsTheirs() throws Exception {
        for (boolean unnamed : new boolean[] {true, false}) {
            NewFiles files = new NewFiles(unnamed);
            files.create(directory.resolve("a"));
            files.create(directory.resolve("b"));
            Files.writeString(directory.resolve("a"), "other's");
            assertEquals(
                    Reason.EXISTS,
                    assertThrows(DiskException.class, files::nameAll).reason());
            files.undo();
            assertEquals(List.of("a"), names());
            assertEquals("other's", Files.readString(directory.resolve("a")));
            Files.delete(directory.resolve("a"));
        }
    }

    @Test
    void withTemporaryNamesALinkInTheirPlaceIsNotFollowed() throws Exception {
        NewFiles files = new NewFiles(false);
        files.create(directory.resolve("a"));
        Path temporary = directory.resolve(names().get(0));
        Path target = Files.createTempFile(directory.getParent(), "target", "");
        Files.delete(temporary);
        Files.createSymbolicLink(temporary, target);
        assertThrows(DiskException.class, files::nameAll);
        files.undo();
        assertEquals(0, Files.size(target));
        Files.delete(target);
    }
}
