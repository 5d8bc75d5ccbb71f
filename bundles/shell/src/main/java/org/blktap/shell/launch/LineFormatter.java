package org.blktap.shell.launch;

import java.io.PrintWriter;
import java.io.StringWriter;
import java.time.LocalDateTime;
import java.time.ZoneId;
import java.util.logging.Formatter;
import java.util.logging.Level;
import java.util.logging.LogRecord;
import java.util.regex.Pattern;

/**
 * A record as a line: time, level, who, what. The stack of a failure follows where it helps to mend a bundle of ours or
 * of a third party; of the framework's own programs only the message is of use.
 */
public final class LineFormatter extends Formatter {
    /** What File Install logs as. */
    private static final String FILE_INSTALL = "fileinstall";
    /** What the API's Printable escapes, which the launcher does not have. */
    private static final Pattern NOT_SHOWN =
            Pattern.compile("[\\x00-\\x1f\\x7f-\\x9f\\u2028-\\u202e\\u2066-\\u2069\\x{d800}-\\x{dfff}\\ufeff]");

    /** Number of characters of a line besides its text. */
    private static final int ROOM = 80;

    private static final int LEVEL = 7;
    /** Nanoseconds of a millisecond. */
    private static final int NANOS = 1_000_000;

    /** {@inheritDoc} Without String.format, whose first use with a date adds 20 ms to a start. */
    @Override
    public String format(LogRecord record) {
        Throwable thrown = record.getThrown();
        String what = shown(formatMessage(record), "\t");
        String stack = "";
        if (thrown != null
                && (record.getLoggerName().startsWith("org.apache.felix.")
                        || record.getLoggerName().equals(FILE_INSTALL))) {
            what = (what + ": " + (thrown.getMessage() == null ? thrown : thrown.getMessage()))
                    .replaceAll("\\s*\\R\\s*", " ");
        } else if (thrown != null) {
            StringWriter text = new StringWriter();
            thrown.printStackTrace(new PrintWriter(text, true));
            stack = shown(text.toString(), "\n\r\t");
        }
        StringBuilder line = new StringBuilder(what.length() + stack.length() + ROOM);
        LocalDateTime at = LocalDateTime.ofInstant(record.getInstant(), ZoneId.systemDefault());
        line.append(at.toLocalDate()).append(' ');
        number(line, at.getHour(), 2).append(':');
        number(line, at.getMinute(), 2).append(':');
        number(line, at.getSecond(), 2).append('.');
        number(line, at.getNano() / NANOS, 3).append(' ');
        String level =
                record.getLevel() == Level.SEVERE ? "ERROR" : record.getLevel().getName();
        line.append(level)
                .append(" ".repeat(Math.max(0, LEVEL - level.length())))
                .append(' ');
        line.append(record.getLoggerName()).append("  ").append(what);
        return line.append(System.lineSeparator()).append(stack).toString();
    }

    private static StringBuilder number(StringBuilder line, int value, int digits) {
        String text = Integer.toString(value);
        return line.append("0".repeat(digits - text.length())).append(text);
    }

    /** Text without what a terminal would obey or cannot show, but for some characters. */
    private static String shown(String text, String but) {
        return NOT_SHOWN.matcher(text).replaceAll(found -> {
            char c = found.group().charAt(0);
            // a byte of a name that is not UTF-8 is half a character, as FileNames of the API has it
            boolean isByte = c <= '\u009f' || c >= '\udc80' && c <= '\udcff';
            return but.indexOf(c) >= 0
                    ? found.group()
                    : String.format(isByte ? "\\\\x%02x" : "\\\\u%04x", isByte ? c & 0xff : c & 0xffff);
        });
    }
}
