package org.blktap.image.sim;

import java.util.ArrayList;
import java.util.BitSet;
import java.util.List;
import java.util.Random;
import java.util.function.LongUnaryOperator;
import org.blktap.api.disk.Operation;
import org.blktap.api.disk.Request;
import org.blktap.api.disk.VirtualDisk;
import org.blktap.api.engine.ExtentList;
import org.blktap.api.memory.Memory;
import org.blktap.api.memory.NativeBuffer;
import org.blktap.linux.Mapping;

/**
 * Random requests to a disk, several in flight, never two on one sector, with a model of what each sector may hold:
 * now, after the process was killed, and after power loss. Every write fills its sectors with a stamp of its own. A
 * request depends only on its number, so that others can be left out to find those that a failure needs.
 */
public final class DiskExerciser implements AutoCloseable {
    private static final int SECTOR = 512;
    private static final int LONGEST = 64;
    private static final long NEVER = Long.MAX_VALUE;

    private final SimLoop loop;
    private final Random random;
    /** Seed of the requests. */
    private final long seed;

    private final BitSet leftOut = new BitSet();
    private final List<String> submitted = new ArrayList<>();
    /** Requests so far, including those that are left out. */
    private int steps;

    private final List<List<Version>> sectors = new ArrayList<>();
    private final List<Flush> flushes = new ArrayList<>();
    private final boolean[] busy;
    private final NativeBuffer memory;
    private final List<Transfer> free = new ArrayList<>();
    private long clock;
    private long stamps = 1;
    private final List<Failure> failures = new ArrayList<>();
    private int changed;

    /** A value that a sector was set to. */
    private static final class Version {
        private final long stamp;
        private final int submitted;
        /** Whether the sector may still have its earlier value. */
        private boolean optional;

        private int ended = Integer.MAX_VALUE;
        private long endedAt = NEVER;

        private Version(long stamp, int submitted, boolean optional) {
            this.stamp = stamp;
            this.submitted = submitted;
            this.optional = optional;
        }
    }

    /** A request that has ended with an error. */
    record Failure(Operation operation, int errno) {}

    private record Flush(long submittedAt, int ended) {}

    /** A request in flight with its memory. */
    private final class Transfer implements Request.Completion {
        private final Request request = new Request(this, 4);
        private final long address;
        private final List<Version> versions = new ArrayList<>();
        private final ExtentList extents = new ExtentList();
        private long submittedAt;

        private Transfer(long address) {
            this.address = address;
        }

        @Override
        public void completed(Request done) {
            int first = (int) (done.offset() / SECTOR);
            int count = (int) (done.length() / SECTOR);
            if (done.error() != 0) {
                failures.add(new Failure(done.operation(), done.error()));
            }
            switch (done.operation()) {
                case FLUSH -> {
                    if (done.error() == 0) {
                        flushes.add(new Flush(submittedAt, loop.moment()));
                    }
                }
                case READ -> {
                    if (done.error() == 0) {
                        for (int i = 0; i < count; i++) {
                            checkNow(first + i, done.zeros() ? 0 : stampAt(address + (long) i * SECTOR, first + i));
                        }
                    }
                }
                case MAP -> checkExtents(done, first, count);
                default -> {
                    changed += done.error() == 0 ? 1 : 0;
                    for (Version version : versions) {
                        version.optional |= done.error() != 0;
                        version.ended = loop.moment();
                        version.endedAt = ++clock;
                    }
                }
            }
            versions.clear();
            if (done.operation() != Operation.FLUSH) {
                for (int i = 0; i < count; i++) {
                    busy[first + i] = false;
                }
            }
            free.add(this);
        }

        private void checkExtents(Request done, int first, int count) {
            long total = extents.total();
            expect(
                    done.error() != 0 || total > 0 && total <= (long) count * SECTOR,
                    "extents of " + total + " bytes for " + count + " sectors");
            int sector = first;
            for (int i = 0; i < extents.count(); i++) {
                for (long n = extents.length(i); n > 0; n -= SECTOR) {
                    if ((extents.state(i) & ExtentList.ZERO) != 0) {
                        checkNow(sector, 0);
                    }
                    sector++;
                }
            }
        }
    }

    /** @param initial the stamp that each sector holds at first, by its number; see {@link #fill} */
    public DiskExerciser(SimLoop loop, Random random, long diskBytes, int depth, LongUnaryOperator initial) {
        this.loop = loop;
        this.random = random;
        seed = random.nextLong();
        int count = (int) (diskBytes / SECTOR);
        busy = new boolean[count];
        for (int i = 0; i < count; i++) {
            Version first = new Version(initial.applyAsLong(i), 0, false);
            first.ended = 0;
            first.endedAt = 0;
            sectors.add(new ArrayList<>(List.of(first)));
        }
        flushes.add(new Flush(1, 0));
        clock = 1;
        memory = Mapping.anonymous((long) depth * LONGEST * SECTOR);
        for (int i = 0; i < depth; i++) {
            free.add(new Transfer(memory.address() + (long) i * LONGEST * SECTOR));
        }
    }

    /** Fills a sector of a raw image with a stamp. */
    public static void fill(byte[] image, int sector, long stamp) {
        java.nio.ByteBuffer view =
                java.nio.ByteBuffer.wrap(image, sector * SECTOR, SECTOR).order(java.nio.ByteOrder.nativeOrder());
        while (view.hasRemaining()) {
            view.putLong(stamp);
        }
    }

    /** Does not submit requests with these numbers. */
    void leaveOut(BitSet numbers) {
        leftOut.or(numbers);
    }

    /** Requests so far, including those that are left out. */
    int steps() {
        return steps;
    }

    /** Returns the submitted requests, in order. */
    List<String> submitted() {
        return submitted;
    }

    /** Requests that have ended with an error. */
    public int failed() {
        return failures.size();
    }

    /** Changes that have been answered without an error. */
    int changed() {
        return changed;
    }

    /** Returns the failed requests, in the order of their ends. */
    List<Failure> failures() {
        return failures;
    }

    /** Flushes and waits for the end. Returns the errno. */
    int flush(VirtualDisk disk) {
        int before = failures.size();
        Transfer transfer = free.remove(free.size() - 1);
        start(disk, transfer, Operation.FLUSH, 0, 0, random);
        drain();
        return failures.size() == before ? 0 : failures.get(before).errno();
    }

    /** Submits random requests and waits for all of them. */
    public void run(VirtualDisk disk, int operations) {
        for (int i = 0; i < operations; i++) {
            while (free.isEmpty() || random.nextInt(3) == 0 && loop.step()) {
                expect(!free.isEmpty() || loop.step(), "a request never ends");
            }
            submit(disk);
        }
        drain();
    }

    private void drain() {
        int slots = (int) (memory.size() / (LONGEST * SECTOR));
        loop.drain();
        expect(free.size() >= slots, "requests never end: " + (slots - free.size()));
    }

    private void submit(VirtualDisk disk) {
        int number = steps++;
        if (leftOut.get(number)) {
            return;
        }
        Random own = FormatModelTest.random(seed + number);
        int kind = own.nextInt(100);
        Operation operation = kind < 50
                ? Operation.WRITE
                : kind < 75
                        ? Operation.READ
                        : kind < 83
                                ? Operation.WRITE_ZEROES
                                : kind < 88 ? Operation.DISCARD : kind < 95 ? Operation.MAP : Operation.FLUSH;
        int length = 1 + (own.nextInt(3) == 0 ? own.nextInt(LONGEST) : own.nextInt(4));
        int first = own.nextInt(busy.length);
        if (own.nextBoolean()) {
            // most requests of guests are aligned to 4 KiB
            first &= -8;
            length = length + 7 & -8;
        }
        length = Math.min(Math.min(length, LONGEST), busy.length - first);
        if (operation != Operation.FLUSH) {
            for (int i = 0; i < length; i++) {
                while (busy[first + i]) {
                    // if steps are left out, other requests are in flight at the same time: the remaining ones wait for
                    // their turn
                    if (leftOut.isEmpty() || !loop.step()) {
                        return;
                    }
                }
            }
            java.util.Arrays.fill(busy, first, first + length, true);
        }
        Transfer transfer = free.remove(free.size() - 1);
        submitted.add(number + ": " + operation
                + (operation == Operation.FLUSH ? "" : " of " + length + " sectors at " + first));
        start(disk, transfer, operation, first, length, own);
    }

    private void start(VirtualDisk disk, Transfer transfer, Operation operation, int first, int length, Random own) {
        Request request = transfer.request;
        request.data().clear();
        transfer.submittedAt = ++clock;
        long offset = (long) first * SECTOR;
        long bytes = (long) length * SECTOR;
        switch (operation) {
            case FLUSH -> request.set(operation, 0, 0, 0);
            case MAP -> {
                transfer.extents.clear();
                request.setMap(offset, bytes, transfer.extents);
            }
            case READ -> {
                request.data().add(transfer.address, (int) bytes);
                request.set(operation, offset, bytes, own.nextBoolean() ? Request.SPARSE : 0);
            }
            case WRITE -> {
                long stamp = ++stamps;
                for (long p = 0; p < bytes; p += 8) {
                    Memory.putLong(transfer.address + p, stamp);
                }
                // in pieces, like a guest's memory
                int cut = own.nextInt((int) bytes / SECTOR + 1) * SECTOR;
                request.data().add(transfer.address, cut);
                request.data().add(transfer.address + cut, (int) bytes - cut);
                request.set(operation, offset, bytes, 0);
                version(transfer, first, length, stamp, false);
            }
            default -> {
                request.set(operation, offset, bytes, own.nextInt(4) == 0 ? Request.NO_UNMAP : 0);
                version(transfer, first, length, 0, operation == Operation.DISCARD);
            }
        }
        disk.submit(request);
    }

    private void version(Transfer transfer, int first, int length, long stamp, boolean optional) {
        for (int i = 0; i < length; i++) {
            Version version = new Version(stamp, loop.moment(), optional);
            sectors.get(first + i).add(version);
            transfer.versions.add(version);
        }
    }

    private long stampAt(long address, int sector) {
        long stamp = Memory.getLong(address);
        for (int i = 8; i < SECTOR; i += 8) {
            expect(Memory.getLong(address + i) == stamp, "sector " + sector + " is torn");
        }
        return stamp;
    }

    private void checkNow(int sector, long found) {
        List<Version> versions = sectors.get(sector);
        for (int i = versions.size() - 1; i >= 0; i--) {
            if (versions.get(i).stamp == found) {
                return;
            }
            if (!versions.get(i).optional) {
                break;
            }
        }
        throw new AssertionError(
                "sector " + sector + " holds stamp " + found + ", not " + versions.get(versions.size() - 1).stamp);
    }

    /** Reads the whole disk, and checks that each sector holds the data written last. */
    public void verify(VirtualDisk disk) {
        readAll(disk, 0, this::checkNow);
    }

    /** Reads the whole disk, and checks that it holds zeros from an offset on. */
    public void expectZeros(VirtualDisk disk, long from) {
        readAll(
                disk,
                (int) (from / SECTOR),
                (sector, stamp) -> expect(stamp == 0, "sector " + sector + " holds stamp " + stamp + ", not zeros"));
    }

    private interface SectorCheck {
        void check(int sector, long stamp);
    }

    private void readAll(VirtualDisk disk, int from, SectorCheck check) {
        Transfer transfer = free.get(0);
        for (int first = from; first < busy.length; first += LONGEST) {
            int length = Math.min(LONGEST, busy.length - first);
            int[] error = {-1};
            Request request = new Request(done -> error[0] = done.error(), 1);
            request.data().add(transfer.address, length * SECTOR);
            disk.submit(request.set(Operation.READ, (long) first * SECTOR, (long) length * SECTOR, 0));
            loop.drain();
            expect(error[0] == 0, "reading sector " + first + " ended with " + error[0]);
            for (int i = 0; i < length; i++) {
                check.check(first + i, stampAt(transfer.address + (long) i * SECTOR, first + i));
            }
        }
    }

    /** Reads a disk as it is after a crash at that moment of the loop. */
    public void verifyAfterCrash(VirtualDisk disk, int point, boolean powerLoss) {
        long safe = 0;
        for (Flush flush : flushes) {
            if (flush.ended <= point) {
                safe = Math.max(safe, flush.submittedAt);
            }
        }
        long flushed = safe;
        readAll(disk, 0, (sector, found) -> {
            List<Version> versions = sectors.get(sector);
            for (int i = versions.size() - 1; i >= 0; i--) {
                Version version = versions.get(i);
                if (version.submitted > point) {
                    continue;
                }
                if (version.stamp == found) {
                    return;
                }
                boolean sure = powerLoss ? version.ended <= point && version.endedAt < flushed : version.ended <= point;
                if (sure && !version.optional) {
                    throw new AssertionError("sector " + sector + " holds stamp " + found + " after "
                            + (powerLoss ? "power loss" : "a kill") + " at " + point + ", but " + version.stamp
                            + " was "
                            + (powerLoss ? "flushed" : "answered"));
                }
            }
            throw new AssertionError("sector " + sector + " holds stamp " + found + ", which was never there");
        });
    }

    private static void expect(boolean condition, String otherwise) {
        if (!condition) {
            throw new AssertionError(otherwise);
        }
    }

    @Override
    public void close() {
        memory.close();
    }
}
