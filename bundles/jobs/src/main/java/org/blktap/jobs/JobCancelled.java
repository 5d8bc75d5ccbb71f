package org.blktap.jobs;

import org.blktap.api.disk.DiskException;

/** An operator has cancelled the job. */
public final class JobCancelled extends DiskException {
    private static final long serialVersionUID = 1;

    public JobCancelled() {
        super(Reason.IO, "cancelled");
    }
}
