package org.blktap.jobs.mirror;

import org.blktap.api.disk.BlockingDisk;
import org.blktap.api.disk.DiskException;
import org.blktap.api.disk.DiskException.Reason;
import org.blktap.api.disk.Operation;

/**
 * Why copying has stopped.
 *
 * @param canBeMended whether an operator can mend it, so that the job waits
 */
record MirrorFailure(DiskException why, boolean canBeMended) {
    static MirrorFailure of(String disk, Operation operation, long offset, int error) {
        DiskException why = BlockingDisk.failed(disk, operation, offset, error);
        return new MirrorFailure(why, why.reason() == Reason.NO_SPACE);
    }

    static MirrorFailure internal(String disk, Throwable thrown) {
        return new MirrorFailure(BlockingDisk.internal(disk, thrown), false);
    }
}
