package org.blktap.jobs.bitmap;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Path;
import org.blktap.api.disk.Operation;
import org.blktap.api.disk.StoredBitmaps.State;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Which bits count: those of the mapped files or those of the image. */
class ImageBitmapsTest {
    private static final int GRANULE = 64 << 10;
    private static final long SIZE = 64 * GRANULE;

    @TempDir
    Path directory;

    private BitmapMachine machine;
    private ModelImage image;

    @BeforeEach
    void start() throws Exception {
        machine = new BitmapMachine(directory, SIZE);
        image = new ModelImage(SIZE);
        machine.image = image;
    }

    private void attach() throws Exception {
        machine.recorded = machine.implied();
        machine.resume(SIZE);
    }

    private BitmapStatus only() throws Exception {
        assertEquals(1, machine.bitmaps.list(BitmapMachine.ID).size());
        return machine.bitmaps.list(BitmapMachine.ID).get(0);
    }

    private void write(int granule) {
        machine.change(Operation.WRITE, (long) granule * GRANULE, 4096);
    }

    @Test
    void theBitmapsOfTheImageAreFoundAndGoBack() throws Exception {
        image.put("daily", 2 * GRANULE, 0, 2 * GRANULE, 10 * GRANULE, 4 * GRANULE);
        image.entries.put("off", new ModelImage.Entry(GRANULE, State.STOPPED, java.util.List.of()));
        attach();
        assertTrue(machine.recorded.startsWith("bitmap,names=daily,key="));
        assertFalse(only().stale());
        assertEquals(2 * GRANULE, only().granularity());
        assertEquals(6 * GRANULE, only().dirtyBytes());
        write(20);
        assertEquals(State.STALE, image.entries.get("daily").state());
        machine.restart();
        assertEquals(8 * GRANULE, only().dirtyBytes());
        machine.park();
        assertEquals(State.RECORDING, image.entries.get("daily").state());
        assertEquals(3, image.entries.get("daily").ranges().size());
        assertEquals(State.STOPPED, image.entries.get("off").state());
        // another program writes, and keeps the bitmap
        image.put("daily", 2 * GRANULE, 0, 40 * GRANULE);
        machine.resume(SIZE);
        assertEquals(40 * GRANULE, only().dirtyBytes());
        assertFalse(only().stale());
    }

    @Test
    void aBitmapIsClearedWhileTheDiskIsClosed() throws Exception {
        image.put("daily", GRANULE, 0, 10 * GRANULE);
        attach();
        machine.park();
        assertEquals(10 * GRANULE, only().dirtyBytes());
        image.put("daily", GRANULE, 0, 11 * GRANULE);
        machine.resume(SIZE);
        assertEquals(11 * GRANULE, only().dirtyBytes(), "to list them changes nothing");
        machine.park();
        machine.bitmaps.clear(BitmapMachine.ID, "daily");
        assertEquals(0, only().dirtyBytes());
        machine.resume(SIZE);
        assertEquals(0, only().dirtyBytes());
    }

    @Test
    void aKilledDaemonHasItsFiles() throws Exception {
        image.put("daily", GRANULE, 0, GRANULE);
        attach();
        write(5);
        for (int kills = 0; kills < 3; kills++) {
            machine.kill(false);
            assertFalse(only().stale());
            assertEquals((2 + kills) * GRANULE, only().dirtyBytes());
            write(10 + kills);
        }
        // killed before anything was written: both are right
        machine.restart();
        machine.kill(false);
        assertEquals(5 * GRANULE, only().dirtyBytes());
        machine.kill(false);
        assertEquals(5 * GRANULE, only().dirtyBytes());
        assertFalse(only().stale());
    }

    @Test
    void whatOthersHaveChangedIsNotBelieved() throws Exception {
        image.put("daily", GRANULE, 0, GRANULE);
        attach();
        machine.park();
        image.changes();
        machine.resume(SIZE);
        assertTrue(only().stale());
        assertEquals(SIZE, only().dirtyBytes());
        machine.restart();
        assertTrue(only().stale());
        assertEquals(State.STALE, image.entries.get("daily").state());
        machine.bitmaps.clear(BitmapMachine.ID, "daily");
        machine.restart();
        assertFalse(only().stale());
        machine.park();
        image.entries.clear();
        image.invalidated = true;
        machine.resume(SIZE);
        assertTrue(only().stale());
    }

    @Test
    void aBitmapThatIsInUseIsStale() throws Exception {
        image.put("daily", 4 * GRANULE, 0, GRANULE);
        image.changes();
        attach();
        assertTrue(only().stale());
        assertEquals(4 * GRANULE, only().granularity());
    }

    @Test
    void whatIsRemovedGoesFromTheImage() throws Exception {
        image.put("daily", GRANULE, 0, GRANULE);
        image.put("weekly", GRANULE, 0, GRANULE);
        attach();
        machine.bitmaps.add(BitmapMachine.ID, "hourly", 0);
        write(3);
        machine.bitmaps.remove(BitmapMachine.ID, "daily");
        machine.restart();
        assertEquals(java.util.Set.of("weekly", "hourly"), image.entries.keySet());
        assertEquals(2, machine.bitmaps.list(BitmapMachine.ID).size());
        machine.bitmaps.remove(BitmapMachine.ID, "weekly");
        machine.bitmaps.remove(BitmapMachine.ID, "hourly");
        assertNull(machine.recorded);
        machine.park();
        assertEquals(java.util.Set.of(), image.entries.keySet());
        assertNull(machine.implied());
    }

    @Test
    void namesThatAFileCannotHaveAreLeftOut() throws Exception {
        image.put("../x", GRANULE, 0, GRANULE);
        image.put("a:b,c", GRANULE, 0, GRANULE);
        assertNull(machine.implied());
        for (int i = 0; i < 40; i++) {
            image.put("b" + i, GRANULE);
        }
        assertNotNull(machine.implied());
        attach();
        assertEquals(32, machine.bitmaps.list(BitmapMachine.ID).size());
    }
}
