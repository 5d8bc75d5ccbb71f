package org.blktap.filter.trace;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import org.blktap.api.disk.DiskInfo;
import org.blktap.api.disk.Operation;
import org.blktap.api.disk.Options;
import org.blktap.api.disk.Request;
import org.blktap.api.disk.TapSpec;
import org.blktap.api.disk.VirtualDisk;
import org.blktap.api.engine.Errno;
import org.blktap.api.engine.IoCallback;
import org.blktap.api.engine.IoLoop;
import org.blktap.api.filter.FileWatcher;
import org.blktap.api.filter.FilterContext;
import org.blktap.api.memory.NativeMemory;
import org.blktap.api.testkit.TimedLoop;
import org.junit.jupiter.api.Test;

class TracedDiskTest {
    private final TimedLoop loop = new TimedLoop();
    private final TraceFilter filter = new TraceFilter();
    private final List<Request> ended = new ArrayList<>();
    private FileWatcher watcher;

    private final class Context implements FilterContext {
        private final Options options;

        Context(Map<String, String> options) {
            this.options = new Options(options);
        }

        @Override
        public String id() {
            return "a";
        }

        @Override
        public boolean readOnly() {
            return false;
        }

        @Override
        public Options options() {
            return options;
        }

        @Override
        public IoLoop loop() {
            return loop;
        }

        @Override
        public NativeMemory memory() {
            return null;
        }

        @Override
        public VirtualDisk openDisk(TapSpec spec, Map<String, String> values, boolean refusesWrites) {
            throw new UnsupportedOperationException();
        }

        @Override
        public void watchFiles(FileWatcher by) {
            watcher = by;
        }
    }

    /** A format that does a file operation for each request, and another one when that has ended. */
    private final class Format implements VirtualDisk {
        /** Callbacks of operations that are at the engine. */
        final List<IoCallback> operations = new ArrayList<>();

        @Override
        public DiskInfo info() {
            return DiskInfo.ofSize(1 << 20);
        }

        @Override
        public void submit(Request request) {
            if (request.operation() == Operation.FLUSH) {
                request.complete(Errno.EIO);
                return;
            }
            operations.add(watcher.begins(error -> operations.add(watcher.begins(request))));
        }

        void end() {
            operations.remove(0).done(0);
        }

        @Override
        public void close() {
            // nothing is open
        }
    }

    private TracedDisk open(Format format, Map<String, String> options) throws Exception {
        return (TracedDisk) filter.open(format, new Context(options));
    }

    private void read(TracedDisk disk, long offset) {
        disk.submit(new Request(ended::add, 1).set(Operation.DISCARD, offset, 512, 0));
    }

    /** Real time has to pass: what is measured is not the loop's. */
    private static void pause(long millis) throws InterruptedException {
        Thread.sleep(millis);
    }

    private static double millis(Slow slow, Stretch stretch) {
        return slow.nanos()[stretch.ordinal()] / 1e6;
    }

    @Test
    void timeIsWhereItWasSpent() throws Exception {
        Format format = new Format();
        TracedDisk disk = open(format, Map.of());
        read(disk, 4096);
        pause(20);
        // the end of the turn, in which the engine submits
        loop.execute(() -> {});
        loop.pass(0, TimeUnit.MILLISECONDS);
        pause(30);
        format.end();
        loop.execute(() -> {});
        loop.pass(0, TimeUnit.MILLISECONDS);
        pause(5);
        format.end();
        assertEquals(1, ended.size());
        Slow slow = disk.measured().slowest().get(0);
        assertEquals(4096, slow.offset());
        assertTrue(millis(slow, Stretch.ENGINE) >= 20, () -> "engine " + millis(slow, Stretch.ENGINE));
        assertTrue(millis(slow, Stretch.DEVICE) >= 35, () -> "device " + millis(slow, Stretch.DEVICE));
        assertEquals(slow.totalNanos(), java.util.Arrays.stream(slow.nanos()).sum(), "the parts are the whole");
        assertEquals(0, disk.measured().inFlight());
    }

    @Test
    void anOperationBelongsToTheRequestThatLedToIt() throws Exception {
        Format format = new Format();
        TracedDisk disk = open(format, Map.of());
        read(disk, 0);
        read(disk, 512);
        loop.execute(() -> {});
        loop.pass(0, TimeUnit.MILLISECONDS);
        // the first: both of its operations, while the second waits for its first
        format.end();
        format.operations.remove(1).done(0);
        assertEquals(1, ended.size());
        pause(30);
        format.end();
        format.end();
        List<Slow> slowest = disk.measured().slowest();
        assertEquals(512, slowest.get(0).offset());
        assertTrue(millis(slowest.get(0), Stretch.DEVICE) >= 30);
        assertTrue(slowest.get(1).totalNanos() < slowest.get(0).totalNanos());
        IoCallback background = error -> {};
        assertSame(background, watcher.begins(background), "what belongs to no request is not measured");
    }

    @Test
    void theRecordIsBoundedAndKeepsTheSlowest() throws Exception {
        Format format = new Format();
        TracedDisk disk = open(format, Map.of("slowest", "3"));
        for (int i = 0; i < 50; i++) {
            disk.submit(new Request(ended::add, 1).set(Operation.FLUSH, 0, 0, 0));
        }
        assertEquals(50, ended.size());
        assertEquals(Errno.EIO, ended.get(0).error());
        TracedDisk.Measurement measured = disk.measured();
        assertEquals(3, measured.slowest().size());
        assertEquals(50, measured.times().get(Operation.FLUSH)[0].count());
        assertEquals(
                measured.times().get(Operation.FLUSH)[0].most(),
                measured.slowest().get(0).totalNanos());
        Report report = Report.of("a", List.of("x", "trace,slowest=3", "throttle,iops=5"), measured);
        assertTrue(
                report.words().get(0).startsWith("a: the slowest 3 requests took"),
                report.words().toString());
        assertEquals(
                1, report.parts().values().stream().mapToDouble(each -> each).sum(), 1e-6);
        assertTrue(disk.set(new Options(Map.of("slowest", "2"))));
        assertEquals(List.of(), disk.measured().slowest());
    }

    @Test
    void requestsAreRecordedForFio(@org.junit.jupiter.api.io.TempDir java.nio.file.Path directory) throws Exception {
        Format format = new Format();
        TracedDisk disk = open(format, Map.of());
        Recording recording = disk.record();
        assertNull(disk.record(), "one at a time");
        read(disk, 8192);
        disk.submit(new Request(ended::add, 1).set(Operation.FLUSH, 0, 0, 0));
        disk.submit(new Request(ended::add, 1).setMap(0, 512, new org.blktap.api.engine.ExtentList()));
        java.nio.file.Path file = directory.resolve("log");
        try (IologFile log = new IologFile(file)) {
            log.add(recording.take());
            assertEquals(2, log.count());
            assertEquals(1, log.without());
        }
        disk.stopRecording();
        List<String> lines = java.nio.file.Files.readAllLines(file);
        assertEquals("fio version 3 iolog", lines.get(0));
        assertEquals(List.of("0 disk add", "0 disk open"), lines.subList(1, 3));
        assertTrue(lines.get(3).matches("\\d+ disk trim 8192 512"), lines.toString());
        assertTrue(lines.get(4).matches("\\d+ disk sync 0 0"), lines.toString());
        assertTrue(lines.get(5).matches("\\d+ disk close"), lines.toString());
        for (int i = 0; i < 70_000; i++) {
            recording.add(Operation.READ, i, 512, 0);
        }
        assertEquals(70_000 - 65_536, recording.lost());
    }

    @Test
    void nothingIsLeftOfAClosedOne() throws Exception {
        TracedDisk disk = open(new Format(), Map.of());
        assertSame(disk, filter.of("a"));
        disk.close();
        assertNull(filter.of("a"));
        assertNull(watcher);
        assertFalse(disk.savesAtDetach());
    }
}
