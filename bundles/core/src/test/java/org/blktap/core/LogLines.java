package org.blktap.core;

import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.logging.Handler;
import java.util.logging.LogRecord;
import java.util.logging.Logger;

/** What the core logs until this is closed. */
public final class LogLines extends Handler implements AutoCloseable {
    private final Logger log = Logger.getLogger("org.blktap.core");
    private final List<LogRecord> records = new CopyOnWriteArrayList<>();

    public LogLines() {
        log.addHandler(this);
    }

    /** The messages so far. */
    public List<String> all() {
        return records.stream().map(LogRecord::getMessage).toList();
    }

    /** Exceptions that were logged so far. */
    public List<Throwable> thrown() {
        return records.stream()
                .map(LogRecord::getThrown)
                .filter(each -> each != null)
                .toList();
    }

    public void clear() {
        records.clear();
    }

    @Override
    public void publish(LogRecord entry) {
        records.add(entry);
    }

    @Override
    public void flush() {
        // nothing is buffered
    }

    @Override
    public void close() {
        log.removeHandler(this);
    }
}
