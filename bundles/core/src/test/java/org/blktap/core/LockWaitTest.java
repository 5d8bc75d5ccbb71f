package org.blktap.core;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import org.blktap.api.control.AttachRequest;
import org.blktap.api.control.AttachmentStatus;
import org.blktap.api.control.AttachmentStatus.State;
import org.blktap.api.control.StateReason.Kind;
import org.blktap.api.disk.DiskException;
import org.blktap.api.disk.DiskException.Reason;
import org.blktap.api.disk.Operation;
import org.blktap.api.disk.TapSpec;
import org.blktap.linux.FileLock;
import org.blktap.linux.Libc;
import org.blktap.linux.PinnedFile;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** An attach that waits for an image which another host still has open, as at the end of a migration. */
@Timeout(180)
class LockWaitTest {
    @TempDir
    Path directory;

    private final UnrulyDriver driver = new UnrulyDriver();
    private CoreKit kit;
    private AttachmentManager manager;

    @BeforeEach
    void start() throws Exception {
        kit = new CoreKit(directory);
        bring();
        driver.inUse = true;
    }

    private void bring() {
        manager = kit.manager;
        kit.installed.addDriver(driver, CoreKit.driver("moving"));
    }

    @AfterEach
    void stop() {
        driver.relent();
        kit.close();
    }

    private AttachmentStatus attach(Map<String, String> options, boolean readOnly) throws DiskException {
        return manager.attach(new AttachRequest(
                TapSpec.parse("tap:moving:" + directory.resolve("image")), "a", List.of("fake"), readOnly, options));
    }

    private AttachmentStatus waiting() throws DiskException {
        return attach(Map.of("wait-for-lock", "600"), false);
    }

    private void assertServes() throws Exception {
        kit.await("a", State.RUNNING);
        assertEquals(1 << 20, manager.status("a").sizeBytes());
        assertEquals(0, kit.send("a", Operation.READ).get(1, TimeUnit.MINUTES));
        assertEquals(1, driver.open.get());
    }

    @Test
    void withoutTheOptionItFailsAtOnce() throws Exception {
        assertEquals(
                Reason.BUSY,
                assertThrows(DiskException.class, () -> attach(Map.of(), false)).reason());
        assertEquals(List.of(), manager.list());
        assertEquals(
                Reason.BAD_OPTION,
                assertThrows(DiskException.class, () -> attach(Map.of("wait-for-lock", "soon"), false))
                        .reason());
        assertEquals(List.of(), manager.list());
    }

    @Test
    void itReturnsAtOnceAndOpensWhenTheImageIsFree() throws Exception {
        AttachmentStatus status = waiting();
        assertEquals(State.OPENING, status.state());
        assertEquals(Kind.IMAGE_IN_USE, status.reason().kind());
        assertTrue(
                status.reason().text().contains("in use by another"),
                status.reason().text());
        assertFalse(kit.nodes.containsKey("a"), "a VM that cannot wait does not see it yet");
        assertEquals(
                Reason.BUSY,
                assertThrows(DiskException.class, () -> manager.resize("a", 1 << 30))
                        .reason());
        driver.inUse = false;
        assertServes();
        kit.restart();
        bring();
        assertServes();
        manager.park("a");
        driver.inUse = true;
        assertEquals(
                Reason.BUSY,
                assertThrows(DiskException.class, () -> manager.resume("a")).reason(),
                "it is for the first opening");
        driver.inUse = false;
        manager.resume("a");
        driver.size = 512;
        manager.park("a");
        assertThrows(DiskException.class, () -> manager.resume("a"), "what its VM knows is on record");
        driver.size = 1 << 20;
    }

    @Test
    void itGivesUpVisibly() throws Exception {
        Files.createFile(directory.resolve("image"));
        int fd = locked();
        attach(Map.of("wait-for-lock", "1"), false);
        kit.await("a", State.PARKED);
        assertEquals(Kind.IMAGE_IN_USE, manager.status("a").reason().kind());
        assertTrue(
                manager.status("a").reason().text().contains("not released within 1 s"),
                manager.status("a").reason().text());
        Libc.close(fd);
        driver.inUse = false;
        manager.resume("a");
        assertServes();
    }

    private int locked() throws Exception {
        try (PinnedFile file = PinnedFile.of(directory.resolve("image"))) {
            int fd = file.reopen(Libc.O_RDWR);
            assertTrue(FileLock.acquire(fd, true), "one who waits does not lock");
            return fd;
        }
    }

    @Test
    void whoHasTheImageMayOpenItAgainMeanwhile() throws Exception {
        Files.createFile(directory.resolve("image"));
        driver.inUse = false;
        int fd = locked();
        waiting();
        assertEquals(0, driver.open.get(), "it was not even tried");
        for (int i = 0; i < 300; i++) {
            int again = -1;
            Libc.close(fd);
            fd = again;
            if (manager.status("a").state() != State.OPENING) {
                break;
            }
            fd = locked();
        }
        if (fd >= 0) {
            Libc.close(fd);
        }
        assertServes();
    }

    @Test
    void whileItWaitsItIsDetachedParkedAndRestarted() throws Exception {
        waiting();
        manager.park("a");
        manager.resume("a");
        kit.await("a", State.OPENING);
        kit.restart();
        bring();
        kit.await("a", State.OPENING);
        manager.detach("a", false);
        assertEquals(List.of(), manager.list());
        driver.inUse = false;
        Thread.sleep(300);
        assertEquals(0, driver.open.get());
        attach(Map.of("wait-for-lock", "600"), false);
        assertServes();
    }

    /** As Xen's block-tap has it, which first opens the disk, and then names it to the guest. */
    @Test
    void aNodeThatIsPluggedMeanwhileIsOpenedWithTheDisk() throws Exception {
        waiting();
        manager.plug("a", "fake:second");
        assertFalse(kit.nodes.containsKey("a"), "its VM would see a disk of no size");
        assertTrue(assertThrows(DiskException.class, () -> manager.plug("a", "none"))
                .getMessage()
                .contains("no node of kind none"));
        manager.plug("a", "fake:third");
        manager.unplug("a", "fake:third", true);
        assertEquals(2, manager.status("a").nodes().size());
        driver.inUse = false;
        assertServes();
        assertEquals("second", kit.nodes.get("a").context.target());
        kit.restart();
        bring();
        assertServes();
        assertEquals(2, manager.status("a").nodes().size());
    }

    /** A toolstack may find out only then that the guest must not write. */
    @Test
    void whatIsMadeReadOnlyMeanwhileGoesOnWaiting() throws Exception {
        waiting();
        manager.makeReadOnly("a");
        manager.makeReadOnly("a");
        driver.inUse = false;
        assertServes();
        assertTrue(manager.status("a").readOnly());
    }

    @Test
    void aNodeOfNoKindEndsTheAttach() throws Exception {
        DiskException e = assertThrows(
                DiskException.class,
                () -> manager.attach(new AttachRequest(
                        TapSpec.parse("tap:moving:/x"), "a", List.of("none"), false, Map.of("wait-for-lock", "600"))));
        assertTrue(e.getMessage().contains("no node of kind none"), e.getMessage());
        assertEquals(List.of(), manager.list());
    }
}
