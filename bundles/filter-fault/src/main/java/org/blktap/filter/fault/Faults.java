package org.blktap.filter.fault;

import java.util.EnumSet;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import org.blktap.api.disk.DiskException;
import org.blktap.api.disk.Operation;
import org.blktap.api.disk.Options;
import org.blktap.api.disk.Request;
import org.blktap.api.engine.Errno;

/**
 * The options of the filter: which requests have which faults.
 *
 * @param operations operations that may have faults
 * @param from first byte of the range; requests that touch it may have faults
 * @param to end of the range
 * @param error errno of a failed request
 * @param errors part of the requests that fail, 0 to 1
 * @param most the most errors until the option is set again
 * @param delayMillis how long a delayed request waits
 * @param delays part of the requests that are delayed, 0 to 1
 * @param outageMillis how long all requests fail; 0 for never
 * @param everyMillis from the beginning of an outage to that of the next
 */
record Faults(
        Set<Operation> operations,
        long from,
        long to,
        int error,
        double errors,
        long most,
        int delayMillis,
        double delays,
        int outageMillis,
        int everyMillis,
        int seed) {
    private static final Map<String, Integer> ERRORS = new TreeMap<>(Map.of(
            "EIO", Errno.EIO,
            "ENOSPC", Errno.ENOSPC,
            "EAGAIN", Errno.EAGAIN,
            "ENOMEM", Errno.ENOMEM,
            "EROFS", Errno.EROFS,
            "EOPNOTSUPP", Errno.EOPNOTSUPP,
            "ENOMEDIUM", Errno.ENOMEDIUM,
            "ESHUTDOWN", Errno.ESHUTDOWN));
    private static final int MOST_MILLIS = 3_600_000;

    static Faults of(Options options) throws DiskException {
        String error = options.oneOf("error", "EIO", ERRORS.keySet().toArray(String[]::new));
        int delay = options.number("delay-ms", 0, 0, MOST_MILLIS);
        int outage = options.number("outage-ms", 0, 0, MOST_MILLIS);
        int every = options.number("outage-every-ms", 0, 0, MOST_MILLIS);
        if ((outage == 0) != (every == 0) || outage > every) {
            throw Options.bad(
                    "outage-ms", Integer.toString(outage), "at most the value of outage-every-ms, which must be there");
        }
        long[] range = range(options.text("range", ""));
        return new Faults(
                operations(options.text("operations", "")),
                range[0],
                range[1],
                ERRORS.get(error),
                part(options, "errors", 0),
                options.number("count", Integer.MAX_VALUE, 0, Integer.MAX_VALUE),
                delay,
                part(options, "delays", delay == 0 ? 0 : 1),
                outage,
                every,
                options.number("seed", 0, Integer.MIN_VALUE, Integer.MAX_VALUE));
    }

    /** A percentage as a part of 1. */
    private static double part(Options options, String key, double otherwise) throws DiskException {
        String text = options.text(key, null);
        if (text == null) {
            return otherwise;
        }
        double percent;
        try {
            percent = Double.parseDouble(text);
        } catch (NumberFormatException e) {
            percent = -1;
        }
        if (!(percent >= 0 && percent <= 100)) {
            throw Options.bad(key, text, "a percentage from 0 to 100, as 0.5");
        }
        return percent / 100;
    }

    private static Set<Operation> operations(String text) throws DiskException {
        Set<Operation> all = EnumSet.noneOf(Operation.class);
        for (String each : text.isEmpty() ? new String[0] : text.split(":")) {
            try {
                all.add(Operation.valueOf(each.toUpperCase(Locale.ROOT)));
            } catch (IllegalArgumentException e) {
                throw Options.bad("operations", text, "read, write, flush, discard, write_zeroes or map, with colons");
            }
        }
        return all.isEmpty() ? EnumSet.allOf(Operation.class) : all;
    }

    private static long[] range(String text) throws DiskException {
        if (text.isEmpty()) {
            return new long[] {0, Long.MAX_VALUE};
        }
        int dash = text.indexOf('-');
        try {
            long from = Options.parseSize(text.substring(0, Math.max(0, dash)));
            long to = Options.parseSize(text.substring(dash + 1));
            if (from < to) {
                return new long[] {from, to};
            }
        } catch (IllegalArgumentException e) {
            // reported below, together with an empty range
        }
        throw Options.bad("range", text, "FROM-TO, as 1M-2M");
    }

    /** Whether a request may have a fault. A flush has no range. */
    boolean concerns(Request request) {
        return operations.contains(request.operation())
                && (request.operation() == Operation.FLUSH
                        || request.offset() < to && request.offset() + request.length() > from);
    }

    /** Whether there is an outage. */
    boolean isOut(long sinceMillis) {
        return outageMillis != 0 && sinceMillis >= everyMillis && sinceMillis % everyMillis < outageMillis;
    }
}
