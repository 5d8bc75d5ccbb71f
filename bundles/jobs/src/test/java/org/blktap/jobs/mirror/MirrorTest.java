package org.blktap.jobs.mirror;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import org.blktap.api.disk.DiskException;
import org.blktap.api.disk.Operation;
import org.blktap.api.disk.Request;
import org.blktap.api.engine.Errno;
import org.blktap.api.filter.PassThroughDisk;
import org.blktap.api.memory.Memory;
import org.blktap.api.memory.NativeBuffer;
import org.blktap.api.testkit.CountedMemory;
import org.blktap.api.testkit.TestFilterContext;
import org.blktap.api.testkit.TimedLoop;
import org.blktap.jobs.Job;
import org.blktap.jobs.JobTable;
import org.blktap.linux.NativeMemoryService;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** A VM at work on a disk that is being copied. */
class MirrorTest {
    private static final int LARGEST = 256 << 10;
    private static final int VM_REQUESTS = 8;
    /** Where the file of the bits has the boot id. */
    private static final int BOOT = 32;

    @TempDir
    Path directory;

    private final CountedMemory memory = new CountedMemory(new NativeMemoryService());
    private final TimedLoop loop = new TimedLoop();
    private Random random;
    private JobTable table;
    private MirrorFilter filter;
    private Job job;
    private ModelDisk source;
    private ModelDisk target;
    private MirrorDisk disk;
    private long size;
    private final List<VmRequest> idle = new ArrayList<>();
    private final List<VmRequest> busy = new ArrayList<>();
    private int inFlight;
    private int errors;

    /** A request of the VM with memory of its own. */
    private final class VmRequest extends Request {
        final NativeBuffer buffer = memory.allocate(LARGEST);

        VmRequest() {
            super(MirrorTest.this::ended, 1);
        }
    }

    private void ended(Request request) {
        inFlight--;
        errors += request.error() == 0 ? 0 : 1;
        busy.remove(request);
        idle.add((VmRequest) request);
    }

    @BeforeEach
    void start() {
        long seed = System.nanoTime();
        System.out.println("seed " + seed);
        random = new Random(seed);
        table = JobTable.at(directory);
        filter = new MirrorFilter(table);
    }

    @AfterEach
    void end() {
        memory.closeAll();
    }

    private void make(Map<String, String> values) throws Exception {
        size = (64 + random.nextInt(8 << 10)) * 512L;
        source = new ModelDisk(size, memory, random);
        target = new ModelDisk(size, memory, random);
        source.scribble();
        Map<String, String> all = new HashMap<>(Map.of(MirrorFilter.TARGET, "tap:model:target"));
        all.putAll(values);
        job = table.add("move", "a" + System.nanoTime(), Map.of("share", "1"), all);
        idle.clear();
        inFlight = 0;
        errors = 0;
        newVm();
        open();
    }

    private void newVm() {
        idle.clear();
        busy.clear();
        for (int i = 0; i < VM_REQUESTS; i++) {
            idle.add(new VmRequest());
        }
        inFlight = 0;
    }

    private void open() throws Exception {
        target.closed = false;
        disk = (MirrorDisk) filter.open(
                source,
                TestFilterContext.of(job.attachment(), loop, memory)
                        .withOptions(Map.of("job", job.id()))
                        .withDisks((spec, readOnly) -> target));
        job.keep(MirrorFilter.PHASE, MirrorFilter.COPYING);
        disk.kick();
    }

    private void vm() {
        if (idle.isEmpty()) {
            return;
        }
        VmRequest request = idle.remove(idle.size() - 1);
        inFlight++;
        busy.add(request);
        int sectors = (int) (size / 512);
        long offset = random.nextInt(sectors) * 512L;
        int most = random.nextInt(4) == 0 ? LARGEST : 8192;
        long length = Math.min(size - offset, (1 + random.nextInt(most / 512)) * 512L);
        request.data().clear();
        switch (random.nextInt(8)) {
            case 0 -> disk.submit(request.set(Operation.DISCARD, offset, length, 0));
            case 1 ->
                disk.submit(request.set(
                        Operation.WRITE_ZEROES,
                        offset,
                        length,
                        random.nextBoolean() ? Request.NO_UNMAP : random.nextBoolean() ? Request.FAST_ONLY : 0));
            case 2 -> disk.submit(request.set(Operation.FLUSH, 0, 0, 0));
            case 3 -> {
                request.data().add(request.buffer.address(), (int) length);
                disk.submit(request.set(Operation.READ, offset, length, 0));
            }
            default -> {
                Memory.fill(request.buffer.address(), length, (byte) (1 + random.nextInt(255)));
                request.data().add(request.buffer.address(), (int) length);
                disk.submit(request.set(Operation.WRITE, offset, length, 0));
            }
        }
    }

    private void turn() {
        source.poll();
        if (!busy.isEmpty() && random.nextInt(3) == 0) {
            // the VM uses memory of a request in flight
            VmRequest changed = busy.get(random.nextInt(busy.size()));
            Memory.fill(changed.buffer.address(), LARGEST, (byte) (1 + random.nextInt(255)));
        }
        target.poll();
        loop.pass(random.nextInt(20), TimeUnit.MILLISECONDS);
    }

    private void work(int turns) throws Exception {
        for (int i = 0; i < turns; i++) {
            if (random.nextInt(3) > 0) {
                vm();
            }
            turn();
        }
    }

    private void kill() throws Exception {
        source.kill();
        target.kill();
        loop.close();
        newVm();
        open();
    }

    private void untilReady() throws Exception {
        for (int i = 0; i < 100_000 && !disk.state().ready(); i++) {
            // a VM that is less busy than the copy
            if (random.nextInt(20) == 0) {
                vm();
            }
            disk.kick();
            turn();
        }
        assertTrue(disk.state().ready(), () -> disk.stats() + " " + disk.state());
    }

    /** What the core does before it goes on with the target. */
    private void finish() throws Exception {
        disk.draining(true);
        for (int i = 0; i < 100_000 && inFlight > 0; i++) {
            turn();
        }
        assertEquals(0, inFlight);
        CompletableFuture<Void> equal = disk.makeEqual();
        for (int i = 0; i < 100_000 && !equal.isDone(); i++) {
            turn();
        }
        equal.getNow(null);
        assertTrue(equal.isDone());
        assertTrue(source.isIdle() && target.isIdle(), "nothing is in flight");
        assertEquals(Operation.FLUSH, target.last);
        disk.close();
        assertTrue(target.closed);
        assertEquals(0, errors, "the VM has seen no error");
        assertArrayEquals(source.bytes(), target.bytes());
    }

    @Test
    void theTargetIsEqualWhateverTheVmDoes() throws Exception {
        for (int round = 0; round < 20; round++) {
            boolean made = random.nextBoolean();
            make(made ? Map.of(MirrorFilter.CREATED, MirrorFilter.YES) : Map.of());
            if (!made) {
                target.content.discard(0, size);
                Memory.fill(target.content.address(), size, (byte) 9);
            }
            work(random.nextInt(600));
            untilReady();
            work(random.nextInt(300));
            finish();
            memory.closeAll();
        }
    }

    /** An overlay is committed to its backing image, which has what the overlay has not. */
    @Test
    void theBaseIsEqualAndOnlyTheOverlayIsCopied() throws Exception {
        for (int round = 0; round < 20; round++) {
            make(Map.of(MirrorFilter.DEPTH, "3"));
            target.content.bytes(0, (int) size).put(source.bytes());
            for (int i = 0; i < source.depths.length; i++) {
                source.depths[i] = 1 + random.nextInt(4);
                if (source.depths[i] < 3) {
                    Memory.fill(
                            target.content.address() + (long) i * ModelDisk.BLOCK,
                            Math.min(ModelDisk.BLOCK, size - (long) i * ModelDisk.BLOCK),
                            (byte) 77);
                }
            }
            boolean[] below = new boolean[source.depths.length];
            target.fails = request -> {
                for (long at = request.offset(); at < request.offset() + request.length(); at += 512) {
                    int depth = source.depths[(int) (at / ModelDisk.BLOCK)];
                    below[(int) (at / ModelDisk.BLOCK)] |= depth >= 3;
                }
                return 0;
            };
            work(random.nextInt(600));
            untilReady();
            work(random.nextInt(300));
            finish();
            for (boolean each : below) {
                assertFalse(each, "what the base has is not written");
            }
            memory.closeAll();
        }
    }

    @Test
    void aKilledDaemonGoesOn() throws Exception {
        for (int round = 0; round < 20; round++) {
            make(Map.of(MirrorFilter.CREATED, MirrorFilter.YES));
            for (int kills = random.nextInt(4); kills >= 0; kills--) {
                work(random.nextInt(400));
                if (random.nextBoolean()) {
                    untilReady();
                    work(random.nextInt(100));
                }
                kill();
            }
            untilReady();
            work(random.nextInt(100));
            finish();
            memory.closeAll();
        }
    }

    /** The bits of a commit are those of the source as well, after a kill. */
    @Test
    void aKilledCommitGoesOn() throws Exception {
        for (int round = 0; round < 20; round++) {
            make(Map.of(MirrorFilter.DEPTH, "2"));
            target.content.bytes(0, (int) size).put(source.bytes());
            for (int i = 0; i < source.depths.length; i++) {
                source.depths[i] = 1 + random.nextInt(2);
            }
            work(random.nextInt(400));
            kill();
            work(random.nextInt(400));
            untilReady();
            kill();
            untilReady();
            finish();
            memory.closeAll();
        }
    }

    @Test
    void anErrorOfTheTargetIsNotSeenByTheVm() throws Exception {
        for (int round = 0; round < 20; round++) {
            make(Map.of());
            int before = random.nextInt(60);
            int[] count = {0};
            target.fails = request ->
                    request.operation().changes() && ++count[0] > before && count[0] < before + 5 ? Errno.ENOSPC : 0;
            for (int i = 0; i < 2000 && disk.state().failure() == null; i++) {
                work(1);
            }
            if (disk.state().failure() != null) {
                assertEquals(
                        DiskException.Reason.NO_SPACE,
                        disk.state().failure().why().reason());
                assertTrue(disk.state().failure().canBeMended());
                job.pause("no space");
                work(200);
                assertFalse(disk.state().ready());
                target.fails = request -> 0;
                job.resume();
                disk.retry();
            }
            work(100);
            untilReady();
            finish();
            memory.closeAll();
        }
    }

    /** A disk is copied into itself: no write of the VM is lost, and in the end its own image has everything. */
    @Test
    void aDiskGetsWhatItsBackingImagesHave() throws Exception {
        for (int round = 0; round < 20; round++) {
            boolean base = random.nextBoolean();
            make(base ? Map.of(MirrorFilter.UP, "yes", MirrorFilter.DEPTH, "4") : Map.of(MirrorFilter.UP, "yes"));
            for (int i = 0; i < source.depths.length; i++) {
                source.depths[i] = 1 + random.nextInt(5);
            }
            byte[] expected = source.bytes();
            List<VmRequest> writes = new ArrayList<>();
            int turns = 500 + random.nextInt(1000);
            for (int i = 0; i < turns || !disk.state().ready() && i < 100_000; i++) {
                writes.removeIf(idle::contains);
                if (!idle.isEmpty() && random.nextInt(i < turns ? 2 : 20) == 0) {
                    VmRequest request = idle.get(idle.size() - 1);
                    long offset = random.nextInt((int) (size / 512)) * 512L;
                    long length = Math.min(size - offset, (1 + random.nextInt(64)) * 512L);
                    boolean apart = writes.stream()
                            .noneMatch(
                                    each -> each.offset() < offset + length && offset < each.offset() + each.length());
                    if (apart) {
                        idle.remove(request);
                        writes.add(request);
                        inFlight++;
                        byte value = (byte) (1 + random.nextInt(255));
                        Arrays.fill(expected, (int) offset, (int) (offset + length), value);
                        Memory.fill(request.buffer.address(), length, value);
                        request.data().clear();
                        request.data().add(request.buffer.address(), (int) length);
                        disk.submit(request.set(Operation.WRITE, offset, length, 0));
                    }
                }
                disk.kick();
                turn();
            }
            assertTrue(disk.state().ready());
            disk.draining(true);
            for (int i = 0; i < 100_000 && inFlight > 0; i++) {
                turn();
            }
            CompletableFuture<Void> equal = disk.makeEqual();
            for (int i = 0; i < 100_000 && !equal.isDone(); i++) {
                turn();
            }
            equal.getNow(null);
            disk.close();
            assertFalse(source.closed);
            assertArrayEquals(expected, source.bytes());
            for (int i = 0; i < source.depths.length; i++) {
                int at = i * ModelDisk.BLOCK;
                boolean zero = expected[at] == 0;
                assertTrue(
                        source.depths[i] == 1 || base && source.depths[i] >= 4 || !base && zero,
                        "block " + i + " has depth " + source.depths[i]);
            }
            memory.closeAll();
        }
    }

    @Test
    void aPauseRestsAndAFlushBeforeTheCloseWaits() throws Exception {
        make(Map.of(MirrorFilter.CREATED, MirrorFilter.YES));
        turn();
        job.pause("for a while");
        for (int i = 0; i < 200; i++) {
            turn();
        }
        assertTrue(source.isIdle() && target.isIdle(), "nothing is copied while it is paused");
        long remaining = disk.state().remaining();
        work(200);
        assertTrue(disk.state().remaining() >= remaining - size / 2);
        job.resume();
        disk.kick();
        turn();
        disk.draining(true);
        for (int i = 0; i < 10_000 && inFlight > 0; i++) {
            turn();
        }
        int[] flushed = {-1};
        disk.submit(new Request(ended -> flushed[0] = ended.error(), 0).set(Operation.FLUSH, 0, 0, 0));
        for (int i = 0; i < 10_000 && flushed[0] < 0; i++) {
            turn();
        }
        assertEquals(0, flushed[0]);
        assertTrue(source.isIdle() && target.isIdle(), "nothing of the copy is in flight");
        disk.close();
        disk.draining(false);
        // as after a park
        open();
        untilReady();
        finish();
    }

    @Test
    void theSpeedIsLimited() throws Exception {
        make(Map.of());
        job.set(Map.of("speed", "64K"));
        long before = disk.state().copied();
        for (int i = 0; i < 40; i++) {
            for (int j = 0; j < 50; j++) {
                source.poll();
                target.poll();
            }
            loop.pass(100, TimeUnit.MILLISECONDS);
        }
        long copied = disk.state().copied() - before;
        long pieces = Math.min(size, CopyPiece.BYTES);
        assertTrue(
                copied <= Math.min(size, (4 * 64 << 10) + pieces + (64 << 10)), copied + " bytes in 4 s at 64 KiB/s");
    }

    // ---- what the core asks before it goes on

    /** A call of a control thread, which waits for the loop. */
    private interface ControlCall {
        void run() throws DiskException;
    }

    /** Runs the loop whenever the call waits for it; returns what the call threw, or null. */
    private DiskException called(ControlCall call) throws Exception {
        DiskException[] thrown = new DiskException[1];
        Thread thread = new Thread(() -> {
            try {
                call.run();
            } catch (DiskException e) {
                thrown[0] = e;
            }
        });
        thread.start();
        while (thread.isAlive()) {
            if (thread.getState() == Thread.State.TIMED_WAITING) {
                turn();
            }
            Thread.sleep(0, 100_000);
        }
        return thrown[0];
    }

    private void drain() {
        disk.draining(true);
        for (int i = 0; i < 100_000 && inFlight > 0; i++) {
            turn();
        }
        assertEquals(0, inFlight);
    }

    @Test
    void beforeASwitchTheTargetIsMadeEqual() throws Exception {
        make(Map.of());
        work(20);
        drain();
        assertNull(called(disk::beforeSwitch));
        assertEquals(Operation.FLUSH, target.last);
        assertArrayEquals(source.bytes(), target.bytes());
    }

    @Test
    void aSwitchToATargetThatCannotBeMadeEqualIsRefused() throws Exception {
        make(Map.of());
        target.fails = request -> request.operation().changes() ? Errno.EIO : 0;
        work(20);
        drain();
        assertNotNull(called(disk::beforeSwitch));
        target.fails = request -> 0;
        disk.draining(false);
        disk.retry();
        untilReady();
        target.fails = request -> request.operation() == Operation.FLUSH ? Errno.EIO : 0;
        drain();
        assertEquals(DiskException.Reason.IO, called(disk::beforeSwitch).reason());
        target.fails = request -> 0;
        finish();

        UnopenedMirror without = new UnopenedMirror(source, job, null, null, () -> {});
        assertEquals(
                DiskException.Reason.BUSY,
                assertThrows(DiskException.class, without::beforeSwitch).reason());
    }

    @Test
    void aSourceThatCannotBeReadFailsTheJobAndNotTheVm() throws Exception {
        make(Map.of());
        source.fails = request -> request.operation() == Operation.READ ? Errno.EIO : 0;
        for (int i = 0; i < 100_000 && disk.state().failure() == null; i++) {
            turn();
        }
        MirrorFailure failure = disk.state().failure();
        assertEquals(DiskException.Reason.IO, failure.why().reason());
        assertTrue(failure.why().getMessage().startsWith("the disk: read"), failure.why()::getMessage);
        assertFalse(failure.canBeMended());
        VmRequest request = idle.remove(0);
        inFlight++;
        disk.submit(request.set(Operation.WRITE_ZEROES, 0, 4096, 0));
        drain();
        assertEquals(0, errors);
        disk.close();
    }

    /** What the VM writes then is not read from the source again. */
    @Test
    void changesGoToBothWhenTheyAreEqual() throws Exception {
        make(Map.of());
        untilReady();
        drain();
        disk.draining(false);
        source.fails = request -> request.operation() == Operation.READ ? Errno.EIO : 0;
        for (int i = 0; i < 50; i++) {
            VmRequest request = idle.remove(idle.size() - 1);
            inFlight++;
            long offset = random.nextInt((int) (size / 512)) * 512L;
            long length = Math.min(size - offset, 8192);
            if (i % 5 == 0) {
                disk.submit(request.set(Operation.WRITE_ZEROES, offset, length, 0));
            } else {
                Memory.fill(request.buffer.address(), length, (byte) (1 + i));
                request.data().clear();
                request.data().add(request.buffer.address(), (int) length);
                disk.submit(request.set(Operation.WRITE, offset, length, 0));
            }
            for (int turns = 0; turns < 100_000 && inFlight > 0; turns++) {
                turn();
            }
            assertNull(disk.state().failure());
            assertArrayEquals(source.bytes(), target.bytes());
        }
        assertTrue(disk.state().ready());
        finish();
    }

    @Test
    void aDetachOrSnapshotIsRefusedWhileThereIsAJob() throws Exception {
        make(Map.of());
        DiskException e = assertThrows(DiskException.class, disk::checkDetach);
        assertEquals(DiskException.Reason.BUSY, e.reason());
        assertTrue(e.getMessage().contains("job " + job.id()), e.getMessage());
        untilReady();
        assertThrows(DiskException.class, disk::checkDetach);
        finish();
    }

    /** The power is lost: the file of the bits is of another boot from now on. */
    private void losePower() throws Exception {
        Path file = MirrorFilter.bitsFile(table, job);
        byte[] bytes = Files.readAllBytes(file);
        bytes[BOOT] ^= 1;
        Files.write(file, bytes);
        // what the target was given since its last flush
        for (int at = 0; at + ModelDisk.BLOCK <= size; at += ModelDisk.BLOCK) {
            if (random.nextBoolean()) {
                Memory.fill(target.content.address() + at, ModelDisk.BLOCK, (byte) 0);
            }
        }
    }

    /** Bits that were cleared are worth nothing after a power loss, as long as the target was not flushed. */
    @Test
    void everythingIsCopiedAgainAfterAPowerLoss() throws Exception {
        for (boolean opened : new boolean[] {true, false}) {
            make(Map.of());
            untilReady();
            drain();
            disk.close();
            turn();
            if (!opened) {
                // a park, and the target cannot be opened
                PassThroughDisk without = filter.open(
                        source,
                        TestFilterContext.of(job.attachment(), loop, memory).withOptions(Map.of("job", job.id())));
                assertTrue(without instanceof UnopenedMirror);
                without.close();
            }
            losePower();
            open();
            assertTrue(disk.state().remaining() >= size, disk.state() + " of " + size);
            untilReady();
            finish();
            memory.closeAll();
        }
    }
}
