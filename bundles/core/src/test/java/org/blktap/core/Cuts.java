package org.blktap.core;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;

/** Copies of a directory as a kill would leave it at the steps of an operation. */
final class Cuts {
    private final Path directory;
    private final Path copies;
    private final Map<String, Path> taken = new LinkedHashMap<>();

    Cuts(Path directory, Path copies) {
        this.directory = directory;
        this.copies = copies;
    }

    /** Takes one. Any thread. */
    synchronized void take(String step) {
        Path copy = copies.resolve("cut-" + taken.size());
        run(List.of("cp", "-a", directory.toString(), copy.toString()));
        taken.put(taken.size() + " " + step, copy);
    }

    /** Names of the steps, in order. */
    synchronized List<String> steps() {
        return new ArrayList<>(taken.keySet());
    }

    /** Has the directory be as it was at a step. */
    synchronized void restore(String step) throws IOException {
        try (Stream<Path> files = Files.walk(directory)) {
            for (Path each : files.sorted(Comparator.reverseOrder()).toList()) {
                Files.delete(each);
            }
        }
        run(List.of("cp", "-a", taken.get(step).toString(), directory.toString()));
    }

    private static void run(List<String> command) {
        try {
            if (new ProcessBuilder(command).inheritIO().start().waitFor() != 0) {
                throw new AssertionError(command + " failed");
            }
        } catch (IOException e) {
            throw new AssertionError(command + ": " + e, e);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new AssertionError(command + ": interrupted", e);
        }
    }
}
