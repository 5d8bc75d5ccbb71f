package org.blktap.jobs;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.Stream;
import org.blktap.api.control.AttachmentStatus;
import org.blktap.api.control.Attachments.Overlay;
import org.blktap.api.control.JobState;
import org.blktap.api.disk.DiskDriver.CheckReport;
import org.blktap.api.disk.DiskException;
import org.blktap.api.disk.DiskInfo;
import org.blktap.api.disk.TapSpec;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/**
 * The daemon is killed, or the power is lost, after each step of each work on a live disk: a write, a flush, an opening
 * of a file, a record. After the next start the record names an image that opens and has every byte that must be there,
 * the job goes on or has failed, and no file is left over. Of many steps some are tried; {@code -Dcuts=N} sets how
 * many, {@code -Dseed=N} which.
 */
@Timeout(600)
class CutTest {
    private static final long SIZE = 1 << 20;
    private static final int CUTS = Integer.getInteger("cuts", 5);
    /** Images that a work leaves beside the chain, as its page says. */
    private static final Set<String> OLD = Set.of("top", "mid", "base");

    @TempDir
    Path temporary;

    private final SteppedFiles files = new SteppedFiles();
    private final List<Cut> cuts = new ArrayList<>();
    private final long seed = Long.getLong("seed", System.nanoTime());
    private final Random random = new Random(seed);
    private int steps;
    private Path home;
    private Guest guest;

    /** What is cut. */
    private enum Work {
        SNAPSHOT,
        COMMIT,
        MIDDLE_COMMIT,
        /** To a base that is smaller than the disk. */
        GROWN_COMMIT,
        STREAM,
        MOVE,
        MIRROR,
        BACKUP,
        BITMAP
    }

    private TapSpec image(String name) {
        return new TapSpec("qcow2", home.resolve("images").resolve(name).toString());
    }

    private static String name(TapSpec image) {
        return Path.of(image.path()).getFileName().toString();
    }

    // ---- the disk and the work

    /** A disk with two snapshots and a bitmap. */
    private void prepare(Work work, JobsTestDaemon host) throws Exception {
        boolean grows = work == Work.GROWN_COMMIT;
        host.daemon.images().create(image("base"), grows ? SIZE / 2 : SIZE, null, false, Map.of());
        host.daemon.attach(JobsTestDaemon.ID, image("base"));
        for (String overlay : List.of("mid", "top")) {
            if (!grows || !overlay.equals("mid")) {
                guest.work(host.daemon, 12);
            }
            snapshot(host, overlay);
            if (grows && overlay.equals("mid")) {
                host.daemon.attachments().resize(JobsTestDaemon.ID, SIZE);
            }
        }
        guest.work(host.daemon, 6);
        host.bitmaps.add(JobsTestDaemon.ID, "daily", 0);
        guest.work(host.daemon, 2);
    }

    private void snapshot(JobsTestDaemon host, String name) throws DiskException {
        host.daemon.attachments().snapshot(List.of(new Overlay(JobsTestDaemon.ID, image(name), Map.of())));
    }

    private void run(Work work, JobsTestDaemon host) throws Exception {
        switch (work) {
            case SNAPSHOT -> snapshot(host, "next");
            case COMMIT -> host.start("commit", Map.of());
            case MIDDLE_COMMIT ->
                host.start("commit", Map.of("top", image("mid").toString()));
            case GROWN_COMMIT ->
                host.start("commit", Map.of("base", image("base").toString()));
            case STREAM -> host.start("stream", Map.of());
            case MOVE -> host.start("move", Map.of("to", image("copy").toString()));
            case MIRROR -> host.start("mirror", Map.of("to", image("copy").toString()));
            case BACKUP ->
                host.start("backup", Map.of("target", image("backup").toString(), "since", "daily", "all", "yes"));
            case BITMAP -> host.bitmaps.clear(JobsTestDaemon.ID, "daily");
        }
        host.awaitJobs();
    }

    // ---- the cuts

    /** Keeps each step with the same chance, a kill and a power loss of each. */
    private void keep(String step) {
        steps++;
        int place = steps <= CUTS ? cuts.size() / 2 : random.nextInt(steps);
        if (place >= CUTS) {
            return;
        }
        try {
            for (int i = 0; i < 2; i++) {
                Cut cut = Cut.take(steps + " " + step, i == 1, home, files, guest, random);
                if (2 * place + i < cuts.size()) {
                    cuts.set(2 * place + i, cut);
                } else {
                    cuts.add(cut);
                }
            }
        } catch (IOException e) {
            throw new AssertionError(e);
        }
    }

    @ParameterizedTest
    @EnumSource(Work.class)
    void aCutAtAnyStepLosesNothing(Work work) throws Exception {
        System.out.println(work + ": seed " + seed);
        home = Files.createDirectories(temporary.toRealPath().resolve("home"));
        Files.createDirectories(home.resolve("images"));
        try (Guest vm = new Guest(JobsTestDaemon.ID, SIZE, files, random)) {
            guest = vm;
            try (JobsTestDaemon host = new JobsTestDaemon(home, files)) {
                host.runJobs();
                prepare(work, host);
                files.onStep(this::keep);
                vm.start(host.daemon);
                run(work, host);
                files.onStep(step -> {});
                vm.stop();
                assertTrue(
                        host.table().all().stream().allMatch(each -> each.state() == JobState.DONE),
                        () -> host.table().all().stream()
                                .map(Job::status)
                                .toList()
                                .toString());
            }
            for (Cut each : cuts) {
                try {
                    restart(work, each);
                } catch (Exception | Error e) {
                    throw new AssertionError(work + ", " + each + ", -Dseed=" + seed, e);
                }
            }
        }
        System.out.println(work + ": " + cuts.size() / 2 + " of " + steps + " steps, kill and power loss of each");
    }

    private void restart(Work work, Cut cut) throws Exception {
        files.forget();
        cut.restore(home);
        try (JobsTestDaemon host = new JobsTestDaemon(home, files)) {
            host.daemon.awaitRunning(JobsTestDaemon.ID);
            int[] found = Guest.read(host.daemon, JobsTestDaemon.ID, SIZE);
            assertPossible(cut.possible(), found);
            guest.continueWith(found);
            host.runJobs();
            guest.start(host.daemon);
            host.awaitJobs();
            guest.stop();
            assertPossible(guest.afterKill(), Guest.read(host.daemon, JobsTestDaemon.ID, SIZE));
            for (Job each : host.table().all()) {
                assertTrue(
                        each.state() == JobState.DONE || each.message().contains("while the job was being prepared"),
                        () -> each.status().toString());
            }
            List<TapSpec> chain = chain(host);
            assertNothingLeft(work, host, chain);
            assertTheBitmapIsUsable(host);
            host.daemon.attachments().detach(JobsTestDaemon.ID, true);
            for (TapSpec each : chain) {
                CheckReport report = host.daemon.images().check(each, false, Map.of());
                assertTrue(report.clean(), () -> each + ": " + report);
            }
        }
    }

    private static void assertPossible(int[][] possible, int[] found) {
        for (int i = 0; i < found.length; i++) {
            int sector = i;
            assertTrue(
                    Arrays.stream(possible[i]).anyMatch(each -> each == found[sector]),
                    () -> "sector " + sector + " has write " + found[sector] + ", expected one of "
                            + Arrays.toString(possible[sector]));
        }
    }

    private List<TapSpec> chain(JobsTestDaemon host) throws Exception {
        AttachmentStatus status = host.daemon.attachments().status(JobsTestDaemon.ID);
        List<TapSpec> chain = new ArrayList<>(List.of(TapSpec.parse(status.spec())));
        String backing = status.details().get(AttachmentStatus.BACKING);
        TapSpec next = backing == null ? null : TapSpec.parse(backing);
        while (next != null) {
            chain.add(next);
            DiskInfo info = host.daemon.images().info(next, Map.of());
            next = info.backing();
        }
        return chain;
    }

    private void assertNothingLeft(Work work, JobsTestDaemon host, List<TapSpec> chain) throws Exception {
        Set<String> expected = new TreeSet<>(chain.stream().map(CutTest::name).toList());
        if (work == Work.MOVE || work == Work.MIRROR || work == Work.STREAM) {
            expected.addAll(OLD);
        }
        if (work == Work.BACKUP && host.table().all().stream().anyMatch(each -> each.state() == JobState.DONE)) {
            expected.add("backup");
        }
        assertEquals(expected, names(home.resolve("images")));
        Path data = host.daemon.directories().data();
        assertTrue(names(data.resolve("jobs")).stream().allMatch(each -> each.endsWith(".job")), "files of jobs");
        assertEquals(Set.of(), names(data.resolve("snapshots")));
        assertEquals(Set.of(), names(data.resolve("fleece")));
        assertEquals(Set.of("daily"), names(data.resolve("bitmaps").resolve(JobsTestDaemon.ID)));
        List<String> filters =
                host.daemon.attachments().status(JobsTestDaemon.ID).filters();
        assertEquals(1, filters.size(), filters.toString());
    }

    private static Set<String> names(Path directory) throws IOException {
        Set<String> names = new TreeSet<>();
        if (Files.isDirectory(directory)) {
            try (Stream<Path> all = Files.list(directory)) {
                all.forEach(each -> names.add(each.getFileName().toString()));
            }
        }
        return names;
    }

    /** It is used by nobody, and can be cleared. */
    private static void assertTheBitmapIsUsable(JobsTestDaemon host) throws DiskException {
        assertEquals("", host.bitmaps.list(JobsTestDaemon.ID).get(0).usedBy());
        host.bitmaps.clear(JobsTestDaemon.ID, "daily");
        assertTrue(!host.bitmaps.list(JobsTestDaemon.ID).get(0).stale());
    }
}
