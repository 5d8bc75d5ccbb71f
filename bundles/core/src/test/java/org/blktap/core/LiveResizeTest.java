package org.blktap.core;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Path;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import org.blktap.api.control.AttachmentStatus.State;
import org.blktap.api.control.StateReason.Kind;
import org.blktap.api.disk.DiskDriver;
import org.blktap.api.disk.DiskException;
import org.blktap.api.disk.DiskException.Reason;
import org.blktap.api.disk.Operation;
import org.blktap.api.engine.Errno;
import org.blktap.core.UnrulyDriver.Mood;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** A disk that grows while its VM has it: what the VM sees, and what is left when it fails. */
@Timeout(180)
class LiveResizeTest {
    private static final long SIZE = 1 << 20;

    @TempDir
    Path directory;

    private final UnrulyDriver driver = new UnrulyDriver();
    private CoreKit kit;
    private AttachmentManager manager;

    @BeforeEach
    void start() throws Exception {
        kit = new CoreKit(directory);
        bring();
        kit.attach("growing", "a");
    }

    private void bring() {
        manager = kit.manager;
        FakeReference<DiskDriver> reference = CoreKit.driver("growing");
        kit.installed.addDriver(driver, reference);
    }

    @AfterEach
    void stop() {
        driver.relent();
        kit.close();
    }

    private DiskException refused(Reason reason, long size) {
        DiskException e = assertThrows(DiskException.class, () -> manager.resize("a", size));
        assertEquals(reason, e.reason(), e.getMessage());
        return e;
    }

    private void assertServes(long size) throws Exception {
        assertEquals(State.RUNNING, manager.status("a").state());
        assertEquals(size, manager.status("a").sizeBytes());
        assertEquals(0, kit.send("a", Operation.WRITE).get(1, TimeUnit.MINUTES));
        assertEquals(1, driver.open.get());
    }

    @Test
    void itsNodesAreToldAndARestartKnows() throws Exception {
        assertEquals(2 * SIZE, manager.resize("a", 2 * SIZE));
        assertServes(2 * SIZE);
        assertEquals(1, kit.nodes.get("a").resizes.get());
        assertEquals(1, manager.stats("a").parks());
        kit.restart();
        bring();
        kit.await("a", State.RUNNING);
        assertServes(2 * SIZE);
        manager.park("a");
        driver.size = SIZE;
        assertThrows(DiskException.class, () -> manager.resume("a"), "the VM knows the larger disk");
        driver.size = 2 * SIZE;
        manager.resume("a");
    }

    @Test
    void withoutASizeItTakesTheImages() throws Exception {
        driver.size = 4 * SIZE;
        assertEquals(4 * SIZE, manager.resize("a", -1));
        assertServes(4 * SIZE);
        assertEquals(1, kit.nodes.get("a").resizes.get());
        driver.size = SIZE;
        DiskException shrank = refused(Reason.WRONG_TYPE, -1);
        assertTrue(
                shrank.getMessage().contains("is parked") && shrank.getMessage().contains("found 1048576 bytes"),
                shrank.getMessage());
        assertEquals(Kind.DIFFERENT_DISK, manager.status("a").reason().kind());
        driver.size = 4 * SIZE;
        manager.resume("a");
        assertServes(4 * SIZE);
    }

    @Test
    void whatCannotBeIsRefusedWithoutAPause() throws Exception {
        assertTrue(refused(Reason.BAD_OPTION, SIZE / 2).getMessage().contains("detach it first"));
        refused(Reason.BAD_OPTION, 2 * SIZE + 1);
        refused(Reason.BAD_OPTION, 0);
        assertEquals(SIZE, manager.resize("a", SIZE), "it has that size");
        assertEquals(0, manager.stats("a").parks());
        assertServes(SIZE);
        manager.park("a");
        assertTrue(refused(Reason.BUSY, 2 * SIZE).getMessage().contains("resume it first"));
        assertEquals(
                Reason.NOT_FOUND,
                assertThrows(DiskException.class, () -> manager.resize("x", SIZE))
                        .reason());
    }

    @Test
    void aResizeThatFailsLeavesItAsItWas() throws Exception {
        driver.resizing = Mood.LOSES;
        assertTrue(refused(Reason.NO_SPACE, 2 * SIZE).getMessage().contains("continues with the size that it had"));
        assertServes(SIZE);
        driver.resizing = Mood.THROWS;
        refused(Reason.IO, 2 * SIZE);
        assertServes(SIZE);
        driver.relent();
        driver.flushError = Errno.ENOSPC;
        refused(Reason.IO, 2 * SIZE);
        assertEquals(SIZE, manager.status("a").sizeBytes(), "what was written may be lost: nothing else is changed");
        driver.relent();
        assertEquals(Errno.EIO, kit.send("a", Operation.FLUSH).get(1, TimeUnit.MINUTES), "the VM learns of it");
        assertEquals(2 * SIZE, manager.resize("a", 2 * SIZE));
        assertEquals(1, kit.nodes.get("a").resizes.get());
    }

    @Test
    void anImageThatDoesNotOpenAgainIsParkedAndResumed() throws Exception {
        driver.resizing = Mood.BLOCKS;
        CompletableFuture<DiskException> resize = CompletableFuture.supplyAsync(
                () -> assertThrows(DiskException.class, () -> manager.resize("a", 2 * SIZE)));
        kit.until("it is resized", () -> driver.resizes.get() == 1);
        assertEquals(Kind.RESIZING, manager.status("a").reason().kind());
        CompletableFuture<Integer> waits = kit.send("a", Operation.WRITE);
        driver.opening = Mood.THROWS;
        driver.letGo();
        assertTrue(resize.get(1, TimeUnit.MINUTES).getMessage().contains("is parked"));
        assertEquals(State.PARKED, manager.status("a").state());
        driver.relent();
        manager.resume("a");
        assertEquals(0, waits.get(1, TimeUnit.MINUTES));
        assertServes(2 * SIZE);
        assertEquals(1, kit.nodes.get("a").resizes.get());
    }

    @Test
    void aForcedDetachEndsIt() throws Exception {
        driver.resizing = Mood.BLOCKS;
        CompletableFuture<DiskException> resize = CompletableFuture.supplyAsync(
                () -> assertThrows(DiskException.class, () -> manager.resize("a", 2 * SIZE)));
        kit.until("it is resized", () -> driver.resizes.get() == 1);
        manager.detach("a", true);
        driver.relent();
        kit.awaitGone("a");
        assertEquals(Reason.NOT_FOUND, resize.get(1, TimeUnit.MINUTES).reason());
        assertEquals(0, driver.open.get());
    }
}
