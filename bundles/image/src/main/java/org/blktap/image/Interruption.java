package org.blktap.image;

import org.blktap.api.disk.DiskException;
import org.blktap.api.disk.DiskException.Reason;

/** Ends long work on an image when its thread is interrupted: opening, repairing, checking. */
public final class Interruption {
    private Interruption() {}

    /**
     * To be called before each table that is read.
     *
     * @throws DiskException if the thread was interrupted; its interrupt is cleared, so that files can be closed
     */
    public static void check(Object file) throws DiskException {
        if (Thread.interrupted()) {
            throw new DiskException(Reason.IO, file + ": the work on this image was interrupted");
        }
    }
}
