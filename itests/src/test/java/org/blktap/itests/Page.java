package org.blktap.itests;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;

/**
 * The commands of a page in docs: lines that are indented by four columns, and what begins with {@code blktap} in code
 * spans. A test runs each of them as it is on the page, with names of its own in place of some.
 */
final class Page {
    private final Daemon daemon;
    private final Map<String, String> names;
    private final Set<String> commands = new LinkedHashSet<>();
    private final Set<String> left;

    /**
     * @param page its file in docs
     * @param names beginnings of paths on the page, and what the test has in their place
     */
    Page(String page, Daemon daemon, Map<String, String> names) throws Exception {
        this.daemon = daemon;
        this.names = names;
        String text = Files.readString(
                Path.of(System.getProperty("project.root")).resolve("docs").resolve(page));
        Stream.of("(?m)^ {4}(\\S.*?)(?:\\s+#.*)?$", "`(blktap [^`]+)`")
                .flatMap(each -> Pattern.compile(each).matcher(text).results())
                .forEach(each -> commands.add(each.group(1)));
        left = new LinkedHashSet<>(commands);
    }

    /**
     * Runs a command of the page to its end; it must succeed.
     *
     * @param words pairs of a word of the command and what stands in its place
     */
    Run run(String command, String... words) throws Exception {
        String[] all = line(command, words);
        Run run = all[0].equals("blktap")
                ? daemon.blktap(List.of(all).subList(1, all.length).toArray(String[]::new))
                : Run.of(all);
        return run.ok();
    }

    /**
     * Starts a command of the page that does not end by itself.
     *
     * @param log gets what it prints
     * @param words as for {@link #run}; one may stand for several
     */
    Process start(String command, Path log, String... words) throws Exception {
        return new ProcessBuilder(line(command, words))
                .redirectErrorStream(true)
                .redirectOutput(log.toFile())
                .start();
    }

    private String[] line(String command, String... words) {
        assertTrue(commands.contains(command), () -> "the page has no such command: " + command + "\n" + commands);
        left.remove(command);
        String line = command.replaceAll("['\"]", "");
        for (Map.Entry<String, String> each : names.entrySet()) {
            line = line.replace(each.getKey(), each.getValue());
        }
        for (int i = 0; i < words.length; i += 2) {
            line = line.replaceAll(
                    "(?<!\\S)" + Pattern.quote(words[i]) + "(?!\\S)", Matcher.quoteReplacement(words[i + 1]));
        }
        return line.split(" +");
    }

    /** Fails if there is a command that has not been run. */
    void assertAllRun() {
        assertEquals(Set.of(), left, "commands that no test runs");
    }
}
