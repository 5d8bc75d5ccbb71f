package org.blktap.jobs;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import java.io.PrintWriter;
import java.io.StringWriter;
import java.lang.reflect.Proxy;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.function.LongPredicate;
import org.blktap.api.command.Call;
import org.blktap.api.command.Progress;
import org.blktap.api.control.JobState;
import org.blktap.api.disk.DiskException;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

@Timeout(60)
class JobWaitTest {
    @TempDir
    Path directory;

    private final StringWriter out = new StringWriter();
    /** Calls of the bar, in order. */
    private final List<String> bar = new ArrayList<>();
    /** Whether the caller goes on waiting after so many bytes. */
    private LongPredicate waits = bytes -> true;

    private Job job;

    @BeforeEach
    void begin() throws Exception {
        job = JobTable.at(directory).add("move", "a", Map.of(), Map.of());
    }

    private final Progress progress = new Progress() {
        @Override
        public boolean at(long bytes, long ofBytes) {
            bar.add(bytes + "/" + ofBytes);
            return waits.test(bytes);
        }

        @Override
        public void note(String difference) {
            bar.add(difference);
        }

        @Override
        public void close() {
            bar.add("closed");
        }
    };

    private final Call call = (Call) Proxy.newProxyInstance(
            JobWaitTest.class.getClassLoader(), new Class<?>[] {Call.class}, (proxy, method, arguments) -> {
                return switch (method.getName()) {
                    case "progress" -> progress;
                    case "out" -> new PrintWriter(out, true);
                    case "cancelled" -> false;
                    default -> throw new AssertionError(method);
                };
            });

    /** Has the job do something when the bar has been told of so many bytes. */
    private void when(long bytes, Step step) {
        LongPredicate before = waits;
        waits = at -> {
            if (at == bytes) {
                try {
                    step.run();
                } catch (DiskException e) {
                    throw new AssertionError(e);
                }
            }
            return before.test(at);
        };
    }

    private interface Step {
        void run() throws DiskException;
    }

    @Test
    void theBarFollowsTheJobToItsEnd() throws Exception {
        job.progress(10, 100);
        when(10, () -> job.pause("target full"));
        when(10, () -> job.progress(60, 100));
        when(60, () -> job.waited(Duration.ofMillis(4)));
        when(60, () -> job.end(JobState.DONE, "is the image now"));
        JobWait.until(job, call);
        assertEquals(List.of("10/100", "target full", "60/100", "100/100", "closed"), bar);
        assertEquals(String.format("is the image now%npaused 4 ms%n"), out.toString());
    }

    @Test
    void aCallerWhoStopsWaitingLeavesTheJob() throws Exception {
        job.progress(10, 100);
        waits = bytes -> false;
        JobWait.until(job, call);
        assertEquals(List.of("10/100", "job " + job.id() + " goes on", "closed"), bar);
        assertEquals(JobState.RUNNING, job.state());
        assertEquals("", out.toString());
    }

    @Test
    void aFailedJobIsAnError() throws Exception {
        job.progress(10, 100);
        when(10, () -> job.end(JobState.FAILED, "meant to fail"));
        DiskException failed = assertThrows(DiskException.class, () -> JobWait.until(job, call));
        assertEquals("job " + job.id() + ": meant to fail", failed.getMessage());
        assertEquals(List.of("10/100", "closed"), bar);
    }
}
