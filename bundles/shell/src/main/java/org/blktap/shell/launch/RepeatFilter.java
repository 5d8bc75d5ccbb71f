package org.blktap.shell.launch;

import java.util.LinkedHashMap;
import java.util.Map;
import java.util.function.LongSupplier;
import java.util.logging.Filter;
import java.util.logging.Handler;
import java.util.logging.Level;
import java.util.logging.LogRecord;

/**
 * Limits warnings and errors that repeat: of messages that differ only in numbers, a limited number pass in a period;
 * the rest is counted, and the count is logged when the period is over. What somebody does to a server in a loop must
 * not fill its disk.
 */
final class RepeatFilter implements Filter {
    static final int DEFAULT_LIMIT = 10;
    static final long PERIOD_NANOS = 10_000_000_000L;
    private static final int MAX_KINDS = 256;

    private int limit;
    private final LongSupplier clock;
    private final Map<String, Kind> kinds = new LinkedHashMap<>(MAX_KINDS, 0.75f, true) {
        private static final long serialVersionUID = 1;

        @Override
        protected boolean removeEldestEntry(Map.Entry<String, Kind> eldest) {
            return size() > MAX_KINDS;
        }
    };

    private static final class Kind {
        private long since;
        private int passed;
        private long held;
        private LogRecord last;
    }

    RepeatFilter(int limit, LongSupplier clock) {
        this.limit = limit;
        this.clock = clock;
    }

    /** Changes how many similar records pass in a period. */
    synchronized void limit(int number) {
        limit = number;
    }

    @Override
    public synchronized boolean isLoggable(LogRecord record) {
        if (record.getLevel().intValue() < Level.WARNING.intValue() || record.getMessage() == null) {
            return true;
        }
        Kind kind = kinds.computeIfAbsent(
                record.getLoggerName() + ' ' + record.getMessage().replaceAll("[0-9]+", "0"), key -> new Kind());
        long now = clock.getAsLong();
        if (now - kind.since > PERIOD_NANOS && kind.held == 0) {
            kind.passed = 0;
        }
        if (kind.passed == 0) {
            kind.since = now;
        }
        if (kind.passed < limit) {
            kind.passed++;
            return true;
        }
        kind.held++;
        kind.last = record;
        return false;
    }

    /** Logs the counts of periods that are over. Called now and then. */
    void flush(Handler to) {
        Map<String, LogRecord> due = new LinkedHashMap<>();
        synchronized (this) {
            long now = clock.getAsLong();
            kinds.forEach((key, kind) -> {
                if (kind.held > 0 && now - kind.since > PERIOD_NANOS) {
                    LogRecord count = new LogRecord(
                            kind.last.getLevel(), kind.held + " more like this: " + kind.last.getMessage());
                    count.setLoggerName(kind.last.getLoggerName());
                    due.put(key, count);
                    kind.held = 0;
                    kind.last = null;
                    // as long as it goes on, only the counts are logged
                    kind.since = now;
                }
            });
        }
        // past the filter, which would count it
        Filter filter = to.getFilter();
        if (!due.isEmpty()) {
            synchronized (to) {
                to.setFilter(null);
                due.values().forEach(to::publish);
                to.setFilter(filter);
            }
        }
    }
}
