package org.blktap.shell.command;

import java.util.LinkedHashMap;
import java.util.Map;
import org.blktap.api.control.AttachmentStats;
import org.blktap.api.control.AttachmentStats.Counter;

/**
 * What an attachment has done in an interval.
 *
 * @param seconds the interval
 * @param operations by name, operations of which requests have ended
 * @param inFlight at its end
 */
record Rates(String id, double seconds, int inFlight, Map<String, Rate> operations) {
    /**
     * One operation.
     *
     * @param count requests that have ended
     * @param bytes of these requests
     * @param errors of these requests
     * @param perSecond requests a second
     * @param bytesPerSecond bytes a second
     * @param mean mean latency of these requests in microseconds
     */
    record Rate(long count, long bytes, long errors, double perSecond, double bytesPerSecond, double mean) {
        private static Rate of(long count, long bytes, long errors, double micros, double seconds) {
            return new Rate(
                    count, bytes, errors, count / seconds, bytes / seconds, count == 0 ? Double.NaN : micros / count);
        }
    }

    /** @param before null if there is none; then the rates are since the attach */
    static Rates between(AttachmentStats before, AttachmentStats now, double seconds) {
        Map<String, Rate> rates = new LinkedHashMap<>();
        now.operations().forEach((name, counter) -> {
            Counter earlier = before == null ? null : before.operations().get(name);
            // fewer than before: it has been detached and attached meanwhile
            boolean begins = earlier == null || earlier.count() > counter.count();
            long count = counter.count() - (begins ? 0 : earlier.count());
            if (count > 0) {
                rates.put(
                        name,
                        Rate.of(
                                count,
                                counter.bytes() - (begins ? 0 : earlier.bytes()),
                                counter.errors() - (begins ? 0 : earlier.errors()),
                                micros(counter) - (begins ? 0 : micros(earlier)),
                                seconds));
            }
        });
        return new Rates(now.id(), seconds, now.inFlight(), rates);
    }

    /** Returns the microseconds that all requests have taken together. */
    private static double micros(Counter counter) {
        return counter.count() == 0 ? 0 : counter.count() * counter.latency().mean();
    }

    /** All operations together. */
    Rate total() {
        long count = 0;
        long bytes = 0;
        long errors = 0;
        double micros = 0;
        for (Rate each : operations.values()) {
            count += each.count();
            bytes += each.bytes();
            errors += each.errors();
            micros += each.count() * each.mean();
        }
        return Rate.of(count, bytes, errors, micros, seconds);
    }

    /** Returns one operation; zeros if no request of it has ended. */
    Rate of(String operation) {
        return operations.getOrDefault(operation, Rate.of(0, 0, 0, 0, seconds));
    }
}
