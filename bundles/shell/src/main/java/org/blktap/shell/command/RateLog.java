package org.blktap.shell.command;

import java.io.PrintWriter;
import java.time.Duration;
import java.time.LocalTime;
import java.time.temporal.ChronoUnit;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import org.blktap.api.control.AttachmentStats;
import org.blktap.api.disk.DiskException;
import org.blktap.shell.TextTable;

/** Prints the rates of attachments interval by interval: {@code stats --interval}. */
final class RateLog {
    private final VerbCall call;
    private final String id;
    private final boolean json;
    private final RateMeter meter = new RateMeter();

    /** @param id null for all */
    RateLog(VerbCall call, String id, boolean json) {
        this.call = call;
        this.id = id;
        this.json = json;
    }

    /** @param count number of intervals */
    void run(Duration interval, int count) throws DiskException, InterruptedException {
        long next = System.nanoTime();
        meter.measure(stats());
        for (int i = 0; i < count; i++) {
            next += interval.toNanos();
            if (!Intervals.awaits(call, next)) {
                return;
            }
            List<Rates> rates = meter.measure(stats());
            if (json) {
                rates.forEach(each -> call.jsonLine(object(each)));
            } else {
                print(rates);
            }
            call.out().flush();
        }
    }

    private List<AttachmentStats> stats() throws DiskException {
        return id == null
                ? call.attachments().stats()
                : List.of(call.attachments().stats(id));
    }

    private static Map<String, Object> object(Rates rates) {
        Map<String, Object> object = new LinkedHashMap<>();
        object.put("timeMillis", System.currentTimeMillis());
        object.put("id", rates.id());
        object.put("seconds", rates.seconds());
        object.put("inFlight", rates.inFlight());
        object.put("operations", rates.operations());
        return object;
    }

    private void print(List<Rates> all) {
        PrintWriter out = call.out();
        String time = LocalTime.now().truncatedTo(ChronoUnit.SECONDS).toString();
        TextTable table =
                new TextTable("TIME", "ID", "OPERATION", "OPS/s", "BYTES/s", "ERRORS", "MEAN µs", "IN FLIGHT");
        for (Rates each : all) {
            if (each.operations().isEmpty()) {
                table.row(time, each.id(), "-", 0, TextTable.size(0), 0, "-", each.inFlight());
            }
            each.operations()
                    .forEach((operation, rate) -> table.row(
                            time,
                            each.id(),
                            operation,
                            number(rate.perSecond()),
                            TextTable.size((long) rate.bytesPerSecond()),
                            rate.errors(),
                            number(rate.mean()),
                            each.inFlight()));
        }
        table.print(out);
        out.println();
    }

    /** A number without a fraction, or with one digit if it is small. */
    static String number(double value) {
        return Double.isFinite(value)
                ? String.format(Locale.ROOT, value == 0 || value >= 9.95 ? "%.0f" : "%.1f", value)
                : "-";
    }
}
