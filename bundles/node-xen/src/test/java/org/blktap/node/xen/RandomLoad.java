package org.blktap.node.xen;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.List;
import java.util.Random;
import org.blktap.node.xen.SimFrontend.Io;

/**
 * Random requests of one frontend against a model of the disk, in which each sector is one number. Requests in flight
 * do not overlap, except that a barrier may overlap what is before it and after it in its ring.
 */
final class RandomLoad {
    private final SimFrontend frontend;
    private final Random random;
    private final int sectors;
    private final long[] model;
    /** Of each sector, how many requests in flight touch it. */
    private final int[] busy;

    private long stamp;
    /** Whether requests may end with an error, without effect. */
    boolean errors;

    boolean discards = true;
    boolean barriers = true;
    int issued;
    int failed;

    RandomLoad(SimFrontend frontend, Random random, int sectors) {
        this.frontend = frontend;
        this.random = random;
        this.sectors = sectors;
        model = new long[sectors];
        busy = new int[sectors];
        stamp = random.nextLong() | 1;
    }

    SimFrontend frontend() {
        return frontend;
    }

    /** Puts some requests into the rings and shows them. */
    void issue() {
        int count = 1 + random.nextInt(32);
        for (int i = 0; i < count; i++) {
            issueOne();
        }
        frontend.push();
    }

    private void issueOne() {
        int queue = random.nextInt(frontend.queueCount());
        if (frontend.free(queue) == 0) {
            return;
        }
        int kind = random.nextInt(100);
        if (kind < 4) {
            frontend.put(frontend.io(queue, random.nextBoolean() ? 3 : barriers ? 2 : 3, 0));
            issued++;
        } else if (kind < 8 && discards) {
            discard(queue);
        } else {
            move(queue, kind < 50 ? 0 : kind < 94 || !barriers ? 1 : kind < 97 ? 2 : 3);
        }
    }

    private void discard(int queue) {
        int first = random.nextInt(sectors);
        int count = 1 + random.nextInt(Math.min(200, sectors - first));
        if (free(first, count)) {
            Io io = frontend.putDiscard(queue, first, count, 0);
            io.parts.add(new int[] {0, count - 1});
            mark(io, 1);
        }
    }

    private void move(int queue, int operation) {
        boolean large = operation < 2 && random.nextInt(6) == 0;
        int[][] parts = new int[1 + random.nextInt(large ? random.nextInt(8) == 0 ? 256 : 40 : 11)][];
        for (int i = 0; i < parts.length; i++) {
            boolean whole = random.nextInt(3) != 0;
            int first = whole ? 0 : random.nextInt(8);
            parts[i] = new int[] {first, whole ? 7 : first + random.nextInt(8 - first)};
        }
        int total = java.util.Arrays.stream(parts)
                .mapToInt(part -> part[1] - part[0] + 1)
                .sum();
        int at = random.nextInt(sectors - total);
        if (!free(at, total)) {
            return;
        }
        if (operation == 2 && frontend.free(queue) < 3) {
            return;
        }
        Io before = operation == 2 ? write(queue, at, total, null) : null;
        Io io = frontend.io(queue, operation, at, parts);
        io.behind = before;
        io.indirect = operation < 2 && random.nextInt(10) == 0;
        if (operation != 0) {
            stamp += 0x9e3779b97f4a7c15L;
            for (int i = 0; i < total; i++) {
                frontend.fill(io, i, stamp + i);
            }
        }
        frontend.put(io);
        mark(io, 1);
        io.stamp = stamp;
        if (operation == 2) {
            write(queue, at, total, io);
        }
    }

    /**
     * A write to the same place as a barrier, right before it or behind it: of the three, each must end before the next
     * begins.
     */
    private Io write(int queue, int at, int total, Io behind) {
        int[][] parts = new int[(total + 7) / 8][];
        for (int i = 0; i < parts.length; i++) {
            parts[i] = new int[] {0, Math.min(7, total - 8 * i - 1)};
        }
        Io write = frontend.io(queue, 1, at, parts);
        stamp += 0x9e3779b97f4a7c15L;
        for (int i = 0; i < total; i++) {
            frontend.fill(write, i, stamp + i);
        }
        write.stamp = stamp;
        write.behind = behind;
        frontend.put(write);
        mark(write, 1);
        return write;
    }

    private boolean free(int first, int count) {
        for (int i = first; i < first + count; i++) {
            if (busy[i] != 0) {
                return false;
            }
        }
        return true;
    }

    private void mark(Io io, int more) {
        issued += more > 0 ? 1 : 0;
        for (int i = 0; i < io.sectors(); i++) {
            busy[(int) io.sector + i] += more;
        }
    }

    /** Looks at what has been answered. */
    void check(List<Io> done) {
        for (Io io : done) {
            String what = "operation " + io.operation + " at " + io.sector + " of " + io.sectors() + " sectors";
            if (io.status != 0) {
                assertTrue(errors, what + " ended with " + io.status);
                failed++;
            }
            if (io.behind != null) {
                assertTrue(io.behind.status != null, what + " is answered before what it had to wait for");
            }
            if (!io.parts.isEmpty()) {
                effect(io, what);
                mark(io, -1);
            }
            frontend.release(io);
        }
    }

    private void effect(Io io, String what) {
        for (int i = 0; io.status == 0 && i < io.sectors(); i++) {
            int at = (int) io.sector + i;
            if (io.operation == 0) {
                frontend.assertFilled(io, i, model[at], what);
            } else {
                model[at] = io.operation == 5 ? 0 : io.stamp + i;
            }
        }
    }

    /** Waits for all that is in flight. */
    void drain() throws Exception {
        while (frontend.flying() > 0) {
            check(frontend.awaitSome());
        }
    }

    /** So many requests, in all. */
    void run(int requests) throws Exception {
        int end = issued + requests;
        while (issued < end) {
            issue();
            check(random.nextInt(3) == 0 ? frontend.awaitSome() : frontend.reap());
        }
        drain();
    }

    /** Reads the whole disk. */
    void compare() throws Exception {
        for (int at = 0; at < sectors; at += 88) {
            int count = Math.min(88, sectors - at);
            int[][] parts = new int[(count + 7) / 8][];
            for (int i = 0; i < parts.length; i++) {
                parts[i] = new int[] {0, Math.min(7, count - 8 * i - 1)};
            }
            Io io = frontend.io(0, 0, at, parts);
            assertEquals(0, frontend.run(io));
            effect(io, "at the end");
            frontend.release(io);
        }
    }
}
