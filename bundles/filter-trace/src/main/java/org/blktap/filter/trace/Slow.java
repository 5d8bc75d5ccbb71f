package org.blktap.filter.trace;

import org.blktap.api.disk.Operation;

/**
 * A slow request.
 *
 * @param endedMillis {@link System#currentTimeMillis}
 * @param inFlight requests that were at the disk when it came
 * @param nanos by {@link Stretch}
 */
record Slow(
        Operation operation,
        long offset,
        long length,
        int error,
        long endedMillis,
        int inFlight,
        long totalNanos,
        long[] nanos) {}
