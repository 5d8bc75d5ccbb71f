package org.blktap.shell.launch;

import java.io.PrintWriter;
import java.io.StringWriter;
import java.util.logging.Formatter;
import java.util.logging.Level;
import java.util.logging.LogRecord;
import java.util.regex.Pattern;

/**
 * A record as a line: time, level, who, what. The stack of a failure follows where it helps to mend a bundle of ours or of a third party; of
 * the framework's own programs only the message is of use.
 */
public final class LineFormatter extends Formatter {
    /** What File Install logs as. */
    private static final String FILE_INSTALL = "fileinstall";
    private static final Pattern RAW_BYTE = Pattern.compile("[\\x{dc80}-\\x{dcff}]");

    @Override
    public String format(LogRecord record) {
        Throwable thrown = record.getThrown();
        // a byte of a name that is not UTF-8, as FileNames of the API has it
        String what = RAW_BYTE.matcher(formatMessage(record)).replaceAll(raw -> String.format("\\\\x%02x", raw.group().charAt(0) & 0xff));
        String stack = "";
        if (thrown != null && (record.getLoggerName().startsWith("org.apache.felix.") || record.getLoggerName().equals(FILE_INSTALL))) {
            what = (what + ": " + (thrown.getMessage() == null ? thrown : thrown.getMessage())).replaceAll("\\s*\\R\\s*", " ");
        } else if (thrown != null) {
            StringWriter text = new StringWriter();
            thrown.printStackTrace(new PrintWriter(text, true));
            stack = text.toString();
        }
        long millis = record.getMillis();
        return String.format("%1$tF %1$tT.%1$tL %2$-7s %3$s  %4$s%n%5$s", millis, record.getLevel() == Level.SEVERE ? "ERROR" : record.getLevel().getName(), record.getLoggerName(), what, stack);
    }
}
