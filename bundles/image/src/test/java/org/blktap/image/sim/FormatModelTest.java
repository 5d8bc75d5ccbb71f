package org.blktap.image.sim;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Path;
import java.util.BitSet;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.TreeMap;
import java.util.function.Function;
import java.util.stream.Collectors;
import org.blktap.api.disk.DiskDriver;
import org.blktap.api.disk.DiskDriver.CheckReport;
import org.blktap.api.disk.DiskException;
import org.blktap.api.disk.Operation;
import org.blktap.api.disk.TapSpec;
import org.blktap.api.disk.VirtualDisk;
import org.blktap.api.engine.Errno;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/**
 * Tests that every writable format must pass, whatever its layout: random requests against a model, failing writes, and
 * crashes at any point. A subclass for a format says which images to try. The seeds are printed; {@code -Dseed=}
 * repeats one, {@code -Drounds=} runs more. Failures are made smaller: the message lists the requests that a failure
 * needs, and {@code -Donly=} repeats it with these alone.
 */
@Timeout(600)
public abstract class FormatModelTest {
    /** The backing image of an overlay. */
    protected static final String BASE = "/sim/base.raw";
    /** More steps than any round has. */
    private static final int MOST_STEPS = 100_000;

    private static final long SMALL_DISK = 1 << 20;
    /** Time for the search for a smaller failure. */
    private static final long SHRINKING_MILLISECONDS = 60_000;

    private final DiskDriver driver;
    private final String image;
    private final int rounds;
    private final long seed;
    private final String only = System.getProperty("only");

    /**
     * One image to try.
     *
     * @param options for creation and opening
     * @param size of the disk in bytes
     * @param baseSize of the raw disk that it overlays; 0 for none
     */
    public record Kind(Map<String, String> options, long size, long baseSize) {}

    /** @param image where it is, in {@code /sim} */
    protected FormatModelTest(DiskDriver driver, String image, int rounds) {
        this(driver, image, rounds, Long.getLong("seed", System.nanoTime()));
    }

    /** @param seed of the first round */
    FormatModelTest(DiskDriver driver, String image, int rounds, long seed) {
        this.seed = seed;
        this.driver = driver;
        this.image = image;
        this.rounds = Integer.getInteger("rounds", rounds);
    }

    /** Returns an image to try. */
    protected abstract Kind kind(Random random);

    /** Makes the backing image, which is raw unless the format says otherwise; returns its spec for the new image. */
    protected TapSpec base(SimContext context, byte[] contents) throws DiskException {
        context.put(BASE, contents);
        return new TapSpec("aio", BASE);
    }

    /** Whether a check can repair an image; then nothing may leak when an image is closed in order. */
    protected boolean repairs() {
        return false;
    }

    private final class Setup {
        final Random random;
        final SimLoop loop;
        final SimContext context;
        final Kind kind;

        Setup(Random random, Kind kind) throws DiskException {
            this.random = random;
            this.kind = kind;
            loop = new SimLoop(random);
            context = new SimContext(loop, false, kind.options());
            TapSpec backing = null;
            if (kind.baseSize() > 0) {
                byte[] contents = new byte[(int) kind.baseSize()];
                for (int i = 0; i < contents.length / 512; i++) {
                    DiskExerciser.fill(contents, i, initial(i));
                }
                backing = base(context, contents);
            }
            driver.create(image, kind.size(), backing, context);
            reopen();
        }

        /** Replaces all files by new ones with the given contents, as the next process finds them. */
        void renew(Map<Path, SimFile> from, Function<SimFile, byte[]> bytes) {
            from.forEach((path, file) -> context.put(path.toString(), bytes.apply(file)));
        }

        /** Puts the files into the state after the end of one process and the start of another. */
        void reopen() {
            renew(files(), SimFile::bytes);
        }

        /**
         * Returns the current files of the image and of its backing image, sorted, so that a seed alone repeats a run.
         */
        Map<Path, SimFile> files() {
            return new TreeMap<>(context.files);
        }

        void failWith(SimFile.Faults faults) {
            files().values().forEach(file -> file.failWith(faults));
        }

        void expectClosed() {
            assertEquals(
                    List.of(),
                    files().values().stream()
                            .filter(SimFile::isOpen)
                            .map(SimFile::path)
                            .toList(),
                    "left open");
        }

        long initial(long sector) {
            return sector < kind.baseSize() / 512 ? -1 - sector : 0;
        }

        VirtualDisk open() throws DiskException {
            return driver.open(image, context);
        }

        CheckReport check(boolean repair) throws DiskException {
            CheckReport report = driver.check(image, repair ? context : context.forReading());
            assertEquals(List.of(), report.problems());
            reopen();
            return report;
        }
    }

    private interface Round {
        void run(Setup setup, DiskExerciser exerciser) throws Exception;
    }

    /**
     * Makes the generator of one round. Seeds of rounds are consecutive, and the first values of Random are almost the
     * same for such seeds.
     */
    static Random random(long roundSeed) {
        return new Random(roundSeed * 0x9e3779b97f4a7c15L);
    }

    private void rounds(String name, Round round) {
        for (int i = 0; i < rounds; i++) {
            Trial trial = trial(seed + i, round, only == null ? new BitSet() : allBut(only));
            if (trial.failure != null) {
                throw smallest(trial, round);
            }
        }
        System.out.println(getClass().getSimpleName() + " " + name + ": seed " + seed);
    }

    /** One round. */
    private static final class Trial {
        final long seed;
        Kind kind;
        int steps;
        List<String> submitted = List.of();
        Throwable failure;

        Trial(long seed) {
            this.seed = seed;
        }

        /** Returns the numbers of the submitted requests. */
        String numbers() {
            return submitted.stream()
                    .map(request -> request.substring(0, request.indexOf(':')))
                    .collect(Collectors.joining(","));
        }
    }

    private Trial trial(long roundSeed, Round round, BitSet leftOut) {
        Trial trial = new Trial(roundSeed);
        Random random = random(roundSeed);
        trial.kind = kind(random);
        try {
            Setup setup = new Setup(random, trial.kind);
            try (DiskExerciser exerciser =
                    new DiskExerciser(setup.loop, random, trial.kind.size(), 1 + random.nextInt(24), setup::initial)) {
                trial.submitted = exerciser.submitted();
                exerciser.leaveOut(leftOut);
                try {
                    round.run(setup, exerciser);
                } finally {
                    trial.steps = exerciser.steps();
                }
            }
        } catch (AssertionError | Exception e) {
            trial.failure = e;
        }
        return trial;
    }

    private static BitSet allBut(String numbers) {
        BitSet others = new BitSet();
        others.set(0, MOST_STEPS);
        for (String number : numbers.split(",")) {
            if (!number.isEmpty()) {
                others.clear(Integer.parseInt(number));
            }
        }
        return others;
    }

    private AssertionError smallest(Trial first, Round round) {
        Trial[] smallest = {first};
        // requests that were not submitted stay left out
        Shrinker.shrink(
                first.steps,
                allBut(first.numbers()),
                without -> {
                    Trial trial = trial(first.seed, round, without);
                    if (trial.failure != null) {
                        smallest[0] = trial;
                    }
                    return trial.failure != null;
                },
                SHRINKING_MILLISECONDS);
        Trial found = smallest[0];
        AssertionError error = new AssertionError(
                "-Dseed=" + first.seed + " -Drounds=1 " + first.kind + ": " + found.submitted.size() + " of "
                        + first.submitted.size() + " requests are enough, -Donly=" + found.numbers() + "\n  "
                        + String.join("\n  ", found.submitted),
                found.failure);
        if (found != first) {
            error.addSuppressed(first.failure);
        }
        return error;
    }

    /** {@link #kind} never asks for an invalid image, which would make a test fail now and then. */
    @Test
    void everyKindCanBeMade() throws Exception {
        for (int i = 0; i < 30 * rounds; i++) {
            Random random = random(seed + i);
            Kind kind = kind(random);
            try {
                Setup setup = new Setup(random, kind);
                setup.open().close();
            } catch (DiskException e) {
                throw new AssertionError("-Dseed=" + (seed + i) + " -Drounds=1 " + kind, e);
            }
        }
    }

    @Test
    void theDiskIsWhatWasWritten() {
        rounds("theDiskIsWhatWasWritten", (setup, exerciser) -> {
            for (int reopen = 0; reopen < 3; reopen++) {
                VirtualDisk disk = setup.open();
                exerciser.run(disk, 600);
                exerciser.verify(disk);
                disk.close();
                setup.expectClosed();
                setup.reopen();
                long leaked = setup.check(false).leaked();
                assertTrue(leaked == 0 || !repairs(), "leaked " + leaked);
                disk = setup.open();
                exerciser.verify(disk);
                disk.close();
                setup.reopen();
            }
            assertEquals(0, exerciser.failed());
        });
    }

    @Test
    void failingOperationsHarmNobodyElse() {
        rounds("failingOperationsHarmNobodyElse", (setup, exerciser) -> {
            VirtualDisk disk = setup.open();
            Map<Path, SimFile> running = setup.files();
            int begin = setup.loop.moment();
            setup.failWith(SimFile.sometimes(setup.random, 3 + setup.random.nextInt(30)));
            exerciser.run(disk, 120);
            setup.failWith(kind -> 0);
            // an unreported error
            exerciser.flush(disk);
            int failed = exerciser.failed();
            exerciser.verify(disk);
            exerciser.run(disk, 100);
            assertEquals(failed, exerciser.failed(), () -> "later requests fail too: " + exerciser.failures());
            disk.close();
            verifyAfter(setup, exerciser, running, begin);
        });
    }

    /** As for an attachment that is parked when its storage fails: its VM sees no error. */
    @Test
    void failedRequestsSucceedWhenTheyAreTriedAgain() {
        int[] retries = {0};
        rounds("failedRequestsSucceedWhenTheyAreTriedAgain", (setup, exerciser) -> {
            VirtualDisk disk = setup.open();
            Map<Path, SimFile> running = setup.files();
            int begin = setup.loop.moment();
            // few at a time: each allocation that fails may leave a hole of a block in the file
            int[] left = {0};
            SimFile.Faults sometimes = SimFile.sometimes(setup.random, 3 + setup.random.nextInt(30));
            setup.failWith(kind -> {
                int error = left[0] > 0 ? sometimes.on(kind) : 0;
                left[0] -= error == 0 ? 0 : 1;
                return error;
            });
            RetriedDisk retried =
                    new RetriedDisk(disk, setup.random, fails -> left[0] = fails ? 1 + setup.random.nextInt(3) : 0);
            exerciser.run(retried, 120);
            assertEquals(0, exerciser.flush(retried));
            assertEquals(List.of(), exerciser.failures());
            setup.failWith(kind -> 0);
            exerciser.verify(disk);
            disk.close();
            retries[0] += retried.retries();
            verifyAfter(setup, exerciser, running, begin);
        });
        assertTrue(retries[0] > 0, "nothing was tried again");
    }

    /** Lets each operation on the files of an image in use fail, one at a time. */
    @Test
    void anyOperationMayFail() {
        // each round makes a hundred runs
        for (int i = 0; i < Math.max(1, rounds / 3); i++) {
            long roundSeed = seed + i;
            int all = new SingleFault(-1, 0).run(roundSeed);
            for (int number = 0; number < all; number++) {
                new SingleFault(number, (number + i) % 2 == 0 ? Errno.EIO : Errno.ENOSPC).run(roundSeed);
            }
        }
        System.out.println(getClass().getSimpleName() + " anyOperationMayFail: seed " + seed);
    }

    /** A disk in use, with one failing operation on its files. */
    private final class SingleFault implements SimFile.Faults {
        private final int number;
        private final int errno;
        private int count;
        private SimFile.Kind failed;
        private DiskExerciser exerciser;
        private int changedBefore;
        /** Changes that were answered before the failure. */
        private int changed;

        /** @param number of the operation that fails; -1 for none */
        SingleFault(int number, int errno) {
            this.number = number;
            this.errno = errno;
        }

        @Override
        public int on(SimFile.Kind kind) {
            if (count++ != number) {
                return 0;
            }
            failed = kind;
            changed = exerciser.changed() - changedBefore;
            return errno;
        }

        /** Returns how many operations there were. */
        int run(long roundSeed) {
            Random random = random(roundSeed);
            Kind any = kind(random);
            // the disk is read many times
            Kind kind = new Kind(any.options(), Math.min(any.size(), SMALL_DISK), Math.min(any.baseSize(), SMALL_DISK));
            try {
                Setup setup = new Setup(random, kind);
                try (DiskExerciser requests =
                        new DiskExerciser(setup.loop, random, kind.size(), 1 + random.nextInt(4), setup::initial)) {
                    exerciser = requests;
                    run(setup);
                }
            } catch (AssertionError | Exception e) {
                throw new AssertionError(
                        "-Dseed=" + roundSeed + " -Drounds=1 " + kind + ": operation " + number + ", " + failed
                                + ", ends with " + Errno.text(errno),
                        e);
            }
            return count;
        }

        private void run(Setup setup) throws Exception {
            VirtualDisk before = setup.open();
            exerciser.run(before, 12);
            before.close();
            // so that tables are read
            setup.reopen();
            VirtualDisk disk = setup.open();
            Map<Path, SimFile> running = setup.files();
            int begin = setup.loop.moment();
            changedBefore = exerciser.changed();
            running.values().forEach(file -> file.failWith(this));
            exerciser.run(disk, 12);
            boolean told = exerciser.flush(disk) != 0;
            running.values().forEach(file -> file.failWith(kind -> 0));
            for (DiskExerciser.Failure failure : exerciser.failures()) {
                assertEquals(errno, failure.errno(), () -> "errno of a " + failure.operation());
                told |= failure.operation() == Operation.FLUSH;
            }
            // the error may concern writes that were answered before
            assertTrue(
                    told || exerciser.flush(disk) != 0 || failed != SimFile.Kind.FLUSH || changed == 0,
                    "a flush has failed, and no guest hears of it");
            int failures = exerciser.failed();
            assertEquals(0, exerciser.flush(disk), "a flush after the one that has told");
            exerciser.run(disk, 12);
            exerciser.verify(disk);
            disk.close();
            setup.expectClosed();
            assertEquals(failures, exerciser.failed(), () -> "later requests fail too: " + exerciser.failures());
            int end = setup.loop.moment();
            setup.reopen();
            afterwards(setup);
            crash(setup, exerciser, running, begin + setup.random.nextInt(Math.max(1, end - begin)), false);
            crash(setup, exerciser, running, begin + setup.random.nextInt(Math.max(1, end - begin)), true);
        }

        /** Checks that there are leaks at worst, and that a repair frees them. */
        private void afterwards(Setup setup) throws Exception {
            setup.check(false);
            if (repairs()) {
                setup.check(true);
                assertEquals(0, setup.check(false).leaked(), "leaked");
            }
            VirtualDisk disk = setup.open();
            exerciser.verify(disk);
            disk.close();
        }
    }

    @Test
    void crashesLoseNothingThatWasPromised() {
        rounds("crashesLoseNothingThatWasPromised", (setup, exerciser) -> {
            VirtualDisk disk = setup.open();
            Map<Path, SimFile> running = setup.files();
            int begin = setup.loop.moment();
            exerciser.run(disk, 150);
            disk.close();
            int end = setup.loop.moment();
            int step = Math.max(1, (end - begin) / 40);
            for (int point = begin; point <= end; point += 1 + setup.random.nextInt(step)) {
                crash(setup, exerciser, running, point, false);
                crash(setup, exerciser, running, point, true);
            }
        });
    }

    @Test
    void newImagesLeakNothing() {
        rounds("newImagesLeakNothing", (setup, exerciser) -> {
            assertEquals(0, setup.check(false).leaked(), "leaked by the creation");
            setup.open().close();
            setup.reopen();
            assertEquals(0, setup.check(false).leaked(), "leaked by an opening");
            try {
                driver.resize(image, setup.kind.size() + 512L * (1 + setup.random.nextInt(100_000)), setup.context);
            } catch (DiskException e) {
                assertEquals(DiskException.Reason.UNSUPPORTED, e.reason(), e.getMessage());
                return;
            }
            setup.reopen();
            assertEquals(0, setup.check(false).leaked(), "leaked by a resize");
        });
    }

    @Test
    void largerDisksHoldWhatTheyHeld() {
        rounds("largerDisksHoldWhatTheyHeld", (setup, exerciser) -> {
            VirtualDisk disk = setup.open();
            exerciser.run(disk, 200);
            disk.close();
            setup.reopen();
            long size =
                    setup.kind.size() + 512L * (1 + setup.random.nextInt(setup.random.nextBoolean() ? 100 : 100_000));
            Map<Path, SimFile> running = setup.files();
            int begin = setup.loop.moment();
            try {
                driver.resize(image, size, setup.context);
            } catch (DiskException e) {
                assertEquals(DiskException.Reason.UNSUPPORTED, e.reason(), e.getMessage());
                return;
            }
            setup.reopen();
            Map<Path, SimFile> grown = setup.files();
            int end = setup.loop.moment();
            for (int point = begin; point <= end; point += 1 + setup.random.nextInt(Math.max(1, (end - begin) / 5))) {
                crashWhileGrowing(setup, exerciser, running, point, size);
            }
            setup.renew(grown, SimFile::bytes);
            setup.check(false);
            disk = setup.open();
            assertEquals(size, disk.info().sizeBytes());
            exerciser.verify(disk);
            exerciser.run(disk, 100);
            exerciser.verify(disk);
            expectZerosBehind(setup, disk);
            disk.close();
            setup.reopen();
            setup.check(false);
        });
    }

    /** Checks that the disk has its old or its new size, and only zeros past the old size. */
    private void crashWhileGrowing(
            Setup setup, DiskExerciser exerciser, Map<Path, SimFile> running, int point, long size) throws Exception {
        try {
            setup.renew(running, file -> file.afterPowerLoss(point, setup.random));
            setup.check(false);
            VirtualDisk disk = setup.open();
            exerciser.verify(disk);
            if (disk.info().sizeBytes() != setup.kind.size()) {
                assertEquals(size, disk.info().sizeBytes());
                expectZerosBehind(setup, disk);
            }
            disk.close();
        } catch (AssertionError | Exception e) {
            throw new AssertionError("after power loss at " + point + ", while it grew to " + size, e);
        }
    }

    private static void expectZerosBehind(Setup setup, VirtualDisk disk) {
        try (DiskExerciser whole =
                new DiskExerciser(setup.loop, setup.random, disk.info().sizeBytes(), 4, setup::initial)) {
            whole.expectZeros(disk, setup.kind.size());
        }
    }

    /** The closed image of a round is whole, and would have been after a crash at any moment since its beginning. */
    private void verifyAfter(Setup setup, DiskExerciser exerciser, Map<Path, SimFile> running, int begin)
            throws Exception {
        setup.reopen();
        setup.check(false);
        if (repairs()) {
            setup.check(true);
            assertEquals(0, setup.check(false).leaked(), "leaked");
        }
        VirtualDisk disk = setup.open();
        exerciser.verify(disk);
        disk.close();
        int end = setup.loop.moment();
        for (int i = 0; i < 4; i++) {
            crash(setup, exerciser, running, begin + setup.random.nextInt(end - begin), i % 2 == 0);
        }
    }

    /** Crashes at one moment for all files; unflushed data of each file is lost independently. */
    private void crash(Setup setup, DiskExerciser exerciser, Map<Path, SimFile> running, int point, boolean powerLoss)
            throws Exception {
        String when = (powerLoss ? "power loss" : "a kill") + " at " + point;
        try {
            setup.renew(running, file -> powerLoss ? file.afterPowerLoss(point, setup.random) : file.afterKill(point));
            // leaks at worst
            setup.check(false);
            VirtualDisk disk = setup.open();
            exerciser.verifyAfterCrash(disk, point, powerLoss);
            disk.close();
            setup.reopen();
            if (repairs()) {
                setup.check(true);
                assertEquals(0, setup.check(false).leaked(), "leaked");
            }
        } catch (AssertionError | Exception e) {
            throw new AssertionError("after " + when, e);
        }
    }
}
