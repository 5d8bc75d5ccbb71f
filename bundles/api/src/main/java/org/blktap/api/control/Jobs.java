package org.blktap.api.control;

import java.util.List;
import java.util.Map;
import org.blktap.api.disk.DiskException;
import org.osgi.annotation.versioning.ProviderType;

/** The jobs of this daemon: long work on disks that VMs use. Any thread but a loop. */
@ProviderType
public interface Jobs {
    /** All that work, and those that have ended in the last day; the oldest first. */
    List<JobStatus> list();

    /** @throws DiskException NOT_FOUND */
    JobStatus job(String id) throws DiskException;

    /**
     * Makes a job and starts it. Blocks until it works, for at most half a minute; then it goes on by itself.
     *
     * @throws DiskException NOT_FOUND; BUSY if another job works on the attachment; BAD_OPTION; and what keeps it from
     *     beginning
     */
    JobStatus start(JobRequest request) throws DiskException, InterruptedException;

    /** @throws DiskException NOT_FOUND; BUSY if it has ended */
    JobStatus pause(String id) throws DiskException;

    /** @throws DiskException NOT_FOUND; BUSY if it has ended */
    JobStatus resume(String id) throws DiskException;

    /**
     * Asks a job to end, and to leave the disk as it was. Returns at once.
     *
     * @throws DiskException NOT_FOUND; BUSY if it has ended
     */
    JobStatus cancel(String id) throws DiskException;

    /**
     * Has a mirror that is ready make its last step.
     *
     * @throws DiskException NOT_FOUND; BUSY if it is not ready
     */
    JobStatus complete(String id) throws DiskException;

    /**
     * Changes the speed or the share of a job.
     *
     * @param settings {@code speed}, bytes a second, 0 for no limit; {@code share}, pieces at once or {@code auto}
     * @throws DiskException NOT_FOUND; BUSY if it has ended; BAD_OPTION
     */
    JobStatus set(String id, Map<String, String> settings) throws DiskException;
}
