package org.blktap.core;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import org.blktap.api.control.AttachRequest;
import org.blktap.api.control.AttachmentStats.FilterStats;
import org.blktap.api.control.AttachmentStatus;
import org.blktap.api.control.AttachmentStatus.State;
import org.blktap.api.control.StateReason.Kind;
import org.blktap.api.disk.DiskException;
import org.blktap.api.disk.DiskException.Reason;
import org.blktap.api.disk.Operation;
import org.blktap.api.disk.TapSpec;
import org.blktap.api.filter.DiskFilter;
import org.blktap.api.testkit.Eventually;
import org.blktap.core.UnrulyDriver.Mood;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.function.Executable;
import org.junit.jupiter.api.io.TempDir;

/** Filters of an attachment: at the attach, while it runs, and when they come and go. */
@Timeout(180)
class FiltersTest {
    private static final long SIZE = 1 << 20;

    @TempDir
    Path directory;

    private final UnrulyDriver driver = new UnrulyDriver();
    private final TestFilter first = new TestFilter();
    private final TestFilter second = new TestFilter();
    private CoreKit kit;
    private AttachmentManager manager;
    private FakeReference<DiskFilter> firstReference;

    @BeforeEach
    void start() throws Exception {
        kit = new CoreKit(directory);
        bring();
    }

    private void bring() {
        manager = kit.manager;
        kit.installed.addDriver(driver, CoreKit.driver("good"));
        firstReference = bring("first", first);
        bring("second", second);
    }

    private FakeReference<DiskFilter> bring(String type, DiskFilter filter) {
        FakeReference<DiskFilter> reference = new FakeReference<>(Map.of("filter.type", type));
        kit.installed.addFilter(filter, reference);
        return reference;
    }

    @AfterEach
    void stop() throws Exception {
        driver.relent();
        for (AttachmentStatus each : kit.manager.list()) {
            kit.manager.detach(each.id(), true);
        }
        Eventually.holds("all filters are closed", () -> first.open + second.open == 0);
        kit.close();
    }

    private void attach(String... filters) throws DiskException {
        manager.attach(new AttachRequest(
                TapSpec.parse("tap:good:/a"), "a", List.of("fake"), false, Map.of(), List.of(filters)));
    }

    private void write() throws Exception {
        assertEquals(0, kit.send("a", Operation.WRITE).get(1, TimeUnit.MINUTES));
    }

    private static DiskException refused(Reason reason, Executable what) {
        DiskException e = assertThrows(DiskException.class, what);
        assertEquals(reason, e.reason(), e.getMessage());
        return e;
    }

    private List<String> filters() throws DiskException {
        return manager.status("a").filters();
    }

    // ---- at the attach

    @Test
    void requestsPassThemFromTheLastToTheFirstAndARestartHasThem() throws Exception {
        attach("first,number=1", "second,number=2");
        write();
        assertEquals(List.of("WRITE 1"), first.seen);
        assertEquals(List.of("WRITE 2"), second.seen);
        second.holding = true;
        CompletableFuture<Integer> held = kit.send("a", Operation.READ);
        kit.until("the upper one has it", () -> second.seen.size() == 2);
        assertEquals(1, first.seen.size());
        manager.park("a");
        assertEquals(0, held.get(1, TimeUnit.MINUTES), "what a filter holds back does not hold up the park");
        assertEquals(0, first.open + second.open);
        second.holding = false;
        manager.resume("a");
        kit.restart();
        bring();
        kit.await("a", State.RUNNING);
        assertEquals(List.of("first,number=1", "second,number=2"), filters());
        assertEquals(
                List.of(new FilterStats("first", Map.of("number", 1)), new FilterStats("second", Map.of("number", 2))),
                manager.stats("a").filters());
        write();
    }

    @Test
    void anAttachWithABadFilterLeavesNothing() {
        refused(Reason.WRONG_TYPE, () -> attach("third"));
        assertTrue(refused(Reason.BAD_OPTION, () -> attach("first,numbr=1"))
                .getMessage()
                .contains("filter first: unknown option 'numbr'; known: number, word"));
        refused(Reason.BAD_OPTION, () -> attach("second", "first,number=x"));
        refused(Reason.BAD_OPTION, () -> attach("First"));
        refused(Reason.EXISTS, () -> attach("first", "first,number=1"));
        assertEquals(List.of(), manager.list());
        assertEquals(0, driver.open.get() + first.open + second.open);
    }

    @Test
    void aDiskGrowsByWhatItsFilterDoesNotShow() throws Exception {
        first.header = 4096;
        attach("first");
        assertEquals(SIZE - 4096, manager.status("a").sizeBytes());
        assertEquals(2 * SIZE - 4096, manager.resize("a", 2 * SIZE - 4096));
        assertEquals(2 * SIZE, driver.size);
        write();
    }

    // ---- while it runs

    @Test
    void theyComeAndGoWhileTheDiskStaysOpen() throws Exception {
        attach();
        driver.submitting = Mood.LOSES;
        CompletableFuture<Integer> inFlight = kit.send("a", Operation.WRITE);
        CompletableFuture<Duration> added = CompletableFuture.supplyAsync(() -> {
            try {
                return manager.addFilter("a", "first,number=7", null);
            } catch (DiskException e) {
                throw new AssertionError(e);
            }
        });
        kit.until("it waits", () -> manager.status("a").state() == State.PARKING);
        assertEquals(Kind.FILTER_CHANGE, manager.status("a").reason().kind());
        driver.submitting = Mood.GOOD;
        kit.nodes.get("a").context.loop().execute(driver::find);
        assertTrue(added.get(1, TimeUnit.MINUTES).toNanos() > 0);
        assertEquals(0, inFlight.get(1, TimeUnit.MINUTES));
        write();
        assertEquals(List.of("WRITE 7"), first.seen);
        manager.addFilter("a", "second", "first");
        write();
        assertEquals(List.of("WRITE 0"), second.seen);
        assertEquals(List.of("second", "first,number=7"), filters());
        manager.removeFilter("a", "first");
        assertEquals(0, first.open);
        write();
        assertEquals(2, second.seen.size());
        assertEquals(2, first.seen.size());
        assertEquals(1, driver.open.get(), "the disk has stayed open");
        kit.restart();
        bring();
        kit.await("a", State.RUNNING);
        assertEquals(List.of("second"), filters());
    }

    @Test
    void valuesAreSetInPlaceOrByOpeningAnew() throws Exception {
        attach("first,number=1");
        assertEquals(Duration.ZERO, manager.setFilter("a", "first", Map.of("number", "2")));
        assertEquals(0, manager.stats("a").parks());
        write();
        assertEquals(List.of("WRITE 2"), first.seen);
        assertTrue(manager.setFilter("a", "first", Map.of("word", "x")).toNanos() > 0);
        assertEquals(1, first.open);
        assertEquals(1, manager.stats("a").parks());
        assertEquals(List.of("first,number=2,word=x"), filters());
        refused(Reason.BAD_OPTION, () -> manager.setFilter("a", "first", Map.of("number", "x")));
        refused(Reason.BAD_OPTION, () -> manager.setFilter("a", "first", Map.of("number", "3", "word", "", "x", "y")));
        refused(Reason.BAD_OPTION, () -> manager.setFilter("a", "first", Map.of("word", "x,number=9")));
        assertEquals(Map.of("number", 2), manager.stats("a").filters().get(0).values(), "nothing has changed");
        manager.setFilter("a", "first", Map.of("word", ""));
        assertEquals(List.of("first,number=2"), filters());
        refused(Reason.NOT_FOUND, () -> manager.setFilter("a", "second", Map.of("number", "1")));
        refused(Reason.NOT_FOUND, () -> manager.removeFilter("a", "second"));
        refused(Reason.EXISTS, () -> manager.addFilter("a", "first", null));
        refused(Reason.NOT_FOUND, () -> manager.addFilter("a", "second", "third"));
        refused(Reason.NOT_FOUND, () -> manager.addFilter("b", "second", null));
        refused(Reason.WRONG_TYPE, () -> manager.addFilter("a", "third", null));
        write();
    }

    @Test
    void whatChangesTheContentsStays() throws Exception {
        first.changesContents = true;
        attach("first");
        refused(Reason.UNSUPPORTED, () -> manager.removeFilter("a", "first"));
        refused(Reason.UNSUPPORTED, () -> manager.setFilter("a", "first", Map.of("word", "x")));
        second.header = 512;
        assertTrue(refused(Reason.UNSUPPORTED, () -> manager.addFilter("a", "second", null))
                .getMessage()
                .contains("its VM knows " + SIZE + " bytes"));
        second.header = 0;
        second.changesContents = true;
        refused(Reason.UNSUPPORTED, () -> manager.addFilter("a", "second", null));
        assertEquals(List.of("first"), filters());
        manager.setFilter("a", "first", Map.of("number", "5"));
        kit.installed.removeFilter(firstReference);
        manager.park("a");
        assertTrue(refused(Reason.UNSUPPORTED, () -> manager.removeFilter("a", "first"))
                .getMessage()
                .contains("not installed"));
    }

    @Test
    void requestsThatDoNotEndLeaveEverythingAsItWas() throws Exception {
        attach("first");
        driver.submitting = Mood.LOSES;
        CompletableFuture<Integer> lost = kit.send("a", Operation.WRITE);
        refused(Reason.BUSY, () -> manager.addFilter("a", "second", null));
        refused(Reason.BUSY, () -> manager.removeFilter("a", "first"));
        assertEquals(State.RUNNING, manager.status("a").state());
        assertEquals(List.of("first"), filters());
        assertEquals(0, second.open);
        driver.relent();
        kit.nodes.get("a").context.loop().execute(driver::find);
        assertEquals(0, lost.get(1, TimeUnit.MINUTES));
        kit.restart();
        bring();
        kit.await("a", State.RUNNING);
        assertEquals(List.of("first"), filters());
    }

    @Test
    void thoseOfAParkedDiskAreRecorded() throws Exception {
        attach("first");
        manager.park("a");
        assertEquals(Duration.ZERO, manager.addFilter("a", "second", "first"));
        manager.setFilter("a", "first", Map.of("number", "3"));
        assertEquals(0, first.open + second.open);
        manager.resume("a");
        first.seen.clear();
        write();
        assertEquals(List.of("WRITE 3"), first.seen);
        assertEquals(List.of("second", "first,number=3"), filters());
    }

    // ---- services that come and go

    @Test
    void aFilterThatGoesParksItsDiskUntilItIsBack() throws Exception {
        attach("first");
        kit.installed.removeFilter(firstReference);
        kit.await("a", State.PARKED);
        assertEquals(Kind.NO_FILTER, manager.status("a").reason().kind());
        assertEquals(0, first.open + driver.open.get());
        refused(Reason.BUSY, () -> manager.addFilter("a", "second", null));
        CompletableFuture<Integer> waits = kit.send("a", Operation.WRITE);
        assertFalse(waits.isDone());
        TestFilter next = new TestFilter();
        bring("first", next);
        kit.await("a", State.RUNNING);
        assertEquals(0, waits.get(1, TimeUnit.MINUTES));
        assertEquals(List.of("WRITE 0"), next.seen);
        manager.detach("a", false);
        assertEquals(0, next.open);
    }

    @Test
    void aDiskDoesNotRunWithoutAFilter() throws Exception {
        attach("first");
        kit.restart();
        manager = kit.manager;
        kit.installed.addDriver(driver, CoreKit.driver("good"));
        kit.await("a", State.PARKED);
        kit.until("it lacks the filter", () -> manager.status("a").reason().kind() == Kind.NO_FILTER);
        assertEquals(0, driver.open.get());
        firstReference = bring("first", first);
        kit.await("a", State.RUNNING);
        first.seen.clear();
        write();
        assertEquals(List.of("WRITE 0"), first.seen);
    }

    @Test
    void oneThatThrowsParksItsDiskUntilAnotherComes() throws Exception {
        attach("first");
        first.throwing = true;
        CompletableFuture<Integer> waits = kit.send("a", Operation.WRITE);
        kit.await("a", State.PARKED);
        assertEquals(Kind.FAILED, manager.status("a").reason().kind());
        assertTrue(manager.status("a").reason().text().contains("the filter first threw"));
        kit.installed.removeFilter(firstReference);
        TestFilter next = new TestFilter();
        bring("first", next);
        kit.await("a", State.RUNNING);
        assertEquals(0, waits.get(1, TimeUnit.MINUTES));
        assertEquals(List.of("WRITE 0"), next.seen);
        manager.detach("a", false);
    }
}
