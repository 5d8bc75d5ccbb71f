package org.blktap.image.sim;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Random;
import org.blktap.api.disk.DiskDriver;
import org.blktap.api.disk.DiskDriver.CheckReport;
import org.blktap.api.disk.DiskException;
import org.blktap.api.disk.TapSpec;
import org.blktap.api.disk.VirtualDisk;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/**
 * What every writable format has to stand, whatever its layout: random requests against a model, failing writes, and crashes at any
 * point. A format says in a subclass which images to try. The seeds are printed; {@code -Dseed=} repeats one, {@code -Drounds=} runs more.
 */
@Timeout(600)
public abstract class FormatModelTest {
    /** The backing image of an overlay. */
    protected static final String BASE = "/sim/base.raw";

    private final DiskDriver driver;
    private final String image;
    private final int rounds;
    private final long seed = Long.getLong("seed", System.nanoTime());

    /**
     * One image to try.
     *
     * @param options of its creation and opening
     * @param size of the disk in bytes
     * @param baseSize of the raw disk that it overlays; 0 for none
     */
    public record Kind(Map<String, String> options, long size, long baseSize) {
    }

    /** @param image where it is, in {@code /sim} */
    protected FormatModelTest(DiskDriver driver, String image, int rounds) {
        this.driver = driver;
        this.image = image;
        this.rounds = Integer.getInteger("rounds", rounds);
    }

    /** @param oneFile whether all that changes has to be in the image itself, as crashes are tried on one file only */
    protected abstract Kind kind(Random random, boolean oneFile);

    /** Makes the backing image, which is raw unless the format says otherwise; returns what the new image is told of it. */
    protected TapSpec base(SimContext context, byte[] contents) throws DiskException {
        context.put(BASE, contents);
        return new TapSpec("aio", BASE);
    }

    /** Whether a check can put an image right; then nothing leaks when an image is closed in order. */
    protected boolean repairs() {
        return false;
    }

    private final class Setup {
        final Random random;
        final SimLoop loop;
        final SimContext context;
        final Kind kind;
        SimFile file;

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
            renew(context.files.get(Path.of(image)).bytes());
        }

        /** Puts the image there with these bytes, and opens the other files again. */
        void renew(byte[] bytes) {
            for (Path other : new ArrayList<>(context.files.keySet())) {
                context.put(other.toString(), context.files.get(other).bytes());
            }
            file = context.put(image, bytes);
        }

        /** As after the end of one process and the start of another. */
        void reopen() {
            renew(file.bytes());
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

    private void rounds(String name, boolean oneFile, Round round) {
        for (int i = 0; i < rounds; i++) {
            long roundSeed = seed + i;
            Random random = new Random(roundSeed);
            Kind kind = kind(random, oneFile);
            try {
                Setup setup = new Setup(random, kind);
                try (DiskExerciser exerciser = new DiskExerciser(setup.loop, random, kind.size(), 1 + random.nextInt(24), setup::initial,
                        () -> setup.file.logLength())) {
                    round.run(setup, exerciser);
                }
            } catch (AssertionError | Exception e) {
                throw new AssertionError("-Dseed=" + roundSeed + " -Drounds=1 " + kind, e);
            }
        }
        System.out.println(getClass().getSimpleName() + " " + name + ": seed " + seed);
    }

    @Test
    void theDiskIsWhatWasWritten() {
        rounds("theDiskIsWhatWasWritten", false, (setup, exerciser) -> {
            for (int reopen = 0; reopen < 3; reopen++) {
                VirtualDisk disk = setup.open();
                exerciser.run(disk, 600);
                exerciser.verify(disk);
                disk.close();
                assertTrue(setup.file.isClosed());
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
    void failingWritesHarmNobodyElse() {
        rounds("failingWritesHarmNobodyElse", false, (setup, exerciser) -> {
            VirtualDisk disk = setup.open();
            setup.file.failWith(SimFile.sometimes(setup.random, 3 + setup.random.nextInt(30)));
            exerciser.run(disk, 120);
            setup.file.failWith(() -> 0);
            exerciser.verify(disk);
            exerciser.run(disk, 100);
            disk.close();
            setup.reopen();
            setup.check(false);
            disk = setup.open();
            exerciser.verify(disk);
            disk.close();
        });
    }

    @Test
    void crashesLoseNothingThatWasPromised() {
        rounds("crashesLoseNothingThatWasPromised", true, (setup, exerciser) -> {
            VirtualDisk disk = setup.open();
            SimFile running = setup.file;
            exerciser.run(disk, 150);
            disk.close();
            int length = running.logLength();
            int step = Math.max(1, length / 40);
            for (int point = 0; point <= length; point += 1 + setup.random.nextInt(step)) {
                crash(setup, exerciser, running.afterKill(point), point, false);
                crash(setup, exerciser, running.afterPowerLoss(point, setup.random), point, true);
            }
        });
    }

    @Test
    void largerDisksHoldWhatTheyHeld() {
        rounds("largerDisksHoldWhatTheyHeld", false, (setup, exerciser) -> {
            VirtualDisk disk = setup.open();
            exerciser.run(disk, 200);
            disk.close();
            setup.reopen();
            long size = setup.kind.size() + 512L * (1 + setup.random.nextInt(setup.random.nextBoolean() ? 100 : 100_000));
            try {
                driver.resize(image, size, setup.context);
            } catch (DiskException e) {
                assertEquals(DiskException.Reason.UNSUPPORTED, e.reason(), e.getMessage());
                return;
            }
            setup.reopen();
            setup.check(false);
            disk = setup.open();
            assertEquals(size, disk.info().sizeBytes());
            exerciser.verify(disk);
            exerciser.run(disk, 100);
            exerciser.verify(disk);
            try (DiskExerciser whole = new DiskExerciser(setup.loop, setup.random, size, 4, setup::initial, () -> 0)) {
                whole.expectZeros(disk, Math.max(setup.kind.size(), setup.kind.baseSize()));
            }
            disk.close();
            setup.reopen();
            setup.check(false);
        });
    }

    private void crash(Setup setup, DiskExerciser exerciser, byte[] bytes, int point, boolean powerLoss) throws Exception {
        String when = (powerLoss ? "power loss" : "a kill") + " at " + point;
        try {
            setup.renew(bytes);
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
