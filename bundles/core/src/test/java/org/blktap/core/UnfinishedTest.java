package org.blktap.core;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class UnfinishedTest {
    @TempDir
    Path directory;

    private Set<String> names() throws Exception {
        try (Stream<Path> files = Files.list(directory)) {
            return files.map(file -> file.getFileName().toString()).collect(Collectors.toCollection(TreeSet::new));
        }
    }

    @Test
    void whatDeadProcessesOfThisPlaceHaveLeftIsRemoved() throws Exception {
        Process ended = new ProcessBuilder("true").start();
        ended.waitFor();
        Set<String> stay = new TreeSet<>(Set.of(
                "a.qcow",
                ".a.qcow.new",
                ".a.qcow." + ended.pid() + "-1.new",
                // another boot or another host
                ".a.qcow.0123456x-" + ended.pid() + "-1.new",
                ".a.qcow." + UnfinishedFiles.suffix(ProcessHandle.current().pid(), 7),
                ".a.qcow." + UnfinishedFiles.suffix(1, 1)));
        for (String name : stay) {
            Files.createFile(directory.resolve(name));
        }
        List<Path> left = List.of(
                Files.createFile(directory.resolve(".a.qcow." + UnfinishedFiles.suffix(ended.pid(), 1))),
                Files.createFile(directory.resolve(".b-s001.vmdk." + UnfinishedFiles.suffix(ended.pid(), 12))));
        String folder = ".c." + UnfinishedFiles.suffix(ended.pid(), 1);
        Files.createDirectory(directory.resolve(folder));
        Path made = Files.createFile(UnfinishedFiles.name(directory.resolve("a.qcow")));
        try (LogLines log = new LogLines()) {
            UnfinishedFiles.removeLeftOver(made);
            assertEquals(
                    left.stream()
                            .map(file -> file + ": removed; the process that was making it has ended")
                            .collect(Collectors.toSet()),
                    Set.copyOf(log.all()));
        }
        stay.add(folder);
        stay.add(made.getFileName().toString());
        assertEquals(stay, names());
    }
}
