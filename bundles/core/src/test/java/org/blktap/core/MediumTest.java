package org.blktap.core;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import org.blktap.api.control.AttachRequest;
import org.blktap.api.control.AttachmentStatus.State;
import org.blktap.api.control.StateReason.Kind;
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

/** A drive whose medium is changed while its VM runs. */
@Timeout(180)
class MediumTest {
    private static final long SIZE = 1 << 20;

    @TempDir
    Path directory;

    private final UnrulyDriver first = new UnrulyDriver();
    private final UnrulyDriver second = new UnrulyDriver();
    private CoreKit kit;
    private AttachmentManager manager;

    @BeforeEach
    void start() throws Exception {
        second.size = 3 * SIZE;
        second.identity = "2";
        kit = new CoreKit(directory);
        bring();
        attach(true, Map.of("backing-type", ""));
    }

    private void bring() {
        manager = kit.manager;
        kit.installed.addDriver(first, CoreKit.driver("first"));
        kit.installed.addDriver(second, CoreKit.driver("second"));
        kit.installed.addDriver(new EmptyDrive(), CoreKit.driver("empty"));
    }

    private void attach(boolean readOnly, Map<String, String> options) throws DiskException {
        manager.attach(new AttachRequest(TapSpec.parse("tap:first:/1"), "a", List.of("fake"), readOnly, options));
    }

    @AfterEach
    void stop() {
        first.relent();
        second.relent();
        kit.close();
    }

    private void exchange(String medium) throws DiskException {
        manager.exchange("a", TapSpec.parse(medium), false);
    }

    private DiskException refused(Reason reason, String medium) {
        DiskException e = assertThrows(DiskException.class, () -> exchange(medium));
        assertEquals(reason, e.reason(), e.getMessage());
        return e;
    }

    private void assertServes(String spec, long size, int error) throws Exception {
        kit.await("a", State.RUNNING);
        assertEquals(spec, manager.status("a").spec());
        assertEquals(size, manager.status("a").sizeBytes());
        assertEquals(error, kit.send("a", Operation.READ).get(1, TimeUnit.MINUTES));
        assertEquals(0, kit.send("a", Operation.FLUSH).get(1, TimeUnit.MINUTES));
        assertEquals(spec.startsWith("tap:first") ? 1 : 0, first.open.get());
        assertEquals(spec.startsWith("tap:second") ? 1 : 0, second.open.get());
    }

    @Test
    void ejectedAndInserted() throws Exception {
        exchange("tap:empty:drive");
        assertServes("tap:empty:drive", 0, Errno.ENOMEDIUM);
        assertEquals(1, kit.nodes.get("a").resizes.get());
        kit.restart();
        bring();
        assertServes("tap:empty:drive", 0, Errno.ENOMEDIUM);
        exchange("tap:second:/2");
        assertServes("tap:second:/2", 3 * SIZE, 0);
        assertEquals(1, kit.nodes.get("a").resizes.get());
        kit.restart();
        bring();
        assertServes("tap:second:/2", 3 * SIZE, 0);
        manager.park("a");
        manager.resume("a");
        exchange("tap:first:/1");
        assertServes("tap:first:/1", SIZE, 0);
    }

    @Test
    void whatCannotBeOpenedChangesNothing() throws Exception {
        refused(Reason.WRONG_TYPE, "tap:none:/x");
        second.inUse = true;
        refused(Reason.BUSY, "tap:second:/2");
        second.inUse = false;
        second.opening = Mood.THROWS;
        refused(Reason.IO, "tap:second:/2");
        assertServes("tap:first:/1", SIZE, 0);
        assertEquals(0, kit.nodes.get("a").resizes.get());
        kit.restart();
        bring();
        assertServes("tap:first:/1", SIZE, 0);
    }

    @Test
    void aWritableDiskHasNoMedium() throws Exception {
        manager.detach("a", false);
        attach(false, Map.of());
        assertTrue(refused(Reason.BAD_OPTION, "tap:second:/2").getMessage().contains("--force"));
        assertServes("tap:first:/1", SIZE, 0);
        manager.exchange("a", TapSpec.parse("tap:second:/2"), true);
        assertServes("tap:second:/2", 3 * SIZE, 0);
    }

    @Test
    void aDriveThatWaitsGetsOneToo() throws Exception {
        manager.park("a");
        CompletableFuture<Integer> read = kit.send("a", Operation.READ);
        refused(Reason.WRONG_TYPE, "tap:none:/x");
        assertEquals(Kind.OPERATOR, manager.status("a").reason().kind());
        exchange("tap:second:/2");
        assertEquals(0, read.get(1, TimeUnit.MINUTES));
        assertServes("tap:second:/2", 3 * SIZE, 0);
        kit.restart();
        bring();
        assertServes("tap:second:/2", 3 * SIZE, 0);
        second.size = 512;
        manager.park("a");
        assertThrows(DiskException.class, () -> manager.resume("a"));
        assertEquals(Kind.DIFFERENT_DISK, manager.status("a").reason().kind());
        exchange("tap:first:/1");
        assertServes("tap:first:/1", SIZE, 0);
    }

    @Test
    void aDriveThatIsParkedIsResumedOnAnotherMediumAndKnowsIt() throws Exception {
        manager.park("a");
        manager.resume("a", TapSpec.parse("tap:second:/2"));
        assertServes("tap:second:/2", 3 * SIZE, 0);
        manager.park("a");
        manager.resume("a");
        assertServes("tap:second:/2", 3 * SIZE, 0);
    }

    @Test
    void requestsThatDoNotEndKeepTheMedium() throws Exception {
        first.submitting = Mood.LOSES;
        kit.send("a", Operation.READ);
        kit.until("it is at the disk", () -> manager.stats("a").inFlight() == 1);
        refused(Reason.BUSY, "tap:second:/2");
        first.relent();
        kit.nodes.get("a").context.loop().execute(first::find);
        assertServes("tap:first:/1", SIZE, 0);
    }
}
