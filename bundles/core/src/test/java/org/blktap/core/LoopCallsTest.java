package org.blktap.core;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import org.blktap.api.disk.DiskException;
import org.blktap.api.disk.DiskException.Reason;
import org.blktap.linux.EpollLoops;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

@Timeout(120)
class LoopCallsTest {
    @Test
    void aLoopThatHasEndedIsAnAttachmentThatHasEnded() throws Exception {
        var loop = new EpollLoops().start("blktap-test");
        LoopCalls calls = new LoopCalls("a", loop, () -> 0);
        assertEquals(5, calls.await(calls.start(() -> 5), "an answer"));
        loop.close();
        DiskException ended = assertThrows(DiskException.class, () -> calls.await(calls.start(() -> 5), "an answer"));
        assertEquals(Reason.NOT_FOUND, ended.reason());
    }
}
