package org.blktap.shell.launch;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.time.Instant;
import java.time.LocalDateTime;
import java.time.ZoneId;
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
    void aLineHasTimeLevelLoggerAndMessage() {
        LogRecord record = new LogRecord(Level.INFO, "here");
        record.setLoggerName("org.blktap");
        Instant at = LocalDateTime.of(2026, 3, 4, 5, 6, 7, 8_900_000)
                .atZone(ZoneId.systemDefault())
                .toInstant();
        record.setInstant(at);
        assertEquals(
                "2026-03-04 05:06:07.008 INFO    org.blktap  here" + System.lineSeparator(),
                new LineFormatter().format(record));
        assertEquals(
                String.format("%1$tF %1$tT.%1$tL ERROR   ", at.toEpochMilli()),
                line(Level.SEVERE, at).substring(0, 32));
    }

    private static String line(Level level, Instant at) {
        LogRecord record = new LogRecord(level, "here");
        record.setLoggerName("x");
        record.setInstant(at);
        return new LineFormatter().format(record);
    }

    @Test
    void aStackKeepsItsLines() {
        String text = line("failed", new IllegalStateException("a\u001bb"));
        assertTrue(text.contains("java.lang.IllegalStateException: a\\x1bb" + System.lineSeparator() + "\tat "), text);
    }
}
