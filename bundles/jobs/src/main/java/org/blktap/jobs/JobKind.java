package org.blktap.jobs;

import java.util.Set;

/** Does the work of jobs of some kinds: a service inside this bundle. */
public interface JobKind {
    /** The kinds that it does. */
    Set<String> kinds();

    /**
     * Works on a job until it has ended, on a thread of the job's own. Called again, with what the job has
     * {@linkplain Job#keep kept}, after a restart or a kill. A job whose work returns without an exception is done.
     *
     * @throws InterruptedException if the bundle stops: the job goes on from where it is, later
     * @throws Exception the job has failed, with its message; the disk is as before
     */
    void run(Job job) throws Exception;
}
