package org.blktap.manual;

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
    private final StringBuilder text = new StringBuilder();
    private final boolean styled;

    private Roff(boolean styled) {
        this.styled = styled;
    }

    /** What is in a node. No line of it is a command of roff. */
    static String of(Node node) {
        Roff roff = new Roff(true);
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
        Roff roff = new Roff(false);
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
        text.append(styled ? escape(literal) : literal);
    }
}
