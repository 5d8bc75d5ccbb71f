package org.blktap.client.nbd;

import static org.junit.jupiter.api.Assertions.assertEquals;

import org.blktap.api.engine.Errno;
import org.junit.jupiter.api.Test;

class UnflushedTest {
    private final Unflushed unflushed = new Unflushed();

    private int flush() {
        return unflushed.flushed(unflushed.covered());
    }

    @Test
    void aWriteThatEndsDuringAFlushMayStillBeLost() {
        unflushed.written();
        long covered = unflushed.covered();
        unflushed.written();
        assertEquals(0, unflushed.flushed(covered));
        unflushed.broken();
        assertEquals(Errno.EIO, flush());
        assertEquals(0, flush(), "told once");
    }

    @Test
    void whatWasFlushedIsNotLost() {
        unflushed.broken();
        assertEquals(0, flush(), "nothing was written");
        unflushed.written();
        assertEquals(0, flush());
        unflushed.broken();
        assertEquals(0, flush());
    }

    @Test
    void aConnectionThatBreaksDuringAFlushFailsIt() {
        unflushed.written();
        long covered = unflushed.covered();
        unflushed.broken();
        assertEquals(Errno.EIO, unflushed.flushed(covered));
    }
}
