package org.blktap.image;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.ByteBuffer;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import org.blktap.image.sim.SimFile;
import org.blktap.image.sim.SimLoop;
import org.blktap.linux.NativeMemoryService;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

class TableCacheTest {
    private static final int TABLE = 512;
    private static final int ROOM = 16;
    private final SimLoop loop = new SimLoop(new Random(1));
    private final SimFile file = new SimFile(loop, Path.of("/sim/tables"), numbered());
    private final TableCache cache = new TableCache(new NativeMemoryService(), file, TABLE, 0, 1000);
    private final List<String> resumed = new ArrayList<>();

    @AfterEach
    void close() {
        cache.close();
    }

    /** A hundred tables whose first entry is their number. */
    private static byte[] numbered() {
        ByteBuffer bytes = ByteBuffer.allocate(100 * TABLE);
        for (int i = 0; i < 100; i++) {
            bytes.putLong(i * TABLE, i);
        }
        return bytes.array();
    }

    /** Records when it is resumed. */
    private Resumable waiter(String name) {
        return error -> resumed.add(error == 0 ? name : name + " failed with " + error);
    }

    private Table load(int number) {
        cache.load((long) number * TABLE, waiter("t" + number));
        loop.drain();
        return cache.get((long) number * TABLE);
    }

    @Test
    void aTableIsReadOnceForAllWhoWait() {
        assertNull(cache.get(3 * TABLE));
        Resumable first = waiter("first");
        Resumable second = waiter("second");
        cache.load(3 * TABLE, first);
        cache.load(3 * TABLE, second);
        assertNull(cache.get(3 * TABLE));
        loop.drain();
        assertEquals(List.of("first", "second"), resumed);
        assertEquals(1, cache.misses());
        assertEquals(3, cache.get(3 * TABLE).getLongBig(0));
    }

    @Test
    void theLeastRecentlyUsedGoesFirstAndPinnedOnesStay() {
        Table pinned = load(0);
        cache.pin(pinned);
        for (int i = 1; i < ROOM; i++) {
            load(i);
        }
        assertNotNull(cache.get(1 * TABLE));
        load(50);
        assertSame(pinned, cache.get(0));
        assertNotNull(cache.get(1 * TABLE));
        assertNull(cache.get(2 * TABLE));
        assertEquals(50, cache.get(50 * TABLE).getLongBig(0));
    }

    @Test
    void whoFindsNoRoomIsResumedWhenThereIsSome() {
        List<Table> created = new ArrayList<>();
        for (int i = 0; i < ROOM; i++) {
            created.add(cache.create((long) i * TABLE));
            assertEquals(0, created.get(i).getLongBig(0));
        }
        assertNull(cache.create(70 * TABLE));
        assertFalse(cache.hasRoom());
        Resumable late = waiter("late");
        cache.load(80 * TABLE, late);
        loop.drain();
        assertEquals(List.of(), resumed);
        cache.unpin(created.get(5));
        assertEquals(List.of("late"), resumed);
        assertTrue(cache.hasRoom());
        cache.drop(created.get(6));
        assertNull(cache.get(6 * TABLE));
        assertEquals(80, load(80).getLongBig(0));
    }

    /** The only table that could be dropped is the one whose contents are copied. */
    @Test
    void aCopyDoesNotTakeThePlaceOfItsOriginal() {
        List<Table> pinned = new ArrayList<>();
        for (int i = 0; i < ROOM - 1; i++) {
            pinned.add(cache.create((long) i * TABLE));
        }
        Table original = load(50);
        assertTrue(cache.hasRoom());
        assertFalse(cache.hasRoomBeside(original));
        assertNull(cache.copy(original, 70 * TABLE));
        assertEquals(50, cache.get(50 * TABLE).getLongBig(0));
        cache.unpin(pinned.get(3));
        assertTrue(cache.hasRoomBeside(original));
        assertEquals(50, cache.copy(original, 70 * TABLE).getLongBig(0));
        assertSame(original, cache.get(50 * TABLE));
    }

    @Test
    void onlyChangedSectorsAreWritten() {
        Table table = new Table(load(0).address(), TABLE, file, 0);
        int[] written = {0};
        DirtyTables dirty = new DirtyTables(() -> written[0]++).by(new Allocation());
        table.putLongBig(8, 77);
        dirty.mark(table, 8, 8);
        dirty.mark(table, 16, 8);
        dirty.write();
        loop.drain();
        assertEquals(1, written[0]);
        assertEquals(1, file.logLength());
        assertEquals(77, ByteBuffer.wrap(file.bytes()).getLong(8));
        assertFalse(table.isDirty());
    }
}
