package org.blktap.jobs;

import java.io.IOException;
import java.nio.file.Path;
import java.util.Map;
import java.util.Properties;
import org.blktap.api.control.JobState;
import org.blktap.api.disk.DiskException;
import org.blktap.api.testkit.Eventually;
import org.blktap.core.TestDaemon;
import org.blktap.format.qcow2.Qcow2Driver;
import org.blktap.jobs.bitmap.BitmapFilter;
import org.blktap.jobs.bitmap.Bitmaps;
import org.blktap.jobs.fleece.FleeceDriver;
import org.blktap.jobs.fleece.FleeceFilter;
import org.blktap.jobs.fleece.PointsInTime;
import org.blktap.jobs.fleece.TestBackups;
import org.blktap.jobs.mirror.MirrorFilter;
import org.blktap.jobs.mirror.MirrorJobs;

/** A daemon with the core, qcow2 and the jobs, whose records are steps as well. */
final class JobsTestDaemon implements AutoCloseable {
    static final String ID = "a";

    final TestDaemon daemon;
    final Bitmaps bitmaps;
    private final JobTable table;
    private final JobRunner runner;
    private final JobKind mirrors;
    private final JobKind backups;
    private final FleeceFilter fleece;
    private final BitmapFilter bitmap;

    /** Starts it; attachments that are on record open. */
    JobsTestDaemon(Path home, SteppedFiles files) throws IOException {
        daemon = new TestDaemon(home, files);
        daemon.whenResumed(id -> files.step("resumed " + id));
        table = new JobTable(new SteppedJobFiles(daemon.directories().data().resolve("jobs"), files));
        MirrorFilter mirror = new MirrorFilter(table);
        fleece = new FleeceFilter(daemon.directories());
        bitmap = new BitmapFilter(daemon.directories());
        daemon.addFilter("mirror", mirror);
        daemon.addFilter("fleece", fleece);
        daemon.addFilter("bitmap", bitmap);
        daemon.addDriver("fleece", new FleeceDriver(fleece));
        daemon.addDriver("qcow2", new Qcow2Driver());
        bitmaps = new Bitmaps(bitmap, daemon.attachments());
        PointsInTime points = new PointsInTime(fleece, daemon.attachments(), bitmaps);
        runner = new JobRunner(table);
        mirrors = new MirrorJobs(daemon.attachments(), daemon.images(), mirror, table);
        backups = TestBackups.of(points, daemon.attachments(), daemon.images());
    }

    /** The records of jobs, each write of which is a step. */
    private static final class SteppedJobFiles extends JobFiles {
        private final SteppedFiles files;

        SteppedJobFiles(Path directory, SteppedFiles files) {
            super(directory);
            this.files = files;
        }

        @Override
        void write(String id, Properties record) throws DiskException {
            // the lock of an image's loop: no file changes while this is done
            synchronized (files) {
                super.write(id, record);
                files.step("record of job " + id);
            }
        }
    }

    /** Jobs that are on record go on. */
    void runJobs() {
        runner.addKind(mirrors);
        runner.addKind(backups);
    }

    Job start(String kind, Map<String, String> values) throws DiskException {
        return runner.start(kind, ID, Map.of(), values);
    }

    /** Waits until all jobs have ended; a mirror that is ready is completed. */
    void awaitJobs() throws Exception {
        Eventually.holds(() -> table.all().stream().map(Job::status).toList().toString(), () -> {
            boolean all = true;
            for (Job each : table.all()) {
                all &= each.state().ended();
                if (each.state() == JobState.READY && !each.complete()) {
                    complete(each);
                }
                // it looks at once what there is to do
                synchronized (each) {
                    each.notifyAll();
                }
            }
            return all;
        });
    }

    private static void complete(Job job) throws DiskException {
        try {
            job.completeByOperator();
        } catch (DiskException e) {
            if (e.reason() != DiskException.Reason.BUSY) {
                throw e;
            }
            // it is not ready any more, and will be again
        }
    }

    JobTable table() {
        return table;
    }

    @Override
    public void close() {
        runner.stop();
        daemon.close();
    }
}
