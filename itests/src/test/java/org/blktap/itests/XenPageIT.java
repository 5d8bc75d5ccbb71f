package org.blktap.itests;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.regex.MatchResult;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;

/**
 * What docs/xen.md tells an administrator to type is what tests do: each of its commands and disk lines occurs in the
 * lab's suite or in a test here, with other names, numbers and paths.
 */
class XenPageIT {
    private static final Path ROOT = Path.of(System.getProperty("project.root"));

    /** What no test does, by how it begins, and why. */
    private static final Map<String, String> EXCEPTIONS = Map.of(
            "tar xf", "tests unpack the same archive in directories of their own",
            "cp ", "a program of the system",
            "ln -sfn", "a program of the system",
            "systemctl restart", "the lab has no systemd; the suite ends the daemon and starts it",
            "xl migrate", "the emulator cannot (\"Failed to enable logdirty\"); LiveDiskIT has both daemons");

    /** Where a script has a variable. */
    private static final char VARIABLE = '§';

    // ---- the page

    private static String page() throws Exception {
        return Files.readString(ROOT.resolve("docs/xen.md"));
    }

    private static List<String> commands() throws Exception {
        return Pattern.compile("(?m)^ {4}(?!disk = )(\\S.*)$")
                .matcher(page())
                .results()
                .flatMap(line ->
                        Stream.of(line.group(1).replaceAll("\\s+#.*", "").split("\\s*&&\\s*")))
                .toList();
    }

    private static List<String> diskLines() throws Exception {
        return Pattern.compile("'([^'\\s]+,[^'\\s]+)'")
                .matcher(page())
                .results()
                .map(line -> line.group(1))
                .toList();
    }

    // ---- what tests do

    private static String suite() throws Exception {
        StringBuilder all = new StringBuilder();
        for (String name : List.of("suite", "suite-dom0", "suite-tap")) {
            all.append(Files.readString(ROOT.resolve("itests/xen/" + name)));
        }
        return all.toString()
                .replaceAll("\\\\\n\\s*", "")
                .replaceAll("(?m)^\\s*#.*", "")
                .replaceAll("\\$(\\{[^}]*\\}|\\w+)", String.valueOf(VARIABLE))
                .replace("\"", "");
    }

    private static Set<Pattern> done() throws Exception {
        Set<String> done = new HashSet<>();
        Pattern.compile("(?m)(?<![\\w./-])(?:blktap|xl) [^;&|()<>\\n]*")
                .matcher(suite())
                .results()
                .map(MatchResult::group)
                .forEach(done::add);
        try (Stream<Path> tests = Files.list(ROOT.resolve("itests/src/test/java/org/blktap/itests"))) {
            for (Path test :
                    tests.filter(each -> each.toString().endsWith("IT.java")).toList()) {
                Pattern.compile("\\b(setup|daemon\\.blktap)\\(([^()]*)\\)")
                        .matcher(Files.readString(test))
                        .results()
                        .map(call -> (call.group(1).equals("setup") ? "blktap xen-setup " : "blktap ")
                                + words(call.group(2)))
                        .forEach(done::add);
            }
        }
        return patterns(done.stream()
                .filter(each -> !each.matches("\\w+ +" + VARIABLE + ".*"))
                .map(XenPageIT::shapeOfCommand));
    }

    /** The arguments of a call in Java as a line of a shell. */
    private static String words(String arguments) {
        return Arrays.stream(arguments.split(",\\s*"))
                .filter(each -> !each.isBlank())
                .map(each ->
                        each.matches("\\s*\"[^\"]*\"\\s*") ? each.strip().replace("\"", "") : String.valueOf(VARIABLE))
                .collect(Collectors.joining(" "));
    }

    private static Set<Pattern> doneLines() throws Exception {
        return patterns(Arrays.stream(suite().split("[\\s()]+"))
                .filter(word -> word.contains(",") && (word.contains(":") || word.contains("=")))
                .map(XenPageIT::shape));
    }

    private static Set<Pattern> patterns(Stream<String> shapes) {
        return shapes.distinct()
                .map(shape -> Pattern.compile(("\\Q" + shape + "\\E")
                        .replaceAll("(?<= )" + VARIABLE + "(?= |\\\\E)", "\\\\E\\\\S+\\\\Q")
                        .replace(String.valueOf(VARIABLE), "\\E[^,\\s]*\\Q")))
                .collect(Collectors.toSet());
    }

    // ---- the same with other names

    /** A command without the names in it; options first, since their order is free. */
    private static String shapeOfCommand(String command) {
        String[] words = command.strip().split("\\s+");
        List<String> options = new ArrayList<>();
        List<String> operands = new ArrayList<>();
        for (int i = 2; i < words.length; i++) {
            (words[i].startsWith("-") ? options : operands).add(shape(words[i]));
        }
        return (words[0].replaceAll(".*/", "") + " " + (words.length > 1 ? words[1] : "") + " "
                        + options.stream().sorted().collect(Collectors.joining(" ")) + " "
                        + String.join(" ", operands))
                .replaceAll(" +", " ")
                .strip();
    }

    /** A word without the names in it: specs and disk lines keep their types and keys. */
    private static String shape(String word) {
        if (word.startsWith("-") || word.equals(String.valueOf(VARIABLE))) {
            return word;
        }
        return Arrays.stream(word.split(","))
                .map(part -> {
                    int value = part.matches("(target|vdev)=.*") ? part.indexOf('=') + 1 : 0;
                    String rest = part.substring(value);
                    String spec = rest.replaceFirst("^((tap:)?[a-z0-9" + VARIABLE + "]+:).*", "$1*");
                    boolean kept = part.matches("(script|format|backendtype|devtype|access|size)=.*|[rw]");
                    return part.substring(0, value) + (kept ? rest : spec.endsWith(":*") ? spec : "*");
                })
                .sorted()
                .collect(Collectors.joining(","));
    }

    private static String exception(String typed) {
        return EXCEPTIONS.keySet().stream()
                .filter(typed::startsWith)
                .findFirst()
                .orElse(null);
    }

    private static List<String> missing(
            List<String> typed, java.util.function.UnaryOperator<String> shape, Set<Pattern> done) {
        return typed.stream()
                .filter(each -> exception(each) == null)
                .filter(each -> done.stream()
                        .noneMatch(test -> test.matcher(shape.apply(each)).matches()))
                .map(each -> each + " (" + shape.apply(each) + ")")
                .toList();
    }

    @Test
    void eachCommandIsOneOfATest() throws Exception {
        assertTrue(commands().size() > 20, () -> "the page is read wrongly");
        assertEquals(List.of(), missing(commands(), XenPageIT::shapeOfCommand, done()), "commands that no test runs");
    }

    @Test
    void eachDiskLineIsOneOfATest() throws Exception {
        assertTrue(diskLines().size() > 6, () -> "the page is read wrongly");
        assertEquals(List.of(), missing(diskLines(), XenPageIT::shape, doneLines()), "lines that no test has");
    }

    @Test
    void whatIsAnExceptionIsOnThePage() throws Exception {
        List<String> all =
                Stream.concat(commands().stream(), diskLines().stream()).toList();
        assertEquals(
                EXCEPTIONS.keySet(),
                all.stream()
                        .map(XenPageIT::exception)
                        .filter(each -> each != null)
                        .collect(Collectors.toSet()));
    }
}
