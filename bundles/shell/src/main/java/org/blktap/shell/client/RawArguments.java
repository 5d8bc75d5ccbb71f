package org.blktap.shell.client;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.blktap.api.disk.FileNames;

/**
 * The arguments and the working directory of this process with the bytes that Java has replaced, as they are not UTF-8.
 */
public final class RawArguments {
    /** What Java puts in the place of such a byte. */
    private static final char REPLACEMENT = '\ufffd';

    private RawArguments() {}

    /** @param given as the main class got them */
    public static String[] of(String[] given) {
        if (Arrays.stream(given).noneMatch(argument -> argument.indexOf(REPLACEMENT) >= 0)) {
            return given;
        }
        try {
            return decoded(given, Files.readAllBytes(Path.of("/proc/self/cmdline")));
        } catch (IOException e) {
            return given;
        }
    }

    /** @param commandLine of the process, each argument with a NUL after it; those of the main class are the last */
    static String[] decoded(String[] given, byte[] commandLine) {
        List<String> all = new ArrayList<>();
        int begin = 0;
        for (int i = 0; i < commandLine.length; i++) {
            if (commandLine[i] == 0) {
                all.add(FileNames.text(Arrays.copyOfRange(commandLine, begin, i)));
                begin = i + 1;
            }
        }
        int first = all.size() - given.length;
        String[] arguments = given.clone();
        for (int i = 0; first >= 0 && i < given.length; i++) {
            if (given[i].indexOf(REPLACEMENT) >= 0) {
                arguments[i] = all.get(first + i);
            }
        }
        return arguments;
    }

    /** Where the process was called. */
    public static Path directory() {
        Path directory = Path.of("").toAbsolutePath();
        if (directory.toString().indexOf(REPLACEMENT) >= 0) {
            try {
                return Files.readSymbolicLink(Path.of("/proc/self/cwd"));
            } catch (IOException e) {
                return directory;
            }
        }
        return directory;
    }
}
