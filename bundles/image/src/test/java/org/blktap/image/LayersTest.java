package org.blktap.image;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;

import java.io.PrintWriter;
import java.io.StringWriter;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.spi.ToolProvider;
import org.junit.jupiter.api.Test;

/**
 * The dependencies among the classes of this bundle have no circles. Inner classes count as part of their outer class.
 */
class LayersTest {
    private static final Pattern ARROW =
            Pattern.compile("\\s+org\\.blktap\\.image\\.(\\w+)\\S*\\s+-> org\\.blktap\\.image\\.(\\w+)\\S*\\s.*");

    private final Map<String, Set<String>> arrows = new TreeMap<>();
    private final Set<String> done = new TreeSet<>();

    @Test
    void noClassKnowsAnotherThatKnowsIt() throws Exception {
        Path classes = Path.of(ClusterDisk.class
                .getProtectionDomain()
                .getCodeSource()
                .getLocation()
                .toURI());
        StringWriter out = new StringWriter();
        PrintWriter printer = new PrintWriter(out);
        int status = ToolProvider.findFirst("jdeps")
                .orElseThrow()
                .run(printer, printer, "-verbose:class", "-filter:none", "--ignore-missing-deps", classes.toString());
        printer.flush();
        assertEquals(0, status, out.toString());
        for (String line : out.toString().lines().toList()) {
            Matcher arrow = ARROW.matcher(line);
            if (arrow.matches() && !arrow.group(1).equals(arrow.group(2))) {
                arrows.computeIfAbsent(arrow.group(1), name -> new TreeSet<>()).add(arrow.group(2));
            }
        }
        assertFalse(arrows.isEmpty(), out.toString());
        for (String name : arrows.keySet()) {
            descend(name, new LinkedHashSet<>());
        }
    }

    private void descend(String name, Set<String> above) {
        if (!above.add(name)) {
            List<String> circle = new ArrayList<>(above);
            circle = circle.subList(circle.indexOf(name), circle.size());
            circle.add(name);
            assertEquals("", String.join(" -> ", circle), "a circle");
        }
        if (!done.contains(name)) {
            arrows.getOrDefault(name, Set.of()).forEach(next -> descend(next, above));
            done.add(name);
        }
        above.remove(name);
    }
}
