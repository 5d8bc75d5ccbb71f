package org.blktap.health;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.lang.reflect.Proxy;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import org.apache.felix.hc.api.Result;
import org.blktap.api.control.AttachmentStatus;
import org.blktap.api.control.AttachmentStatus.State;
import org.blktap.api.control.Attachments;
import org.blktap.api.control.StateReason;
import org.blktap.api.control.StateReason.Kind;
import org.blktap.api.engine.IoLoop;
import org.blktap.api.engine.LoopFactory;
import org.blktap.api.health.HealthReport;
import org.blktap.api.settings.Directories;
import org.blktap.api.testkit.Eventually;
import org.blktap.linux.EpollLoops;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class HealthTest {
    @TempDir
    Path directory;

    @SuppressWarnings("unchecked")
    private static <T> T fake(Class<T> type, String method, Object answer) {
        return (T) Proxy.newProxyInstance(
                HealthTest.class.getClassLoader(), new Class<?>[] {type}, (proxy, called, arguments) -> {
                    if (called.getName().equals(method)) {
                        return answer;
                    }
                    if (called.getName().equals("name")) {
                        return "blktap-vm";
                    }
                    throw new AssertionError(called);
                });
    }

    private static AttachmentStatus attachment(String id, String spec, State state, Kind why, long size) {
        return new AttachmentStatus(
                id,
                spec,
                state,
                why == Kind.NONE ? StateReason.NONE : new StateReason(why, "because"),
                size,
                512,
                false,
                "libaio",
                List.of(),
                Map.of(),
                Map.of());
    }

    private static Attachments attachments(AttachmentStatus... all) {
        return fake(Attachments.class, "list", List.of(all));
    }

    private static Result.Status disks(State state, Kind why) {
        return new DisksCheck(attachments(attachment("a", "tap:ram:a", state, why, 1)))
                .execute()
                .getStatus();
    }

    @Test
    void aParkedDiskIsCriticalUnlessAnOperatorParkedIt() {
        assertEquals(Result.Status.OK, new DisksCheck(attachments()).execute().getStatus());
        assertEquals(Result.Status.OK, disks(State.RUNNING, Kind.NONE));
        assertEquals(Result.Status.WARN, disks(State.PARKED, Kind.OPERATOR));
        assertEquals(Result.Status.CRITICAL, disks(State.PARKED, Kind.NO_DRIVER));
        assertEquals(Result.Status.CRITICAL, disks(State.PARKED, Kind.OPEN_FAILED));
        assertEquals(Result.Status.CRITICAL, disks(State.RUNNING, Kind.REQUESTS_STUCK));
        assertEquals(Result.Status.CRITICAL, disks(State.DETACHING, Kind.NOT_RESPONDING));
        assertEquals(Result.Status.OK, disks(State.OPENING, Kind.IMAGE_IN_USE));
    }

    private static Result loops(long busySeconds) {
        long since = busySeconds == 0 ? 0 : System.nanoTime() - TimeUnit.SECONDS.toNanos(busySeconds);
        IoLoop loop = fake(IoLoop.class, "busySince", since);
        return new LoopsCheck(fake(LoopFactory.class, "loops", List.of(loop)), TimeUnit.SECONDS.toNanos(5)).execute();
    }

    @Test
    void aLoopThatDoesNotTurnIsNamed() {
        assertEquals(Result.Status.OK, loops(0).getStatus());
        assertEquals(Result.Status.OK, loops(3).getStatus());
        Result hangs = loops(100);
        assertEquals(Result.Status.CRITICAL, hangs.getStatus());
        assertTrue(hangs.toString().contains("loop vm has not turned for 10"), hangs::toString);
    }

    @Test
    void aRealLoopThatIsHeldUpIsFound() throws Exception {
        EpollLoops loops = new EpollLoops();
        CountDownLatch release = new CountDownLatch(1);
        LoopsCheck check = new LoopsCheck(loops, TimeUnit.MILLISECONDS.toNanos(500));
        try (IoLoop held = loops.start("blktap-held");
                IoLoop other = loops.start("blktap-other")) {
            held.call(() -> 1);
            other.call(() -> 1);
            held.execute(() -> {
                try {
                    release.await();
                } catch (InterruptedException e) {
                    Thread.currentThread().interrupt();
                }
            });
            Eventually.holds("it hangs", () -> check.execute().toString().contains("loop held has not turned"));
            assertFalse(check.execute().toString().contains("other"));
            release.countDown();
            Eventually.holds("it turns", () -> check.execute().getStatus() == Result.Status.OK);
            assertEquals(2, loops.loops().size());
        } finally {
            release.countDown();
        }
        assertEquals(List.of(), loops.loops());
        loops.stop();
    }

    private Result.Status space(long size, int warn, int critical) throws Exception {
        Path image = directory.resolve("a.raw");
        if (!Files.exists(image)) {
            Files.write(image, new byte[1 << 20]);
        }
        Attachments all = attachments(attachment("a", "tap:raw:" + image, State.RUNNING, Kind.NONE, size));
        Directories directories = new Directories(directory, directory, directory, directory, directory);
        return new SpaceCheck(all, directories, warn, critical).execute().getStatus();
    }

    @Test
    void spaceIsMissedOnlyByWhatCanGrow() throws Exception {
        assertEquals(Result.Status.OK, space(1 << 20, 101, 101), "nothing more can be taken");
        assertEquals(Result.Status.WARN, space(Long.MAX_VALUE / 2 & -512, 101, 0));
        assertEquals(Result.Status.CRITICAL, space(Long.MAX_VALUE / 2 & -512, 101, 101));
        assertEquals(Result.Status.OK, space(Long.MAX_VALUE / 2 & -512, 0, 0), "there is more than zero percent");
    }

    @Test
    void whatHasNoFileIsNotExamined() {
        Attachments all = attachments(
                attachment("a", "tap:ram:a,size=1G", State.RUNNING, Kind.NONE, 1 << 30),
                attachment("b", "tap:raw:/nonexistent/b", State.PARKED, Kind.OPEN_FAILED, 1 << 30));
        Directories directories = new Directories(directory, directory, directory, directory, directory);
        assertEquals(
                Result.Status.OK,
                new SpaceCheck(all, directories, 10, 3).execute().getStatus());
    }

    @Test
    void linesAreBoundedAndTheWorstIsKept() {
        Findings findings = new Findings();
        for (int i = 0; i < 100; i++) {
            findings.warn("warning " + i);
        }
        findings.critical("the worst");
        Result result = findings.result("");
        assertEquals(Result.Status.CRITICAL, result.getStatus());
        assertTrue(result.toString().contains("and 81 more"), result::toString);
    }

    @Test
    void theWorstCheckIsTheStatus() {
        HealthReport.Check ok = new HealthReport.Check("a", HealthReport.Status.OK, List.of(), 0);
        HealthReport.Check warn = new HealthReport.Check("b", HealthReport.Status.WARN, List.of(), 0);
        assertEquals(HealthReport.Status.OK, HealthReport.of(List.of()).status());
        assertEquals(
                HealthReport.Status.WARN, HealthReport.of(List.of(ok, warn, ok)).status());
    }
}
