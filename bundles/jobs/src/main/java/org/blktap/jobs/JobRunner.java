package org.blktap.jobs;

import java.lang.System.Logger;
import java.lang.System.Logger.Level;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import org.blktap.api.control.JobState;
import org.blktap.api.disk.DiskException;
import org.blktap.api.disk.DiskException.Reason;
import org.osgi.service.component.annotations.Activate;
import org.osgi.service.component.annotations.Component;
import org.osgi.service.component.annotations.Deactivate;
import org.osgi.service.component.annotations.Reference;
import org.osgi.service.component.annotations.ReferenceCardinality;
import org.osgi.service.component.annotations.ReferencePolicy;

/** Runs jobs, each on a thread of its own, as soon as the service that does its work is registered. Thread-safe. */
@Component(service = JobRunner.class, immediate = true)
public final class JobRunner {
    private static final Logger LOG = System.getLogger("org.blktap.jobs");
    /** Time limit for a thread to end; a thread that takes longer is left behind. */
    private static final long STOP_MILLIS = TimeUnit.SECONDS.toMillis(5);

    private final JobTable table;
    private final List<JobKind> kinds = new ArrayList<>();
    private final Map<String, Running> running = new HashMap<>();

    private record Running(Thread thread, JobKind work) {}

    @Activate
    public JobRunner(@Reference JobTable table) {
        this.table = table;
    }

    @Reference(cardinality = ReferenceCardinality.MULTIPLE, policy = ReferencePolicy.DYNAMIC)
    void addKind(JobKind work) {
        synchronized (this) {
            kinds.add(work);
        }
        for (Job each : table.all()) {
            if (!each.state().ended() && work.kinds().contains(each.kind())) {
                LOG.log(
                        Level.INFO,
                        "job " + each.id() + " goes on: " + each.kind() + " of " + each.attachment() + ", "
                                + each.state());
                start(each, work);
            }
        }
    }

    void removeKind(JobKind work) {
        List<Thread> ending = new ArrayList<>();
        synchronized (this) {
            kinds.remove(work);
            running.values().stream()
                    .filter(each -> each.work() == work)
                    .map(Running::thread)
                    .forEach(ending::add);
        }
        stop(ending);
    }

    /** Ends the threads; the jobs stay on record. */
    @Deactivate
    void stop() {
        List<Thread> ending;
        synchronized (this) {
            ending = running.values().stream().map(Running::thread).toList();
        }
        stop(ending);
    }

    private static void stop(List<Thread> threads) {
        threads.forEach(Thread::interrupt);
        long end = System.nanoTime() + TimeUnit.MILLISECONDS.toNanos(STOP_MILLIS);
        try {
            for (Thread each : threads) {
                each.join(Math.max(1, TimeUnit.NANOSECONDS.toMillis(end - System.nanoTime())));
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }

    /**
     * Makes a job and starts it.
     *
     * @param settings {@code speed} and {@code share}, as {@code job set} takes them
     * @param values the values of its kind
     * @throws DiskException BUSY if the attachment has a job, which the message names
     */
    public Job start(String kind, String attachment, Map<String, String> settings, Map<String, String> values)
            throws DiskException {
        JobKind work = kind(kind);
        Job job = table.add(kind, attachment, settings, values);
        start(job, work);
        return job;
    }

    /** @throws DiskException NOT_FOUND if no service does jobs of the kind */
    synchronized JobKind kind(String kind) throws DiskException {
        return kinds.stream()
                .filter(each -> each.kinds().contains(kind))
                .findFirst()
                .orElseThrow(() -> new DiskException(Reason.NOT_FOUND, "nobody does jobs of kind " + kind));
    }

    private synchronized void start(Job job, JobKind work) {
        Thread thread = new Thread(() -> run(job, work), "blktap-job-" + job.id());
        thread.setDaemon(true);
        Running before = running.putIfAbsent(job.id(), new Running(thread, work));
        if (before == null) {
            thread.start();
        }
    }

    private void run(Job job, JobKind work) {
        try {
            work.run(job);
            job.end(JobState.DONE, job.message());
            LOG.log(Level.INFO, "job " + job.id() + " is done: " + job.kind() + " of " + job.attachment());
        } catch (InterruptedException e) {
            // continues when the bundle is back
        } catch (Exception | LinkageError e) {
            failed(job, e);
        } finally {
            synchronized (this) {
                running.remove(job.id());
            }
        }
    }

    private static void failed(Job job, Throwable e) {
        boolean expected = e instanceof DiskException;
        String why = expected ? e.getMessage() : "internal error: " + e;
        LOG.log(
                e instanceof JobCancelled ? Level.INFO : Level.ERROR,
                "job " + job.id() + " (" + job.kind() + " of " + job.attachment() + "): " + why,
                expected ? null : e);
        try {
            job.end(JobState.FAILED, why);
        } catch (DiskException f) {
            LOG.log(Level.ERROR, f.getMessage());
        }
    }
}
