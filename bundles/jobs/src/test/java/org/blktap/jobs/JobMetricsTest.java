package org.blktap.jobs;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;

import java.nio.file.Path;
import java.util.Map;
import org.blktap.api.control.JobState;
import org.blktap.api.testkit.MetricRecorder;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class JobMetricsTest {
    @TempDir
    Path directory;

    @Test
    void jobsAreCountedAndThoseAtWorkShowTheirProgress() throws Exception {
        JobTable table = JobTable.at(directory);
        JobMetrics metrics = new JobMetrics(table);
        MetricRecorder none = new MetricRecorder();
        metrics.collect(none);
        assertEquals(Map.of(), none.values);
        Job job = table.add("move", "a", Map.of(), Map.of());
        job.progress(10, 100);
        MetricRecorder seen = new MetricRecorder();
        metrics.collect(seen);
        assertEquals(1, seen.values.get("blktap_jobs{kind=move,state=running}"));
        assertEquals(0, seen.values.get("blktap_jobs{kind=move,state=failed}"));
        assertEquals(1, seen.values.get("blktap_job_state{id=a,kind=move,state=running}"));
        assertEquals(10, seen.values.get("blktap_job_done_bytes{id=a,kind=move}"));
        assertEquals(100, seen.values.get("blktap_job_size_bytes{id=a,kind=move}"));
        job.end(JobState.FAILED, "meant to fail");
        MetricRecorder ended = new MetricRecorder();
        metrics.collect(ended);
        assertEquals(1, ended.values.get("blktap_jobs{kind=move,state=failed}"));
        assertFalse(ended.values.containsKey("blktap_job_done_bytes{id=a,kind=move}"));
    }
}
