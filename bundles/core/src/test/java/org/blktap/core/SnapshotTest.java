package org.blktap.core;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.UserDefinedFileAttributeView;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.blktap.api.control.AttachRequest;
import org.blktap.api.control.AttachmentStatus;
import org.blktap.api.control.AttachmentStatus.State;
import org.blktap.api.control.Attachments.Overlay;
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
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Overlays of running disks: all or none, whatever fails and whenever the daemon is killed. */
@Timeout(300)
class SnapshotTest {
    private static final long SIZE = 1 << 20;

    @TempDir
    Path temporary;

    private Path home;
    private Path images;
    private ChainDriver driver = new ChainDriver("chain");
    private final TestFilter filter = new TestFilter();
    private CoreKit kit;
    private int filesBefore;

    @BeforeEach
    void start() throws Exception {
        filesBefore = RealFiles.OPEN.get();
        home = Files.createDirectories(temporary.toRealPath().resolve("home"));
        images = Files.createDirectories(home.resolve("images"));
        startDaemon();
    }

    private void startDaemon() throws IOException {
        kit = new CoreKit(home, loop -> new RealFiles());
        kit.installed.addDriver(driver, CoreKit.driver("chain"));
        kit.installed.addFilter(filter, new FakeReference<>(Map.of("filter.type", "first")));
    }

    @AfterEach
    void stop() throws Exception {
        driver.watcher = (step, name) -> {};
        for (AttachmentStatus each : kit.manager.list()) {
            kit.manager.detach(each.id(), true);
        }
        kit.close();
        assertEquals(filesBefore, RealFiles.OPEN.get(), "files left open");
        assertEquals(0, filter.open);
    }

    private void attach(String id, Map<String, String> options, String... filters) throws Exception {
        if (!Files.exists(images.resolve(id))) {
            driver.make(images.resolve(id), SIZE, null);
        }
        kit.manager.attach(new AttachRequest(
                new TapSpec("chain", images.resolve(id).toString()),
                id,
                List.of("fake"),
                false,
                options,
                List.of(filters)));
    }

    private Overlay overlay(String id, String name) {
        return new Overlay(id, new TapSpec("chain", images.resolve(name).toString()), Map.of());
    }

    private List<Duration> snapshot() throws DiskException {
        return kit.manager.snapshot(List.of(overlay("a", "a.1"), overlay("b", "b.1")));
    }

    private static DiskException refused(Reason reason, Executable what) {
        DiskException e = assertThrows(DiskException.class, what);
        assertEquals(reason, e.reason(), e.getMessage());
        return e;
    }

    private String spec(String id) throws DiskException {
        return Path.of(TapSpec.parse(kit.manager.status(id).spec()).path())
                .getFileName()
                .toString();
    }

    private void assertWritesTo(String id, String image) throws Exception {
        driver.written.clear();
        assertEquals(0, kit.send(id, Operation.WRITE).get(1, TimeUnit.MINUTES));
        assertEquals(List.of(image), driver.written);
        assertEquals(image, spec(id));
    }

    private TreeSet<String> files(Path directory) throws IOException {
        TreeSet<String> names = new TreeSet<>();
        if (Files.isDirectory(directory)) {
            try (Stream<Path> all = Files.list(directory)) {
                all.forEach(each -> names.add(each.getFileName().toString()));
            }
        }
        return names;
    }

    /** Both are on their old images, or both on their overlays, and there is no file besides. */
    private boolean assertAllOrNone(String when) throws Exception {
        boolean taken = spec("a").equals("a.1");
        assertEquals(taken ? "b.1" : "b", spec("b"), when);
        assertEquals(taken ? "[a, a.1, b, b.1]" : "[a, b]", files(images).toString(), when);
        assertEquals(new TreeSet<>(), files(home.resolve("data/snapshots")), when);
        for (String id : List.of("a", "b")) {
            assertEquals(State.RUNNING, kit.manager.status(id).state(), when);
            assertWritesTo(id, taken ? id + ".1" : id);
        }
        return taken;
    }

    // ---- what it does

    @ParameterizedTest
    @ValueSource(booleans = {false, true})
    void disksContinueInOverlaysAndARestartHasThem(boolean early) throws Exception {
        driver.early = early;
        attach("a", Map.of(), "first,number=3");
        attach("b", Map.of());
        List<Duration> pauses = snapshot();
        assertEquals(2, pauses.size());
        assertTrue(pauses.stream().allMatch(each -> each.toNanos() > 0));
        assertTrue(assertAllOrNone("taken"));
        assertTrue(filter.seen.contains("WRITE 3"), filter.seen.toString());
        assertEquals(1, filter.open, "the filter has stayed open");
        assertEquals(1, kit.manager.stats("a").parks());
        kit.manager.snapshot(List.of(overlay("a", "a.2")));
        assertWritesTo("a", "a.2");
        kit.close();
        startDaemon();
        kit.await("a", State.RUNNING);
        kit.await("b", State.RUNNING);
        assertWritesTo("a", "a.2");
        assertWritesTo("b", "b.1");
        assertEquals(List.of("first,number=3"), kit.manager.status("a").filters());
    }

    @Test
    void theTypesOfTheChainAreKept() throws Exception {
        driver.saysType = false;
        driver.make(images.resolve("base"), SIZE, null);
        driver.make(images.resolve("a"), SIZE, images.resolve("base"));
        attach("a", Map.of("backing-type", "chain", "color", "red"));
        attach("b", Map.of("wait-for-lock", "5"));
        snapshot();
        assertEquals(
                Map.of("backing-type", "chain:chain", "color", "red"),
                kit.manager.status("a").options());
        assertEquals(Map.of("backing-type", "chain"), kit.manager.status("b").options());
        assertWritesTo("a", "a.1");
        assertWritesTo("b", "b.1");
    }

    @Test
    void whatCannotBeIsRefusedWithoutAPause() throws Exception {
        attach("a", Map.of());
        driver.make(images.resolve("b"), SIZE, null);
        kit.manager.attach(new AttachRequest(
                new TapSpec("chain", images.resolve("b").toString()), "b", List.of("fake"), true, Map.of()));
        refused(Reason.UNSUPPORTED, this::snapshot);
        refused(Reason.NOT_FOUND, () -> kit.manager.snapshot(List.of(overlay("a", "a.1"), overlay("c", "c.1"))));
        refused(Reason.BAD_OPTION, () -> kit.manager.snapshot(List.of(overlay("a", "a.1"), overlay("a", "a.2"))));
        refused(Reason.BAD_OPTION, () -> kit.manager.snapshot(List.of()));
        refused(
                Reason.WRONG_TYPE,
                () -> kit.manager.snapshot(List.of(new Overlay(
                        "a", new TapSpec("other", images.resolve("x").toString()), Map.of()))));
        Files.createFile(images.resolve("a.1"));
        refused(Reason.EXISTS, () -> kit.manager.snapshot(List.of(overlay("a", "a.1"))));
        assertEquals(0, Files.size(images.resolve("a.1")), "another's file stays");
        Files.delete(images.resolve("a.1"));
        refused(
                Reason.BAD_OPTION,
                () -> kit.manager.snapshot(List.of(new Overlay(
                        "a", new TapSpec("chain", images.resolve("a.1").toString()), Map.of("shape", "round")))));
        assertEquals(0, kit.manager.stats("a").parks());
        kit.manager.park("a");
        refused(Reason.BUSY, () -> kit.manager.snapshot(List.of(overlay("a", "a.1"))));
        kit.manager.resume("a");
        assertWritesTo("a", "a");
        assertEquals("[a, b]", files(images).toString());
    }

    @Test
    void aSnapshotIsRefusedWhileAFilterIsAtWorkOnTheImage() throws Exception {
        attach("a", Map.of(), "first");
        attach("b", Map.of());
        filter.working = true;
        refused(Reason.BUSY, this::snapshot);
        assertEquals(0, kit.manager.stats("a").parks());
        assertEquals(0, kit.manager.stats("b").parks());
        assertFalse(assertAllOrNone("at work"));
        filter.working = false;
        snapshot();
        assertTrue(assertAllOrNone("taken"));
    }

    @Test
    void aDiskThatCannotBeFlushedKeepsItsImage() throws Exception {
        attach("a", Map.of());
        attach("b", Map.of());
        driver.flushError = 28;
        refused(Reason.IO, this::snapshot);
        driver.flushError = 0;
        assertEquals(0, kit.manager.stats("a").parks(), "it is flushed before requests wait");
        for (String id : List.of("a", "b")) {
            assertEquals(
                    Errno.EIO,
                    kit.send(id, Operation.FLUSH).get(1, TimeUnit.MINUTES),
                    "its VM must know that its flushed data may be lost");
            assertEquals(0, kit.send(id, Operation.FLUSH).get(1, TimeUnit.MINUTES));
        }
        assertFalse(assertAllOrNone("not flushed"));
    }

    // ---- failures and kills

    /** Counts the calls of a snapshot in which nothing fails. */
    private int calls() throws Exception {
        AtomicInteger calls = new AtomicInteger();
        driver.watcher = (step, name) -> calls.incrementAndGet();
        attach("a", Map.of());
        attach("b", Map.of());
        calls.set(0);
        snapshot();
        driver.watcher = (step, name) -> {};
        return calls.get();
    }

    /** All files of the directory of images. */
    private Set<Path> images() throws IOException {
        try (Stream<Path> files = Files.list(images)) {
            return files.collect(Collectors.toCollection(TreeSet::new));
        }
    }

    private void again() throws Exception {
        for (String id : List.of("a", "b")) {
            kit.manager.detach(id, true);
            Files.deleteIfExists(images.resolve(id + ".1"));
            attach(id, Map.of());
        }
    }

    @ParameterizedTest
    @ValueSource(booleans = {false, true})
    void oneThatFailsAtAnyStepFailsForAll(boolean early) throws Exception {
        driver.early = early;
        int calls = calls();
        int failed = 0;
        for (int i = 0; i < calls; i++) {
            again();
            AtomicInteger left = new AtomicInteger(i);
            int number = i;
            driver.watcher = (step, name) -> {
                if (left.getAndDecrement() == 0) {
                    throw new DiskException(Reason.NO_SPACE, "meant to fail at " + number + " " + step + " " + name);
                }
            };
            boolean taken;
            try {
                snapshot();
                taken = true;
            } catch (DiskException e) {
                taken = false;
                failed++;
            }
            driver.watcher = (step, name) -> {};
            assertEquals(taken, assertAllOrNone("call " + i));
        }
        assertTrue(failed > calls / 2, failed + " of " + calls);
    }

    @Test
    void driversThatFailFromSomeStepOnLeaveTheOldImagesParked() throws Exception {
        int calls = calls();
        for (int i = 0; i < calls; i++) {
            again();
            AtomicInteger left = new AtomicInteger(i);
            driver.watcher = (step, name) -> {
                if (left.getAndDecrement() <= 0) {
                    throw new IllegalStateException("meant to fail at " + step + " " + name);
                }
            };
            boolean taken;
            try {
                snapshot();
                taken = true;
            } catch (DiskException e) {
                taken = false;
            }
            driver.watcher = (step, name) -> {};
            for (String id : List.of("a", "b")) {
                if (kit.manager.status(id).state() == State.PARKED) {
                    kit.manager.resume(id);
                }
            }
            assertEquals(taken, assertAllOrNone("call " + i));
        }
    }

    @ParameterizedTest
    @ValueSource(booleans = {false, true})
    void aKillAtAnyStepLeavesAllOrNone(boolean early) throws Exception {
        driver.early = early;
        attach("a", Map.of());
        attach("b", Map.of());
        Cuts cuts = new Cuts(home, temporary);
        driver.watcher = (step, name) -> cuts.take(step + " " + name);
        kit.whenResumed = id -> cuts.take("resumed " + id);
        snapshot();
        driver.watcher = (step, name) -> {};
        kit.whenResumed = id -> {};
        cuts.take("end");
        int taken = 0;
        for (String step : cuts.steps()) {
            kit.close();
            cuts.restore(step);
            Set<Path> before = images();
            boolean there;
            try (LogLines log = new LogLines()) {
                startDaemon();
                kit.await("a", State.RUNNING);
                kit.await("b", State.RUNNING);
                there = assertAllOrNone(step);
                before.removeAll(images());
                for (Path gone : before) {
                    assertTrue(
                            log.all().contains(gone + ": removed; its snapshot was interrupted"),
                            () -> step + ": the log does not say what became of " + gone + ": " + log.all());
                }
            }
            assertEquals(step.contains("resumed") || step.endsWith("end"), there, step);
            taken += there ? 1 : 0;
        }
        assertTrue(taken >= 3, cuts.steps().toString());
    }

    @Test
    void aKillBetweenTwoRecordsIsFinished() throws Exception {
        attach("a", Map.of());
        attach("b", Map.of());
        Cuts cuts = new Cuts(home, temporary);
        kit.whenResumed = id -> cuts.take("resumed");
        snapshot();
        kit.whenResumed = id -> {};
        Path record = home.resolve("data/attachments/b.cfg");
        byte[] recorded = Files.readAllBytes(record);
        kit.close();
        cuts.restore(cuts.steps().get(0));
        Files.write(record, recorded);
        // a file system without attributes has no mark either; what was committed stays
        Files.getFileAttributeView(images.resolve("a.1"), UserDefinedFileAttributeView.class)
                .delete("blktap.snapshot");
        try (LogLines log = new LogLines()) {
            startDaemon();
            kit.await("a", State.RUNNING);
            kit.await("b", State.RUNNING);
            assertTrue(assertAllOrNone("one record was written"));
            String finished =
                    "a: has tap:chain:" + images.resolve("a.1") + ": a snapshot that was interrupted is finished";
            assertTrue(log.all().contains(finished), () -> log.all().toString());
        }
        kit.close();
        cuts.restore(cuts.steps().get(0));
        Path away = temporary.resolve("away");
        Files.move(images, away);
        startDaemon();
        kit.await("a", State.PARKED);
        kit.await("b", State.PARKED);
        assertEquals("a.1", spec("a"), "the storage is not there, and the snapshot is");
        Files.move(away, images);
        kit.manager.resume("a");
        kit.manager.resume("b");
        assertTrue(assertAllOrNone("the storage is back"));
    }

    @Test
    void aJournalThatCannotBeWrittenMeansNoSnapshot() throws Exception {
        attach("a", Map.of());
        attach("b", Map.of());
        Files.createFile(home.resolve("data/snapshots"));
        assertThrows(DiskException.class, this::snapshot);
        Files.delete(home.resolve("data/snapshots"));
        assertFalse(assertAllOrNone("no journal"));
        // the second write fails: what was prepared is gone
        driver.watcher = (step, name) -> {
            if (step.equals("opened") && name.equals("a.1")) {
                try (Stream<Path> all = Files.list(home.resolve("data/snapshots"))) {
                    for (Path each : all.toList()) {
                        if (each.getFileName().toString().startsWith(".")) {
                            Files.delete(each);
                        }
                    }
                } catch (IOException e) {
                    throw new AssertionError(e);
                }
            }
        };
        assertThrows(DiskException.class, this::snapshot);
        driver.watcher = (step, name) -> {};
        assertFalse(assertAllOrNone("no commit"));
    }

    // ---- others meanwhile

    @Test
    void aForcedDetachMeanwhileLeavesTheOther() throws Exception {
        attach("a", Map.of());
        attach("b", Map.of());
        CompletableFuture<Void> reached = new CompletableFuture<>();
        CompletableFuture<Void> goOn = new CompletableFuture<>();
        driver.watcher = (step, name) -> {
            if (step.equals("opened") && name.equals("b.1")) {
                reached.complete(null);
                goOn.join();
            }
        };
        CompletableFuture<DiskException> taking =
                CompletableFuture.supplyAsync(() -> assertThrows(DiskException.class, this::snapshot));
        reached.get(1, TimeUnit.MINUTES);
        CompletableFuture<Void> detach = CompletableFuture.runAsync(() -> {
            try {
                kit.manager.detach("b", true);
            } catch (DiskException e) {
                throw new AssertionError(e);
            }
        });
        kit.until("its record is gone", () -> !Files.exists(home.resolve("data/attachments/b.cfg")));
        goOn.complete(null);
        taking.get(1, TimeUnit.MINUTES);
        detach.get(1, TimeUnit.MINUTES);
        kit.awaitGone("b");
        driver.watcher = (step, name) -> {};
        kit.until("no overlay is left", () -> files(images).toString().equals("[a, b]"));
        kit.await("a", State.RUNNING);
        assertWritesTo("a", "a");
    }

    @Test
    void severalAtOnceDoNotWaitForEachOther() throws Exception {
        attach("a", Map.of());
        attach("b", Map.of());
        List<CompletableFuture<Void>> all = Stream.of(List.of("a", "b"), List.of("b", "a"), List.of("b"), List.of("a"))
                .map(ids -> CompletableFuture.runAsync(() -> {
                    for (int i = 0; i < 5; i++) {
                        String name = "." + Thread.currentThread().getId() + "." + System.nanoTime();
                        try {
                            kit.manager.snapshot(ids.stream()
                                    .map(id -> overlay(id, id + name))
                                    .toList());
                        } catch (DiskException e) {
                            throw new AssertionError(e);
                        }
                    }
                }))
                .toList();
        for (CompletableFuture<Void> each : all) {
            each.get(2, TimeUnit.MINUTES);
        }
        assertEquals(2 + 30, files(images).size());
        assertEquals(15, kit.manager.stats("a").parks());
    }
}
