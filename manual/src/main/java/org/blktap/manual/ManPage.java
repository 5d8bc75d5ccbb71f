package org.blktap.manual;

import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Locale;
import java.util.Set;
import java.util.TreeSet;
import java.util.function.Function;
import java.util.stream.Collectors;
import org.commonmark.ext.gfm.tables.TableBlock;
import org.commonmark.ext.gfm.tables.TableCell;
import org.commonmark.ext.gfm.tables.TableRow;
import org.commonmark.ext.gfm.tables.TablesExtension;
import org.commonmark.node.AbstractVisitor;
import org.commonmark.node.BulletList;
import org.commonmark.node.CustomBlock;
import org.commonmark.node.FencedCodeBlock;
import org.commonmark.node.Heading;
import org.commonmark.node.IndentedCodeBlock;
import org.commonmark.node.Link;
import org.commonmark.node.ListItem;
import org.commonmark.node.Node;
import org.commonmark.node.OrderedList;
import org.commonmark.node.Paragraph;
import org.commonmark.parser.Parser;

/** A page in Markdown as a manual page, in the language of man(7), with tables of tbl(1). One page, one thread. */
final class ManPage extends AbstractVisitor {
    private static final Parser PARSER =
            Parser.builder().extensions(List.of(TablesExtension.create())).build();

    /** What a manual page is called. */
    record Title(String name, int section, String version) {}

    /** What the short cells of a table's row may have together, of the 80 columns of a terminal. */
    private static final int COLUMNS = 48;

    private final StringBuilder text = new StringBuilder();
    private final Title title;
    /** Depth of lists at the present place. */
    private int depth;

    /** Whether a section has begun, into which text may go. */
    private boolean inSection;

    private ManPage(Title title) {
        this.title = title;
    }

    /**
     * The manual page of a page. Its section SEE ALSO has the pages to which it links.
     *
     * @param pages the title of the page to which a link leads, by its path; null if that has no manual page
     */
    static String of(Title title, String markdown, Function<String, Title> pages) {
        ManPage page = new ManPage(title);
        Node root = PARSER.parse(markdown);
        root.accept(page);
        page.seeAlso(linked(root, pages));
        // tbl reads a page whose first line says so
        return "'\\\" t\n.\\\" Made by the build from a page in Markdown.\n.TH "
                + title.name().toUpperCase(Locale.ROOT)
                + " " + title.section() + " \"\" \"blktap " + Roff.escape(title.version()) + "\" \"blktap\"\n.ad l\n"
                + page.text;
    }

    private static Set<Title> linked(Node root, Function<String, Title> pages) {
        Set<Title> all =
                new TreeSet<>(Comparator.comparing(Title::section).reversed().thenComparing(Title::name));
        root.accept(new AbstractVisitor() {
            @Override
            public void visit(Link link) {
                String path = link.getDestination().replaceFirst("#.*", "");
                if (!path.isEmpty() && !path.contains(":")) {
                    Title to = pages.apply(path);
                    if (to != null) {
                        all.add(to);
                    }
                }
            }
        });
        return all;
    }

    private void seeAlso(Set<Title> pages) {
        pages.add(new Title("blktap", 8, title.version()));
        pages.add(new Title("blktapd", 8, title.version()));
        pages.remove(title);
        line(".SH \"SEE ALSO\"");
        line(pages.stream()
                .map(each -> ".BR " + Roff.escape(each.name()) + " (" + each.section() + ")")
                .collect(Collectors.joining(" ,\n")));
    }

    @Override
    public void visit(Heading heading) {
        String words = Roff.plain(heading);
        if (heading.getLevel() == 1) {
            // "format-qcow2: what it is"
            String what = words.replaceFirst("^[a-z0-9-]+: ", "");
            line(".SH NAME");
            line(Roff.escape(title.name()) + " \\- " + Roff.escape(what));
            inSection = false;
            return;
        }
        inSection = true;
        line(
                heading.getLevel() == 2
                        ? ".SH \"" + quoted(words.toUpperCase(Locale.ROOT)) + '"'
                        : ".SS \"" + quoted(words) + '"');
    }

    private static String quoted(String words) {
        return Roff.escape(words).replace("\"", "\\(dq");
    }

    @Override
    public void visit(Paragraph paragraph) {
        begin();
        if (!(paragraph.getParent() instanceof ListItem)) {
            line(".PP");
        } else if (paragraph.getPrevious() != null) {
            line(".IP");
        }
        line(Roff.of(paragraph));
    }

    @Override
    public void visit(BulletList list) {
        items(list, 0);
    }

    @Override
    public void visit(OrderedList list) {
        Integer first = list.getMarkerStartNumber();
        items(list, first == null ? 1 : first);
    }

    /** @param number the number of the first item, 0 for bullets */
    private void items(Node list, int number) {
        begin();
        if (depth > 0) {
            line(".RS 4");
        }
        depth++;
        int next = number;
        for (Node item = list.getFirstChild(); item != null; item = item.getNext()) {
            line(number == 0 ? ".IP \\(bu 3" : ".IP " + next++ + ". 4");
            visitChildren(item);
        }
        depth--;
        if (depth > 0) {
            line(".RE");
        }
    }

    @Override
    public void visit(FencedCodeBlock block) {
        code(block.getLiteral());
    }

    @Override
    public void visit(IndentedCodeBlock block) {
        code(block.getLiteral());
    }

    private void code(String literal) {
        begin();
        line(depth > 0 ? ".IP" : ".PP");
        line(".RS 4\n.nf");
        literal.stripTrailing().lines().forEach(each -> line(Roff.line(each)));
        line(".fi\n.RE");
    }

    @Override
    public void visit(CustomBlock block) {
        if (block instanceof TableBlock) {
            begin();
            table(block);
        }
    }

    /** Short cells are as wide as their text; long ones are filled, and the last column takes what is left. */
    private void table(Node block) {
        List<List<TableCell>> rows = new ArrayList<>();
        for (Node part = block.getFirstChild(); part != null; part = part.getNext()) {
            for (Node row = part.getFirstChild(); row != null; row = row.getNext()) {
                if (row instanceof TableRow) {
                    rows.add(cells(row));
                }
            }
        }
        int columns = rows.get(0).size();
        line(".PP\n.TS\nallbox tab(\t);");
        line("lb ".repeat(columns).strip() + "\n" + ("lt ".repeat(columns - 1) + "ltx").strip() + ".");
        for (List<TableCell> row : rows) {
            line(row.stream().map(cell -> cell(cell, COLUMNS / columns)).collect(Collectors.joining("\t")));
        }
        line(".TE");
    }

    private static String cell(TableCell cell, int room) {
        String plain = Roff.plain(cell);
        // a line that is one of these is an order to tbl; text that begins with a dot would be one to roff
        if (plain.length() <= room && !plain.startsWith(".") && !plain.matches("[-_=]|\\\\.*")) {
            return Roff.of(cell);
        }
        // T{ ... T} is text that is filled
        return "T{\n" + Roff.breakable(cell) + "\nT}";
    }

    private static List<TableCell> cells(Node row) {
        List<TableCell> cells = new ArrayList<>();
        for (Node cell = row.getFirstChild(); cell != null; cell = cell.getNext()) {
            if (cell instanceof TableCell each) {
                cells.add(each);
            }
        }
        return cells;
    }

    /** The text before the first section has one of its own. */
    private void begin() {
        if (!inSection) {
            inSection = true;
            line(".SH DESCRIPTION");
        }
    }

    private void line(String line) {
        text.append(line).append('\n');
    }
}
