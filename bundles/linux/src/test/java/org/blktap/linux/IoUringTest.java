package org.blktap.linux;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.abort;

import org.blktap.api.engine.Errno;
import org.blktap.api.engine.ErrnoException;
import org.blktap.api.memory.Memory;
import org.junit.jupiter.api.Test;

/** This machine's io_uring, where it is allowed. */
class IoUringTest {
    private static IoUring open(int entries, int flags) {
        try {
            return IoUring.open(entries, flags);
        } catch (ErrnoException e) {
            return abort(IoUring.forbidden(e));
        }
    }

    private static void nop(IoUring ring, long userData) {
        long entry = ring.next();
        assertNotEquals(0, entry);
        Memory.putByte(entry + IoUring.SQE_OPCODE, (byte) IoUring.OP_NOP);
        Memory.putLong(entry + IoUring.SQE_USER_DATA, userData);
    }

    private static void rounds(int flags) {
        try (IoUring ring = open(4, flags)) {
            for (int round = 0; round < 1000; round++) {
                for (int i = 0; i < ring.entries(); i++) {
                    nop(ring, round * 10L + i);
                }
                assertEquals(0, ring.next(), "all entries are taken");
                assertTrue(ring.unsubmitted());
                assertEquals(0, ring.enter(ring.entries()));
                assertFalse(ring.unsubmitted());
                for (int i = 0; i < ring.entries(); i++) {
                    long completion = ring.completion();
                    assertEquals(round * 10L + i, Memory.getLong(completion + IoUring.CQE_USER_DATA));
                    assertEquals(0, Memory.getInt(completion + IoUring.CQE_RES));
                    ring.seen();
                }
                assertEquals(0, ring.completion());
                assertFalse(ring.arrived());
            }
        }
    }

    @Test
    void commandsComplete() {
        rounds(0);
    }

    @Test
    void wideEntries() {
        rounds(IoUring.SETUP_SQE128);
    }

    @Test
    void workThatIsDeferred() {
        rounds(IoUring.SETUP_SINGLE_ISSUER | IoUring.SETUP_DEFER_TASKRUN);
    }

    @Test
    void anEventfdCountsCompletionsUnlessItIsOff() throws Exception {
        int eventFd = Libc.eventfd(0, Libc.EFD_CLOEXEC | Libc.EFD_NONBLOCK);
        try (IoUring ring = open(4, 0);
                Mapping count = Mapping.anonymous(8)) {
            ring.eventFd(eventFd);
            ring.notifications(false);
            nop(ring, 1);
            ring.enter(1);
            assertEquals(-1, Libc.read(eventFd, count.address(), 8));
            assertEquals(Errno.EAGAIN, Libc.errno());
            ring.notifications(true);
            nop(ring, 2);
            ring.enter(1);
            assertEquals(8, Libc.read(eventFd, count.address(), 8));
            assertEquals(1, Memory.getLong(count.address()));
        } finally {
            Libc.close(eventFd);
        }
    }

    @Test
    void aKernelThatForbidsItSaysSo() {
        assertTrue(IoUring.forbidden(new ErrnoException("x", Errno.EPERM)).startsWith("io_uring is forbidden here"));
    }
}
