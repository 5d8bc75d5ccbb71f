package org.blktap.core.copy;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import org.blktap.api.disk.DiskException;
import org.blktap.api.disk.DiskInfo;
import org.blktap.api.disk.Operation;
import org.blktap.api.disk.Request;
import org.blktap.api.disk.VirtualDisk;
import org.blktap.api.engine.Errno;
import org.blktap.api.engine.ExtentList;
import org.blktap.api.engine.IoLoop;
import org.blktap.linux.EpollLoops;
import org.blktap.linux.NativeMemoryService;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** Copies from one disk in memory to another, each on its own loop. */
@Timeout(120)
class DiskCopyTest {
    private static final int SIZE = 40 << 20;
    /** Every other run of so many bytes is a hole. */
    private static final int RUN = 3 << 20;

    private final EpollLoops loops = new EpollLoops();
    private final IoLoop fromLoop = loops.start("from");
    private final IoLoop toLoop = loops.start("to");
    private final MemoryDisk from = new MemoryDisk(fromLoop);
    private final MemoryDisk to = new MemoryDisk(toLoop);

    @AfterEach
    void close() {
        fromLoop.close();
        toLoop.close();
        loops.stop();
    }

    /** Answers in a later turn of its loop; some day an operation fails, or throws. */
    private static final class MemoryDisk implements VirtualDisk {
        final byte[] contents = new byte[SIZE];
        final List<Operation> seen = new ArrayList<>();
        private final IoLoop loop;
        /** Whether the map says of small pieces that other images of the chain have them. */
        boolean layered;

        Operation victim;
        int goodOnes;
        int error;
        Throwable thrown;

        MemoryDisk(IoLoop loop) {
            this.loop = loop;
        }

        int depthOfHoles = ExtentList.HERE;

        @Override
        public DiskInfo info() {
            return DiskInfo.ofSize(SIZE);
        }

        @Override
        public void submit(Request request) {
            assertTrue(loop.inLoop());
            seen.add(request.operation());
            if (request.operation() == victim && goodOnes-- <= 0) {
                if (thrown instanceof RuntimeException e) {
                    throw e;
                }
                if (thrown instanceof Error e) {
                    throw e;
                }
                request.complete(error);
                return;
            }
            loop.execute(() -> {
                carryOut(request);
                request.complete(0);
            });
        }

        private void carryOut(Request request) {
            int offset = (int) request.offset();
            int length = (int) request.length();
            switch (request.operation()) {
                case READ -> request.data().copyFrom(ByteBuffer.wrap(contents, offset, length), 0);
                case WRITE -> request.data().copyTo(ByteBuffer.wrap(contents, offset, length), 0);
                case WRITE_ZEROES, DISCARD -> java.util.Arrays.fill(contents, offset, offset + length, (byte) 0);
                case MAP -> {
                    for (int at = offset; at < offset + length; ) {
                        int run = Math.min(offset + length, (at / RUN + 1) * RUN) - at;
                        boolean data = at / RUN % 2 == 0;
                        int state = data ? ExtentList.DATA : ExtentList.HOLE | ExtentList.ZERO;
                        int piece = layered ? 65536 : run;
                        for (int done = 0; done < run; done += piece) {
                            int depth = data ? ExtentList.HERE : depthOfHoles;
                            request.extents()
                                    .add(Math.min(piece, run - done), state, layered ? 1 + done / piece % 3 : depth);
                        }
                        at += run;
                    }
                }
                case FLUSH -> {
                    // nothing to do for memory
                }
            }
        }

        @Override
        public void close() {
            // nothing is open
        }
    }

    @Test
    void whichImageOfTheChainHasTheDataDoesNotCutTheCopy() throws Exception {
        fill();
        copy(DiskCopy.Unwritten.ANYTHING);
        long reads = from.seen.stream().filter(Operation.READ::equals).count();
        from.seen.clear();
        from.layered = true;
        java.util.Arrays.fill(to.contents, (byte) 0);
        copy(DiskCopy.Unwritten.ANYTHING);
        assertArrayEquals(from.contents, to.contents);
        assertEquals(reads, from.seen.stream().filter(Operation.READ::equals).count());
    }

    private void fill() {
        Random random = new Random(1);
        for (int at = 0; at < SIZE; at += 2 * RUN) {
            byte[] noise = new byte[Math.min(RUN, SIZE - at)];
            random.nextBytes(noise);
            // zeros that MAP reports as data
            java.util.Arrays.fill(noise, noise.length / 2, noise.length / 2 + 100_000, (byte) 0);
            System.arraycopy(noise, 0, from.contents, at, noise.length);
        }
    }

    private void copy(DiskCopy.Unwritten unwritten) throws DiskException {
        try (DiskCopy copy =
                new DiskCopy(from, "source", fromLoop, to, "target", toLoop, unwritten, new NativeMemoryService())) {
            copy.run((bytes, of) -> true);
        }
    }

    @Test
    void theCopyIsTheSameAndHolesStay() throws Exception {
        fill();
        copy(DiskCopy.Unwritten.ZEROS);
        assertArrayEquals(from.contents, to.contents);
        assertFalse(to.seen.contains(Operation.WRITE_ZEROES));
        assertEquals(Operation.FLUSH, to.seen.get(to.seen.size() - 1));
    }

    @Test
    void whatWasInADirtyTargetIsGone() throws Exception {
        fill();
        new Random(2).nextBytes(to.contents);
        copy(DiskCopy.Unwritten.ANYTHING);
        assertArrayEquals(from.contents, to.contents);
    }

    @Test
    void onABackingOnlyWhatTheSourceItselfHasIsCopied() throws Exception {
        fill();
        new Random(2).nextBytes(to.contents);
        byte[] expected = to.contents.clone();
        for (int at = 0; at < SIZE; at += 2 * RUN) {
            int length = Math.min(RUN, SIZE - at);
            System.arraycopy(from.contents, at, expected, at, length);
        }
        from.depthOfHoles = ExtentList.NOWHERE;
        copy(DiskCopy.Unwritten.BACKING);
        assertArrayEquals(expected, to.contents);
    }

    @Test
    void anErrorEndsTheCopyByName() {
        fill();
        for (Operation each : new Operation[] {Operation.MAP, Operation.READ}) {
            failing(from, each, Errno.EIO, null);
            assertFailure("source");
            from.victim = null;
        }
        failing(to, Operation.WRITE, Errno.ENOSPC, null);
        assertFailure("target");
    }

    /** A bug in a format must not leave both images locked for ever. */
    @Test
    void aDiskThatThrowsEndsTheCopyToo() {
        fill();
        for (Throwable each : new Throwable[] {new IllegalStateException("a bug"), new StackOverflowError("a bug")}) {
            for (Operation operation : new Operation[] {Operation.MAP, Operation.READ}) {
                failing(from, operation, 0, each);
                assertFailure("source: internal error: " + each);
                from.victim = null;
            }
            for (Operation operation : new Operation[] {Operation.WRITE, Operation.FLUSH}) {
                failing(to, operation, 0, each);
                assertFailure("target: internal error: " + each);
                to.victim = null;
            }
        }
    }

    private static void failing(MemoryDisk disk, Operation operation, int error, Throwable thrown) {
        disk.victim = operation;
        disk.goodOnes = operation == Operation.READ || operation == Operation.WRITE ? 5 : 0;
        disk.error = error;
        disk.thrown = thrown;
    }

    private void assertFailure(String beginning) {
        DiskException e = assertThrows(DiskException.class, () -> copy(DiskCopy.Unwritten.ZEROS));
        assertTrue(e.getMessage().startsWith(beginning), e.getMessage());
    }
}
