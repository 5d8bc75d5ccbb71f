package org.blktap.format.qcow;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.List;
import java.util.Map;
import java.util.Random;
import org.blktap.api.disk.DiskException;
import org.blktap.api.disk.TapSpec;
import org.blktap.api.disk.VirtualDisk;
import org.blktap.image.sim.DiskExerciser;
import org.blktap.image.sim.SimContext;
import org.blktap.image.sim.SimFile;
import org.blktap.image.sim.SimLoop;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** Random requests against a model, with crashes. The seeds are printed; {@code -Dseed=} repeats one. */
@Timeout(600)
class QcowModelTest {
    private static final String IMAGE = "/sim/a.qcow";
    private static final String BASE = "/sim/base.raw";
    private final long seed = Long.getLong("seed", System.nanoTime());
    private final int rounds = Integer.getInteger("rounds", 12);
    private final QcowDriver driver = new QcowDriver();

    /** One image of a random geometry, with what its sectors hold at first. */
    private static final class Setup {
        final Random random;
        final SimLoop loop;
        final SimContext context;
        final long size;
        final long baseSize;
        SimFile file;

        Setup(long seed, QcowDriver driver) throws DiskException {
            random = new Random(seed);
            loop = new SimLoop(random);
            String clusterSize = List.of("512", "1024", "4096", "4096", "16384", "65536").get(random.nextInt(6));
            boolean overlay = random.nextBoolean();
            size = 512L * (1 + random.nextInt(overlay ? 3000 : 12_000));
            baseSize = overlay ? 512L * (1 + random.nextInt(4000)) : 0;
            context = new SimContext(loop, false, Map.of("cluster-size", clusterSize, "cache", "64K"));
            if (overlay) {
                byte[] base = new byte[(int) baseSize];
                for (int i = 0; i < baseSize / 512; i++) {
                    DiskExerciser.fill(base, i, initial(i));
                }
                context.put(BASE, base);
            }
            driver.create(IMAGE, size, overlay ? new TapSpec("aio", BASE) : null, context);
            renew(context.files.get(java.nio.file.Path.of(IMAGE)).bytes());
        }

        /** Puts the image there with these bytes, and opens the backing again. */
        void renew(byte[] image) {
            file = context.put(IMAGE, image);
            SimFile base = context.files.get(java.nio.file.Path.of(BASE));
            if (base != null) {
                context.put(BASE, base.bytes());
            }
        }

        long initial(long sector) {
            return sector < baseSize / 512 ? -1 - sector : 0;
        }

        DiskExerciser exerciser() {
            return new DiskExerciser(loop, random, size, 1 + random.nextInt(24), this::initial, () -> file.logLength());
        }
    }

    @Test
    void theDiskIsWhatWasWritten() throws Exception {
        for (int round = 0; round < rounds; round++) {
            long roundSeed = seed + round;
            try {
                Setup setup = new Setup(roundSeed, driver);
                try (DiskExerciser exerciser = setup.exerciser()) {
                    for (int reopen = 0; reopen < 3; reopen++) {
                        VirtualDisk disk = driver.open(IMAGE, setup.context);
                        exerciser.run(disk, 600);
                        exerciser.verify(disk);
                        disk.close();
                        assertTrue(setup.file.isClosed());
                        setup.renew(setup.file.bytes());
                        var report = driver.check(IMAGE, setup.context.forReading());
                        assertEquals(List.of(), report.problems());
                        setup.renew(setup.file.bytes());
                        disk = driver.open(IMAGE, setup.context);
                        exerciser.verify(disk);
                        disk.close();
                        setup.renew(setup.file.bytes());
                    }
                    assertEquals(0, exerciser.failed());
                }
            } catch (AssertionError | Exception e) {
                throw new AssertionError("-Dseed=" + roundSeed + " -Drounds=1", e);
            }
        }
        System.out.println("theDiskIsWhatWasWritten: seed " + seed);
    }

    @Test
    void failingWritesHarmNobodyElse() throws Exception {
        for (int round = 0; round < rounds; round++) {
            long roundSeed = seed + round;
            try {
                Setup setup = new Setup(roundSeed, driver);
                try (DiskExerciser exerciser = setup.exerciser()) {
                    VirtualDisk disk = driver.open(IMAGE, setup.context);
                    setup.file.failWith(SimFile.sometimes(setup.random, 3 + setup.random.nextInt(30)));
                    exerciser.run(disk, 600);
                    setup.file.failWith(() -> 0);
                    exerciser.verify(disk);
                    assertTrue(exerciser.failed() > 0);
                    exerciser.run(disk, 100);
                    disk.close();
                    setup.renew(setup.file.bytes());
                    assertEquals(List.of(), driver.check(IMAGE, setup.context.forReading()).problems());
                    setup.renew(setup.file.bytes());
                    disk = driver.open(IMAGE, setup.context);
                    exerciser.verify(disk);
                    disk.close();
                }
            } catch (AssertionError | Exception e) {
                throw new AssertionError("-Dseed=" + roundSeed + " -Drounds=1", e);
            }
        }
        System.out.println("failingWritesHarmNobodyElse: seed " + seed);
    }

    @Test
    void crashesLoseNothingThatWasPromised() throws Exception {
        for (int round = 0; round < rounds; round++) {
            long roundSeed = seed + round;
            try {
                Setup setup = new Setup(roundSeed, driver);
                try (DiskExerciser exerciser = setup.exerciser()) {
                    VirtualDisk disk = driver.open(IMAGE, setup.context);
                    SimFile running = setup.file;
                    exerciser.run(disk, 150);
                    disk.close();
                    int length = running.logLength();
                    int step = Math.max(1, length / 60);
                    for (int point = 0; point <= length; point += 1 + setup.random.nextInt(step)) {
                        crash(setup, exerciser, running.afterKill(point), point, false);
                        crash(setup, exerciser, running.afterPowerLoss(point, setup.random), point, true);
                    }
                }
            } catch (AssertionError | Exception e) {
                throw new AssertionError("-Dseed=" + roundSeed + " -Drounds=1", e);
            }
        }
        System.out.println("crashesLoseNothingThatWasPromised: seed " + seed);
    }

    private void crash(Setup setup, DiskExerciser exerciser, byte[] image, int point, boolean powerLoss) throws Exception {
        setup.renew(image);
        assertEquals(List.of(), driver.check(IMAGE, setup.context.forReading()).problems(), "at " + point);
        setup.renew(image);
        VirtualDisk disk = driver.open(IMAGE, setup.context);
        exerciser.verifyAfterCrash(disk, point, powerLoss);
        disk.close();
    }
}
