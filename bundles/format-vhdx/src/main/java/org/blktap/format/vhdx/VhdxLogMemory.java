package org.blktap.format.vhdx;

import java.util.concurrent.Semaphore;
import java.util.concurrent.TimeUnit;
import org.blktap.api.disk.DiskException;
import org.blktap.api.disk.DiskException.Reason;
import org.blktap.api.memory.Alignment;

/**
 * The memory for logs that all images share: while a log is read, and as long as an image is read through its log. Any
 * thread.
 */
final class VhdxLogMemory {
    private static final int UNIT = 1 << 10;
    private static final long WAIT_SECONDS = 10;

    private final Units free = new Units();

    /** The units that are free, fewer than 0 while more is taken than a new limit allows. */
    private static final class Units extends Semaphore {
        private static final long serialVersionUID = 1;
        private int all;

        Units() {
            super(0, true);
        }

        synchronized void limit(int number) {
            if (number > all) {
                release(number - all);
            } else {
                reducePermits(all - number);
            }
            all = number;
        }

        synchronized int all() {
            return all;
        }
    }

    VhdxLogMemory(long bytes) {
        limit(bytes);
    }

    void limit(long bytes) {
        free.limit((int) (bytes / UNIT));
    }

    /** Takes a share; waits a little for logs that are being replayed, which soon return theirs. */
    Share take(long bytes, Object file) throws DiskException {
        int units = units(bytes);
        try {
            if (!free.tryAcquire(units, WAIT_SECONDS, TimeUnit.SECONDS)) {
                throw new DiskException(
                        Reason.BUSY,
                        file + ": its log takes " + bytes + " bytes of memory; "
                                + (long) Math.max(0, free.availablePermits()) * UNIT + " are free of the "
                                + (long) free.all() * UNIT + " bytes for all logs (log-memory in the settings of "
                                + VhdxSettings.PID + ")");
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new DiskException(Reason.IO, file + ": interrupted while waiting for memory for its log", e);
        }
        return new Share(units);
    }

    private static int units(long bytes) {
        return (int) Alignment.units(bytes, UNIT);
    }

    /** The memory of one log. */
    final class Share implements AutoCloseable {
        private int units;

        private Share(int units) {
            this.units = units;
        }

        /** Returns all but {@code bytes}. */
        synchronized void shrinkTo(long bytes) {
            int keep = Math.min(units, units(bytes));
            free.release(units - keep);
            units = keep;
        }

        /** Returns the whole share. Idempotent. */
        @Override
        public void close() {
            shrinkTo(0);
        }
    }
}
