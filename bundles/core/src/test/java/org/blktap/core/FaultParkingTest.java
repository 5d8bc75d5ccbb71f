package org.blktap.core;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import org.blktap.api.control.AttachRequest;
import org.blktap.api.control.AttachmentStatus;
import org.blktap.api.control.AttachmentStatus.State;
import org.blktap.api.control.StateReason.Kind;
import org.blktap.api.disk.DiskDriver;
import org.blktap.api.disk.DiskException;
import org.blktap.api.disk.DiskException.Reason;
import org.blktap.api.disk.Operation;
import org.blktap.api.disk.TapSpec;
import org.blktap.api.engine.Errno;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.function.Executable;
import org.junit.jupiter.api.io.TempDir;

/** An attachment whose storage has no space, or fails: what its VM, its operator and a restart see. */
@Timeout(180)
class FaultParkingTest {
    @TempDir
    Path directory;

    private final UnrulyDriver driver = new UnrulyDriver();
    private final FakeReference<DiskDriver> reference = CoreKit.driver("full");
    private CoreKit kit;
    private AttachmentManager manager;

    @BeforeEach
    void start() throws Exception {
        kit = new CoreKit(directory);
        bring();
    }

    private void bring() {
        manager = kit.manager;
        kit.installed.addDriver(driver, reference);
    }

    @AfterEach
    void stop() throws Exception {
        driver.relent();
        for (AttachmentStatus each : manager.list()) {
            manager.detach(each.id(), true);
        }
        kit.close();
        assertEquals(0, driver.open.get());
    }

    private void attach(Map<String, String> options) throws DiskException {
        manager.attach(new AttachRequest(TapSpec.parse("tap:full:/a"), "a", List.of("fake"), false, options));
    }

    private CompletableFuture<Integer> write() {
        return kit.send("a", Operation.WRITE);
    }

    private static int result(CompletableFuture<Integer> request) throws Exception {
        return request.get(1, TimeUnit.MINUTES);
    }

    private static Reason refused(Executable command) {
        return assertThrows(DiskException.class, command).reason();
    }

    private void awaitWhy(Kind kind) throws Exception {
        kit.until(
                "parked for " + kind,
                () -> manager.status("a").state() == State.PARKED
                        && manager.status("a").reason().kind() == kind);
    }

    /** Attaches, and has a write fail that is held. */
    private CompletableFuture<Integer> full(Map<String, String> options) throws Exception {
        attach(options);
        driver.writeError = Errno.ENOSPC;
        CompletableFuture<Integer> held = write();
        awaitWhy(Kind.NO_SPACE);
        return held;
    }

    private String recorded() throws Exception {
        return Files.readString(directory.resolve("data/attachments/a.cfg"));
    }

    @Test
    void aWriteWithoutSpaceWaitsUntilTheDiskIsResumed() throws Exception {
        CompletableFuture<Integer> held = full(Map.of());
        CompletableFuture<Integer> later = kit.send("a", Operation.READ);
        AttachmentStatus status = manager.status("a");
        assertEquals("park", status.details().get("on-enospc"));
        assertEquals("report", status.details().get("on-eio"));
        assertEquals(
                "write of 4096 bytes at 4096 failed: ENOSPC (no space left on device); 1 request waits for space;"
                        + " then: blktap resume a",
                status.reason().text());
        assertEquals(Reason.NO_SPACE, refused(() -> manager.resume("a")));
        awaitWhy(Kind.NO_SPACE);
        assertFalse(held.isDone() || later.isDone());
        assertEquals(1, manager.stats("a").parks());
        driver.writeError = 0;
        manager.resume("a");
        assertEquals(0, result(held));
        assertEquals(0, result(later));
        assertEquals(State.RUNNING, manager.status("a").state());
        assertEquals(0, manager.stats("a").operations().get("write").errors());
        assertEquals(1, manager.stats("a").parks());
    }

    @Test
    void anIoErrorIsReportedUnlessItIsToWait() throws Exception {
        attach(Map.of());
        driver.writeError = Errno.EIO;
        assertEquals(Errno.EIO, result(write()));
        manager.setOptions("a", Map.of("on-eio", "park", "on-enospc", "report"));
        assertEquals("park", manager.status("a").details().get("on-eio"));
        assertTrue(recorded().contains("option.on-eio=park"), this::toString);
        CompletableFuture<Integer> held = write();
        awaitWhy(Kind.IO_ERROR);
        assertEquals(Reason.IO, refused(() -> manager.resume("a")));
        // what was held is answered by the next resume, under the new policy
        manager.setOptions("a", Map.of("on-eio", ""));
        assertFalse(recorded().contains("on-eio"));
        assertFalse(held.isDone());
        manager.resume("a");
        assertEquals(Errno.EIO, result(held));
        driver.writeError = Errno.ENOSPC;
        assertEquals(Errno.ENOSPC, result(write()));
        assertEquals(State.RUNNING, manager.status("a").state());
    }

    @Test
    void otherOptionsAndValuesAreRefused() throws Exception {
        assertEquals(Reason.BAD_OPTION, refused(() -> attach(Map.of("on-eio", "stop"))));
        attach(Map.of("on-eio", "park"));
        assertEquals(Reason.BAD_OPTION, refused(() -> manager.setOptions("a", Map.of("on-eio", "stop"))));
        assertEquals(Reason.BAD_OPTION, refused(() -> manager.setOptions("a", Map.of("engine", "fake"))));
        assertEquals(Reason.NOT_FOUND, refused(() -> manager.setOptions("b", Map.of("on-eio", "park"))));
        assertEquals("park", manager.status("a").details().get("on-eio"));
    }

    @Test
    void itResumesByItself() throws Exception {
        attach(Map.of("on-eio", "park,auto"));
        driver.writeError = Errno.EIO;
        CompletableFuture<Integer> held = write();
        awaitWhy(Kind.IO_ERROR);
        driver.writeError = 0;
        assertEquals(0, result(held));
        kit.await("a", State.RUNNING);
        driver.writeError = Errno.ENOSPC;
        held = write();
        awaitWhy(Kind.NO_SPACE);
        manager.setOptions("a", Map.of("on-enospc", "park,auto"));
        driver.writeError = 0;
        assertEquals(0, result(held));
        kit.await("a", State.RUNNING);
    }

    @Test
    void aFlushIsTriedAgain() throws Exception {
        attach(Map.of("on-eio", "park"));
        driver.flushError = Errno.EIO;
        CompletableFuture<Integer> flush = kit.send("a", Operation.FLUSH);
        awaitWhy(Kind.IO_ERROR);
        driver.flushError = 0;
        manager.resume("a");
        assertEquals(0, result(flush));
        assertEquals(0, result(kit.send("a", Operation.FLUSH)), "no error is owed");
    }

    @Test
    void aDetachIsRefusedUnlessItIsForced() throws Exception {
        CompletableFuture<Integer> held = full(Map.of());
        assertEquals(Reason.BUSY, refused(() -> manager.detach("a", false)));
        assertEquals(0, kit.nodes.get("a").asked.get(), "the VM was not asked for its device");
        awaitWhy(Kind.NO_SPACE);
        manager.detach("a", true);
        assertEquals(Errno.ENOSPC, result(held));
        assertTrue(manager.list().isEmpty());
    }

    @Test
    void aForcedDetachAnswersAlsoWhereTheDiskSavesItself() throws Exception {
        driver.saves = true;
        CompletableFuture<Integer> held = full(Map.of());
        manager.detach("a", true);
        assertEquals(Errno.ENOSPC, result(held));
        assertEquals(1, driver.saved.get());
    }

    @Test
    void aRestartLeavesItToTheVmToSendItAgain() throws Exception {
        CompletableFuture<Integer> held = full(Map.of("on-enospc", "park,auto"));
        CoreKit.Node node = kit.nodes.get("a");
        kit.restart();
        bring();
        assertEquals("closed", node.end);
        assertEquals(0, node.answers.get());
        assertFalse(held.isDone());
        kit.await("a", State.RUNNING);
        assertEquals("park,auto", manager.status("a").details().get("on-enospc"));
        held = write();
        awaitWhy(Kind.NO_SPACE);
        driver.writeError = 0;
        assertEquals(0, result(held));
    }

    @Test
    void whatWaitsSurvivesAParkByTheOperatorAndAnotherDriver() throws Exception {
        CompletableFuture<Integer> held = full(Map.of());
        manager.park("a");
        assertEquals(Kind.OPERATOR, manager.status("a").reason().kind());
        assertEquals(0, driver.open.get());
        assertEquals(Reason.NO_SPACE, refused(() -> manager.resume("a")));
        awaitWhy(Kind.NO_SPACE);
        kit.installed.removeDriver(reference);
        assertEquals(Kind.NO_DRIVER, manager.status("a").reason().kind());
        kit.installed.addDriver(driver, reference);
        awaitWhy(Kind.NO_SPACE);
        assertFalse(held.isDone());
        manager.park("a");
        driver.writeError = 0;
        manager.resume("a", TapSpec.parse("tap:full:/b"));
        assertEquals(0, result(held));
        assertEquals("tap:full:/b", manager.status("a").spec());
    }

    @Test
    void aRequestThatFailsOnAnotherImageDoesNotTakeTheAnswersOfOthersBack() throws Exception {
        full(Map.of());
        manager.park("a");
        manager.resume("a", TapSpec.parse("tap:full:/b"));
        awaitWhy(Kind.NO_SPACE);
        assertEquals("tap:full:/b", manager.status("a").spec());
        assertTrue(recorded().contains("tap\\:full\\:/b"), recorded());
    }

    @Test
    void aNodeThatGoesTakesItsRequestsAlong() throws Exception {
        CompletableFuture<Integer> held = full(Map.of());
        CoreKit.Node first = kit.nodes.get("a");
        manager.plug("a", "fake:two");
        manager.unplug("a", "fake", true);
        assertEquals("removed", first.end);
        awaitWhy(Kind.NO_SPACE);
        assertTrue(manager.status("a").reason().text().contains("0 requests wait"));
        manager.resume("a");
        assertFalse(held.isDone());
        assertEquals(State.RUNNING, manager.status("a").state());
        driver.writeError = 0;
        assertEquals(0, result(write()));
    }

    @Test
    void requestsThatFailWhileFiltersChangeAreTriedAgainAfterwards() throws Exception {
        attach(Map.of());
        TestFilter filter = new TestFilter();
        kit.installed.addFilter(filter, new FakeReference<>(Map.of("filter.type", "first")));
        manager.addFilter("a", "first,number=1", null);
        filter.holding = true;
        CompletableFuture<Integer> held = write();
        kit.until("it is held", () -> manager.stats("a").inFlight() == 1);
        driver.writeError = Errno.ENOSPC;
        manager.setFilter("a", "first", Map.of("word", "x"));
        awaitWhy(Kind.NO_SPACE);
        // in place, since it may be the filter that fails requests
        manager.setFilter("a", "first", Map.of("word", "", "number", "2"));
        driver.writeError = 0;
        filter.holding = false;
        manager.resume("a");
        assertEquals(0, result(held));
        manager.removeFilter("a", "first");
    }

    @Test
    void aDriveThatFailsGetsAnotherMedium() throws Exception {
        full(Map.of());
        driver.writeError = 0;
        manager.exchange("a", TapSpec.parse("tap:full:/c"), true);
        kit.await("a", State.RUNNING);
        assertEquals("tap:full:/c", manager.status("a").spec());
        assertEquals(1, driver.open.get());
    }
}
