package org.blktap.filter.luks;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.sun.management.ThreadMXBean;
import java.lang.management.ManagementFactory;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.BitSet;
import java.util.List;
import java.util.Map;
import java.util.Random;
import org.blktap.api.disk.DiskInfo;
import org.blktap.api.disk.Operation;
import org.blktap.api.disk.Options;
import org.blktap.api.disk.Request;
import org.blktap.api.engine.Errno;
import org.blktap.api.engine.ExtentList;
import org.blktap.api.memory.Memory;
import org.blktap.api.memory.NativeBuffer;
import org.blktap.api.testkit.CountedMemory;
import org.blktap.filter.luks.LuksHeader.DataSegment;
import org.blktap.filter.luks.LuksHeader.KeySlot;
import org.blktap.linux.Libc;
import org.blktap.linux.Mapping;
import org.blktap.linux.NativeMemoryService;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** The data path: encryption of requests of any length, in any order, over a disk in memory. */
@Timeout(600)
class LuksDiskTest {
    private static final int SECTOR = 512;
    private static final int OFFSET = 1 << 20;
    private static final int DISK = 4 << 20;
    private static final long FIRST_NUMBER = 0xffff_fff0L;

    private final CountedMemory memory = new CountedMemory(new NativeMemoryService());
    private final long seed = Long.getLong("seed", System.nanoTime());
    private final Random random = new Random(seed);
    private final Secret key = Secret.random(memory, 64);
    private MemoryDisk below;
    private LuksDisk disk;
    private int sectorSize;
    /** How often the disk has said that it took time. */
    private int worked;

    @AfterEach
    void nothingIsLeft() {
        key.close();
        disk.close();
        below.close();
        assertEquals(0, memory.inUse(), "native memory was left behind");
    }

    private void open(int size, String... options) throws Exception {
        sectorSize = size;
        below = new MemoryDisk(memory, OFFSET + DISK, random);
        DataSegment data = new DataSegment(OFFSET, -1, size, FIRST_NUMBER);
        KeySlot slot = new KeySlot(0, 64, 64, 4096, null, HashSpec.SHA256, null, 1);
        LuksHeader header = new LuksHeader(2, "u", "", data, List.of(slot), null);
        java.util.HashMap<String, String> given = new java.util.HashMap<>(Map.of("key-fd", "0"));
        for (String option : options) {
            given.put(option, "on");
        }
        Pieces pieces = new Pieces(data, SectorCipher.of(key, size, memory), () -> worked++, memory);
        disk = new LuksDisk(
                below,
                header,
                LuksDisk.dataBytes("test", below.info(), data),
                LuksOptions.of(new Options(given)),
                pieces);
        System.out.println("disk of sectors of " + size + ": seed " + seed);
    }

    @Test
    void aDiskOfSmallSectorsIsAsItsModel() throws Exception {
        open(SECTOR);
        model();
    }

    @Test
    void aDiskOfLargeSectorsIsAsItsModel() throws Exception {
        open(4096);
        model();
    }

    /** The core's stamp of a read is that of its end, and not of the storage's. */
    @Test
    void theLoopKnowsThatTheCipherTakesTime() throws Exception {
        open(SECTOR);
        for (Operation each : List.of(Operation.WRITE, Operation.READ)) {
            Step step = new Step(each, 0, Pieces.BUFFER + SECTOR);
            worked = 0;
            step.submit();
            assertEquals(0, step.ended);
            assertEquals(2, worked);
            step.buffer.close();
        }
    }

    /** A request of the model, whose range no other one changes meanwhile. */
    private final class Step {
        final Operation operation;
        final int offset;
        final int length;
        final byte[] written;
        final NativeBuffer buffer;
        int ended = -1;

        Step(Operation operation, int offset, int length) {
            this.operation = operation;
            this.offset = offset;
            this.length = length;
            buffer = memory.allocate(length + 64L);
            written = new byte[length];
            if (operation == Operation.WRITE) {
                random.nextBytes(written);
                buffer.bytes(0, length).put(written);
            }
        }

        void submit() {
            Request request = new Request(done -> ended = done.error(), 4);
            if (operation == Operation.READ || operation == Operation.WRITE) {
                // pieces of any length
                for (int at = 0; at < length; ) {
                    int part = Math.min(length - at, 1 + random.nextInt(random.nextBoolean() ? 700 : 200_000));
                    request.data().add(buffer.address() + at, part);
                    at += part;
                }
            }
            disk.submit(request.set(operation, offset, length, 0));
        }
    }

    private void model() {
        byte[] expected = new byte[DISK];
        random.nextBytes(expected);
        Step all = new Step(Operation.WRITE, 0, DISK);
        System.arraycopy(all.written, 0, expected, 0, DISK);
        all.submit();
        assertEquals(0, all.ended);
        all.buffer.close();
        byte[] front = below.bytes(0, OFFSET);
        below.later = true;
        List<Step> running = new ArrayList<>();
        BitSet busy = new BitSet();
        for (int i = 0; i < 4000; i++) {
            int most = random.nextInt(20) == 0 ? 2000 : random.nextInt(4) == 0 ? 300 : 20;
            int first = random.nextInt(DISK / SECTOR);
            int sectors = Math.min(1 + random.nextInt(most), DISK / SECTOR - first);
            Operation operation = List.of(Operation.READ, Operation.WRITE, Operation.WRITE_ZEROES)
                    .get(random.nextInt(3));
            if (busy.get(first, first + sectors).isEmpty()) {
                busy.set(first, first + sectors);
                Step step = new Step(operation, first * SECTOR, sectors * SECTOR);
                running.add(step);
                step.submit();
            }
            for (int n = random.nextInt(12); n > 0; n--) {
                below.step();
            }
            while (running.size() > 100) {
                assertTrue(below.step(), "requests are stuck");
                collect(running, busy, expected);
            }
            collect(running, busy, expected);
        }
        while (below.step()) {
            // until nothing is in flight
        }
        collect(running, busy, expected);
        assertTrue(running.isEmpty(), running.size() + " requests never ended");
        assertArrayEquals(front, below.bytes(0, OFFSET), "what is before the data has changed");
        assertArrayEquals(expected, decrypted());
    }

    private void collect(List<Step> running, BitSet busy, byte[] expected) {
        running.removeIf(step -> {
            if (step.ended < 0) {
                return false;
            }
            assertEquals(0, step.ended);
            if (step.operation == Operation.READ) {
                byte[] found = new byte[step.length];
                step.buffer.bytes(0, step.length).get(found);
                assertArrayEquals(Arrays.copyOfRange(expected, step.offset, step.offset + step.length), found);
            } else {
                System.arraycopy(step.written, 0, expected, step.offset, step.length);
            }
            busy.clear(step.offset / SECTOR, (step.offset + step.length) / SECTOR);
            step.buffer.close();
            return true;
        });
    }

    /** The contents of the disk below, by libcrypto's own XTS. */
    private byte[] decrypted() {
        byte[] plain = new byte[DISK];
        try (SectorCipher cipher = new SectorwiseXts(key, sectorSize, memory);
                NativeBuffer copy = memory.allocate(DISK)) {
            Memory.copy(below.content.address() + OFFSET, copy.address(), DISK);
            assertTrue(cipher.decrypt(copy.address(), DISK, FIRST_NUMBER));
            copy.bytes(0, DISK).get(plain);
        }
        return plain;
    }

    private int submit(Operation operation, long offset, int length, int flags) {
        int[] error = {-1};
        try (NativeBuffer buffer = memory.allocate(length + 64L)) {
            Request request = new Request(done -> error[0] = done.error(), 1);
            request.data().add(buffer.address(), length);
            disk.submit(request.set(operation, offset, length, flags));
            return error[0];
        }
    }

    /** Zeros must be encrypted: on the disk below they must not be distinguishable from data. */
    @Test
    void zeroesAreWrittenAsData() throws Exception {
        open(SECTOR);
        assertFalse(disk.info().supports(Operation.WRITE_ZEROES));
        below.seen = new ArrayList<>();
        assertEquals(0, submit(Operation.WRITE_ZEROES, 1024, 300 * 1024, 0));
        assertEquals(
                List.of("WRITE", "WRITE", "WRITE"),
                below.seen.stream().map(seen -> seen.split(" ")[0]).toList());
        byte[] plain = decrypted();
        assertArrayEquals(new byte[300 * 1024], Arrays.copyOfRange(plain, 1024, 1024 + 300 * 1024));
        assertEquals(Errno.EOPNOTSUPP, submit(Operation.WRITE_ZEROES, 0, 4096, Request.FAST_ONLY));
    }

    @Test
    void discardReachesTheDiskBelowOnlyIfAskedFor() throws Exception {
        open(4096);
        assertFalse(disk.info().supports(Operation.DISCARD));
        below.seen = new ArrayList<>();
        assertEquals(0, submit(Operation.DISCARD, 0, 8192, 0));
        assertEquals(List.of(), below.seen);
        disk.close();
        below.close();
        open(4096, "discard");
        assertTrue(disk.info().supports(Operation.DISCARD));
        below.seen = new ArrayList<>();
        assertEquals(0, submit(Operation.DISCARD, 512, 12288, 0));
        assertEquals(0, submit(Operation.DISCARD, 512, 1024, 0));
        // whole sectors of 4096 only
        assertEquals(List.of("DISCARD " + (OFFSET + 4096) + "+8192"), below.seen);
    }

    /** A hole below reads as zeros there, and so as noise here. */
    @Test
    void aHoleIsNotReportedAsZeros() throws Exception {
        open(SECTOR);
        ExtentList found = new ExtentList();
        int[] error = {-1};
        disk.submit(new Request(done -> error[0] = done.error(), 0).setMap(8192, 65536, found));
        assertEquals(0, error[0]);
        assertEquals(2, found.count());
        assertEquals(65536, found.total());
        assertEquals(ExtentList.DATA, found.state(0));
        assertEquals(ExtentList.DATA, found.state(1));
        assertEquals(2, found.depth(1), "of the image below that has it");
    }

    /** A guest sees its memory and changes it while a request is in flight. */
    @Test
    void aGuestSeesNoCiphertextAndChangesNoWriteInFlight() throws Exception {
        open(SECTOR);
        below.later = true;
        Step write = new Step(Operation.WRITE, 4096, 8192);
        write.submit();
        assertArrayEquals(write.written, bytes(write.buffer, 8192), "encrypted in the guest's memory");
        write.buffer.bytes(0, 8192).put(new byte[8192]);
        while (below.step()) {
            // until nothing is in flight
        }
        assertArrayEquals(write.written, Arrays.copyOfRange(decrypted(), 4096, 12288));
        write.buffer.close();
        Step read = new Step(Operation.READ, 4096, 8192);
        List<byte[]> states = new ArrayList<>();
        read.submit();
        states.add(bytes(read.buffer, 8192));
        while (below.step()) {
            states.add(bytes(read.buffer, 8192));
        }
        assertArrayEquals(new byte[8192], states.get(0));
        assertArrayEquals(write.written, states.get(states.size() - 1));
        assertEquals(2, states.size());
        read.buffer.close();
    }

    private static byte[] bytes(NativeBuffer buffer, int length) {
        byte[] bytes = new byte[length];
        buffer.bytes(0, length).get(bytes);
        return bytes;
    }

    /** Libcrypto must not be where the error of such memory arrives: it would end the process. */
    @Test
    void aGuestThatTakesItsMemoryAwayHarmsOnlyItsRequest() throws Exception {
        open(4096);
        int length = 1 << 18;
        int fd = Libc.memfd_create("guest", Libc.MFD_CLOEXEC);
        assertEquals(0, Libc.ftruncate(fd, length));
        Mapping guest = Mapping.ofFile(fd, 0, length);
        byte[] before = below.bytes(0, OFFSET + DISK);
        for (int i = 0; i < 300; i++) {
            // gone in one of three rounds, at a page that varies
            boolean gone = i % 3 == 2;
            assertEquals(0, Libc.ftruncate(fd, gone ? i % 8 * 4096L : length));
            int[] error = {-1};
            Request request = new Request(done -> error[0] = done.error(), 1);
            request.data().foreign(Libc::getpagesize);
            request.data().add(guest.address(), length);
            Operation operation = i % 2 == 0 ? Operation.READ : Operation.WRITE;
            disk.submit(request.set(operation, 512, length, 0));
            if (gone) {
                assertTrue(request.data().faulted(), operation.toString());
                assertTrue(operation == Operation.READ || error[0] == Errno.EFAULT, "error " + error[0]);
            } else {
                assertEquals(0, error[0]);
                assertFalse(request.data().faulted());
            }
        }
        guest.close();
        Libc.close(fd);
        assertArrayEquals(Arrays.copyOf(before, OFFSET), below.bytes(0, OFFSET));
    }

    @Test
    void flushIsPassedOn() throws Exception {
        open(SECTOR);
        below.seen = new ArrayList<>();
        assertEquals(0, submit(Operation.FLUSH, 0, 0, 0));
        assertEquals(List.of("FLUSH 0+0"), below.seen);
    }

    @Test
    void errorsOfTheDiskBelowEndTheRequest() throws Exception {
        open(4096);
        below.fails = request -> request.operation() == Operation.READ ? Errno.EIO : 0;
        assertEquals(Errno.EIO, submit(Operation.READ, 0, 1 << 20, 0));
        assertEquals(0, submit(Operation.WRITE, 4096, 4096, 0));
        // a part of a sector has to be read
        assertEquals(Errno.EIO, submit(Operation.WRITE, 512, 512, 0));
        below.fails = request -> request.operation() == Operation.WRITE ? Errno.ENOSPC : 0;
        assertEquals(Errno.ENOSPC, submit(Operation.WRITE, 0, 3 << 20, 0));
        below.fails = request -> 0;
        assertEquals(0, submit(Operation.WRITE, 512, 512, 0));
    }

    /** All pieces are in flight, requests wait, the disk below fails, and nothing is lost. */
    @Test
    void waitingRequestsEndWhenOthersFail() throws Exception {
        open(SECTOR);
        below.later = true;
        below.fails = request -> random.nextBoolean() ? Errno.EIO : 0;
        List<Step> steps = new ArrayList<>();
        for (int i = 0; i < 200; i++) {
            Step step = new Step(Operation.READ, random.nextInt(8) * SECTOR, 1 << 20);
            steps.add(step);
            step.submit();
        }
        while (below.step()) {
            // until nothing is in flight
        }
        for (Step step : steps) {
            assertTrue(step.ended >= 0, "a request never ended");
            step.buffer.close();
        }
    }

    @Test
    void theInformationIsThatOfTheDataInside() throws Exception {
        open(4096);
        DiskInfo info = disk.info();
        assertEquals(DISK, info.sizeBytes());
        assertEquals(4096, info.blockSize());
        assertEquals(4096, info.physicalBlockSize());
        assertTrue(
                info.details().get("encryption").contains("512-bit"),
                info.details().toString());
        assertEquals(OFFSET + 8192, disk.sizeBelow(4608));
        below.info = below.info().withReadOnly(true);
        disk.setBelow(below);
        assertTrue(disk.info().readOnly());
    }

    @Test
    void aRequestAllocatesNothing() throws Exception {
        for (int size : new int[] {SECTOR, 4096}) {
            open(size);
            ThreadMXBean threads = (ThreadMXBean) ManagementFactory.getThreadMXBean();
            int[] errors = {0};
            try (NativeBuffer buffer = memory.allocate(1 << 20)) {
                Request request = new Request(done -> errors[0] |= done.error(), 1);
                request.data().add(buffer.address(), 4096);
                Request large = new Request(done -> errors[0] |= done.error(), 1);
                large.data().add(buffer.address(), 1 << 20);
                for (int round = 0; round < 2; round++) {
                    long before = threads.getThreadAllocatedBytes(
                            Thread.currentThread().getId());
                    for (int i = 0; i < 20_000; i++) {
                        disk.submit(request.set(Operation.READ, i % 500 * 4096, 4096, 0));
                        disk.submit(request.set(Operation.WRITE, i % 500 * 4096 + 512, 4096, 0));
                        if (i % 100 == 0) {
                            disk.submit(large.set(Operation.WRITE, 0, 1 << 20, 0));
                        }
                    }
                    long bytes = threads.getThreadAllocatedBytes(
                                    Thread.currentThread().getId())
                            - before;
                    System.out.println("sectors of " + size + ": " + bytes + " bytes in 40000 requests");
                    assertTrue(round == 0 || bytes < 64 << 10, bytes + " bytes in 40000 requests");
                }
            }
            assertEquals(0, errors[0]);
            if (size == SECTOR) {
                disk.close();
                below.close();
            }
        }
    }
}
