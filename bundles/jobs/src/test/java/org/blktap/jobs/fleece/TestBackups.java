package org.blktap.jobs.fleece;

import org.blktap.api.control.Attachments;
import org.blktap.api.control.Images;
import org.blktap.jobs.JobKind;

/** Makes the work of backups for tests of other packages. */
public final class TestBackups {
    private TestBackups() {}

    public static JobKind of(PointsInTime points, Attachments attachments, Images images) {
        BackupJob job = new BackupJob();
        job.points = points;
        job.attachments = attachments;
        job.images = images;
        return job;
    }
}
