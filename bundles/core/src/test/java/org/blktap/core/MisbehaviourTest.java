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
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import org.blktap.api.control.AttachmentStatus.State;
import org.blktap.api.control.StateReason.Kind;
import org.blktap.api.disk.DiskDriver;
import org.blktap.api.disk.DiskException;
import org.blktap.api.disk.DiskException.Reason;
import org.blktap.api.disk.Operation;
import org.blktap.api.disk.TapSpec;
import org.blktap.api.engine.Errno;
import org.blktap.core.UnrulyDriver.Mood;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/**
 * A driver that blocks, throws, loses requests or fails stops its own attachment, visibly; the others do not notice.
 */
@Timeout(180)
class MisbehaviourTest {
    @TempDir
    Path directory;

    private final UnrulyDriver unruly = new UnrulyDriver();
    private final UnrulyDriver good = new UnrulyDriver();
    private final FakeReference<DiskDriver> unrulyReference = CoreKit.driver("unruly");
    private final FakeReference<DiskDriver> goodReference = CoreKit.driver("good");
    private CoreKit kit;
    private AttachmentManager manager;

    @BeforeEach
    void start() throws Exception {
        kit = new CoreKit(directory);
        bring();
        kit.attach("good", "victim");
    }

    private void bring() {
        manager = kit.manager;
        kit.installed.addDriver(unruly, unrulyReference);
        kit.installed.addDriver(good, goodReference);
    }

    @AfterEach
    void stop() throws Exception {
        unruly.relent();
        good.relent();
        // after a restart it may still be opening
        kit.await("victim", State.RUNNING);
        assertEquals(0, kit.send("victim", Operation.WRITE).get(1, TimeUnit.MINUTES), "the victim's I/O goes on");
        kit.close();
    }

    private Kind why(String id) throws DiskException {
        return manager.status(id).reason().kind();
    }

    private static int result(CompletableFuture<Integer> request) throws Exception {
        return request.get(1, TimeUnit.MINUTES);
    }

    private void blockedLoop() throws Exception {
        kit.attach("unruly", "evil");
        unruly.submitting = Mood.BLOCKS;
        kit.send("evil", Operation.READ);
        kit.until(
                "evil does not respond",
                () -> manager.list().stream().anyMatch(each -> each.reason().kind() == Kind.NOT_RESPONDING));
    }

    @Test
    void aBlockedLoopIsListedAndEndsByForceAndItsIdIsTakenUntilThen() throws Exception {
        blockedLoop();
        assertEquals(State.RUNNING, manager.status("victim").state());
        assertEquals(Kind.NONE, why("victim"));
        assertThrows(DiskException.class, () -> manager.stats("evil"));
        assertEquals(
                Reason.IO,
                assertThrows(DiskException.class, () -> manager.park("evil")).reason());
        manager.detach("evil", true);
        assertEquals(State.DETACHING, manager.status("evil").state());
        assertFalse(Files.exists(directory.resolve("data/attachments/evil.cfg")), "a restart would attach it again");
        assertEquals(
                Reason.BUSY,
                assertThrows(DiskException.class, () -> kit.attach("good", "evil"))
                        .reason());
        kit.installed.removeDriver(unrulyReference);
        unruly.relent();
        kit.awaitGone("evil");
        assertEquals(0, unruly.open.get());
        assertEquals(State.RUNNING, kit.attach("good", "evil").state());
    }

    @Test
    void aDriverWhoseLoopIsBlockedGoesAllTheSameAndIsReplacedWhenTheLoopAnswers() throws Exception {
        blockedLoop();
        kit.installed.removeDriver(unrulyReference);
        assertEquals(Kind.NOT_RESPONDING, why("evil"));
        kit.installed.addDriver(good, CoreKit.driver("unruly"));
        unruly.relent();
        kit.await("evil", State.RUNNING);
        assertEquals(0, unruly.open.get());
        assertEquals(0, result(kit.send("evil", Operation.READ)));
    }

    @Test
    void aStopEndsThoughALoopIsBlockedAndOthersAreSavedMeanwhile() throws Exception {
        good.saves = true;
        kit.attach("good", "saver");
        blockedLoop();
        manager.deactivate();
        assertEquals(1, good.saved.get(), "the disk that saves has done so");
        assertTrue(Files.exists(directory.resolve("data/attachments/evil.cfg")));
        unruly.relent();
        kit.start();
        bring();
        kit.await("evil", State.RUNNING);
        kit.await("victim", State.RUNNING);
    }

    @Test
    void aDriverThatThrowsParksItsDiskAndTheRequestWaits() throws Exception {
        kit.attach("unruly", "evil");
        unruly.submitting = Mood.THROWS;
        CompletableFuture<Integer> request = kit.send("evil", Operation.READ);
        kit.await("evil", State.PARKED);
        assertEquals(Kind.FAILED, why("evil"));
        assertTrue(manager.status("evil").reason().text().contains("meant to fail"));
        assertEquals(0, unruly.open.get());
        // services that come do not open it again
        kit.installed.addDriver(good, CoreKit.driver("third"));
        assertEquals(State.PARKED, manager.status("evil").state());
        assertFalse(request.isDone(), "the VM sees a pause");
        unruly.relent();
        manager.resume("evil");
        assertEquals(0, result(request));
    }

    @Test
    void aDriverThatThrowsIsReplaced() throws Exception {
        kit.attach("unruly", "evil");
        unruly.submitting = Mood.THROWS;
        CompletableFuture<Integer> request = kit.send("evil", Operation.READ);
        kit.await("evil", State.PARKED);
        kit.installed.removeDriver(unrulyReference);
        kit.installed.addDriver(good, CoreKit.driver("unruly"));
        assertEquals(0, result(request));
        assertEquals(State.RUNNING, manager.status("evil").state());
    }

    @Test
    void requestsThatADriverThatThrewHasLeftFailWithTheDetach() throws Exception {
        kit.attach("unruly", "evil");
        unruly.submitting = Mood.THROWS;
        CompletableFuture<Integer> request = kit.send("evil", Operation.WRITE);
        kit.await("evil", State.PARKED);
        manager.detach("evil", true);
        assertEquals(Errno.EIO, result(request));
    }

    @Test
    void requestsThatADriverThatThrewHasLeftFailBeforeTheirNodeCloses() throws Exception {
        kit.attach("unruly", "evil");
        unruly.submitting = Mood.THROWS;
        CompletableFuture<Integer> request = kit.send("evil", Operation.WRITE);
        kit.await("evil", State.PARKED);
        manager.unplug("evil", "fake", true);
        assertEquals(Errno.EIO, result(request), "its memory goes with the node");
        unruly.relent();
        manager.resume("evil");
        assertEquals(State.RUNNING, manager.status("evil").state());
    }

    @Test
    void aRequestThatADriverCompletesAfterItThrewIsAnsweredOnce() throws Exception {
        kit.attach("unruly", "evil");
        unruly.submitting = Mood.THROWS_LATE;
        CompletableFuture<Integer> request = kit.send("evil", Operation.WRITE);
        kit.await("evil", State.PARKED);
        CoreKit.Node node = kit.nodes.get("evil");
        node.context.loop().execute(unruly::find);
        unruly.relent();
        manager.resume("evil");
        assertEquals(0, result(request));
        assertEquals(0, manager.stats("evil").inFlight());
        assertEquals(1, node.answers.get());
    }

    @Test
    void aRecordThatCannotBeWrittenKeepsNothingFromParkingAndEnding() throws Exception {
        kit.attach("unruly", "evil");
        Path records = directory.resolve("data/attachments");
        Files.createDirectories(records.resolve(".evil.flush-failed.new/x"));
        unruly.flushError = Errno.EIO;
        assertThrows(DiskException.class, () -> manager.park("evil"));
        assertEquals(State.PARKED, manager.status("evil").state());
        unruly.relent();
        manager.resume("evil");
        assertEquals(Errno.EIO, result(kit.send("evil", Operation.FLUSH)));
        Files.delete(records.resolve("evil.cfg"));
        Files.createDirectories(records.resolve("evil.cfg/x"));
        assertThrows(DiskException.class, () -> manager.detach("evil", true), "the record stays");
        kit.awaitGone("evil");
        assertEquals(0, unruly.open.get());
    }

    @Test
    void requestsThatNeverEndKeepADetachButNotAForcedOne() throws Exception {
        kit.attach("unruly", "evil");
        unruly.submitting = Mood.LOSES;
        CompletableFuture<Integer> request = kit.send("evil", Operation.READ);
        kit.until("one is in flight", () -> inFlight("evil") == 1);
        assertEquals(
                Reason.BUSY,
                assertThrows(DiskException.class, () -> manager.detach("evil", false))
                        .reason());
        assertEquals(
                Reason.BUSY,
                assertThrows(DiskException.class, () -> manager.park("evil")).reason());
        assertEquals(State.RUNNING, manager.status("evil").state(), "it goes on");
        kit.installed.removeDriver(unrulyReference);
        assertEquals(State.PARKING, manager.status("evil").state());
        CoreKit.Node node = kit.nodes.get("evil");
        manager.detach("evil", true);
        assertEquals(State.DETACHING, manager.status("evil").state());
        kit.until("the VM is cut off", () -> node.disconnected);
        assertFalse(request.isDone());
        unruly.relent();
        node.context.loop().execute(unruly::find);
        kit.awaitGone("evil");
        assertEquals(0, result(request));
    }

    private int inFlight(String id) {
        try {
            return manager.stats(id).inFlight();
        } catch (DiskException e) {
            return -1;
        }
    }

    @Test
    void anOpeningThatBlocksHoldsUpNobodyAndEndsByForce() throws Exception {
        unruly.opening = Mood.BLOCKS;
        CompletableFuture<Void> attach = CompletableFuture.runAsync(() -> {
            try {
                kit.attach("unruly", "evil");
            } catch (DiskException e) {
                throw new java.util.concurrent.CompletionException(e);
            }
        });
        kit.await("evil", State.OPENING);
        assertEquals(State.RUNNING, kit.attach("good", "other").state());
        manager.detach("evil", true);
        assertEquals(State.DETACHING, manager.status("evil").state());
        unruly.relent();
        kit.awaitGone("evil");
        assertThrows(ExecutionException.class, () -> attach.get(1, TimeUnit.MINUTES));
        assertEquals(0, unruly.open.get());
    }

    @Test
    void aRestartOpensAllAtOnceAndIsReadyThoughOneBlocks() throws Exception {
        kit.attach("unruly", "evil");
        unruly.opening = Mood.BLOCKS;
        kit.restart();
        bring();
        kit.await("victim", State.RUNNING);
        // each is opened by a thread of its own, and this one may begin later
        kit.await("evil", State.OPENING);
        kit.until(
                "it becomes ready",
                () -> manager.settled().toCompletableFuture().isDone());
        manager.detach("evil", true);
        unruly.relent();
        kit.awaitGone("evil");
    }

    @Test
    void anOpeningThatThrowsLeavesNothing() throws Exception {
        unruly.opening = Mood.THROWS;
        assertEquals(
                Reason.IO,
                assertThrows(DiskException.class, () -> kit.attach("unruly", "evil"))
                        .reason());
        assertEquals(1, manager.list().size());
        unruly.relent();
        kit.attach("unruly", "evil");
    }

    @Test
    void aClosingThatThrowsOrBlocksEndsAllTheSame() throws Exception {
        kit.attach("unruly", "evil");
        unruly.closing = Mood.THROWS;
        manager.detach("evil");
        unruly.relent();
        kit.attach("unruly", "evil");
        unruly.closing = Mood.BLOCKS;
        manager.detach("evil", true);
        assertEquals(State.DETACHING, manager.status("evil").state());
        unruly.relent();
        kit.awaitGone("evil");
    }

    @Test
    void aForcedDetachDuringAnotherEndsBothWithoutAnError() throws Exception {
        for (int i = 0; i < 30; i++) {
            kit.attach("unruly", "evil");
            // as a domain's node does when the domain releases the device because the detach asked it to
            CompletableFuture<DiskException> forced = new CompletableFuture<>();
            kit.nodes.get("evil").letGo = () -> new Thread(
                            () -> {
                                try {
                                    manager.detach("evil", true);
                                    forced.complete(null);
                                } catch (DiskException e) {
                                    forced.complete(e);
                                }
                            },
                            "leaving-node")
                    .start();
            manager.detach("evil", false);
            kit.awaitGone("evil");
            DiskException failure = forced.get(1, TimeUnit.MINUTES);
            assertTrue(failure == null || failure.reason() == Reason.NOT_FOUND, () -> "" + failure);
            assertEquals(0, unruly.open.get());
        }
    }

    @Test
    void aDiskThatCannotBeSavedIsNotDetached() throws Exception {
        unruly.saves = true;
        kit.attach("unruly", "evil");
        unruly.saving = Mood.LOSES;
        assertEquals(
                Reason.NO_SPACE,
                assertThrows(DiskException.class, () -> manager.detach("evil", false))
                        .reason());
        assertEquals(
                Reason.NO_SPACE,
                assertThrows(DiskException.class, () -> manager.detach("evil", true))
                        .reason());
        assertEquals(0, result(kit.send("evil", Operation.READ)), "it goes on");
        CoreKit.Node node = kit.nodes.get("evil");
        assertEquals(1, node.asked.get(), "by the first only; the second does not touch the node");
        assertEquals("", node.end);
        unruly.relent();
        manager.detach("evil", true);
        assertEquals(1, unruly.saved.get());
        assertEquals("removed", node.end);
    }

    @Test
    void aFlushThatFailsAtAParkIsReportedToTheCommandAndToTheVm() throws Exception {
        kit.attach("unruly", "evil");
        unruly.flushError = Errno.EIO;
        assertEquals(
                Reason.IO,
                assertThrows(DiskException.class, () -> manager.park("evil")).reason());
        assertEquals(State.PARKED, manager.status("evil").state());
        unruly.relent();
        manager.resume("evil");
        assertEquals(Errno.EIO, result(kit.send("evil", Operation.FLUSH)));
        assertEquals(0, result(kit.send("evil", Operation.FLUSH)), "once");
        kit.until(
                "the record owes nothing",
                () -> !Files.exists(directory.resolve("data/attachments/evil.flush-failed")));
    }

    @Test
    void aFailedFlushIsOwedOverWhateverFollows() throws Exception {
        kit.attach("unruly", "evil");
        unruly.flushError = Errno.EIO;
        kit.installed.removeDriver(unrulyReference);
        unruly.relent();
        kit.installed.addDriver(unruly, unrulyReference);
        kit.await("evil", State.RUNNING);
        assertEquals(Errno.EIO, result(kit.send("evil", Operation.FLUSH)), "a replaced driver");

        unruly.flushError = Errno.EIO;
        kit.installed.removeEngine(kit.engine);
        unruly.relent();
        kit.installed.addEngine(loop -> null, kit.engine);
        kit.until("the engine is back", () -> manager.engines().size() == 1);
        kit.restart();
        bring();
        kit.await("evil", State.RUNNING);
        assertEquals(Errno.EIO, result(kit.send("evil", Operation.FLUSH)), "another engine, and a restart");

        unruly.flushError = Errno.EIO;
        assertThrows(DiskException.class, () -> manager.park("evil"));
        unruly.relent();
        manager.resume("evil", TapSpec.parse("tap:unruly:/other"));
        assertEquals(Errno.EIO, result(kit.send("evil", Operation.FLUSH)), "another image");

        unruly.flushError = Errno.EIO;
        kit.restart();
        unruly.relent();
        bring();
        kit.await("evil", State.RUNNING);
        assertEquals(Errno.EIO, result(kit.send("evil", Operation.FLUSH)), "a stop");
        assertEquals(0, result(kit.send("evil", Operation.FLUSH)));

        unruly.flushError = Errno.EIO;
        assertEquals(
                Reason.IO,
                assertThrows(DiskException.class, () -> manager.detach("evil")).reason());
        kit.awaitGone("evil");
    }

    @Test
    void aDiskThatShrankStaysParked() throws Exception {
        kit.attach("unruly", "evil");
        manager.park("evil");
        unruly.size = 512;
        DiskException refused = assertThrows(DiskException.class, () -> manager.resume("evil"));
        assertTrue(refused.getMessage().contains("found 512 bytes"), refused.getMessage());
        assertEquals(State.PARKED, manager.status("evil").state());
        assertEquals(Kind.DIFFERENT_DISK, why("evil"));
        unruly.size = 2 << 20;
        manager.resume("evil");
        assertEquals(2 << 20, manager.status("evil").sizeBytes(), "growth is announced");
        manager.park("evil");
        unruly.identity = "another";
        assertThrows(DiskException.class, () -> manager.resume("evil"));
        unruly.identity = "1";
        manager.resume("evil");
        unruly.size = 1 << 20;
        kit.restart();
        bring();
        kit.until(
                "it is refused after a restart",
                () -> manager.list().stream().anyMatch(each -> each.reason().kind() == Kind.DIFFERENT_DISK));
        // each service that comes may have it opened, and refused, once more
        kit.until("nothing is left open", () -> unruly.open.get() == 0);
    }

    @Test
    void anAttachWaitsForADriverThatIsBeingReplaced() throws Exception {
        kit.installed.removeDriver(unrulyReference);
        CompletableFuture<State> attach = CompletableFuture.supplyAsync(() -> {
            try {
                return kit.attach("unruly", "evil").state();
            } catch (DiskException e) {
                throw new java.util.concurrent.CompletionException(e);
            }
        });
        kit.await("evil", State.OPENING);
        kit.installed.addDriver(unruly, unrulyReference);
        assertEquals(State.RUNNING, attach.get(1, TimeUnit.MINUTES));
        kit.installed.removeEngine(kit.engine);
        CompletableFuture<Void> engine = CompletableFuture.runAsync(
                () -> kit.installed.addEngine(
                        loop -> new org.blktap.api.engine.IoQueue() {
                            @Override
                            public org.blktap.api.engine.IoFile open(Path path, boolean writable) {
                                return null;
                            }

                            @Override
                            public void close() {
                                // nothing was opened
                            }
                        },
                        kit.engine),
                CompletableFuture.delayedExecutor(300, TimeUnit.MILLISECONDS));
        assertEquals(State.RUNNING, kit.attach("unruly", "second").state());
        engine.get(1, TimeUnit.MINUTES);
        assertEquals(
                Reason.WRONG_TYPE,
                assertThrows(DiskException.class, () -> kit.attach("never", "third"))
                        .reason());
    }

    @Test
    void whatThrowsOnALoopParksItsAttachmentOnce() throws Exception {
        kit.attach("unruly", "evil");
        kit.nodes.get("evil").context.loop().execute(() -> {
            throw new AssertionError("meant to fail");
        });
        kit.await("evil", State.PARKED);
        assertEquals(Kind.FAILED, why("evil"));
        manager.resume("evil");
        assertEquals(0, result(kit.send("evil", Operation.READ)));
        assertEquals(
                List.of(),
                manager.list().stream()
                        .filter(each -> each.state() != State.RUNNING)
                        .toList());
        assertEquals(
                Map.of("open", "true"), manager.status("evil").nodes().get(0).status());
    }
}
