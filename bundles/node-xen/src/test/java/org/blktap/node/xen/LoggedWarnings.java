package org.blktap.node.xen;

import java.util.ArrayList;
import java.util.List;
import java.util.logging.Handler;
import java.util.logging.Level;
import java.util.logging.LogRecord;
import java.util.logging.Logger;

/** What the bundle and the loops log as a warning or worse while this is open, instead of anywhere else. */
final class LoggedWarnings extends Handler implements AutoCloseable {
    private final List<Logger> loggers =
            List.of(Logger.getLogger("org.blktap.node.xen"), Logger.getLogger("org.blktap.linux.loop"));
    private final List<String> lines = new ArrayList<>();

    LoggedWarnings() {
        for (Logger logger : loggers) {
            logger.addHandler(this);
            logger.setUseParentHandlers(false);
        }
    }

    @Override
    public synchronized void publish(LogRecord entry) {
        if (entry.getLevel().intValue() >= Level.WARNING.intValue()) {
            lines.add(entry.getMessage());
        }
    }

    /** Those of one attachment since this was last asked. */
    synchronized List<String> take(String id) {
        List<String> its =
                lines.stream().filter(line -> line.startsWith(id + ": ")).toList();
        lines.removeAll(its);
        return its;
    }

    /** Those that {@link #take} has left. */
    synchronized List<String> rest() {
        return List.copyOf(lines);
    }

    @Override
    public void flush() {
        // nothing is kept back
    }

    @Override
    public void close() {
        for (Logger logger : loggers) {
            logger.removeHandler(this);
            logger.setUseParentHandlers(true);
        }
    }
}
