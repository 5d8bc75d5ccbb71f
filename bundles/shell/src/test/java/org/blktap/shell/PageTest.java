package org.blktap.shell;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.TreeSet;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.blktap.shell.verbs.Declaration;
import org.junit.jupiter.api.Test;
import picocli.CommandLine.Model.OptionSpec;

/** The table of verbs in this bundle's README has all verbs, and no other. */
class PageTest {
    private static List<String> rows() throws Exception {
        String page = Files.readString(Path.of("README.md"));
        int begin = page.indexOf("| verb | what it does |");
        return page.substring(begin, page.indexOf("\n\n", begin))
                .lines()
                .skip(2)
                .toList();
    }

    @Test
    void eachVerbHasARow() throws Exception {
        TreeSet<String> named = new TreeSet<>();
        for (String row : rows()) {
            Matcher verbs = Pattern.compile("`([a-z0-9-]+)[^`]*`")
                    .matcher(row.split("\\|(?=[^`]*(?:`[^`]*`[^`]*)*$)")[1].replace("\\|", "/"));
            while (verbs.find()) {
                named.add(verbs.group(1));
            }
        }
        assertEquals(new TreeSet<>(TestVerbs.NAMES), named);
    }

    @Test
    void rowsNameOptionsThatThereAre() throws Exception {
        for (Declaration verb : TestVerbs.VERBS.catalog().all()) {
            List<String> known = TestVerbs.VERBS.options(verb).stream()
                    .map(OptionSpec::names)
                    .flatMap(java.util.Arrays::stream)
                    .toList();
            for (String row : rows()) {
                Matcher synopsis =
                        Pattern.compile("`" + verb.name() + "((?: [^`]*)?)`").matcher(row);
                while (synopsis.find()) {
                    Matcher options =
                            Pattern.compile("(?<![A-Za-z=])--?[a-z][a-z-]*").matcher(synopsis.group(1));
                    while (options.find()) {
                        assertTrue(known.contains(options.group()), verb.name() + " " + options.group());
                    }
                }
            }
        }
    }
}
