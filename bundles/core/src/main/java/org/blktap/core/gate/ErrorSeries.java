package org.blktap.core.gate;

import java.lang.System.Logger;
import java.lang.System.Logger.Level;
import java.util.Locale;
import org.blktap.api.disk.Operation;
import org.blktap.api.disk.Request;
import org.blktap.api.engine.Errno;
import org.blktap.api.engine.IoLoop;

/**
 * Logs the failed requests of one attachment: the first at once, the following ones as a count, at most one line every
 * ten seconds. Requests that are refused because they are invalid are counted apart, so that a guest cannot hide errors
 * of the storage among them. Loop only.
 */
final class ErrorSeries {
    private static final Logger LOG = System.getLogger("org.blktap.core");
    private static final int LINE_MILLIS = 10_000;
    private static final int KINDS = Operation.values().length;

    private final IoLoop loop;
    private final String id;
    /** One for each operation: first for errors of the storage, then for refused requests. Null until one fails. */
    private final Series[] series = new Series[2 * KINDS];

    private static final class Series {
        /** A line has been written, and a timer is set. */
        private boolean running;

        private long count;
        private int error;
        private long offset;
    }

    /** @param loop the attachment's, which is named for it */
    ErrorSeries(IoLoop loop) {
        this.loop = loop;
        String name = String.valueOf(loop.name());
        id = name.startsWith("blktap-") ? name.substring("blktap-".length()) : name;
    }

    /** Logs or counts a request that has ended with an error. */
    void failed(Request request) {
        int error = request.error();
        boolean refused = error == Errno.EINVAL || error == Errno.EROFS || error == Errno.EFAULT;
        int place = request.operation().ordinal() + (refused ? KINDS : 0);
        if (series[place] == null) {
            series[place] = new Series();
        }
        Series one = series[place];
        if (one.running) {
            one.count++;
            one.error = error;
            one.offset = request.offset();
            return;
        }
        one.running = true;
        LOG.log(
                Level.WARNING,
                id + ": " + name(request.operation())
                        + (request.operation() == Operation.FLUSH
                                ? ""
                                : " of " + request.length() + " bytes at " + request.offset())
                        + " failed: " + Errno.text(error));
        if (loop.inLoop()) {
            later(one, request.operation());
        }
    }

    private void later(Series one, Operation operation) {
        loop.schedule(
                () -> {
                    if (one.count == 0) {
                        one.running = false;
                        return;
                    }
                    LOG.log(
                            Level.WARNING,
                            id + ": " + one.count + " more of operation " + name(operation) + " failed within "
                                    + LINE_MILLIS / 1000 + " s, the last"
                                    + (operation == Operation.FLUSH ? ": " : " at " + one.offset + ": ")
                                    + Errno.text(one.error));
                    one.count = 0;
                    later(one, operation);
                },
                LINE_MILLIS);
    }

    private static String name(Operation operation) {
        return operation.name().toLowerCase(Locale.ROOT);
    }
}
