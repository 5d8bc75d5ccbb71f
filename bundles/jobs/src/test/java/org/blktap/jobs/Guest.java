package org.blktap.jobs;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import org.blktap.api.disk.Operation;
import org.blktap.api.memory.Memory;
import org.blktap.api.memory.NativeBuffer;
import org.blktap.core.TestDaemon;
import org.blktap.linux.NativeMemoryService;

/**
 * A VM that writes a number of its own into each sector, and knows which numbers a sector may have after a kill or a
 * power loss. The monitor of the files guards what it knows.
 */
final class Guest implements AutoCloseable {
    private static final int SECTOR = 512;
    private static final int LARGEST = 64 << 10;
    /** Requests in flight. */
    private static final int DEPTH = 3;
    /** One of so many rounds ends with a flush. */
    private static final int FLUSH_ROUNDS = 4;

    private final String id;
    private final long size;
    private final Object monitor;
    private final Random random;
    private final NativeBuffer memory = new NativeMemoryService().allocate((long) DEPTH * LARGEST);
    private final List<Sector> sectors = new ArrayList<>();
    private int lastNumber;
    private Thread thread;
    private volatile boolean stopped;
    private volatile Throwable failure;

    /** The numbers that were written to one sector. */
    private static final class Sector {
        /** From the one that is on disk on. */
        final List<Integer> numbers = new ArrayList<>(List.of(0));
        /** Index of the last that was answered. */
        int answered;

        void flushed(int upTo) {
            numbers.subList(0, upTo).clear();
            answered -= upTo;
        }
    }

    Guest(String id, long size, Object monitor, Random random) {
        this.id = id;
        this.size = size;
        this.monitor = monitor;
        this.random = random;
        for (long at = 0; at < size; at += SECTOR) {
            sectors.add(new Sector());
        }
    }

    // ---- what it knows

    /** Everything answered is there. */
    int[][] afterKill() {
        return possible(false);
    }

    /** Everything that a flush has covered is there. */
    int[][] afterPowerLoss() {
        return possible(true);
    }

    private int[][] possible(boolean power) {
        synchronized (monitor) {
            int[][] all = new int[sectors.size()][];
            for (int i = 0; i < all.length; i++) {
                Sector each = sectors.get(i);
                all[i] = each.numbers.subList(power ? 0 : each.answered, each.numbers.size()).stream()
                        .mapToInt(Integer::intValue)
                        .toArray();
            }
            return all;
        }
    }

    // ---- what it does

    /** Writes for some rounds. */
    void work(TestDaemon daemon, int rounds) throws Exception {
        for (int i = 0; i < rounds; i++) {
            round(daemon);
            if (i == rounds - 1 || random.nextInt(FLUSH_ROUNDS) == 0) {
                flush(daemon);
            }
        }
    }

    private void round(TestDaemon daemon) throws Exception {
        List<CompletableFuture<Integer>> requests = new ArrayList<>();
        int slot = sectors.size() / DEPTH;
        for (int i = 0; i < DEPTH; i++) {
            // each in a part of its own, so that their order does not matter
            int count = 1 + random.nextInt(random.nextInt(4) == 0 ? LARGEST / SECTOR : 16);
            int first = i * slot + random.nextInt(slot - count);
            boolean zeroes = random.nextInt(6) == 0;
            int number = zeroes ? 0 : ++lastNumber;
            long address = memory.address() + (long) i * LARGEST;
            for (int at = 0; at < count * SECTOR; at += Long.BYTES) {
                Memory.putLong(address + at, number);
            }
            synchronized (monitor) {
                sectors.subList(first, first + count).forEach(each -> each.numbers.add(number));
            }
            requests.add(daemon.send(
                            id,
                            zeroes ? Operation.WRITE_ZEROES : Operation.WRITE,
                            (long) first * SECTOR,
                            count * SECTOR,
                            address)
                    .thenApply(error -> {
                        synchronized (monitor) {
                            sectors.subList(first, first + count).forEach(each -> each.answered++);
                        }
                        return error;
                    }));
        }
        for (CompletableFuture<Integer> each : requests) {
            assertEquals(0, each.get(1, TimeUnit.MINUTES));
        }
    }

    private void flush(TestDaemon daemon) throws Exception {
        int[] answered = new int[sectors.size()];
        synchronized (monitor) {
            for (int i = 0; i < answered.length; i++) {
                answered[i] = sectors.get(i).answered;
            }
        }
        int error = daemon.send(id, Operation.FLUSH, 0, 0, 0)
                .thenApply(ended -> {
                    synchronized (monitor) {
                        for (int i = 0; i < answered.length; i++) {
                            sectors.get(i).flushed(answered[i]);
                        }
                    }
                    return ended;
                })
                .get(1, TimeUnit.MINUTES);
        assertEquals(0, error);
    }

    /** Writes on a thread of its own until {@link #stop}. */
    void start(TestDaemon daemon) {
        stopped = false;
        thread = new Thread(() -> {
            try {
                while (!stopped) {
                    work(daemon, 1 + random.nextInt(FLUSH_ROUNDS));
                    Thread.sleep(1);
                }
            } catch (Throwable e) {
                failure = e;
            }
        });
        thread.start();
    }

    void stop() throws InterruptedException {
        stopped = true;
        if (thread != null) {
            thread.join();
            thread = null;
        }
        if (failure != null) {
            throw new AssertionError("the guest has failed", failure);
        }
    }

    /** Reads all of a disk, and returns the number in each sector. */
    static int[] read(TestDaemon daemon, String id, long size) throws Exception {
        int[] found = new int[(int) (size / SECTOR)];
        try (NativeBuffer buffer = new NativeMemoryService().allocate(LARGEST)) {
            for (long at = 0; at < size; at += LARGEST) {
                int length = (int) Math.min(LARGEST, size - at);
                assertEquals(
                        0,
                        daemon.send(id, Operation.READ, at, length, buffer.address())
                                .get(1, TimeUnit.MINUTES));
                for (int i = 0; i < length; i += Long.BYTES) {
                    int sector = (int) ((at + i) / SECTOR);
                    long number = Memory.getLong(buffer.address() + i);
                    assertEquals(
                            i % SECTOR == 0 ? number : found[sector], number, "sector " + sector + " is of two writes");
                    found[sector] = (int) number;
                }
            }
        }
        return found;
    }

    /** Continues after a restart, with what the disk has now. */
    void continueWith(int[] found) {
        for (int i = 0; i < found.length; i++) {
            Sector sector = sectors.get(i);
            sector.numbers.clear();
            sector.numbers.add(found[i]);
            sector.answered = 0;
        }
    }

    @Override
    public void close() {
        try {
            stop();
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        } finally {
            memory.close();
        }
    }
}
