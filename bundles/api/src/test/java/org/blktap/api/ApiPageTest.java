package org.blktap.api;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;

/** The README of this bundle has a line for each public type, in the table of its package; also for the test kit. */
class ApiPageTest {
    /** The names in the first cell of a row. */
    private static final Pattern NAME = Pattern.compile("`([A-Za-z]+)`");

    /** The types of each package by the tables of the page, each of which begins with the name of the package. */
    private static Map<String, Set<String>> page() throws Exception {
        Map<String, Set<String>> found = new TreeMap<>();
        Set<String> table = null;
        String before = "";
        for (String line : Files.readAllLines(Path.of("README.md"))) {
            if (!line.startsWith("|")) {
                table = null;
            } else if (!before.startsWith("|") && line.matches("\\| `[a-z]+` \\|.*")) {
                table = found.computeIfAbsent(names(line).get(0), any -> new TreeSet<>());
            } else if (table != null) {
                table.addAll(names(line));
            }
            before = line;
        }
        return found;
    }

    private static List<String> names(String row) {
        return NAME.matcher(row.split("\\|")[1])
                .results()
                .map(each -> each.group(1))
                .toList();
    }

    private static Map<String, Set<String>> types(Path root) throws Exception {
        Map<String, Set<String>> found = new TreeMap<>();
        try (Stream<Path> files = Files.walk(root)) {
            for (Path file :
                    files.filter(each -> each.toString().endsWith(".java")).toList()) {
                String type = file.getFileName().toString().replace(".java", "");
                if (Pattern.compile("(?m)^public .*\\b" + type + "\\b")
                        .matcher(Files.readString(file))
                        .find()) {
                    found.computeIfAbsent(file.getParent().getFileName().toString(), any -> new TreeSet<>())
                            .add(type);
                }
            }
        }
        assertFalse(found.isEmpty(), root::toString);
        return found;
    }

    @Test
    void eachPublicTypeHasALine() throws Exception {
        Map<String, Set<String>> all = types(Path.of("src/main/java"));
        all.putAll(types(Path.of("src/test/java/org/blktap/api/testkit")));
        assertEquals(all, page());
    }
}
