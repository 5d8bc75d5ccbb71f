package org.blktap.itests;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;

/**
 * What a page in docs has readers type: commands and files. Commands are lines that are indented by four columns, each
 * with those that continue it after a backslash, and what begins with {@code blktap} in code spans. A file is a fenced
 * block of code, whose name is the last code span before it. A test runs and uses all of them as they are on the page,
 * with names of its own in place of some.
 */
final class Page {
    private static final Pattern FILE = Pattern.compile("(?ms)^```[a-z]*\n(.*?)^```$");
    private static final Pattern SPAN = Pattern.compile("`([^`\n]+)`");

    private final Daemon daemon;
    private final Map<String, String> names;
    private final Map<String, String> environment = new HashMap<>();
    private final Set<String> commands = new LinkedHashSet<>();
    private final Map<String, String> files = new LinkedHashMap<>();
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
        Matcher file = FILE.matcher(text);
        while (file.find()) {
            List<String> spans = new ArrayList<>();
            SPAN.matcher(FILE.matcher(text.substring(0, file.start())).replaceAll(""))
                    .results()
                    .forEach(each -> spans.add(each.group(1)));
            files.put(spans.get(spans.size() - 1), file.group(1));
        }
        String rest = FILE.matcher(text).replaceAll("").replaceAll(" *\\\\\n *", " ");
        Stream.of("(?m)^ {4}(\\S.*?)(?:\\s+#.*)?$", "`(blktap [^`]+)`")
                .flatMap(each -> Pattern.compile(each).matcher(rest).results())
                .forEach(each -> commands.add(each.group(1)));
        left = new LinkedHashSet<>(commands);
        left.addAll(files.keySet());
    }

    /** Sets a variable of the environment of all commands. */
    void set(String variable, String value) {
        environment.put(variable, value);
    }

    /**
     * Runs a command of the page to its end, in a shell; it must succeed.
     *
     * @param command as it is on the page, or its beginning if no other begins so
     * @param words pairs of a word of the command and what stands in its place
     */
    Run run(String command, String... words) throws Exception {
        return tried(command, words).ok();
    }

    /** Runs a command as {@link #run} does, and it may fail. */
    Run tried(String command, String... words) throws Exception {
        return Run.of(variables(), "bash", "-c", "set -o pipefail\n" + line(command, words));
    }

    /**
     * Starts a command of the page that does not end by itself. It is one program, not several.
     *
     * @param log gets what it prints
     * @param words as for {@link #run}; one may stand for several
     */
    Process start(String command, Path log, String... words) throws Exception {
        ProcessBuilder builder = new ProcessBuilder("bash", "-c", "exec " + line(command, words))
                .redirectErrorStream(true)
                .redirectOutput(log.toFile());
        builder.environment().putAll(variables());
        return builder.start();
    }

    private Map<String, String> variables() {
        Map<String, String> all = new HashMap<>(daemon.operator());
        all.putAll(environment);
        return all;
    }

    private String line(String command, String... words) {
        String whole = commands.contains(command) ? command : theOnlyOne(command);
        left.remove(whole);
        String line = named(whole);
        for (int i = 0; i < words.length; i += 2) {
            Matcher word = Pattern.compile("(?<!\\S)" + Pattern.quote(words[i]) + "(?!\\S)")
                    .matcher(line);
            assertTrue(word.find(), words[i] + " is no word of " + line);
            line = word.replaceAll(Matcher.quoteReplacement(words[i + 1]));
        }
        return line;
    }

    private String theOnlyOne(String beginning) {
        List<String> found =
                commands.stream().filter(each -> each.startsWith(beginning)).toList();
        assertEquals(1, found.size(), () -> "commands of the page that begin so: " + beginning + "\n" + commands);
        return found.get(0);
    }

    private String named(String text) {
        String changed = text;
        for (Map.Entry<String, String> each : names.entrySet()) {
            changed = changed.replace(each.getKey(), each.getValue());
        }
        return changed;
    }

    /** A file of the page. */
    String file(String name) {
        assertTrue(files.containsKey(name), () -> "the page has no such file: " + name + "\n" + files.keySet());
        left.remove(name);
        return named(files.get(name));
    }

    /** Fails if there is a command that has not been run, or a file that has not been used. */
    void assertAllRun() {
        assertEquals(Set.of(), left, "what no test runs");
    }
}
