package org.blktap.api.disk;

import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * Text of an image, a guest or a client made fit for one line of a message or a log: what a terminal would obey, or
 * could not show, is escaped. Messages of {@link DiskException} are made so by its constructors.
 */
public final class Printable {
    /**
     * Control characters (C0, DEL, C1), the line and paragraph separators, the marks that change the direction of text,
     * and halves of characters, among them the bytes that are not UTF-8 as {@link FileNames} has them.
     */
    private static final Pattern NOT_SHOWN =
            Pattern.compile("[\\x00-\\x1f\\x7f-\\x9f\\u2028-\\u202e\\u2066-\\u2069\\x{d800}-\\x{dfff}\\ufeff]");

    private static final char FIRST_BYTE = '\udc80';
    private static final char LAST_BYTE = '\udcff';

    private Printable() {}

    /** Escapes as C does: {@code \n}, {@code \x1b}, {@code \u2028}. A backslash stays as it is. */
    public static String of(String text) {
        Matcher matcher = NOT_SHOWN.matcher(text);
        return matcher.find()
                ? matcher.replaceAll(
                        found -> Matcher.quoteReplacement(escape(found.group().charAt(0))))
                : text;
    }

    /** The same of a text that may have any length: of a longer one the beginning and an ellipsis. */
    public static String of(String text, int most) {
        if (text.length() <= most) {
            return of(text);
        }
        return of(text.substring(0, most)) + "...";
    }

    private static String escape(char c) {
        switch (c) {
            case '\n':
                return "\\n";
            case '\r':
                return "\\r";
            case '\t':
                return "\\t";
            default:
                boolean isByte = c <= '\u009f' || c >= FIRST_BYTE && c <= LAST_BYTE;
                return isByte ? String.format("\\x%02x", c & 0xff) : String.format("\\u%04x", (int) c);
        }
    }
}
