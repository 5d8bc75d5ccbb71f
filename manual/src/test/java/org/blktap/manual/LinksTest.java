package org.blktap.manual;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Set;
import java.util.TreeSet;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.commonmark.node.AbstractVisitor;
import org.commonmark.node.Heading;
import org.commonmark.node.HtmlBlock;
import org.commonmark.node.HtmlInline;
import org.commonmark.node.Link;
import org.commonmark.node.Node;
import org.commonmark.parser.Parser;
import org.junit.jupiter.api.Test;

/** The links of all pages of the sources to each other. */
class LinksTest {
    private static final Path TOP = Path.of("..").toAbsolutePath().normalize();
    private static final Pattern ID = Pattern.compile("id=\"([^\"]+)\"");

    private static List<Path> pages() throws IOException {
        List<Path> pages = new ArrayList<>();
        for (String each : new String[] {".", "docs", "bundles", "examples", "itests", "benchmarks", "releases"}) {
            try (Stream<Path> files =
                    Files.walk(TOP.resolve(each), each.equals(".") ? 2 : each.equals("docs") ? 1 : 2)) {
                files.filter(file -> file.toString().endsWith(".md"))
                        .map(Path::normalize)
                        .forEach(pages::add);
            }
        }
        return pages;
    }

    private static Node parsed(Path page) throws IOException {
        return Parser.builder().build().parse(Files.readString(page));
    }

    /** What may follow the number sign in a link to a page: its headings, as GitHub names them, and ids. */
    private static Set<String> anchors(Path page) throws IOException {
        Set<String> anchors = new TreeSet<>();
        parsed(page).accept(new AbstractVisitor() {
            @Override
            public void visit(Heading heading) {
                anchors.add(Roff.plain(heading)
                        .toLowerCase(Locale.ROOT)
                        .replaceAll("[^\\p{L}\\p{N}_ -]", "")
                        .replace(' ', '-'));
            }

            @Override
            public void visit(HtmlBlock block) {
                ids(block.getLiteral());
            }

            @Override
            public void visit(HtmlInline inline) {
                ids(inline.getLiteral());
            }

            private void ids(String html) {
                ID.matcher(html).results().forEach(each -> anchors.add(each.group(1)));
            }
        });
        return anchors;
    }

    private static List<String> links(Path page) throws IOException {
        List<String> links = new ArrayList<>();
        parsed(page).accept(new AbstractVisitor() {
            @Override
            public void visit(Link link) {
                if (!link.getDestination().contains(":")) {
                    links.add(link.getDestination());
                }
            }
        });
        return links;
    }

    @Test
    void allLeadSomewhere() throws IOException {
        List<String> wrong = new ArrayList<>();
        int count = 0;
        for (Path page : pages()) {
            for (String link : links(page)) {
                count++;
                String[] parts = link.split("#", 2);
                Path to = parts[0].isEmpty()
                        ? page
                        : page.resolveSibling(parts[0]).normalize();
                if (!Files.exists(to)
                        || parts.length > 1
                                && to.toString().endsWith(".md")
                                && !anchors(to).contains(parts[1])) {
                    wrong.add(TOP.relativize(page) + ": " + link);
                }
            }
        }
        assertEquals(List.of(), wrong);
        assertTrue(count > 200, "links were found");
    }
}
