package org.blktap.jobs.bitmap;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.BitSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import org.blktap.api.disk.DiskException;
import org.blktap.api.disk.Operation;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** A bitmap never misses a write, whatever happens in which order. */
class BitmapModelTest {
    private static final Operation[] CHANGES = {Operation.WRITE, Operation.WRITE_ZEROES, Operation.DISCARD};
    private static final String JOB = "job-1";

    @TempDir
    Path directory;

    private final long seed = Long.getLong("seed", System.nanoTime());
    private final int rounds = Integer.getInteger("rounds", 12);
    private final Random random = new Random(seed);
    private BitmapMachine machine;
    private final List<String> log = new ArrayList<>();
    private final Map<String, Expected> expected = new LinkedHashMap<>();

    /** What a bitmap must contain, by sectors. */
    private static final class Expected {
        /** Written since it was last cleared. */
        BitSet dirty = new BitSet();
        /** Null unless it is frozen and there was a point in time: written since then. */
        BitSet sincePoint;
        /** What was dirty at the point in time. */
        BitSet atPoint;

        Freeze freeze;
        boolean frozen;
        /** Whether it has said so; then it may contain anything, until it is cleared. */
        boolean stale;
        /** Whether it will be stale if the backup succeeds. */
        boolean staleAfterwards;
    }

    private void write() {
        if (machine.parked) {
            // its requests wait
            return;
        }
        long sectors = machine.size() / 512;
        int first = random.nextInt((int) sectors);
        int count = (int) Math.min(sectors - first, 1 + random.nextInt(random.nextInt(10) == 0 ? 2000 : 16));
        Operation operation = CHANGES[random.nextInt(CHANGES.length)];
        log.add(operation + " " + first + "+" + count);
        machine.change(operation, first * 512L, count * 512L);
        for (Expected each : expected.values()) {
            each.dirty.set(first, first + count);
            if (each.sincePoint != null) {
                each.sincePoint.set(first, first + count);
            }
        }
    }

    private void writes() {
        for (int i = random.nextInt(6); i > 0; i--) {
            write();
        }
    }

    private void check() throws DiskException {
        if (machine.open == null) {
            return;
        }
        List<BitmapStatus> listed = machine.bitmaps.list(BitmapMachine.ID);
        assertEquals(
                List.copyOf(expected.keySet()),
                listed.stream().map(BitmapStatus::name).toList(),
                this::story);
        for (BitmapStatus status : listed) {
            Expected of = expected.get(status.name());
            assertTrue(!of.stale || status.stale(), () -> status + " does not say that it is stale; " + story());
            if (of.stale) {
                assertEquals(machine.size(), status.dirtyBytes(), this::story);
                continue;
            }
            assertTrue(!status.stale(), () -> status + " is stale; " + story());
            boolean[] dirty = machine.dirty(status.name());
            for (int i = of.dirty.nextSetBit(0); i >= 0; i = of.dirty.nextSetBit(i + 1)) {
                int sector = i;
                assertTrue(dirty[i], () -> status.name() + " misses sector " + sector + "; " + story());
            }
        }
    }

    private String story() {
        return "seed " + seed + ", " + String.join(", ", log.subList(Math.max(0, log.size() - 60), log.size()));
    }

    private String anyName() {
        List<String> names = List.copyOf(expected.keySet());
        return names.get(random.nextInt(names.size()));
    }

    private void addOne() throws Exception {
        String name = "b" + random.nextInt(1000);
        if (expected.size() < 4 && !expected.containsKey(name)) {
            log.add("add " + name);
            Expected fresh = new Expected();
            machine.afterDrain = () -> {
                expected.put(name, fresh);
                writes();
            };
            try {
                machine.bitmaps.add(BitmapMachine.ID, name, 512L << random.nextInt(8));
                expected.put(name, fresh);
            } catch (DiskException e) {
                assertTrue(machine.refuses, () -> e + "; " + story());
            }
        }
    }

    private void clear(String name) throws Exception {
        Expected of = expected.get(name);
        if (of.frozen) {
            return;
        }
        log.add("clear " + name);
        BitSet before = (BitSet) of.dirty.clone();
        Runnable cleared = () -> {
            of.dirty.clear();
        };
        machine.afterDrain = () -> {
            cleared.run();
            writes();
        };
        try {
            machine.bitmaps.clear(BitmapMachine.ID, name);
            of.stale = false;
            if (machine.parked) {
                cleared.run();
            }
        } catch (DiskException e) {
            assertTrue(machine.refuses || of.stale && machine.parked, () -> e + "; " + story());
            of.dirty.or(before);
        }
    }

    private void backup(String name) throws Exception {
        Expected of = expected.get(name);
        switch (random.nextInt(4)) {
            case 0 -> {
                if (!of.frozen && !(of.stale && machine.parked)) {
                    log.add("freeze " + name);
                    of.freeze = machine.bitmaps.freeze(BitmapMachine.ID, name, JOB);
                    of.frozen = true;
                    of.staleAfterwards = false;
                    assertEquals(of.stale, of.freeze.stale());
                }
            }
            case 1 -> {
                if (of.freeze != null && of.sincePoint == null) {
                    log.add("point " + name);
                    machine.drain();
                    of.atPoint = (BitSet) of.dirty.clone();
                    of.sincePoint = new BitSet();
                    writes();
                    of.freeze.seal();
                }
            }
            case 2 -> {
                if (of.freeze != null && of.sincePoint != null) {
                    log.add("succeed " + name);
                    for (int i = of.atPoint.nextSetBit(0); i >= 0 && !of.stale; i = of.atPoint.nextSetBit(i + 1)) {
                        int sector = i;
                        assertTrue(of.freeze.bits().isSet(i * 512L), () -> "backup misses " + sector + "; " + story());
                    }
                    of.freeze.succeed();
                    of.dirty = of.sincePoint;
                    of.stale = of.staleAfterwards;
                    over(of);
                }
            }
            default -> {
                if (of.freeze != null) {
                    log.add("fail " + name);
                    of.freeze.fail();
                    over(of);
                }
            }
        }
    }

    private static void over(Expected of) {
        of.freeze = null;
        of.frozen = false;
        of.sincePoint = null;
        of.atPoint = null;
    }

    private void startAgain(boolean powerLoss, boolean kill) throws Exception {
        for (Expected each : expected.values()) {
            if (each.freeze != null) {
                each.freeze.close();
            }
        }
        if (kill) {
            log.add(powerLoss ? "power loss" : "kill");
            boolean open = machine.open != null;
            machine.kill(powerLoss);
            if (powerLoss && open) {
                expected.values().forEach(each -> {
                    each.stale = true;
                    each.staleAfterwards = true;
                });
            }
        } else {
            log.add("restart");
            machine.restart();
        }
        for (Map.Entry<String, Expected> each : expected.entrySet()) {
            Expected of = each.getValue();
            if (of.freeze != null) {
                // a bitmap that was found stale has begun anew; else the job continues
                boolean parkedAndStale = machine.parked && of.stale;
                of.freeze = parkedAndStale ? null : machine.bitmaps.frozen(BitmapMachine.ID, each.getKey(), JOB);
                assertTrue(of.freeze != null || parkedAndStale, () -> each.getKey() + " is not frozen; " + story());
                if (of.freeze != null && of.sincePoint != null && random.nextBoolean()) {
                    of.freeze.seal();
                }
            }
        }
    }

    private void step() throws Exception {
        machine.beforeDrain = this::writes;
        machine.afterDrain = this::writes;
        machine.refuses = random.nextInt(8) == 0;
        int what = random.nextInt(40);
        if (machine.parked && what < 20) {
            long size = machine.size() + (random.nextBoolean() ? 0 : random.nextInt(64) * 512L);
            log.add("resume with " + size);
            int from = (int) (machine.size() / 512);
            machine.resume(size);
            expected.values().forEach(each -> {
                each.dirty.set(from, (int) (size / 512));
                if (each.sincePoint != null) {
                    each.sincePoint.set(from, (int) (size / 512));
                }
            });
        } else if (what < 20) {
            write();
        } else if (what < 24) {
            machine.drain();
        } else if (what < 26) {
            addOne();
        } else if (expected.isEmpty()) {
            return;
        } else if (what < 28) {
            clear(anyName());
        } else if (what < 34) {
            backup(anyName());
        } else if (what < 35) {
            remove(anyName());
        } else if (what < 37) {
            startAgain(random.nextInt(6) == 0, random.nextInt(4) > 0);
        } else if (!machine.parked) {
            log.add("park");
            machine.park();
        }
        check();
    }

    private void remove(String name) throws Exception {
        Expected of = expected.get(name);
        if (of.freeze != null) {
            return;
        }
        log.add("remove " + name);
        machine.afterDrain = () -> {
            expected.remove(name);
            writes();
        };
        try {
            machine.bitmaps.remove(BitmapMachine.ID, name);
            expected.remove(name);
        } catch (DiskException e) {
            assertTrue(machine.refuses, () -> e + "; " + story());
        }
    }

    @Test
    void neverMissesAWrite() throws Exception {
        System.out.println("seed " + seed);
        for (int round = 0; round < rounds; round++) {
            machine = new BitmapMachine(directory.resolve("round" + round), (1 + random.nextInt(3000)) * 512L);
            expected.clear();
            log.clear();
            for (int i = 0; i < 250; i++) {
                step();
            }
            for (Expected each : expected.values()) {
                if (each.freeze != null) {
                    each.freeze.close();
                }
            }
            machine.park();
        }
    }
}
