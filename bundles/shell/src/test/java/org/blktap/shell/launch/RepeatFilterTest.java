package org.blktap.shell.launch;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.ArrayList;
import java.util.List;
import java.util.logging.Handler;
import java.util.logging.Level;
import java.util.logging.LogRecord;
import org.junit.jupiter.api.Test;

class RepeatFilterTest {
    private static final int LIMIT = 3;

    private long now = 1;
    private final RepeatFilter filter = new RepeatFilter(LIMIT, () -> now);
    private final List<String> lines = new ArrayList<>();
    private final Handler handler = new Handler() {
        @Override
        public void publish(LogRecord record) {
            if (isLoggable(record)) {
                lines.add(record.getLevel() + " " + record.getMessage());
            }
        }

        @Override
        public void flush() {
            // nothing is buffered
        }

        @Override
        public void close() {
            // nothing is open
        }
    };

    RepeatFilterTest() {
        handler.setFilter(filter);
    }

    private void log(Level level, String message) {
        LogRecord record = new LogRecord(level, message);
        record.setLoggerName("test");
        handler.publish(record);
    }

    @Test
    void manyAlikeBecomeACount() {
        for (int i = 0; i < 1000; i++) {
            log(Level.WARNING, "a: write at " + i + " failed");
            log(Level.INFO, "news " + i);
        }
        assertEquals(
                LIMIT, lines.stream().filter(line -> line.startsWith("WARNING")).count());
        assertEquals(
                1000, lines.stream().filter(line -> line.startsWith("INFO")).count());
        lines.clear();
        filter.flush(handler);
        assertEquals(List.of(), lines, "the period is not over");
        now += RepeatFilter.PERIOD_NANOS + 1;
        filter.flush(handler);
        assertEquals(List.of("WARNING 997 more like this: a: write at 999 failed"), lines);
        lines.clear();
        // it goes on: only counts
        log(Level.WARNING, "a: write at 5 failed");
        assertEquals(List.of(), lines);
        now += RepeatFilter.PERIOD_NANOS + 1;
        filter.flush(handler);
        assertEquals(List.of("WARNING 1 more like this: a: write at 5 failed"), lines);
        // and has ended
        now += RepeatFilter.PERIOD_NANOS + 1;
        filter.flush(handler);
        lines.clear();
        log(Level.WARNING, "a: write at 6 failed");
        assertEquals(1, lines.size());
    }

    @Test
    void othersAreNotHeldBack() {
        for (int i = 0; i < 100; i++) {
            log(Level.SEVERE, "one");
        }
        lines.clear();
        log(Level.SEVERE, "another");
        assertEquals(1, lines.size());
    }

    @Test
    void theKindsKeptAreBounded() {
        for (int i = 0; i < 10_000; i++) {
            assertTrue(filter.isLoggable(
                    new LogRecord(Level.WARNING, "x".repeat(i % 1000 + 1) + (char) ('a' + i / 1000))));
        }
        assertFalse(lines.contains("nothing"));
    }
}
