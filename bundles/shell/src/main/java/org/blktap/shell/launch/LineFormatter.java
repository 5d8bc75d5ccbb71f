package org.blktap.shell.launch;

import java.io.PrintWriter;
import java.io.StringWriter;
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
        long millis = record.getMillis();
        return String.format(
                "%1$tF %1$tT.%1$tL %2$-7s %3$s  %4$s%n%5$s",
                millis,
                record.getLevel() == Level.SEVERE ? "ERROR" : record.getLevel().getName(),
                record.getLoggerName(),
                what,
                stack);
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
