package org.blktap.core.gate;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import org.blktap.api.control.StateReason.Kind;
import org.blktap.api.disk.DiskException;
import org.blktap.api.disk.Operation;
import org.blktap.api.disk.Request;
import org.blktap.api.engine.Errno;
import org.blktap.api.engine.ExtentList;
import org.blktap.api.engine.IoLoop;
import org.blktap.api.memory.Memory;
import org.blktap.api.memory.NativeBuffer;
import org.blktap.api.testkit.MemoryPort;
import org.blktap.linux.EpollLoops;
import org.blktap.linux.Mapping;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** A gate whose disk fails requests that are held. Nothing here needs the loop's thread but its clock. */
class FailedRequestsTest {
    private static final int SIZE = 64 * 512;
    private final EpollLoops loops = new EpollLoops();
    private final IoLoop loop = loops.start("failed-test");
    private final NativeBuffer memory = Mapping.anonymous(1 << 20);
    private final MemoryPort disk = new MemoryPort(Mapping.anonymous(SIZE));
    private final List<String> told = new ArrayList<>();
    private final List<Request> ended = new ArrayList<>();
    private int error;
    private Operation failing = Operation.WRITE;

    private final Gate gate = new Gate(loop, new GateOwner() {
        @Override
        public void reopened() {
            told.add("reopened");
        }

        @Override
        public void diskFailed() {
            told.add("failed");
        }

        @Override
        public void diskThrew(Throwable failure) {
            told.add("threw");
        }
    });

    @BeforeEach
    void open() throws DiskException {
        disk.fails = request -> request.operation() == failing ? error : 0;
        gate.install(disk);
        gate.failed().policy(FaultPolicy.of(Map.of("on-eio", "park,auto")));
        gate.open();
    }

    @AfterEach
    void close() {
        loop.close();
        loops.stop();
        memory.close();
        disk.close();
    }

    private Request request(NodePort port, Operation operation, long offset, int length, int flags) {
        Request request = port == null ? gate.newRequest(ended::add, 1) : port.newRequest(ended::add, 1);
        if (operation == Operation.READ || operation == Operation.WRITE) {
            request.data().add(memory.address() + offset, length);
        }
        return request.set(operation, offset, length, flags);
    }

    private Request submitted(Operation operation, long offset, int length, int flags) {
        Request request = request(null, operation, offset, length, flags);
        gate.submit(request);
        return request;
    }

    private boolean retried() {
        CompletableFuture<Boolean> retried = gate.failed().retry();
        assertTrue(retried.isDone());
        return retried.join();
    }

    @Test
    void policiesAreWords() throws DiskException {
        assertEquals(
                Map.of("on-enospc", "park", "on-eio", "report"),
                FaultPolicy.of(Map.of()).options());
        assertEquals(
                FaultPolicy.Response.PARK_AUTO,
                FaultPolicy.of(Map.of("on-eio", "park,auto")).of(Kind.IO_ERROR));
        for (String wrong : List.of("", "auto", "park,", "report,auto", "PARK")) {
            assertThrows(DiskException.class, () -> FaultPolicy.of(Map.of("on-enospc", wrong)));
        }
        assertEquals(Kind.NO_SPACE, FaultPolicy.kindOf(Errno.EDQUOT));
        assertEquals(Kind.IO_ERROR, FaultPolicy.kindOf(Errno.ENOLINK));
        for (int errno : List.of(0, Errno.EINVAL, Errno.EROFS, Errno.EOPNOTSUPP, Errno.EFAULT, Errno.ENOMEDIUM)) {
            assertEquals(Kind.NONE, FaultPolicy.kindOf(errno));
        }
    }

    @Test
    void aFailedWriteIsHeldAndTriedAgain() {
        error = Errno.ENOSPC;
        Memory.putLong(memory.address(), 7);
        Request write = submitted(Operation.WRITE, 0, 4096, 0);
        assertFalse(gate.isOpen());
        assertEquals(List.of("failed"), told);
        assertEquals(0, gate.inFlight());
        assertEquals(1, gate.failed().count());
        assertTrue(gate.failed().halted());
        assertEquals(
                "write of 4096 bytes at 0 failed: ENOSPC (no space left on device)",
                gate.failed().last().toString());
        assertFalse(retried(), "there is no space yet");
        assertEquals(1, gate.failed().count());
        assertTrue(ended.isEmpty());
        error = 0;
        assertTrue(retried());
        assertEquals(List.of(write), ended);
        assertEquals(0, write.error());
        assertEquals(7, Memory.getLong(disk.content.address()));
        assertFalse(gate.isOpen(), "its owner opens it");
        gate.open();
        assertTrue(gate.isOpen());
        assertEquals(0, gate.statistics().snapshot().get("write").errors());
        assertEquals(1, gate.statistics().snapshot().get("write").count());
    }

    @Test
    void theGateOpensWhenAllHaveSucceeded() {
        error = Errno.EIO;
        disk.hold = true;
        submitted(Operation.WRITE, 0, 4096, 0);
        submitted(Operation.WRITE, 0, 4096, 0);
        submitted(Operation.WRITE, 512, 512, 0);
        disk.release();
        assertEquals(3, gate.failed().count());
        disk.seen.clear();
        disk.hold = true;
        error = 0;
        gate.open();
        assertFalse(gate.isOpen());
        assertEquals(1, disk.pending(), "one at a time");
        disk.release();
        assertEquals(
                List.of("WRITE 0 4096 0", "WRITE 0 4096 0", "WRITE 512 512 0"),
                disk.seen.stream().map(Object::toString).toList());
        assertEquals(3, ended.size());
        assertTrue(gate.isOpen());
        assertEquals("reopened", told.get(told.size() - 1));
    }

    @Test
    void whatWasTakenFirstIsTriedFirst() throws Exception {
        error = Errno.EIO;
        disk.hold = true;
        submitted(Operation.WRITE, 0, 512, 0);
        long first = loop.call(loop::nanoTime);
        while (loop.call(loop::nanoTime) == first) {
            Thread.onSpinWait();
        }
        submitted(Operation.WRITE, 0, 1024, 0);
        List<Request> pending = disk.take();
        disk.hold = false;
        pending.get(1).complete(Errno.EIO);
        pending.get(0).complete(Errno.EIO);
        disk.seen.clear();
        error = 0;
        assertTrue(retried());
        assertEquals("[WRITE 0 512 0, WRITE 0 1024 0]", disk.seen.toString());
    }

    @Test
    void aFlushOfADurableWriteIsTriedAgainWithIt() {
        error = Errno.EIO;
        failing = Operation.FLUSH;
        Request write = submitted(Operation.WRITE, 0, 512, Request.FUA);
        Request flush = request(null, Operation.FLUSH, 0, 0, 0);
        assertEquals(1, gate.failed().count());
        error = 0;
        disk.seen.clear();
        gate.open();
        assertEquals("[WRITE 0 512 1, FLUSH 0 0 0]", disk.seen.toString());
        assertEquals(List.of(write), ended);
        error = Errno.EIO;
        gate.submit(flush);
        assertEquals(1, gate.failed().count());
        error = 0;
        gate.open();
        assertEquals(0, flush.error());
        assertEquals(2, ended.size());
    }

    @Test
    void partsOfSectorsAreTriedAgain() {
        error = Errno.ENOSPC;
        Memory.fill(memory.address(), 4096, (byte) 5);
        Request write = submitted(Operation.WRITE, 100, 1000, 0);
        Request zeroes = null;
        assertEquals(1, gate.failed().count());
        error = 0;
        gate.open();
        assertTrue(gate.isOpen());
        assertEquals(List.of(write), ended);
        assertEquals(5, Memory.getByte(disk.content.address() + 100));
        assertEquals(0, Memory.getByte(disk.content.address() + 99));
        failing = Operation.WRITE_ZEROES;
        error = Errno.ENOSPC;
        zeroes = submitted(Operation.WRITE_ZEROES, 100, 1000, 0);
        error = 0;
        gate.open();
        assertEquals(0, zeroes.error());
        assertEquals(0, Memory.getByte(disk.content.address() + 600));
    }

    @Test
    void otherErrorsAndQuestionsAreAnswered() {
        error = Errno.EOPNOTSUPP;
        assertEquals(Errno.EOPNOTSUPP, submitted(Operation.WRITE, 0, 512, 0).error());
        assertEquals(
                Errno.ENOSPC, submitted(Operation.WRITE, SIZE - 512, 1024, 0).error(), "past the end");
        failing = Operation.MAP;
        error = Errno.EIO;
        Request map = gate.newRequest(ended::add, 1).setMap(0, 512, new ExtentList());
        gate.submit(map);
        assertEquals(Errno.EIO, map.error());
        gate.owe(Errno.EIO);
        assertEquals(Errno.EIO, submitted(Operation.FLUSH, 0, 0, 0).error(), "a debt is paid");
        assertEquals(4, ended.size());
        assertTrue(gate.isOpen());
    }

    @Test
    void aNodeTakesItsRequestsBack() {
        NodePort one = new NodePort(gate);
        NodePort two = new NodePort(gate);
        error = Errno.EIO;
        disk.hold = true;
        Request first = request(one, Operation.WRITE, 0, 512, 0);
        Request second = request(one, Operation.WRITE, 512, 512, 0);
        Request third = request(two, Operation.WRITE, 1024, 512, 0);
        one.submit(first);
        one.submit(second);
        two.submit(third);
        assertFalse(one.withdraw(first), "it is at the disk");
        disk.release();
        assertEquals(3, gate.failed().count());
        assertTrue(one.withdraw(first));
        assertFalse(one.withdraw(first), "only once");
        one.close();
        assertEquals(1, gate.failed().count());
        error = 0;
        disk.seen.clear();
        gate.open();
        assertEquals("[WRITE 1024 512 0]", disk.seen.toString());
        assertEquals(List.of(third), ended);
        one.submit(first.set(Operation.WRITE, 0, 512, 0));
        assertEquals(2, ended.size());
    }

    @Test
    void aForcedEndAnswersWithTheErrors() {
        error = Errno.ENOSPC;
        Request write = submitted(Operation.WRITE, 0, 512, 0);
        gate.failed().policy(FaultPolicy.REPORT);
        gate.failed().fail();
        assertEquals(List.of(write), ended);
        assertEquals(Errno.ENOSPC, write.error());
        assertEquals(0, gate.failed().count());
        gate.open();
        assertEquals(Errno.ENOSPC, submitted(Operation.WRITE, 0, 512, 0).error());
        assertTrue(gate.isOpen());
    }

    @Test
    void underAnotherPolicyARetryAnswers() {
        error = Errno.EIO;
        Request write = submitted(Operation.WRITE, 0, 512, 0);
        gate.failed().policy(FaultPolicy.REPORT);
        assertTrue(retried());
        assertEquals(Errno.EIO, write.error());
    }

    @Test
    void aCloseEndsARetry() {
        error = Errno.EIO;
        disk.hold = true;
        submitted(Operation.WRITE, 0, 512, 0);
        submitted(Operation.WRITE, 512, 512, 0);
        disk.release();
        error = 0;
        disk.hold = true;
        gate.open();
        CompletableFuture<Void> closed = gate.close();
        assertFalse(closed.isDone());
        disk.release();
        assertTrue(closed.isDone());
        assertEquals(1, ended.size());
        assertEquals(1, gate.failed().count());
        gate.open();
        assertTrue(gate.isOpen());
        assertEquals(2, ended.size());
    }

    @Test
    void aDiskThatThrowsEndsARetry() {
        error = Errno.EIO;
        Request write = submitted(Operation.WRITE, 0, 512, 0);
        error = 0;
        disk.thrown = new IllegalStateException("meant to fail");
        gate.open();
        assertFalse(gate.isOpen());
        assertTrue(told.contains("threw"), told::toString);
        assertTrue(gate.held().anyAtDisk());
        disk.thrown = null;
        gate.held().diskClosed();
        gate.open();
        assertEquals(List.of(write), ended);
        assertTrue(gate.isOpen());
    }

    @Test
    void manyAreTriedAgainAtADiskThatAnswersAtOnce() {
        error = Errno.EIO;
        disk.hold = true;
        for (int i = 0; i < 20_000; i++) {
            submitted(Operation.WRITE, 0, 512, 0);
        }
        disk.release();
        error = 0;
        gate.open();
        assertEquals(20_000, ended.size());
        assertTrue(gate.isOpen());
    }
}
