package org.blktap.api.control;

import java.util.List;
import java.util.Map;

/**
 * Counters since the attach.
 *
 * @param inFlight requests at the disk at this moment
 * @param parks how often it was parked
 * @param parkedMillis how long it was parked in all
 * @param operations by operation name in lower case: read, write, flush, discard, write_zeroes, map
 * @param filters those that are open, from the disk to the nodes
 */
public record AttachmentStats(
        String id,
        int inFlight,
        long parks,
        long parkedMillis,
        Map<String, Counter> operations,
        List<FilterStats> filters) {
    /** Counters of an attachment without filters. */
    public AttachmentStats(String id, int inFlight, long parks, long parkedMillis, Map<String, Counter> operations) {
        this(id, inFlight, parks, parkedMillis, operations, List.of());
    }

    /**
     * What a filter reports.
     *
     * @param values numbers and texts
     */
    public record FilterStats(String type, Map<String, ?> values) {}

    /**
     * @param count ended requests
     * @param bytes of those
     * @param errors of those
     * @param latency in microseconds
     */
    public record Counter(long count, long bytes, long errors, Latency latency) {}

    /** Microseconds from taking a request to its end. */
    public record Latency(double mean, double p50, double p90, double p99, double p999, double max) {}
}
