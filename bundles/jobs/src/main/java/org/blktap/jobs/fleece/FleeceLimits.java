package org.blktap.jobs.fleece;

import org.blktap.api.disk.DiskException;
import org.blktap.api.disk.Options;

/**
 * How much old data is kept.
 *
 * @param buffer bytes of old data
 * @param waits whether the VM waits when the buffer is full; otherwise the point in time is lost
 * @param once whether each range is read only once, and is not needed afterwards
 */
record FleeceLimits(long buffer, boolean waits, boolean once) {
    /** The room for old data unless the caller says otherwise. */
    private static final long BUFFER = 4L << 30;

    private static final long SMALLEST_BUFFER = 1 << 20;
    private static final long LARGEST_BUFFER = 1L << 50;

    static FleeceLimits of(Options options) throws DiskException {
        return new FleeceLimits(
                options.size("buffer", BUFFER, SMALLEST_BUFFER, LARGEST_BUFFER),
                options.oneOf("full", "fail", "fail", "wait").equals("wait"),
                options.flag("once", false));
    }
}
