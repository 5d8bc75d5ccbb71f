package org.blktap.format.qcow2;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Path;
import java.util.HashMap;
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
class Qcow2ModelTest {
    private static final String IMAGE = "/sim/a.qcow2";
    private static final String BASE = "/sim/base.raw";
    private static final String DATA = "a.data";
    private final long seed = Long.getLong("seed", System.nanoTime());
    private final int rounds = Integer.getInteger("rounds", 6);
    private final Qcow2Driver driver = new Qcow2Driver();

    /** One image of a random kind, with what its sectors hold at first. */
    private static final class Setup {
        final Random random;
        final SimLoop loop;
        final SimContext context;
        final Map<String, String> options = new HashMap<>();
        final long size;
        final long baseSize;
        SimFile file;

        Setup(long seed, Qcow2Driver driver, boolean oneFile) throws DiskException {
            random = new Random(seed);
            loop = new SimLoop(random);
            boolean overlay = random.nextBoolean();
            boolean extended = random.nextInt(3) == 0;
            options.put("extended-l2", extended ? "yes" : "no");
            options.put("cluster-size", extended ? "16384" : List.of("512", "1024", "4096", "65536").get(random.nextInt(4)));
            options.put("cache", "64K");
            if (!extended && random.nextInt(4) == 0) {
                options.put("version", "2");
            } else {
                options.put("refcount-bits", Integer.toString(1 << random.nextInt(7)));
                if (!oneFile && random.nextInt(4) == 0) {
                    options.put("data-file", DATA);
                }
            }
            if (!overlay && random.nextInt(4) == 0) {
                options.put("preallocation", "metadata");
            }
            size = 512L * (1 + random.nextInt(overlay ? 3000 : 12_000));
            baseSize = overlay ? 512L * (1 + random.nextInt(4000)) : 0;
            context = new SimContext(loop, false, options);
            if (overlay) {
                byte[] base = new byte[(int) baseSize];
                for (int i = 0; i < baseSize / 512; i++) {
                    DiskExerciser.fill(base, i, initial(i));
                }
                context.put(BASE, base);
            }
            driver.create(IMAGE, size, overlay ? new TapSpec("aio", BASE) : null, context);
            renew(context.files.get(Path.of(IMAGE)).bytes());
        }

        /** Puts the image there with these bytes, and opens the others again. */
        void renew(byte[] image) {
            file = context.put(IMAGE, image);
            for (String other : List.of(BASE, "/sim/" + DATA)) {
                SimFile there = context.files.get(Path.of(other));
                if (there != null) {
                    context.put(other, there.bytes());
                }
            }
        }

        long initial(long sector) {
            return sector < baseSize / 512 ? -1 - sector : 0;
        }

        DiskExerciser exerciser() {
            return new DiskExerciser(loop, random, size, 1 + random.nextInt(24), this::initial, () -> file.logLength());
        }
    }

    private interface Round {
        void run(Setup setup, DiskExerciser exerciser) throws Exception;
    }

    private void rounds(String name, boolean oneFile, Round round) {
        for (int i = 0; i < rounds; i++) {
            long roundSeed = seed + i;
            Map<String, String> options = Map.of();
            try {
                Setup setup = new Setup(roundSeed, driver, oneFile);
                options = setup.options;
                try (DiskExerciser exerciser = setup.exerciser()) {
                    round.run(setup, exerciser);
                }
            } catch (AssertionError | Exception e) {
                throw new AssertionError("-Dseed=" + roundSeed + " -Drounds=1 " + options, e);
            }
        }
        System.out.println(name + ": seed " + seed);
    }

    /** Neither problems nor leaks after a clean close. */
    private void expectClean(Setup setup) throws DiskException {
        setup.renew(setup.file.bytes());
        var report = driver.check(IMAGE, setup.context.forReading());
        assertEquals(List.of(), report.problems());
        assertEquals(0, report.leaked(), "leaked");
        setup.renew(setup.file.bytes());
    }

    @Test
    void theDiskIsWhatWasWritten() {
        rounds("theDiskIsWhatWasWritten", false, (setup, exerciser) -> {
            for (int reopen = 0; reopen < 3; reopen++) {
                VirtualDisk disk = driver.open(IMAGE, setup.context);
                exerciser.run(disk, 600);
                exerciser.verify(disk);
                disk.close();
                assertTrue(setup.file.isClosed());
                expectClean(setup);
                disk = driver.open(IMAGE, setup.context);
                exerciser.verify(disk);
                disk.close();
                setup.renew(setup.file.bytes());
            }
            assertEquals(0, exerciser.failed());
        });
    }

    @Test
    void failingWritesHarmNobodyElse() {
        rounds("failingWritesHarmNobodyElse", false, (setup, exerciser) -> {
            VirtualDisk disk = driver.open(IMAGE, setup.context);
            setup.file.failWith(SimFile.sometimes(setup.random, 3 + setup.random.nextInt(30)));
            exerciser.run(disk, 600);
            setup.file.failWith(() -> 0);
            exerciser.verify(disk);
            exerciser.run(disk, 100);
            disk.close();
            setup.renew(setup.file.bytes());
            assertEquals(List.of(), driver.check(IMAGE, setup.context.forReading()).problems());
            setup.renew(setup.file.bytes());
            disk = driver.open(IMAGE, setup.context);
            exerciser.verify(disk);
            disk.close();
        });
    }

    @Test
    void crashesLoseNothingThatWasPromised() {
        rounds("crashesLoseNothingThatWasPromised", true, (setup, exerciser) -> {
            VirtualDisk disk = driver.open(IMAGE, setup.context);
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

    private void crash(Setup setup, DiskExerciser exerciser, byte[] image, int point, boolean powerLoss) throws Exception {
        setup.renew(image);
        // leaks at worst
        assertEquals(List.of(), driver.check(IMAGE, setup.context.forReading()).problems(), "at " + point);
        setup.renew(image);
        VirtualDisk disk = driver.open(IMAGE, setup.context);
        exerciser.verifyAfterCrash(disk, point, powerLoss);
        disk.close();
        setup.renew(setup.file.bytes());
        assertEquals(List.of(), driver.check(IMAGE, setup.context).problems());
        expectClean(setup);
    }
}
