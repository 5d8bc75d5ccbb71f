package org.blktap.core;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.List;
import java.util.Map;
import org.blktap.api.disk.DiskException;
import org.blktap.api.engine.IoLoop;
import org.blktap.api.filter.DiskFilter;
import org.blktap.api.testkit.MemoryPort;
import org.blktap.api.testkit.TimedLoop;
import org.blktap.linux.EpollLoops;
import org.blktap.linux.NativeMemoryService;
import org.junit.jupiter.api.Test;

class FilterFormatTest {
    private final TestFilter inner = new TestFilter();
    private final TestFilter outer = new TestFilter();
    private final Registry<DiskFilter> present = new Registry<>("filter.type", "filter.summary");

    FilterFormatTest() {
        inner.header = 4096;
        outer.header = 4096;
        present.add(new FakeReference<>(Map.of("filter.type", "inner")), inner);
        present.add(new FakeReference<>(Map.of("filter.type", "outer")), outer);
    }

    private static FilterMeans means(IoLoop loop) {
        return new FilterMeans(
                new LoopCalls("tap:x:y", loop, () -> 0), new NativeMemoryService(), new WatchedFile.Watch(), null);
    }

    @Test
    void eachWritesOnWhatTheOnesBelowShow() throws Exception {
        FilterFormat format = new FilterFormat(List.of("inner,label=x", "outer"), present);
        assertEquals(65536 + 8192, format.sizeBelow(65536));
        EpollLoops loops = new EpollLoops();
        NativeMemoryService memory = new NativeMemoryService();
        try (MemoryPort disk = new MemoryPort(memory.allocate(65536 + 8192))) {
            format.run(disk, means(loops.start("format")));
            assertEquals(
                    List.of("FLUSH 0 0 0"),
                    disk.seen.stream().map(Object::toString).toList());
        } finally {
            loops.stop();
        }
        assertEquals(List.of("tap:x:y 73728 x"), inner.formatted);
        assertEquals(List.of("tap:x:y 69632 "), outer.formatted);
        assertEquals(0, inner.open + outer.open);
    }

    @Test
    void anUnknownOptionIsRefused() throws Exception {
        FilterFormat format = new FilterFormat(List.of("inner,lable=x"), present);
        NativeMemoryService memory = new NativeMemoryService();
        try (MemoryPort disk = new MemoryPort(memory.allocate(65536))) {
            DiskException e = assertThrows(DiskException.class, () -> format.run(disk, means(new TimedLoop())));
            assertTrue(e.getMessage().contains("unknown option 'lable'"), e.getMessage());
        }
        assertEquals(0, inner.open);
    }
}
