package org.blktap.format.vhdx;

import java.util.concurrent.Semaphore;
import java.util.concurrent.TimeUnit;
import org.blktap.api.disk.DiskException;
import org.blktap.api.disk.DiskException.Reason;
import org.blktap.api.memory.Alignment;
import org.blktap.api.settings.Setting;

/**
 * A share of the memory for logs, which all images together take from one bounded pool: while a log is read, and as long as an image is
 * read through its log. Any thread.
 */
final class LogMemory implements AutoCloseable {
    private static final int UNIT = 1 << 10;
    /** Enough for the largest log, and for some of usual size beside it. */
    private static final long DEFAULT_BYTES = 96 << 20;
    private static final long MOST_BYTES = 1L << 40;
    private static final long WAIT_SECONDS = 10;
    private static final long BYTES = Setting.number("blktap.vhdx.log-memory", DEFAULT_BYTES, UNIT, MOST_BYTES);
    private static final Semaphore FREE = new Semaphore((int) (BYTES / UNIT), true);

    private int units;

    private LogMemory(int units) {
        this.units = units;
    }

    /** Takes a share; waits a little for logs that are being replayed, which soon return theirs. */
    static LogMemory take(long bytes, Object file) throws DiskException {
        int units = units(bytes);
        try {
            if (!FREE.tryAcquire(units, WAIT_SECONDS, TimeUnit.SECONDS)) {
                throw new DiskException(Reason.BUSY, file + ": its log takes " + bytes + " bytes of memory; " + (long) FREE.availablePermits() * UNIT
                        + " are free of the " + BYTES + " bytes for all logs (blktap.vhdx.log-memory)");
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new DiskException(Reason.IO, file + ": interrupted while waiting for memory for its log", e);
        }
        return new LogMemory(units);
    }

    private static int units(long bytes) {
        return (int) Alignment.units(bytes, UNIT);
    }

    /** Returns what is not needed any more. */
    synchronized void shrinkTo(long bytes) {
        int keep = Math.min(units, units(bytes));
        FREE.release(units - keep);
        units = keep;
    }

    /** Returns all of it. Idempotent. */
    @Override
    public void close() {
        shrinkTo(0);
    }
}
