package org.blktap.core;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Path;
import java.util.List;
import java.util.Random;
import java.util.concurrent.TimeUnit;
import org.blktap.api.control.AttachmentStatus;
import org.blktap.api.control.AttachmentStatus.State;
import org.blktap.api.disk.DiskDriver;
import org.blktap.api.disk.DiskException;
import org.blktap.api.disk.Operation;
import org.blktap.api.engine.Errno;
import org.blktap.api.engine.ErrnoException;
import org.blktap.api.engine.IoFile;
import org.blktap.api.engine.IoQueue;
import org.blktap.core.UnrulyDriver.Mood;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/**
 * Random events against the table of states: commands, services that come and go, drivers that block, throw and lose
 * requests, restarts. No transition that the table lacks, no event that does not return, no request of an uninvolved
 * attachment that does not end; and when all relent, nothing is left. {@code -Dseed=} repeats a run, {@code -Drounds=}
 * makes it longer.
 */
@Timeout(value = 30, unit = TimeUnit.MINUTES)
class LifeModelTest {
    private static final String[] IDS = {"a", "b", "c"};

    @TempDir
    Path directory;

    private final long seed = Long.getLong("seed", System.nanoTime());
    private final Random random = new Random(seed);
    private final UnrulyDriver unruly = new UnrulyDriver();
    private final UnrulyDriver good = new UnrulyDriver();
    private final LogLines log = new LogLines();
    private FakeReference<DiskDriver> unrulyReference;
    private boolean engineHere = true;
    private CoreKit kit;

    @BeforeEach
    void start() throws Exception {
        System.out.println("LifeModelTest: -Dseed=" + seed);
        kit = new CoreKit(directory);
        bring();
        kit.attach("good", "victim");
    }

    private void bring() {
        kit.installed.addDriver(good, CoreKit.driver("good"));
        driverComes();
    }

    @AfterEach
    void stop() {
        log.close();
        unruly.relent();
        kit.close();
    }

    private void driverComes() {
        if (unrulyReference == null) {
            unrulyReference = CoreKit.driver("unruly");
            kit.installed.addDriver(unruly, unrulyReference);
        }
    }

    private void driverGoes() {
        if (unrulyReference != null) {
            kit.installed.removeDriver(unrulyReference);
            unrulyReference = null;
        }
    }

    private void engineGoesAndComes() {
        kit.installed.removeEngine(kit.engine);
        engineHere = false;
        kit.installed.addEngine(
                loop -> new IoQueue() {
                    @Override
                    public IoFile open(Path path, boolean writable) throws ErrnoException {
                        throw new ErrnoException(Errno.ENOENT, path + ": no such file");
                    }

                    @Override
                    public void close() {
                        // nothing was opened
                    }
                },
                kit.engine);
        engineHere = true;
    }

    @Test
    void whatIsOverHasAReasonToShow() {
        assertFalse(new Life.Detached().why().isEmpty());
        assertFalse(new Life.Detaching("its nodes are being closed").why().isEmpty());
    }

    @Test
    void noEventLeadsAstray() throws Exception {
        int events = 12 * Integer.getInteger("rounds", 5);
        for (int i = 0; i < events; i++) {
            String id = IDS[random.nextInt(IDS.length)];
            int event = random.nextInt(18);
            try {
                happen(event, id);
            } catch (DiskException e) {
                assertTrue(
                        !e.getMessage().contains("internal error")
                                || e.getMessage().contains("meant to fail"),
                        () -> "event " + event + ": " + e);
            }
            for (AttachmentStatus each : kit.manager.list()) {
                assertTrue(
                        each.state() == State.RUNNING || !each.reason().isEmpty() || each.state() == State.OPENING,
                        () -> "no reason: " + each);
            }
            kit.await("victim", State.RUNNING);
            assertEquals(0, kit.send("victim", Operation.WRITE).get(1, TimeUnit.MINUTES), "the victim's I/O goes on");
        }
        assertTrue(engineHere);
        relent();
        for (String id : IDS) {
            try {
                kit.manager.detach(id, true);
            } catch (DiskException e) {
                assertTrue(
                        e.reason() == DiskException.Reason.NOT_FOUND || e.reason() == DiskException.Reason.IO,
                        e::toString);
            }
            relent();
            kit.awaitGone(id);
        }
        assertEquals(0, unruly.open.get(), "a disk is left open");
        assertEquals(
                List.of(),
                log.thrown().stream()
                        .filter(each -> each instanceof IllegalStateException
                                && each.getMessage().startsWith("an attachment cannot go"))
                        .toList());
    }

    private void relent() {
        unruly.relent();
        kit.nodes.values().forEach(node -> {
            try {
                node.context.loop().execute(unruly::find);
            } catch (java.util.concurrent.RejectedExecutionException e) {
                // its attachment has ended
            }
        });
    }

    private void happen(int event, String id) throws Exception {
        switch (event) {
            case 0, 1, 2 -> kit.attach("unruly", id);
            case 3 -> kit.manager.detach(id, false);
            case 4 -> kit.manager.detach(id, true);
            case 5 -> kit.manager.park(id);
            case 6 -> kit.manager.resume(id);
            case 7 -> driverGoes();
            case 8 -> driverComes();
            case 9 -> engineGoesAndComes();
            case 10 -> unruly.opening = random.nextBoolean() ? Mood.THROWS : Mood.GOOD;
            case 11 -> unruly.submitting = Mood.values()[random.nextInt(5)];
            case 12 -> unruly.closing = random.nextBoolean() ? Mood.THROWS : Mood.GOOD;
            case 13 -> unruly.flushError = random.nextBoolean() ? Errno.EIO : 0;
            case 14, 15 -> {
                CoreKit.Node node = kit.nodes.get(id);
                if (node != null
                        && kit.manager.list().stream()
                                .anyMatch(each -> each.id().equals(id) && each.state() != State.DETACHING)) {
                    try {
                        node.send(random.nextBoolean() ? Operation.READ : Operation.FLUSH);
                    } catch (java.util.concurrent.RejectedExecutionException e) {
                        // its attachment has ended meanwhile, or it has another node since a restart
                        assertFalse(kit.nodes.get(id) == node
                                && kit.manager.list().stream()
                                        .anyMatch(each -> each.id().equals(id) && each.state() == State.RUNNING));
                    }
                }
            }
            case 16 -> relent();
            default -> {
                kit.restart();
                unrulyReference = null;
                bring();
            }
        }
    }
}
