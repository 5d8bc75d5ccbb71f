package org.blktap.core.gate;

import java.lang.System.Logger;
import java.lang.System.Logger.Level;
import java.util.Locale;
import java.util.function.Consumer;
import org.blktap.api.disk.Operation;
import org.blktap.api.disk.Request;
import org.blktap.api.engine.Errno;
import org.blktap.api.engine.IoLoop;

/**
 * Logs the failed requests of one attachment: the first at once, the following ones as a count, at most one line every
 * ten seconds. Requests that are refused because they are invalid are counted apart, so that a guest cannot hide errors
 * of the storage among them. A series is also reported, when it begins, ever more rarely while it goes on, and when it
 * ends. Loop only.
 */
final class ErrorSeries {
    private static final Logger LOG = System.getLogger("org.blktap.core");
    private static final int LINE_MILLIS = 10_000;
    /** A series that goes on is reported after 1, 2, 4 and so on of these lines, and then after each so many. */
    private static final int MOST_LINES_BETWEEN = 64;

    private static final int KINDS = Operation.values().length;

    private final IoLoop loop;
    private final String id;
    private final Consumer<ErrorReport> reports;
    /** One for each operation: first for errors of the storage, then for refused requests. Null until one fails. */
    private final Series[] series = new Series[2 * KINDS];

    private static final class Series {
        /** A line has been written, and a timer is set. */
        private boolean running;

        private long count;
        private int error;
        private long offset;
        private final Operation operation;
        private final boolean refused;
        /** Requests since the series began. */
        private long total;
        /** Timers until the next report, and how many the report after that has to wait for. */
        private int untilReport;

        private int between;

        private Series(Operation operation, boolean refused) {
            this.operation = operation;
            this.refused = refused;
        }

        private ErrorReport report(ErrorReport.Stage stage) {
            return new ErrorReport(stage, operation, refused, error, offset, total);
        }
    }

    /**
     * @param loop the attachment's, which is named for it
     * @param reports receives what becomes of each series
     */
    ErrorSeries(IoLoop loop, Consumer<ErrorReport> reports) {
        this.loop = loop;
        this.reports = reports;
        String name = String.valueOf(loop.name());
        id = name.startsWith("blktap-") ? name.substring("blktap-".length()) : name;
    }

    /** Logs or counts a request that has ended with an error. */
    void failed(Request request) {
        int error = request.error();
        boolean refused = error == Errno.EINVAL || error == Errno.EROFS || error == Errno.EFAULT;
        int place = request.operation().ordinal() + (refused ? KINDS : 0);
        if (series[place] == null) {
            series[place] = new Series(request.operation(), refused);
        }
        Series one = series[place];
        one.total++;
        one.error = error;
        one.offset = request.offset();
        if (one.running) {
            one.count++;
            return;
        }
        one.running = true;
        one.untilReport = 1;
        one.between = 1;
        LOG.log(
                Level.WARNING,
                id + ": " + name(request.operation())
                        + (request.operation() == Operation.FLUSH
                                ? ""
                                : " of " + request.length() + " bytes at " + request.offset())
                        + " failed: " + Errno.text(error));
        reports.accept(one.report(ErrorReport.Stage.BEGINS));
        if (loop.inLoop()) {
            later(one);
        }
    }

    private void later(Series one) {
        loop.schedule(
                () -> {
                    if (one.count == 0) {
                        ended(one);
                        return;
                    }
                    LOG.log(
                            Level.WARNING,
                            id + ": " + one.count + " more of operation " + name(one.operation) + " failed within "
                                    + LINE_MILLIS / 1000 + " s, the last"
                                    + (one.operation == Operation.FLUSH ? ": " : " at " + one.offset + ": ")
                                    + Errno.text(one.error));
                    one.count = 0;
                    goesOn(one);
                    later(one);
                },
                LINE_MILLIS);
    }

    private void goesOn(Series one) {
        if (--one.untilReport == 0) {
            one.between = Math.min(2 * one.between, MOST_LINES_BETWEEN);
            one.untilReport = one.between;
            reports.accept(one.report(ErrorReport.Stage.CONTINUES));
        }
    }

    private void ended(Series one) {
        if (one.total > 1) {
            reports.accept(one.report(ErrorReport.Stage.ENDED));
        }
        one.running = false;
        one.total = 0;
    }

    private static String name(Operation operation) {
        return operation.name().toLowerCase(Locale.ROOT);
    }
}
