package org.blktap.filter.tee;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import org.blktap.api.disk.DiskException;
import org.blktap.api.disk.DiskException.Reason;
import org.blktap.api.disk.Operation;
import org.blktap.api.disk.Request;
import org.blktap.api.disk.TapSpec;
import org.blktap.api.engine.Errno;
import org.blktap.api.engine.ExtentList;
import org.blktap.api.filter.PassThroughDisk;
import org.blktap.api.filter.WriteCopies;
import org.blktap.api.memory.Memory;
import org.blktap.api.memory.NativeBuffer;
import org.blktap.api.settings.Directories;
import org.blktap.api.testkit.MemoryPort;
import org.blktap.api.testkit.TestFilterContext;
import org.blktap.api.testkit.TimedLoop;
import org.blktap.linux.NativeMemoryService;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class TeeFilterTest {
    private static final int SIZE = 1 << 20;

    @TempDir
    Path directory;

    private final NativeMemoryService memory = new NativeMemoryService();
    private final TimedLoop loop = new TimedLoop();
    private final NativeBuffer data = memory.allocate(4096);
    private final MemoryPort below = new MemoryPort(memory.allocate(SIZE));
    private MemoryPort second = new MemoryPort(memory.allocate(SIZE));
    private final List<Integer> ended = new ArrayList<>();
    private TeeFilter filter;

    @BeforeEach
    void make() {
        filter = new TeeFilter(new Directories(directory, directory, directory, directory, directory));
    }

    @AfterEach
    void close() {
        below.close();
        second.close();
        data.close();
    }

    private PassThroughDisk open(String key) throws DiskException {
        return filter.open(
                below,
                TestFilterContext.of("a", loop, memory)
                        .withOptions(Map.of("to", "tap:ram:b", "key", key))
                        .withDisks((spec, readOnly) -> {
                            if (second == null) {
                                throw new DiskException(Reason.IO, spec + ": is not there");
                            }
                            return second;
                        }));
    }

    private void write(PassThroughDisk disk, int value, long offset) {
        Memory.fill(data.address(), 4096, (byte) value);
        Request request = new Request(done -> ended.add(done.error()), 1);
        request.data().add(data.address(), 4096);
        disk.submit(request.set(Operation.WRITE, offset, 4096, 0));
    }

    private void flush(PassThroughDisk disk) {
        disk.submit(new Request(done -> ended.add(done.error()), 0).set(Operation.FLUSH, 0, 0, 0));
    }

    private static int at(MemoryPort disk, long offset) {
        return Memory.getByte(disk.content.address() + offset);
    }

    private static List<String> seen(MemoryPort disk) {
        return disk.seen.stream().map(Object::toString).toList();
    }

    @Test
    void changesGoToBothAndReadsToOne() throws Exception {
        PassThroughDisk disk = open("1");
        write(disk, 7, 8192);
        flush(disk);
        disk.submit(new Request(done -> ended.add(done.error()), 0)
                .set(Operation.WRITE_ZEROES, 0, 4096, Request.FAST_ONLY));
        disk.submit(new Request(done -> ended.add(done.error()), 0).setMap(0, 4096, new ExtentList()));
        assertEquals(List.of(0, 0, 0, 0), ended);
        assertEquals(7, at(second, 8192));
        assertEquals(
                List.of("WRITE 8192 4096 0", "FLUSH 0 0 0", "WRITE_ZEROES 0 4096 " + Request.FAST_ONLY, "MAP 0 4096 0"),
                seen(below));
        assertEquals(List.of("WRITE 8192 4096 0", "FLUSH 0 0 0", "WRITE_ZEROES 0 4096 0"), seen(second));
        assertEquals("no", disk.stats().get("failed"));
    }

    @Test
    void aChangeCompletesWhenBothHaveIt() throws Exception {
        PassThroughDisk disk = open("1");
        second.hold = true;
        write(disk, 7, 0);
        assertEquals(List.of(), ended);
        second.release();
        assertEquals(List.of(0), ended);
        below.fails = request -> Errno.ENOSPC;
        write(disk, 8, 0);
        assertEquals(List.of(0, Errno.ENOSPC), ended);
        assertEquals("no", disk.stats().get("failed"));
    }

    @Test
    void bothGetTheSameThoughTheVmChangesItsMemoryMeanwhile() throws Exception {
        PassThroughDisk disk = open("1");
        // the VM writes to the page once the first disk has the request, before the second has it
        below.afterMove = () -> Memory.fill(data.address(), 4096, (byte) 9);
        write(disk, 7, 0);
        assertEquals(List.of(0), ended);
        assertEquals(7, at(below, 0));
        assertEquals(7, at(second, 0));
        // both read it late
        below.afterMove = () -> {};
        below.hold = true;
        second.hold = true;
        write(disk, 5, 4096);
        Memory.fill(data.address(), 4096, (byte) 6);
        below.release();
        Memory.fill(data.address(), 4096, (byte) 8);
        second.release();
        assertEquals(5, at(below, 4096));
        assertEquals(5, at(second, 4096));
    }

    /** @param most bytes of memory for copies */
    private TeeDisk withCopies(int most) throws Exception {
        return new TeeDisk(
                "a", loop, below, second, TapSpec.parse("tap:ram:b"), null, () -> {}, new WriteCopies(memory, most));
    }

    @Test
    void whatIsMoreThanTheMemoryForCopiesIsWrittenInParts() throws Exception {
        int piece = WriteCopies.PIECE;
        try (NativeBuffer large = memory.allocate(5 * piece)) {
            for (int i = 0; i < 5 * piece / 512; i++) {
                Memory.fill(large.address() + i * 512L, 512, (byte) (i % 251));
            }
            TeeDisk disk = withCopies(2 * piece);
            below.hold = true;
            second.hold = true;
            for (int offset : new int[] {0, 6 * piece}) {
                Request request = new Request(done -> ended.add(done.error()), 1);
                request.data().add(large.address(), 5 * piece - 512);
                disk.submit(request.set(Operation.WRITE, offset, 5 * piece - 512, 0));
            }
            assertEquals(1, second.pending(), "the other one waits");
            while (ended.size() < 2) {
                below.release();
                second.release();
            }
            assertEquals(List.of(0, 0), ended);
            for (MemoryPort each : List.of(below, second)) {
                for (int offset : new int[] {0, 6 * piece}) {
                    assertEquals(
                            -1, each.content.bytes(offset, 5 * piece - 512).mismatch(large.bytes(0, 5 * piece - 512)));
                }
                assertTrue(each.seen.stream().allMatch(part -> part.length() <= 2 * piece));
            }
            disk.close();
        }
    }

    @Test
    void aSecondThatFailsBetweenPartsGetsNoMore() throws Exception {
        try (NativeBuffer large = memory.allocate(4 * WriteCopies.PIECE)) {
            TeeDisk disk = withCopies(WriteCopies.PIECE);
            second.fails = request -> Errno.EIO;
            Request request = new Request(done -> ended.add(done.error()), 1);
            request.data().add(large.address(), 4 * WriteCopies.PIECE);
            disk.submit(request.set(Operation.WRITE, 0, 4 * WriteCopies.PIECE, 0));
            assertEquals(List.of(0), ended);
            assertEquals(1, second.seen.size());
            assertEquals(2, below.seen.size(), "the rest in one request");
            below.fails = asked -> Errno.ENOSPC;
            disk.submit(request.set(Operation.WRITE, 0, 4 * WriteCopies.PIECE, 0));
            assertEquals(List.of(0, Errno.ENOSPC), ended);
            disk.close();
        }
    }

    @Test
    void theVmDoesNotSeeThatTheSecondFails() throws Exception {
        PassThroughDisk disk = open("1");
        second.fails = request -> Errno.EIO;
        write(disk, 7, 0);
        second.fails = request -> 0;
        write(disk, 8, 4096);
        assertEquals(List.of(0, 0), ended);
        assertEquals(0, at(second, 4096), "a second disk that has missed a write gets no more");
        assertTrue(disk.stats().get("failed").toString().startsWith("WRITE failed"), disk.stats()::toString);
        disk.close();
        second = new MemoryPort(memory.allocate(SIZE));
        PassThroughDisk again = open("1");
        write(again, 9, 4096);
        assertEquals(0, at(second, 4096), "nor when the filter is opened again");
        again.close();
        PassThroughDisk other = open("2");
        write(other, 9, 4096);
        assertEquals(9, at(second, 4096), "another use begins anew");
    }

    @Test
    void aParkLosesNothingAndAKillDoes() throws Exception {
        open("1").close();
        second = new MemoryPort(memory.allocate(SIZE));
        PassThroughDisk again = open("1");
        write(again, 9, 0);
        assertEquals(9, at(second, 0));
        again.close();
        assertEquals(List.of(), Files.list(directory.resolve("tee")).toList());
        second = new MemoryPort(memory.allocate(SIZE));
        open("1");
        // not closed: killed
        PassThroughDisk after = open("1");
        write(after, 9, 0);
        assertEquals(0, at(second, 0));
        assertTrue(after.stats().get("failed").toString().contains("killed"), after.stats()::toString);
    }

    @Test
    void aSecondThatDoesNotFitIsNotUsed() throws Exception {
        second.close();
        second = new MemoryPort(memory.allocate(SIZE / 2));
        PassThroughDisk small = open("1");
        write(small, 1, 0);
        assertTrue(small.stats().get("failed").toString().contains("less than"), small.stats()::toString);
        MemoryPort there = new MemoryPort(memory.allocate(SIZE));
        second = null;
        PassThroughDisk absent = open("2");
        write(absent, 1, 0);
        assertEquals(List.of(0, 0), ended);
        assertTrue(absent.stats().get("failed").toString().contains("not there"), absent.stats()::toString);
        second = there;
        assertThrows(DiskException.class, () -> open("../x"));
        assertThrows(DiskException.class, () -> filter.open(below, TestFilterContext.of("a", loop, memory)));
    }

    /** Calls it as a control thread does, which waits for the loop. */
    private void beforeRemoval(PassThroughDisk disk) throws Exception {
        Thread control = new Thread(() -> {
            try {
                disk.beforeRemoval();
            } catch (DiskException e) {
                throw new AssertionError(e);
            }
        });
        control.start();
        while (control.isAlive()) {
            if (control.getState() == Thread.State.TIMED_WAITING) {
                loop.pass(1, TimeUnit.MILLISECONDS);
            }
            Thread.sleep(1);
        }
    }

    @Test
    void theSecondIsFlushedBeforeTheFilterGoes() throws Exception {
        PassThroughDisk disk = open("1");
        write(disk, 7, 0);
        beforeRemoval(disk);
        assertEquals(List.of("WRITE 0 4096 0", "FLUSH 0 0 0"), seen(second));
        disk.close();
        assertEquals(List.of(), Files.list(directory.resolve("tee")).toList());

        second = new MemoryPort(memory.allocate(SIZE));
        PassThroughDisk other = open("2");
        write(other, 7, 0);
        second.fails = request -> Errno.EIO;
        beforeRemoval(other);
        assertTrue(other.stats().get("failed").toString().startsWith("FLUSH failed"), other.stats()::toString);
        other.close();
        assertEquals(1, Files.list(directory.resolve("tee")).count(), "it is on record that the second lacks writes");
        second = null;
        beforeRemoval(open("3"));
        second = new MemoryPort(memory.allocate(SIZE));
    }
}
