package org.blktap.shell.launch;

import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.logging.Level;
import java.util.logging.LogRecord;
import org.junit.jupiter.api.Test;

class LineFormatterTest {
    private static String line(String message, Throwable thrown) {
        LogRecord record = new LogRecord(Level.WARNING, message);
        record.setLoggerName("org.blktap.x");
        record.setThrown(thrown);
        return new LineFormatter().format(record);
    }

    @Test
    void whatATerminalWouldObeyIsEscaped() {
        String line = line("/vm/\u001b]0;x\u0007\udcfb\u202e\nb\tcaf\u00e9: gone", null);
        assertTrue(
                line.endsWith(
                        "org.blktap.x  /vm/\\x1b]0;x\\x07\\xfb\\u202e\\x0ab\tcaf\u00e9: gone" + System.lineSeparator()),
                line);
    }

    @Test
    void aStackKeepsItsLines() {
        String text = line("failed", new IllegalStateException("a\u001bb"));
        assertTrue(text.contains("java.lang.IllegalStateException: a\\x1bb" + System.lineSeparator() + "\tat "), text);
    }
}
