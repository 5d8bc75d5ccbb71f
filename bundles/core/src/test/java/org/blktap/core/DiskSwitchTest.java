package org.blktap.core;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import org.blktap.api.control.AttachRequest;
import org.blktap.api.control.AttachmentStatus;
import org.blktap.api.control.AttachmentStatus.State;
import org.blktap.api.control.Attachments.ImageSwitch;
import org.blktap.api.control.StateReason.Kind;
import org.blktap.api.disk.DiskException;
import org.blktap.api.disk.DiskException.Reason;
import org.blktap.api.disk.Operation;
import org.blktap.api.disk.TapSpec;
import org.blktap.api.disk.VirtualDisk;
import org.blktap.api.filter.DiskFilter;
import org.blktap.api.filter.FilterContext;
import org.blktap.api.filter.PassThroughDisk;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.function.Executable;
import org.junit.jupiter.api.io.TempDir;

/** A disk that continues with another image, and filters that have images open besides. */
@Timeout(300)
class DiskSwitchTest {
    private static final long SIZE = 1 << 20;

    @TempDir
    Path temporary;

    private Path home;
    private Path images;
    private final ChainDriver driver = new ChainDriver("chain");
    private final ChainDriver other = new ChainDriver("other");
    private final TestFilter filter = new TestFilter();
    private final Opener opener = new Opener();
    private CoreKit kit;
    private FakeReference<org.blktap.api.disk.DiskDriver> otherReference;
    private int filesBefore;

    /** A filter that opens what its option says; on the image. */
    private static final class Opener implements DiskFilter {
        volatile boolean leaks;
        volatile boolean refusesDetach;
        volatile boolean refusesSwitch;
        /** Runs when requests wait for the switch. */
        volatile Runnable atSwitch = () -> {};

        volatile boolean throwsInOpen;
        volatile FilterContext context;
        volatile VirtualDisk disk;

        @Override
        public PassThroughDisk open(VirtualDisk below, FilterContext given) throws DiskException {
            context = given;
            String path = given.options().text("path", null);
            String type = given.options().text("type", "chain");
            boolean readOnly = given.options().flag("read-only", false);
            VirtualDisk opened = path == null ? null : given.openDisk(new TapSpec(type, path), Map.of(), readOnly);
            if (throwsInOpen) {
                throw new IllegalStateException("meant to fail");
            }
            disk = opened;
            return new PassThroughDisk(below) {
                @Override
                public void checkDetach() throws DiskException {
                    if (refusesDetach) {
                        throw new DiskException(Reason.BUSY, "a job is running; --force cancels it");
                    }
                    super.checkDetach();
                }

                @Override
                public void beforeSwitch() throws DiskException {
                    atSwitch.run();
                    if (refusesSwitch) {
                        throw new DiskException(Reason.BUSY, "the target is not equal");
                    }
                }

                @Override
                public void close() {
                    if (opened != null && !leaks) {
                        opened.close();
                    }
                }
            };
        }

        @Override
        public boolean onImage() {
            return true;
        }
    }

    @BeforeEach
    void start() throws Exception {
        filesBefore = RealFiles.OPEN.get();
        home = Files.createDirectories(temporary.toRealPath().resolve("home"));
        images = Files.createDirectories(home.resolve("images"));
        startDaemon();
        driver.make(images.resolve("base"), SIZE, null);
        driver.make(images.resolve("mid"), SIZE, images.resolve("base"));
        driver.make(images.resolve("top"), SIZE, images.resolve("mid"));
        driver.make(images.resolve("copy"), SIZE, null);
    }

    private void startDaemon() throws IOException {
        kit = new CoreKit(home, loop -> new RealFiles());
        bring();
    }

    private void bring() {
        kit.installed.addDriver(driver, CoreKit.driver("chain"));
        otherReference = CoreKit.driver("other");
        kit.installed.addDriver(other, otherReference);
        kit.installed.addFilter(filter, new FakeReference<>(Map.of("filter.type", "first")));
        kit.installed.addFilter(opener, new FakeReference<>(Map.of("filter.type", "opener")));
    }

    @AfterEach
    void stop() throws Exception {
        driver.watcher = (step, name) -> {};
        opener.refusesDetach = false;
        for (AttachmentStatus each : kit.manager.list()) {
            kit.manager.detach(each.id(), true);
        }
        kit.close();
        assertEquals(filesBefore, RealFiles.OPEN.get(), "files left open");
        assertEquals(0, filter.open);
    }

    private TapSpec spec(String name) {
        return new TapSpec("chain", images.resolve(name).toString());
    }

    private void attach(String id, String image, String... filters) throws Exception {
        kit.manager.attach(new AttachRequest(spec(image), id, List.of("fake"), false, Map.of(), List.of(filters)));
    }

    private void assertWritesTo(String image) throws Exception {
        driver.written.clear();
        assertEquals(0, kit.send("a", Operation.WRITE).get(1, TimeUnit.MINUTES));
        assertEquals(List.of(image), driver.written);
        assertEquals(spec(image).toString(), kit.manager.status("a").spec());
        assertEquals(State.RUNNING, kit.manager.status("a").state());
    }

    private String backing(String image) throws IOException {
        java.util.Properties properties = new java.util.Properties();
        properties.load(
                new java.io.StringReader(Files.readString(images.resolve(image)).replace("\0", "")));
        String backing = properties.getProperty("backing");
        return backing == null ? null : Path.of(backing).getFileName().toString();
    }

    private static DiskException refused(Reason reason, Executable what) {
        DiskException e = assertThrows(DiskException.class, what);
        assertEquals(reason, e.reason(), e.getMessage());
        return e;
    }

    // ---- other disks of a filter

    @Test
    void aFilterOpensABaseThatOnlyItsDiskReads() throws Exception {
        attach("a", "top", "first");
        kit.manager.addFilter("a", "opener,path=" + images.resolve("base"), null);
        assertEquals(
                List.of("opener,path=" + images.resolve("base"), "first"),
                kit.manager.status("a").filters(),
                "it is directly on the image");
        assertWritesTo("top");
        // neither another attachment nor another process opens what it writes
        refused(Reason.BUSY, () -> attach("b", "base"));
        refused(Reason.BUSY, () -> attach("c", "mid"));
        assertThrows(
                IllegalStateException.class,
                () -> opener.context.openDisk(spec("copy"), Map.of(), true),
                "it is open, and opens no more");
        kit.manager.park("a");
        kit.manager.resume("a");
        assertWritesTo("top");
        kit.manager.removeFilter("a", "opener");
        // the chain has kept its own lock
        refused(Reason.BUSY, () -> attach("b", "base"));
        kit.manager.detach("a", false);
        attach("b", "base");
    }

    @Test
    void aBaseThatOthersReadIsNotOpenedForWriting() throws Exception {
        attach("a", "top");
        driver.make(images.resolve("second"), SIZE, images.resolve("base"));
        attach("b", "second");
        String writes = "opener,path=" + images.resolve("base");
        refused(Reason.BUSY, () -> kit.manager.addFilter("a", writes, null));
        kit.manager.detach("b", false);
        refused(Reason.BUSY, () -> attach("b", "base"));
        kit.manager.addFilter("a", writes + ",read-only=yes", null);
        kit.manager.removeFilter("a", "opener");
        refused(Reason.BUSY, () -> kit.manager.addFilter("a", "opener,path=" + images.resolve("top"), null));
        kit.manager.addFilter("a", writes, null);
        assertWritesTo("top");
    }

    @Test
    void whatAFilterLeavesOpenIsClosed() throws Exception {
        attach("a", "top");
        int open = RealFiles.OPEN.get();
        String opens = "opener,path=" + images.resolve("copy");
        opener.leaks = true;
        kit.manager.addFilter("a", opens, null);
        kit.manager.removeFilter("a", "opener");
        assertEquals(open, RealFiles.OPEN.get());
        opener.throwsInOpen = true;
        assertThrows(Exception.class, () -> kit.manager.addFilter("a", opens, null));
        opener.throwsInOpen = false;
        refused(Reason.BAD_OPTION, () -> kit.manager.addFilter("a", opens + ",unknown=1", null));
        refused(Reason.NOT_FOUND, () -> kit.manager.addFilter("a", "opener,path=" + images.resolve("none"), null));
        refused(Reason.WRONG_TYPE, () -> kit.manager.addFilter("a", opens + ",type=none", null));
        assertEquals(open, RealFiles.OPEN.get());
        assertWritesTo("top");
    }

    @Test
    void theDriverOfAnotherDiskParksWhenItIsReplaced() throws Exception {
        other.make(images.resolve("target"), SIZE, null);
        attach("a", "top");
        kit.manager.addFilter("a", "opener,type=other,path=" + images.resolve("target"), null);
        kit.installed.removeDriver(otherReference);
        assertEquals(State.PARKED, kit.manager.status("a").state());
        assertEquals(Kind.NO_DRIVER, kit.manager.status("a").reason().kind());
        kit.installed.addDriver(other, otherReference);
        kit.await("a", State.RUNNING);
        assertWritesTo("top");
    }

    @Test
    void aFilterRefusesADetachButNotAForcedOne() throws Exception {
        attach("a", "top", "first");
        opener.refusesDetach = true;
        kit.manager.addFilter("a", "opener", null);
        assertTrue(refused(Reason.BUSY, () -> kit.manager.detach("a", false))
                .getMessage()
                .contains("--force"));
        assertEquals(0, kit.nodes.get("a").asked.get(), "its VM keeps the device");
        assertWritesTo("top");
        kit.restart();
        bring();
        kit.await("a", State.RUNNING);
        refused(Reason.BUSY, () -> kit.manager.detach("a", false));
        kit.manager.detach("a", true);
        kit.awaitGone("a");
        assertFalse(Files.exists(home.resolve("data/attachments/a.cfg")));
        opener.refusesDetach = false;
    }

    // ---- another image

    private ImageSwitch toCopy() {
        return new ImageSwitch(spec("copy"), Map.of(), null, null, "opener");
    }

    private ImageSwitch overMid() {
        return new ImageSwitch(spec("top"), Map.of(), spec("top"), spec("base"), null);
    }

    @Test
    void aDiskMovesAndAFilterGoes() throws Exception {
        attach("a", "top", "opener,path=" + images.resolve("copy"), "first,number=5");
        assertTrue(kit.manager.switchImage("a", toCopy()).toNanos() > 0);
        assertWritesTo("copy");
        assertEquals(List.of("first,number=5"), kit.manager.status("a").filters());
        assertTrue(filter.seen.contains("WRITE 5"), filter.seen.toString());
        assertEquals(1, kit.manager.stats("a").parks());
        attach("b", "top");
        kit.manager.detach("b", false);
        kit.close();
        startDaemon();
        kit.await("a", State.RUNNING);
        assertWritesTo("copy");
        assertEquals(List.of("first,number=5"), kit.manager.status("a").filters());
    }

    @Test
    void aFilterThatHasNotMadeTheOtherImageEqualRefusesTheSwitch() throws Exception {
        attach("a", "top", "opener,path=" + images.resolve("copy"), "first");
        opener.refusesSwitch = true;
        refused(Reason.BUSY, () -> kit.manager.switchImage("a", toCopy()));
        assertWritesTo("top");
        assertEquals(2, kit.manager.status("a").filters().size());
        opener.refusesSwitch = false;
        kit.manager.switchImage("a", toCopy());
        assertWritesTo("copy");
    }

    /** The flush before the pause does not cover what is written until then. */
    @Test
    void aDiskThatCannotBeFlushedInThePauseKeepsItsImage() throws Exception {
        attach("a", "top", "opener,path=" + images.resolve("copy"));
        opener.atSwitch = () -> driver.flushError = 28;
        refused(Reason.IO, () -> kit.manager.switchImage("a", toCopy()));
        driver.flushError = 0;
        assertWritesTo("top");
        opener.atSwitch = () -> {};
        kit.manager.switchImage("a", toCopy());
        assertWritesTo("copy");
    }

    @Test
    void anOverlayGetsAnotherBackingImage() throws Exception {
        attach("a", "top");
        kit.manager.switchImage("a", overMid());
        assertEquals("base", backing("top"));
        assertWritesTo("top");
        kit.manager.switchImage("a", new ImageSwitch(spec("top"), Map.of("color", "red"), spec("top"), null, null));
        assertEquals(null, backing("top"));
        assertEquals(Map.of("color", "red"), kit.manager.status("a").options());
        kit.close();
        startDaemon();
        kit.await("a", State.RUNNING);
        assertWritesTo("top");
    }

    @Test
    void whatCannotBeIsRefusedWithoutAPause() throws Exception {
        attach("a", "top");
        refused(Reason.NOT_FOUND, () -> kit.manager.switchImage("a", toCopy()));
        refused(Reason.NOT_FOUND, () -> kit.manager.switchImage("b", overMid()));
        refused(
                Reason.BAD_OPTION,
                () -> kit.manager.switchImage("a", new ImageSwitch(spec("top"), Map.of(), spec("copy"), null, null)));
        refused(
                Reason.WRONG_TYPE,
                () -> kit.manager.switchImage(
                        "a", new ImageSwitch(new TapSpec("none", "/x"), Map.of(), null, null, null)));
        assertEquals(0, kit.manager.stats("a").parks());
        driver.make(images.resolve("large"), 2 * SIZE, null);
        refused(
                Reason.WRONG_TYPE,
                () -> kit.manager.switchImage("a", new ImageSwitch(spec("large"), Map.of(), null, null, null)));
        assertWritesTo("top");
        driver.flushError = 28;
        refused(
                Reason.IO,
                () -> kit.manager.switchImage("a", new ImageSwitch(spec("copy"), Map.of(), null, null, null)));
        driver.flushError = 0;
        assertWritesTo("top");
        kit.manager.park("a");
        refused(Reason.BUSY, () -> kit.manager.switchImage("a", overMid()));
    }

    @Test
    void aDiskWhoseRecordDoesNotNameItIsNotOpened() throws Exception {
        attach("a", "top", "opener,path=" + images.resolve("copy"), "first");
        Path record = home.resolve("data/attachments/a.cfg");
        driver.watcher = (step, name) -> {
            if (step.equals("open") && name.equals("copy") && Files.isRegularFile(record)) {
                // neither the change nor the way back can be recorded
                try {
                    Files.delete(record);
                    Files.createDirectories(record.resolve("x"));
                } catch (IOException e) {
                    throw new UncheckedIOException(e);
                }
            }
        };
        refused(Reason.IO, () -> kit.manager.switchImage("a", toCopy()));
        assertEquals(State.PARKED, kit.manager.status("a").state());
        refused(Reason.IO, () -> kit.manager.resume("a"));
        assertEquals(State.PARKED, kit.manager.status("a").state());
        driver.watcher = (step, name) -> {};
        Files.delete(record.resolve("x"));
        Files.delete(record);
        kit.manager.resume("a");
        assertWritesTo("top");
        kit.close();
        startDaemon();
        kit.await("a", State.RUNNING);
        assertWritesTo("top");
    }

    /** Attaches, and changes; returns whether that was done. */
    private boolean change(ImageSwitch to) throws Exception {
        try {
            kit.manager.switchImage("a", to);
            return true;
        } catch (DiskException e) {
            return false;
        }
    }

    private void again() throws Exception {
        for (AttachmentStatus each : kit.manager.list()) {
            kit.manager.detach(each.id(), true);
        }
        driver.make(images.resolve("top"), SIZE, images.resolve("mid"));
        attach("a", "top", "opener,path=" + images.resolve("copy"), "first");
    }

    @Test
    void aFailureAtAnyStepLeavesItAsItWas() throws Exception {
        for (ImageSwitch to : List.of(toCopy(), overMid())) {
            for (boolean stays : new boolean[] {false, true}) {
                boolean reached = true;
                for (int i = 0; reached; i++) {
                    again();
                    AtomicInteger left = new AtomicInteger(i);
                    driver.watcher = (step, name) -> {
                        int now = left.getAndDecrement();
                        if (now == 0 || stays && now < 0) {
                            throw new DiskException(Reason.NO_SPACE, "meant to fail at " + step + " " + name);
                        }
                    };
                    boolean done = change(to);
                    reached = left.get() < 0;
                    driver.watcher = (step, name) -> {};
                    if (kit.manager.status("a").state() == State.PARKED) {
                        kit.manager.resume("a");
                    }
                    String expected = done && to.withoutFilter() != null ? "copy" : "top";
                    assertWritesTo(expected);
                    assertEquals(
                            done && to.withoutFilter() != null ? 1 : 2,
                            kit.manager.status("a").filters().size());
                    assertTrue(List.of("mid", "base").contains(backing("top")));
                    kit.manager.park("a");
                    kit.manager.resume("a");
                    assertWritesTo(expected);
                }
            }
        }
    }

    @Test
    void aKillAtAnyStepLeavesAnImageThatIsRight() throws Exception {
        for (ImageSwitch to : List.of(toCopy(), overMid())) {
            again();
            Cuts cuts = new Cuts(home, Files.createTempDirectory(temporary, "cuts"));
            driver.watcher = (step, name) -> cuts.take(step + " " + name);
            kit.whenResumed = id -> cuts.take("resumed");
            assertTrue(change(to));
            driver.watcher = (step, name) -> {};
            kit.whenResumed = id -> {};
            cuts.take("end");
            List<String> steps = new ArrayList<>(cuts.steps());
            for (String step : steps) {
                kit.close();
                cuts.restore(step);
                startDaemon();
                kit.await("a", State.RUNNING);
                boolean late = step.endsWith("resumed") || step.endsWith("end");
                String now = TapSpec.parse(kit.manager.status("a").spec()).path();
                if (to.withoutFilter() == null) {
                    assertTrue(!late || backing("top").equals("base"), step);
                    assertWritesTo("top");
                } else {
                    assertTrue(!late || now.endsWith("/copy"), step);
                    assertWritesTo(now.endsWith("/copy") ? "copy" : "top");
                    assertEquals(
                            now.endsWith("/copy") ? 1 : 2,
                            kit.manager.status("a").filters().size(),
                            step);
                }
                assertFalse(
                        Files.readString(home.resolve("data/attachments/a.cfg")).contains("rebase"), step);
            }
        }
    }

    @Test
    void aRestartFinishesAChangeOfTheChainBeforeItOpensIt() throws Exception {
        driver.saysType = false;
        driver.make(images.resolve("mid"), SIZE, images.resolve("base"));
        driver.make(images.resolve("top"), SIZE, images.resolve("mid"));
        kit.manager.attach(
                new AttachRequest(spec("top"), "a", List.of("fake"), false, Map.of("backing-type", "chain:chain")));
        Cuts cuts = new Cuts(home, temporary);
        driver.watcher = (step, name) -> cuts.take(step);
        kit.manager.switchImage(
                "a", new ImageSwitch(spec("top"), Map.of("backing-type", "chain"), spec("top"), spec("base"), null));
        driver.watcher = (step, name) -> {};
        for (String step : cuts.steps()) {
            kit.close();
            cuts.restore(step);
            startDaemon();
            kit.await("a", State.RUNNING);
            assertEquals(
                    backing("top").equals("base") ? "chain" : "chain:chain",
                    kit.manager.status("a").options().get("backing-type"),
                    step);
            assertWritesTo("top");
        }
    }

    // ---- a larger backing image

    private long size(String image) throws IOException {
        java.util.Properties properties = new java.util.Properties();
        properties.load(
                new java.io.StringReader(Files.readString(images.resolve(image)).replace("\0", "")));
        return Long.parseLong(properties.getProperty("size"));
    }

    private void grow() throws DiskException {
        kit.manager.growBacking("a", spec("base"), Map.of(), 2 * SIZE);
    }

    @Test
    void aBackingImageBecomesLargerAndTheDiskDoesNot() throws Exception {
        attach("a", "top", "first");
        refused(Reason.BAD_OPTION, () -> kit.manager.growBacking("a", spec("copy"), Map.of(), 2 * SIZE));
        assertEquals(0, kit.manager.stats("a").parks());
        grow();
        assertEquals(2 * SIZE, size("base"));
        assertEquals(SIZE, kit.manager.status("a").sizeBytes());
        assertWritesTo("top");
        driver.make(images.resolve("second"), SIZE, images.resolve("base"));
        attach("b", "second");
        refused(Reason.BUSY, () -> kit.manager.growBacking("a", spec("base"), Map.of(), 3 * SIZE));
        assertWritesTo("top");
        assertEquals(2 * SIZE, size("base"));
    }

    @Test
    void aFailureWhileABackingImageGrowsLeavesTheDiskAsItWas() throws Exception {
        boolean reached = true;
        for (int i = 0; reached; i++) {
            again();
            AtomicInteger left = new AtomicInteger(i);
            driver.watcher = (step, name) -> {
                if (left.getAndDecrement() == 0) {
                    throw new DiskException(Reason.NO_SPACE, "meant to fail at " + step + " " + name);
                }
            };
            try {
                grow();
            } catch (DiskException e) {
                assertTrue(e.getMessage().contains("meant to fail"), e.getMessage());
            }
            reached = left.get() < 0;
            driver.watcher = (step, name) -> {};
            if (kit.manager.status("a").state() == State.PARKED) {
                kit.manager.resume("a");
            }
            assertWritesTo("top");
            assertEquals(2, kit.manager.status("a").filters().size());
        }
    }

    @Test
    void aKillWhileABackingImageGrowsLeavesADiskThatOpens() throws Exception {
        again();
        Cuts cuts = new Cuts(home, temporary);
        driver.watcher = (step, name) -> cuts.take(step + " " + name);
        kit.whenResumed = id -> cuts.take("resumed");
        grow();
        driver.watcher = (step, name) -> {};
        kit.whenResumed = id -> {};
        for (String step : cuts.steps()) {
            kit.close();
            cuts.restore(step);
            startDaemon();
            kit.await("a", State.RUNNING);
            assertTrue(!step.endsWith("resumed") || size("base") == 2 * SIZE, step);
            assertWritesTo("top");
        }
    }

    @Test
    void aForcedDetachEndsIt() throws Exception {
        attach("a", "top");
        CompletableFuture<Void> reached = new CompletableFuture<>();
        CompletableFuture<Void> goOn = new CompletableFuture<>();
        driver.watcher = (step, name) -> {
            if (step.equals("rebase")) {
                reached.complete(null);
                goOn.join();
            }
        };
        CompletableFuture<DiskException> changing = CompletableFuture.supplyAsync(
                () -> assertThrows(DiskException.class, () -> kit.manager.switchImage("a", overMid())));
        reached.get(1, TimeUnit.MINUTES);
        assertEquals(Kind.IMAGE_CHANGE, kit.manager.status("a").reason().kind());
        CompletableFuture<Integer> waits = kit.send("a", Operation.WRITE);
        kit.manager.detach("a", true);
        goOn.complete(null);
        changing.get(1, TimeUnit.MINUTES);
        kit.awaitGone("a");
        assertFalse(waits.isDone() && waits.get() == 0);
    }
}
