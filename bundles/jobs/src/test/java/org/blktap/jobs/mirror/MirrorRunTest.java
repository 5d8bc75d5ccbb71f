package org.blktap.jobs.mirror;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.lang.reflect.Proxy;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.blktap.api.control.AttachmentStatus;
import org.blktap.api.control.AttachmentStatus.State;
import org.blktap.api.control.Attachments;
import org.blktap.api.control.Images;
import org.blktap.api.control.JobState;
import org.blktap.api.disk.DiskException;
import org.blktap.api.disk.DiskException.Reason;
import org.blktap.api.disk.DiskInfo;
import org.blktap.api.disk.TapSpec;
import org.blktap.jobs.ImageFiles;
import org.blktap.jobs.Job;
import org.blktap.jobs.JobCancelled;
import org.blktap.jobs.JobTable;
import org.blktap.jobs.TestStatus;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** A job that is on record, on an attachment that others have changed meanwhile: no image that may be used goes. */
class MirrorRunTest {
    private static final long SIZE = 1 << 20;
    private static final String ID = "a";

    @TempDir
    Path directory;

    private JobTable table;
    private MirrorFilter filter;
    /** The chain of the attachment, from the top down. */
    private List<TapSpec> chain = List.of();

    private final Map<TapSpec, TapSpec> backings = new HashMap<>();
    /** Of images that have another size than the disk. */
    private final Map<TapSpec, Long> sizes = new HashMap<>();

    private final List<String> filters = new ArrayList<>();
    /** What happens when the core takes the filter out. */
    private Runnable removal = filters::clear;
    /** Lookups of the attachment that fail. */
    private int failing;

    @BeforeEach
    void start() {
        table = JobTable.at(directory.resolve("jobs"));
        filter = new MirrorFilter(table);
    }

    // ---- the core

    private Attachments attachments() {
        return (Attachments) Proxy.newProxyInstance(
                Attachments.class.getClassLoader(), new Class<?>[] {Attachments.class}, (proxy, method, arguments) -> {
                    return switch (method.getName()) {
                        case "status" -> status();
                        case "removeFilter" -> {
                            removal.run();
                            yield Duration.ZERO;
                        }
                        default -> throw new UnsupportedOperationException(method.getName());
                    };
                });
    }

    private AttachmentStatus status() throws DiskException {
        if (failing-- > 0) {
            throw new DiskException(Reason.IO, "meant to fail");
        }
        Map<String, String> details = new LinkedHashMap<>();
        if (chain.size() > 1) {
            details.put(AttachmentStatus.BACKING, chain.get(1).toString());
        }
        return TestStatus.of(ID, chain.get(0).toString(), State.RUNNING, SIZE, details, filters);
    }

    private Images images() {
        return (Images) Proxy.newProxyInstance(
                Images.class.getClassLoader(), new Class<?>[] {Images.class}, (proxy, method, arguments) -> {
                    if (!method.getName().equals("info")) {
                        throw new UnsupportedOperationException(method.getName());
                    }
                    TapSpec asked = (TapSpec) arguments[0];
                    return DiskInfo.ofSize(sizes.getOrDefault(asked, SIZE)).withBacking(backings.get(asked));
                });
    }

    /** The attachment has this chain from now on. */
    private void chain(TapSpec... images) {
        chain = List.of(images);
        for (int i = 0; i < images.length; i++) {
            backings.put(images[i], i + 1 < images.length ? images[i + 1] : null);
        }
    }

    private TapSpec image(String name) throws IOException {
        Path file = directory.resolve(name);
        if (!Files.exists(file)) {
            Files.writeString(file, name);
        }
        return new TapSpec("aio", file.toString());
    }

    private boolean there(String name) {
        return Files.exists(directory.resolve(name));
    }

    // ---- jobs on record

    private Job job(String kind, String phase, Map<String, String> values) throws DiskException {
        Map<String, String> all = new HashMap<>(values);
        if (phase != null) {
            all.put(MirrorFilter.PHASE, phase);
        }
        return table.add(kind, ID, Map.of(), all);
    }

    private Job move(String phase, TapSpec target) throws DiskException {
        return job(
                MirrorJobs.MOVE,
                phase,
                Map.of(
                        "to",
                        target.toString(),
                        "creating",
                        "yes",
                        MirrorFilter.CREATED,
                        "yes",
                        MirrorFilter.TARGET,
                        target.toString(),
                        "switch-image",
                        target.toString()));
    }

    /** A commit of an image in the middle. */
    private Job middleCommit(String phase) throws Exception {
        return job(
                MirrorJobs.COMMIT,
                phase,
                Map.of(
                        MirrorFilter.DEPTH,
                        "2",
                        "removed.1",
                        image("mid").toString(),
                        MirrorFilter.SOURCE,
                        image("mid").toString(),
                        MirrorFilter.TARGET,
                        image("base").toString(),
                        "switch-image",
                        image("top").toString(),
                        "switch-overlay",
                        image("top").toString(),
                        "switch-backing",
                        image("base").toString()));
    }

    private void run(Job job) throws Exception {
        new MirrorRun(job, attachments(), images(), filter, MirrorFilter.bitsFile(table, job)).run();
    }

    private void filtered(Job job) {
        filters.add(MirrorFilter.TYPE + ",job=" + job.id());
    }

    // ---- the end of a job

    @Test
    void nothingIsUndoneAfterTheSwitch() throws Exception {
        Job job = move(MirrorFilter.SWITCHED, image("copy"));
        // the VM has written the copy, and an operator has put it aside
        chain(image("other"));
        failing = 1;
        assertEquals(
                Reason.IO, assertThrows(DiskException.class, () -> run(job)).reason());
        assertTrue(there("copy"));
    }

    @Test
    void aSwitchThatWasMadeWhenTheJobWasCancelledCounts() throws Exception {
        Job job = move(MirrorFilter.COPYING, image("copy"));
        chain(image("old"));
        filtered(job);
        removal = () -> {
            filters.clear();
            chain = List.of(new TapSpec("aio", directory.resolve("copy").toString()));
        };
        job.cancel();
        run(job);
        assertTrue(there("copy") && there("old"));
        assertEquals(MirrorFilter.SWITCHED, job.value(MirrorFilter.PHASE));
    }

    @Test
    void aTargetInTheChainStays() throws Exception {
        Job job = move(MirrorFilter.COPYING, image("copy"));
        // the daemon was killed after the switch, and a snapshot was taken before the job went on
        chain(image("snapshot"), image("copy"));
        assertEquals(
                Reason.NOT_FOUND,
                assertThrows(DiskException.class, () -> run(job)).reason());
        assertTrue(there("copy"));
    }

    @Test
    void aTargetThatIsNotUsedIsRemoved() throws Exception {
        Job job = move(MirrorFilter.COPYING, image("copy"));
        chain(image("old"));
        filtered(job);
        job.cancel();
        assertThrows(JobCancelled.class, () -> run(job));
        assertFalse(there("copy"));
        assertTrue(there("old"));
    }

    @Test
    void anImageThatIsStillInTheChainIsNotRemoved() throws Exception {
        chain(image("top"), image("mid"), image("base"));
        Job job = middleCommit(MirrorFilter.SWITCHED);
        assertEquals(
                Reason.BUSY, assertThrows(DiskException.class, () -> run(job)).reason());
        assertTrue(there("mid"));
    }

    @Test
    void anImageThatWasTakenOutIsRemoved() throws Exception {
        chain(image("top"), image("base"));
        run(middleCommit(MirrorFilter.COPYING));
        assertFalse(there("mid"));
        assertTrue(there("top") && there("base"));
    }

    @Test
    void aFilterRemovedByHandIsNoCommit() throws Exception {
        chain(image("top"), image("mid"), image("base"));
        Job job = middleCommit(MirrorFilter.COPYING);
        assertEquals(
                Reason.NOT_FOUND,
                assertThrows(DiskException.class, () -> run(job)).reason());
        assertTrue(there("top") && there("mid") && there("base"));
        assertEquals(MirrorFilter.COPYING, job.value(MirrorFilter.PHASE));
    }

    @Test
    void aFilterRemovedByHandIsNoStream() throws Exception {
        chain(image("top"), image("base"));
        Job job = job(
                MirrorJobs.STREAM,
                MirrorFilter.COPYING,
                Map.of(
                        MirrorFilter.UP,
                        "yes",
                        MirrorFilter.TARGET,
                        image("top").toString(),
                        "switch-image",
                        image("top").toString(),
                        "switch-overlay",
                        image("top").toString()));
        assertEquals(
                Reason.NOT_FOUND,
                assertThrows(DiskException.class, () -> run(job)).reason());
    }

    @Test
    void aJobThatWasKilledWhileItWasPreparedHasNotSwitched() throws Exception {
        chain(image("top"), image("base"));
        // image and overlay are kept one after the other
        Job job = job(
                MirrorJobs.STREAM,
                null,
                Map.of("started", "yes", "switch-image", image("top").toString()));
        DiskException ended = assertThrows(DiskException.class, () -> run(job));
        assertTrue(ended.getMessage().contains("while the job was being prepared"), ended.getMessage());
        assertNull(job.value(MirrorFilter.PHASE));
    }

    @Test
    void anImageOfTheChainStaysWhateverItsTypeIsTakenToBe() throws Exception {
        TapSpec other = new TapSpec("raw", image("mid").path());
        chain(image("top"), other, image("base"));
        Job job = middleCommit(MirrorFilter.SWITCHED);
        assertEquals(
                Reason.BUSY, assertThrows(DiskException.class, () -> run(job)).reason());
        assertTrue(there("mid"));
    }

    @Test
    void aFileThatHasTakenTheNameOfTheOldImageStays() throws Exception {
        chain(image("top"), image("base"));
        Job job = middleCommit(MirrorFilter.SWITCHED);
        job.keep("removed-file.1", ImageFiles.number(image("mid")));
        Files.move(directory.resolve("mid"), directory.resolve("moved"));
        image("mid");
        run(job);
        assertTrue(there("mid"));
    }

    // ---- the beginning of a job

    private Job planned(String kind, Map<String, String> values) throws DiskException {
        return table.add(kind, ID, Map.of(), values);
    }

    private void plan(Job job) throws DiskException {
        new MirrorPlan(job, images()).make(status(), images().info(chain.get(0), Map.of()));
    }

    @Test
    void aFileThatWasThereBeforeIsNotTheJobs() throws Exception {
        chain(image("old"));
        Job job = planned(MirrorJobs.MOVE, Map.of("to", image("copy").toString()));
        assertEquals(
                Reason.EXISTS,
                assertThrows(DiskException.class, () -> plan(job)).reason());
        assertNull(job.value("creating"));
        assertTrue(there("copy"));
    }

    @Test
    void aBaseMayBeSmallerAndBelowAnOverlayAlsoLarger() throws Exception {
        chain(image("top"), image("mid"), image("base"));
        sizes.put(image("base"), SIZE / 2);
        Job smaller = planned(MirrorJobs.COMMIT, Map.of("base", image("base").toString()));
        plan(smaller);
        assertTrue(new MirrorPlan(smaller, images()).growsTarget());
        end(smaller);
        sizes.put(image("base"), 2 * SIZE);
        Job larger = planned(MirrorJobs.COMMIT, Map.of("base", image("base").toString()));
        DiskException e = assertThrows(DiskException.class, () -> plan(larger));
        assertEquals(Reason.UNSUPPORTED, e.reason());
        assertTrue(e.getMessage().contains("resize the disk first"), e.getMessage());
        end(larger);
        Job middle = planned(MirrorJobs.COMMIT, Map.of("top", image("mid").toString()));
        plan(middle);
        assertFalse(new MirrorPlan(middle, images()).growsTarget());
    }

    /** Another job can be made. */
    private void end(Job job) throws DiskException {
        job.to(JobState.DONE);
    }
}
