package org.blktap.jobs;

import java.util.Map;
import java.util.Set;
import org.blktap.api.control.JobRequest;
import org.blktap.api.disk.DiskException;

/** Does the work of jobs of some kinds: a service inside this bundle. */
public interface JobKind {
    /** The kinds of jobs whose work this does. */
    Set<String> kinds();

    /**
     * Returns the values that a job records of a request.
     *
     * @throws DiskException BAD_OPTION
     */
    Map<String, String> values(JobRequest request) throws DiskException;

    /** Whether a job has begun, so that its number can be reported. */
    default boolean begun(Job job) {
        return true;
    }

    /**
     * Works on a job until it has ended, on a thread of the job's own. Called again, with what the job has
     * {@linkplain Job#keep kept}, after a restart or a kill. A job whose work returns without an exception is done.
     *
     * @throws InterruptedException if the bundle stops: the job continues later
     * @throws Exception if the job has failed, with the reason; the disk is as before
     */
    void run(Job job) throws Exception;
}
