package org.blktap.filter.fault;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import org.blktap.api.disk.DiskException;
import org.blktap.api.disk.Operation;
import org.blktap.api.disk.Options;
import org.blktap.api.disk.Request;
import org.blktap.api.engine.Errno;
import org.blktap.api.filter.PassThroughDisk;
import org.blktap.api.testkit.MemoryPort;
import org.blktap.api.testkit.TestFilterContext;
import org.blktap.api.testkit.TimedLoop;
import org.blktap.linux.NativeMemoryService;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

class FaultFilterTest {
    private final NativeMemoryService memory = new NativeMemoryService();
    private final TimedLoop loop = new TimedLoop();
    private final MemoryPort below = new MemoryPort(memory.allocate(1 << 20));
    private final List<Integer> ended = new ArrayList<>();

    @AfterEach
    void close() {
        below.close();
    }

    private static Map<String, String> options(String... all) {
        Map<String, String> options = new LinkedHashMap<>();
        for (String each : all) {
            options.put(each.substring(0, each.indexOf('=')), each.substring(each.indexOf('=') + 1));
        }
        return options;
    }

    private PassThroughDisk open(String... options) throws DiskException {
        return new FaultFilter()
                .open(below, TestFilterContext.of("a", loop, memory).withOptions(options(options)));
    }

    private void zero(PassThroughDisk disk, long offset) {
        disk.submit(new Request(done -> ended.add(done.error()), 1).set(Operation.WRITE_ZEROES, offset, 4096, 0));
    }

    private void flush(PassThroughDisk disk) {
        disk.submit(new Request(done -> ended.add(done.error()), 1).set(Operation.FLUSH, 0, 0, 0));
    }

    @Test
    void withoutOptionsItChangesNothing() throws Exception {
        PassThroughDisk disk = open();
        zero(disk, 0);
        flush(disk);
        assertEquals(List.of(0, 0), ended);
        assertEquals(2, below.seen.size());
    }

    @Test
    void errorsByRangeOperationAndCount() throws Exception {
        PassThroughDisk disk = open("errors=100", "error=ENOSPC", "range=64K-128K", "operations=write:write_zeroes");
        zero(disk, 0);
        zero(disk, 60 << 10);
        zero(disk, (64 << 10) - 512);
        zero(disk, (128 << 10) - 512);
        zero(disk, 128 << 10);
        flush(disk);
        assertEquals(List.of(0, 0, Errno.ENOSPC, Errno.ENOSPC, 0, 0), ended);
        ended.clear();
        assertTrue(disk.set(new Options(options("errors=100", "count=1"))));
        flush(disk);
        flush(disk);
        assertEquals(List.of(Errno.EIO, 0), ended);
        assertEquals(3L, disk.stats().get("errors"));
    }

    @Test
    void aPartOfTheRequestsRepeatably() throws Exception {
        for (int round = 0; round < 2; round++) {
            PassThroughDisk disk = open("errors=12.5", "seed=7");
            for (int i = 0; i < 10_000; i++) {
                zero(disk, 0);
            }
        }
        assertEquals(ended.subList(0, 10_000), ended.subList(10_000, 20_000));
        long failed = ended.stream().filter(each -> each != 0).count();
        assertTrue(Math.abs(failed - 2500) < 250, failed + " of 20000");
    }

    @Test
    void delaysEndWithTheirTimeOrWhenTheDiskIsDrained() throws Exception {
        PassThroughDisk disk = open("delay-ms=100", "operations=write_zeroes");
        flush(disk);
        zero(disk, 0);
        loop.pass(50, TimeUnit.MILLISECONDS);
        zero(disk, 4096);
        loop.pass(50, TimeUnit.MILLISECONDS);
        assertEquals(List.of(0, 0), ended);
        assertEquals(1, disk.stats().get("waiting"));
        disk.draining(true);
        zero(disk, 8192);
        assertEquals(List.of(0, 0, 0, 0), ended);
        disk.draining(false);
        zero(disk, 0);
        loop.pass(101, TimeUnit.MILLISECONDS);
        assertEquals(5, ended.size());
        disk.close();
        assertEquals(0, loop.timers());
    }

    @Test
    void inAnOutageEverythingFails() throws Exception {
        PassThroughDisk disk = open("outage-ms=200", "outage-every-ms=1000", "operations=read");
        for (int i = 0; i < 30; i++) {
            flush(disk);
            loop.pass(100, TimeUnit.MILLISECONDS);
        }
        List<Integer> expected = new ArrayList<>();
        for (int i = 0; i < 30; i++) {
            expected.add(i >= 10 && i % 10 < 2 ? Errno.EIO : 0);
        }
        assertEquals(expected, ended);
        assertEquals(4L, disk.stats().get("failed in outages"));
    }

    @Test
    void badOptionsAreRefused() {
        for (String wrong : List.of(
                "errors=x",
                "errors=101",
                "errors=NaN",
                "error=EPIPE",
                "range=1M",
                "range=2M-1M",
                "operations=reed",
                "delay-ms=-1",
                "outage-ms=5")) {
            DiskException e = assertThrows(DiskException.class, () -> open(wrong), wrong);
            assertTrue(e.getMessage().startsWith("bad option " + wrong.replaceAll("=.*", "=")), e.getMessage());
        }
    }
}
