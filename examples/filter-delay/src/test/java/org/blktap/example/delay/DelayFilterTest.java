package org.blktap.example.delay;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import org.blktap.api.disk.DiskException;
import org.blktap.api.disk.Operation;
import org.blktap.api.disk.Options;
import org.blktap.api.disk.Request;
import org.blktap.api.filter.PassThroughDisk;
import org.blktap.api.testkit.MemoryPort;
import org.blktap.api.testkit.TestFilterContext;
import org.blktap.api.testkit.TimedLoop;
import org.blktap.linux.NativeMemoryService;
import org.junit.jupiter.api.Test;

/** A filter is a plain class: its test needs no framework, and here time passes as the test says. */
class DelayFilterTest {
    private final NativeMemoryService memory = new NativeMemoryService();
    private final TimedLoop loop = new TimedLoop();

    private PassThroughDisk open(MemoryPort disk, String ms) throws DiskException {
        return new DelayFilter()
                .open(disk, TestFilterContext.of("a", loop, memory).withOptions(Map.of("ms", ms)));
    }

    @Test
    void aRequestReachesTheDiskLater() throws Exception {
        try (MemoryPort disk = new MemoryPort(memory.allocate(4096))) {
            List<Request> ended = new ArrayList<>();
            PassThroughDisk delayed = open(disk, "20");
            delayed.submit(new Request(ended::add, 1).set(Operation.WRITE_ZEROES, 0, 512, 0));
            loop.pass(19, TimeUnit.MILLISECONDS);
            assertEquals(List.of(), disk.seen);
            loop.pass(1, TimeUnit.MILLISECONDS);
            assertEquals("[WRITE_ZEROES 0 512 0]", disk.seen.toString());
            assertEquals(1, ended.size());
            assertTrue(delayed.set(new Options(Map.of("ms", "0"))));
            delayed.submit(new Request(ended::add, 1).set(Operation.FLUSH, 0, 0, 0));
            loop.pass(0, TimeUnit.MILLISECONDS);
            assertEquals(2, ended.size());
        }
    }

    @Test
    void aBadTimeIsToldInOneLine() throws Exception {
        try (MemoryPort disk = new MemoryPort(memory.allocate(4096))) {
            DiskException e = assertThrows(DiskException.class, () -> open(disk, "long"));
            assertEquals("bad option ms=long: expected a number from 0 to 1000", e.getMessage());
        }
    }
}
