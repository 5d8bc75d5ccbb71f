package org.blktap.jobs;

import org.blktap.api.command.Call;
import org.blktap.api.command.Progress;
import org.blktap.api.control.JobState;
import org.blktap.api.control.JobStatus;
import org.blktap.api.disk.DiskException;
import org.blktap.api.disk.DiskException.Reason;

/** Reports on a job that was just made, or waits for its end with a progress bar. */
public final class JobWait {
    static final long POLL_MILLIS = 200;

    private JobWait() {}

    /**
     * Waits until a job has ended, and prints how long the VM's requests waited. If the caller interrupts the call, the
     * job continues.
     *
     * @throws DiskException if the job has failed
     */
    public static void until(Job job, Call call) throws DiskException, InterruptedException {
        String said = "";
        try (Progress bar = call.progress()) {
            while (!job.state().ended()) {
                JobStatus status = job.status();
                if (!status.message().equals(said)) {
                    said = status.message();
                    if (!said.isEmpty()) {
                        bar.note(said);
                    }
                }
                boolean known = status.totalBytes() > 0;
                if (known ? !bar.at(status.doneBytes(), status.totalBytes()) : call.cancelled()) {
                    bar.note("job " + job.id() + " goes on");
                    return;
                }
                job.await(POLL_MILLIS);
            }
            JobStatus last = job.status();
            if (last.state() == JobState.DONE && last.totalBytes() > 0) {
                bar.at(last.totalBytes(), last.totalBytes());
            }
        }
        JobStatus status = job.status();
        if (status.state() == JobState.FAILED) {
            throw new DiskException(Reason.IO, "job " + job.id() + ": " + status.message());
        }
        print(status, call);
    }

    /** Prints the number of a job that continues by itself, or waits for the job and prints its result. */
    public static void report(Job job, boolean wait, boolean json, Call call)
            throws DiskException, InterruptedException {
        if (wait) {
            if (json) {
                while (!job.state().ended() && !call.cancelled()) {
                    job.await(POLL_MILLIS);
                }
                call.json(job.status());
                if (job.state() == JobState.FAILED) {
                    throw new DiskException(Reason.IO, "job " + job.id() + ": " + job.message());
                }
            } else {
                until(job, call);
            }
        } else if (json) {
            call.json(job.status());
        } else {
            call.out().println("job " + job.id());
        }
    }

    private static void print(JobStatus status, Call call) {
        if (!status.message().isEmpty()) {
            call.out().println(status.message());
        }
        if (status.pausedMicros() >= 0) {
            call.out().println("paused " + (status.pausedMicros() + 500) / 1000 + " ms");
        }
    }
}
