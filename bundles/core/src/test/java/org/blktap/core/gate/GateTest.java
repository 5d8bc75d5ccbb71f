package org.blktap.core.gate;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.ByteBuffer;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.concurrent.CompletableFuture;
import org.blktap.api.disk.DiskInfo;
import org.blktap.api.disk.Operation;
import org.blktap.api.disk.Request;
import org.blktap.api.disk.VirtualDisk;
import org.blktap.api.engine.Errno;
import org.blktap.api.engine.ExtentList;
import org.blktap.api.engine.IoLoop;
import org.blktap.api.memory.NativeBuffer;
import org.blktap.linux.EpollLoops;
import org.blktap.linux.Mapping;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/**
 * The gate with a disk whose requests end when the test says so. Nothing here needs the loop's thread but its clock.
 */
class GateTest {
    private static final int SIZE = 64 * 512;
    private final EpollLoops loops = new EpollLoops();
    private final IoLoop loop = loops.start("gate-test");
    private final HeldDisk disk = new HeldDisk(SIZE);
    private final int[] resumed = {0};
    private final Gate gate = new Gate(loop, () -> resumed[0]++);
    private final NativeBuffer memory = Mapping.anonymous(1 << 20);

    @BeforeEach
    void open() {
        gate.install(disk);
        gate.open();
    }

    @AfterEach
    void close() {
        loop.close();
        loops.stop();
        memory.close();
    }

    /** A disk in memory that keeps what it is given until {@link #endAll}. */
    private static final class HeldDisk implements VirtualDisk {
        final byte[] contents;
        final ArrayDeque<Request> held = new ArrayDeque<>();
        final List<Operation> seen = new ArrayList<>();
        DiskInfo info;
        int error;
        volatile boolean busy;

        @Override
        public boolean busy() {
            return busy;
        }

        HeldDisk(int size) {
            contents = new byte[size];
            info = DiskInfo.ofSize(size);
        }

        @Override
        public DiskInfo info() {
            return info;
        }

        @Override
        public void submit(Request request) {
            assertEquals(0, request.offset() % 512);
            assertEquals(0, request.length() % 512);
            seen.add(request.operation());
            held.add(request);
        }

        void endOne() {
            Request request = held.poll();
            int at = (int) request.offset();
            int length = (int) request.length();
            switch (request.operation()) {
                case READ -> request.data().copyFrom(ByteBuffer.wrap(contents, at, length), 0);
                case WRITE -> request.data().copyTo(ByteBuffer.wrap(contents, at, length), 0);
                case WRITE_ZEROES -> Arrays.fill(contents, at, at + length, (byte) 0);
                case MAP -> {
                    for (int sector = at; sector < at + length; sector += 512) {
                        int odd = sector / 512 % 2;
                        request.extents().add(512, odd == 0 ? ExtentList.DATA : ExtentList.ZERO, 1 + odd);
                    }
                }
                default -> {}
            }
            request.complete(error);
        }

        void endAll() {
            while (!held.isEmpty()) {
                endOne();
            }
        }

        @Override
        public void close() {}
    }

    private final List<Request> ended = new ArrayList<>();

    private Request request(Operation operation, long offset, int length, int flags) {
        Request request = gate.newRequest(ended::add, 4);
        if (operation == Operation.READ || operation == Operation.WRITE) {
            request.data().add(memory.address(), length);
        }
        return request.set(operation, offset, length, flags);
    }

    private int run(Request request) {
        gate.submit(request);
        disk.endAll();
        assertTrue(ended.remove(request), request + " has ended");
        return request.error();
    }

    @Test
    void rangesOutsideTheDiskAreRefused() {
        assertEquals(Errno.EINVAL, run(request(Operation.READ, SIZE, 512, 0)));
        assertEquals(Errno.ENOSPC, run(request(Operation.WRITE, SIZE - 512, 1024, 0)));
        assertEquals(Errno.EINVAL, run(request(Operation.READ, -512, 512, 0)));
        assertEquals(Errno.EINVAL, run(request(Operation.DISCARD, Long.MAX_VALUE - 511, 1024, 0)));
        assertEquals(Errno.EINVAL, run(request(Operation.WRITE_ZEROES, 0, 0, 0)));
        Request wrong = request(Operation.READ, 0, 512, 0).set(Operation.READ, 0, 1024, 0);
        assertEquals(Errno.EINVAL, run(wrong), "a list that is shorter than the request");
        assertTrue(disk.seen.isEmpty());
        assertEquals(0, gate.inFlight());
        assertEquals(0, run(request(Operation.READ, SIZE - 512, 512, 0)));
    }

    @Test
    void aReadOnlyDiskIsNotWritten() {
        disk.info = DiskInfo.ofSize(SIZE).withReadOnly(true);
        gate.install(disk);
        gate.open();
        assertEquals(Errno.EROFS, run(request(Operation.WRITE, 0, 512, 0)));
        assertEquals(Errno.EROFS, run(request(Operation.WRITE_ZEROES, 0, 512, 0)));
        assertEquals(Errno.EROFS, run(request(Operation.DISCARD, 0, 512, 0)));
        assertTrue(disk.seen.isEmpty());
    }

    /** Its list of ranges may be filled in part: a second answer would be appended to it. */
    @Test
    void aMapOfALostDiskIsAnswered() {
        Request map = gate.newRequest(ended::add, 1).setMap(0, 512, new ExtentList());
        gate.submit(map);
        gate.lose();
        disk.error = Errno.ESHUTDOWN;
        disk.endAll();
        assertEquals(List.of(map), ended);
        assertEquals(Errno.ESHUTDOWN, map.error());
    }

    /** Its client may send it again, and must not find it in the way of newer ones. */
    @Test
    void aRequestOfALostDiskIsTakenBack() {
        Request write = request(Operation.WRITE, 0, 512, 0);
        gate.submit(write);
        gate.lose();
        disk.error = Errno.ESHUTDOWN;
        disk.endAll();
        assertTrue(gate.withdraw(write));
        gate.remove();
        disk.error = 0;
        gate.install(disk);
        gate.open();
        assertTrue(gate.isOpen());
        assertEquals(0, gate.inFlight());
        assertEquals(List.of(), ended);
    }

    @Test
    void theGateDoesNotOpenOnALostDisk() {
        gate.lose();
        gate.open();
        assertFalse(gate.isOpen());
        gate.remove();
        gate.held().diskClosed();
        gate.install(disk);
        gate.open();
        assertTrue(gate.isOpen());
    }

    /**
     * Requests of a disk whose image was taken are done by the next disk; what is wrong with a request is said all the
     * same.
     */
    @Test
    void aLostDiskFailsNothing() {
        Request first = request(Operation.WRITE, 0, 512, 0);
        Request forced = request(Operation.WRITE, 512, 512, Request.FUA);
        Request edge = request(Operation.WRITE, 1100, 100, 0);
        Request read = request(Operation.READ, 0, 512, 0);
        gate.submit(first);
        gate.submit(forced);
        gate.submit(read);
        // the write of the second has ended, and its flush is under way
        disk.held.addFirst(disk.held.removeLast());
        disk.endOne();
        disk.held.addFirst(disk.held.removeLast());
        disk.endOne();
        assertEquals(List.of(read), ended);
        assertTrue(gate.lose());
        assertFalse(gate.lose(), "once");
        assertTrue(gate.hasLost());
        assertFalse(gate.isOpen());
        disk.error = Errno.ESHUTDOWN;
        disk.endAll();
        assertEquals(List.of(read), ended);
        assertEquals(0, gate.inFlight());
        assertTrue(gate.close().isDone());

        gate.remove();
        gate.held().diskClosed();
        assertFalse(gate.hasLost());
        disk.error = 0;
        gate.install(disk);
        gate.open();
        assertFalse(gate.isOpen(), "one after the other, and nothing in between");
        while (gate.failed().count() + gate.inFlight() > 0) {
            disk.endAll();
        }
        assertEquals(List.of(read, first, forced), ended);
        assertTrue(gate.isOpen());
        assertEquals(0, first.error() + forced.error());
        assertEquals(0, run(edge));
        // errors are errors again
        disk.error = Errno.EIO;
        assertEquals(Errno.EIO, run(request(Operation.READ, 0, 512, 0)));
    }

    @Test
    void closingWaitsForWhatIsUnderWay() {
        Request one = request(Operation.READ, 0, 512, 0);
        Request two = request(Operation.READ, 512, 512, 0);
        gate.submit(one);
        gate.submit(two);
        CompletableFuture<Void> drained = gate.close();
        assertFalse(gate.isOpen());
        assertThrows(IllegalStateException.class, () -> gate.submit(request(Operation.READ, 0, 512, 0)));
        disk.endOne();
        assertFalse(drained.isDone());
        disk.endOne();
        assertTrue(drained.isDone());
        assertTrue(gate.close().isDone());
        gate.open();
        assertTrue(gate.isOpen());
    }

    @Test
    void aFlushOfTheCoreIsInFlightWhileRequestsAreServed() {
        CompletableFuture<Integer> flushed = gate.flush();
        gate.submit(request(Operation.WRITE, 10, 100, 0));
        assertEquals(List.of(Operation.FLUSH), disk.seen, "a write of parts of sectors is alone at the disk");
        disk.endOne();
        assertEquals(0, flushed.getNow(-1));
        disk.endAll();
        disk.endAll();
        assertEquals(1, ended.size());
        disk.error = 28;
        CompletableFuture<Integer> failed = gate.flush();
        CompletableFuture<Void> drained = gate.close();
        assertFalse(drained.isDone());
        disk.endAll();
        assertTrue(drained.isDone());
        assertEquals(28, failed.getNow(-1));
        assertEquals(0, gate.inFlight());
    }

    @Test
    void aClosedGateWaitsForTheDisksOwnWork() throws Exception {
        disk.busy = true;
        var drained = loop.call(gate::close);
        loop.call(() -> null);
        assertFalse(drained.isDone());
        disk.busy = false;
        drained.get(60, java.util.concurrent.TimeUnit.SECONDS);
        assertTrue(loop.call(gate::close).isDone());
    }

    @Test
    void aDiskIsInstalledBehindAClosedGateAndLeavesAClosedGate() {
        gate.close();
        assertEquals(disk, gate.remove());
        gate.open();
        assertFalse(gate.isOpen(), "there is no disk");
        assertEquals(SIZE, gate.info().sizeBytes(), "nodes go on showing the last one");
        HeldDisk larger = new HeldDisk(2 * SIZE);
        gate.install(larger);
        assertFalse(gate.isOpen());
        assertEquals(2 * SIZE, gate.info().sizeBytes());
        gate.open();
        assertTrue(gate.isOpen());
    }

    @Test
    void whatADiskCompletesTwiceCountsOnce() {
        Request read = request(Operation.READ, 0, 512, 0);
        assertEquals(0, run(read));
        read.complete(Errno.EIO);
        assertEquals(0, read.error(), "its owner may not have looked yet");
        assertTrue(ended.isEmpty());
        assertEquals(0, gate.inFlight());
        Request write = request(Operation.WRITE, 0, 512, Request.FUA);
        gate.submit(write);
        disk.endOne();
        write.complete(0);
        assertTrue(ended.isEmpty(), "it waits for its flush");
        disk.endAll();
        assertEquals(List.of(write), ended);
        assertEquals(0, gate.inFlight());
    }

    @Test
    void aRequestOfAnotherPortIsRefused() {
        Gate other = new Gate(loop, () -> {});
        for (Request foreign : new Request[] {new Request(ended::add, 0), other.newRequest(ended::add, 0)}) {
            foreign.set(Operation.FLUSH, 0, 0, 0);
            assertThrows(IllegalArgumentException.class, () -> gate.submit(foreign));
        }
        assertTrue(disk.seen.isEmpty());
        assertEquals(0, gate.inFlight());
    }

    @Test
    void aFlushThatFailsFailsAllItsWritesThoughTheFirstIsWrittenAgainAtOnce() {
        List<Integer> errors = new ArrayList<>();
        gate.submit(request(Operation.WRITE, 0, 512, Request.FUA));
        // those that share the second flush
        for (int i = 1; i <= 2; i++) {
            Request write = gate.newRequest(
                    done -> {
                        errors.add(done.error());
                        if (errors.size() == 1) {
                            disk.error = 0;
                            gate.submit(done.set(Operation.WRITE, 0, 512, Request.FUA));
                            disk.endOne();
                        }
                    },
                    1);
            write.data().add(memory.address(), 512);
            gate.submit(write.set(Operation.WRITE, i * 512L, 512, Request.FUA));
        }
        // the writes, and the flush of the first
        for (int i = 0; i < 4; i++) {
            disk.endOne();
        }
        assertEquals(List.of(), errors);
        disk.error = Errno.EIO;
        disk.endOne();
        disk.endAll();
        assertEquals(
                List.of(Errno.EIO, Errno.EIO, 0),
                errors.stream().sorted((a, b) -> b - a).toList(),
                "the second write of the failed flush");
        assertEquals(0, gate.inFlight());
    }

    @Test
    void fuaWritesShareAFlushAndFailWithIt() {
        for (int i = 0; i < 3; i++) {
            gate.submit(request(Operation.WRITE, i * 512L, 512, Request.FUA));
        }
        disk.endOne();
        assertEquals(List.of(), ended, "written is not yet durable");
        disk.endOne();
        disk.endOne();
        // the first flush began with the first write alone
        disk.endOne();
        assertEquals(1, ended.size());
        disk.error = Errno.EIO;
        disk.endOne();
        assertEquals(3, ended.size());
        assertEquals(
                List.of(0, Errno.EIO, Errno.EIO),
                ended.stream().map(Request::error).toList());
        assertEquals(
                List.of(Operation.WRITE, Operation.WRITE, Operation.WRITE, Operation.FLUSH, Operation.FLUSH),
                disk.seen);
        assertEquals(0, gate.inFlight());
        disk.error = Errno.EIO;
        assertEquals(Errno.EIO, run(request(Operation.WRITE, 0, 512, Request.FUA)));
        assertEquals(6, disk.seen.size(), "a write that failed is not flushed");
    }

    @Test
    void unalignedRequestsMatchAModel() {
        long seed = System.nanoTime();
        System.out.println("unaligned seed " + seed);
        Random random = new Random(seed);
        byte[] model = new byte[SIZE];
        for (int i = 0; i < 3000; i++) {
            int offset = random.nextInt(SIZE - 1);
            int length = 1 + random.nextInt(Math.min(SIZE - offset, random.nextBoolean() ? 700 : 4000));
            ByteBuffer view = memory.bytes(0, length);
            switch (random.nextInt(4)) {
                case 0 -> {
                    byte[] bytes = new byte[length];
                    random.nextBytes(bytes);
                    view.put(bytes);
                    assertEquals(0, run(request(Operation.WRITE, offset, length, random.nextInt(2))));
                    System.arraycopy(bytes, 0, model, offset, length);
                }
                case 1 -> {
                    assertEquals(0, run(request(Operation.WRITE_ZEROES, offset, length, 0)));
                    Arrays.fill(model, offset, offset + length, (byte) 0);
                }
                case 2 -> assertEquals(0, run(request(Operation.DISCARD, offset, length, 0)));
                default -> {
                    assertEquals(0, run(request(Operation.READ, offset, length, 0)));
                    byte[] found = new byte[length];
                    view.get(found);
                    assertArrayEquals(Arrays.copyOfRange(model, offset, offset + length), found);
                }
            }
        }
        assertArrayEquals(model, disk.contents);
    }

    @Test
    void anUnalignedWriteIsAlone() {
        gate.submit(request(Operation.READ, 0, 1024, 0));
        gate.submit(request(Operation.WRITE, 100, 10, 0));
        assertFalse(gate.isOpen(), "nothing passes a write that must be alone");
        assertEquals(List.of(Operation.READ), disk.seen);
        disk.endOne();
        assertEquals(List.of(Operation.READ, Operation.READ), disk.seen);
        disk.endAll();
        assertTrue(gate.isOpen());
        assertEquals(1, resumed[0], "the nodes are told to look again");
        assertEquals(2, ended.size());
    }

    @Test
    void anUnalignedMapIsCut() {
        ExtentList extents = new ExtentList();
        Request map = gate.newRequest(ended::add, 0).setMap(100, 1000, extents);
        assertEquals(0, run(map));
        assertEquals(1000, extents.total());
        assertEquals(412, extents.length(0));
        assertEquals(512, extents.length(1));
        assertEquals(ExtentList.ZERO, extents.state(1));
        assertEquals(2, extents.depth(1));
    }

    @Test
    void everyEndIsCounted() {
        run(request(Operation.READ, 0, 1024, 0));
        disk.error = Errno.EIO;
        run(request(Operation.READ, 0, 512, 0));
        run(request(Operation.FLUSH, 0, 0, 0));
        var counters = gate.statistics().snapshot();
        assertEquals(2, counters.get("read").count());
        assertEquals(1536, counters.get("read").bytes());
        assertEquals(1, counters.get("read").errors());
        assertEquals(1, counters.get("flush").count());
        assertEquals(0, counters.get("write").count());
        assertTrue(counters.get("read").latency().max()
                >= counters.get("read").latency().p50());
    }
}
