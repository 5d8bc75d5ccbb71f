package org.blktap.manual;

import java.util.regex.Pattern;
import org.commonmark.node.AbstractVisitor;
import org.commonmark.node.Code;
import org.commonmark.node.Emphasis;
import org.commonmark.node.HardLineBreak;
import org.commonmark.node.Node;
import org.commonmark.node.SoftLineBreak;
import org.commonmark.node.StrongEmphasis;
import org.commonmark.node.Text;

/** Text within a paragraph in the language of man(7): code and strong text are bold, emphasised text is in italics. */
final class Roff extends AbstractVisitor {
    /** What is followed by more of the same word, in escaped text. */
    private static final Pattern PUNCTUATION = Pattern.compile("((?<=\\w)\\\\-|[,;:=/|\\]>])(?=[A-Za-z0-9<\\[{$*/])");

    /** Words up to this length need no place where they can be broken. */
    private static final int SHORT = 8;

    private final StringBuilder text = new StringBuilder();
    private final boolean styled;
    private final boolean narrow;

    private Roff(boolean styled, boolean narrow) {
        this.styled = styled;
        this.narrow = narrow;
    }

    /** What is in a node. No line of it is a command of roff. */
    static String of(Node node) {
        return of(node, false);
    }

    /** As {@link #of}, for a narrow place: long words may be broken after punctuation. */
    static String breakable(Node node) {
        return of(node, true);
    }

    private static String of(Node node, boolean narrow) {
        Roff roff = new Roff(true, narrow);
        roff.visitChildren(node);
        return roff.text
                .toString()
                .strip()
                .lines()
                .map(Roff::begin)
                .reduce((a, b) -> a + "\n" + b)
                .orElse("");
    }

    /** What is in a node, without escapes and styles. */
    static String plain(Node node) {
        Roff roff = new Roff(false, false);
        roff.visitChildren(node);
        return roff.text.toString().strip();
    }

    /** Escapes plain text within a line. */
    static String escape(String plain) {
        StringBuilder escaped = new StringBuilder();
        plain.codePoints().forEach(each -> {
            switch (each) {
                case '\\' -> escaped.append("\\e");
                case '-' -> escaped.append("\\-");
                case '\'' -> escaped.append("\\(aq");
                case '`' -> escaped.append("\\(ga");
                case '^' -> escaped.append("\\(ha");
                case '~' -> escaped.append("\\(ti");
                default -> {
                    if (each < 0x80) {
                        escaped.append((char) each);
                    } else {
                        escaped.append(String.format("\\[u%04X]", each));
                    }
                }
            }
        });
        return escaped.toString();
    }

    /** Escapes a line of code. */
    static String line(String plain) {
        return begin(escape(plain));
    }

    private static String begin(String line) {
        return line.startsWith(".") ? "\\&" + line : line;
    }

    @Override
    public void visit(Text node) {
        append(node.getLiteral());
    }

    @Override
    public void visit(Code node) {
        styled("B", () -> append(node.getLiteral()));
    }

    @Override
    public void visit(StrongEmphasis node) {
        styled("B", () -> visitChildren(node));
    }

    @Override
    public void visit(Emphasis node) {
        styled("I", () -> visitChildren(node));
    }

    @Override
    public void visit(SoftLineBreak node) {
        text.append(styled ? '\n' : ' ');
    }

    @Override
    public void visit(HardLineBreak node) {
        text.append(styled ? '\n' : ' ');
    }

    private void styled(String font, Runnable content) {
        if (styled) {
            text.append("\\f").append(font);
            content.run();
            text.append("\\fR");
        } else {
            content.run();
        }
    }

    private void append(String literal) {
        text.append(!styled ? literal : narrow ? broken(literal) : escape(literal));
    }

    /** With places where a line may end. */
    private static String broken(String literal) {
        StringBuilder broken = new StringBuilder();
        for (String word : literal.split("(?<= )|(?= )")) {
            String escaped = escape(word);
            broken.append(
                    word.length() <= SHORT
                            ? escaped
                            : PUNCTUATION.matcher(escaped).replaceAll("$1\\\\:"));
        }
        return broken.toString();
    }
}
