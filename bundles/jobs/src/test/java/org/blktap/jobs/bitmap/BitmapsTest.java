package org.blktap.jobs.bitmap;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import org.blktap.api.disk.DiskException;
import org.blktap.api.disk.DiskException.Reason;
import org.blktap.api.disk.Operation;
import org.blktap.jobs.bits.MappedBits;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.function.Executable;
import org.junit.jupiter.api.io.TempDir;

class BitmapsTest {
    private static final long SIZE = 1 << 20;
    private static final String ID = BitmapMachine.ID;

    @TempDir
    Path directory;

    private BitmapMachine machine;

    @BeforeEach
    void start() throws Exception {
        machine = new BitmapMachine(directory, SIZE);
    }

    private BitmapStatus only() throws DiskException {
        List<BitmapStatus> all = machine.bitmaps.list(ID);
        assertEquals(1, all.size());
        return all.get(0);
    }

    private void isStale() throws DiskException {
        assertTrue(only().stale());
        assertEquals(SIZE, only().dirtyBytes());
        for (boolean each : machine.dirty("daily")) {
            assertTrue(each);
        }
    }

    @Test
    void recordsWhatIsWritten() throws Exception {
        machine.bitmaps.add(ID, "daily", 0);
        assertEquals(List.of("other", "dirty-bitmap:daily"), machine.open.info().contexts());
        machine.change(Operation.WRITE, 70_000 / 512 * 512, 512);
        machine.change(Operation.FLUSH, 0, 0);
        machine.change(Operation.READ, 512, 512);
        assertEquals(new BitmapStatus("daily", 65536, 65536, false, ""), only());
        boolean[] dirty = machine.dirty("daily");
        assertTrue(dirty[128] && dirty[255] && !dirty[127] && !dirty[256]);
        assertEquals(Map.of("daily", "64K dirty"), machine.open.stats());
        machine.bitmaps.clear(ID, "daily");
        assertEquals(0, only().dirtyBytes());
        machine.bitmaps.remove(ID, "daily");
        assertNull(machine.recorded);
        assertFalse(Files.exists(machine.file("daily")));
        assertEquals(List.of(), machine.bitmaps.list(ID));
    }

    @Test
    void whatCannotBeTrustedIsStale() throws Exception {
        machine.bitmaps.add(ID, "daily", 4096);
        machine.park();
        Path file = machine.file("daily");
        byte[] right = Files.readAllBytes(file);

        Files.delete(file);
        machine.resume(SIZE);
        isStale();
        machine.bitmaps.clear(ID, "daily");
        assertFalse(only().stale());
        machine.park();

        byte[] damaged = right.clone();
        damaged[17] ^= 1;
        Files.write(file, damaged);
        machine.resume(SIZE);
        isStale();
        machine.park();

        // of an attachment of the same id that is gone
        MappedBits.create(file, SIZE, 4096).close();
        machine.resume(SIZE);
        isStale();
        machine.restart();
        assertTrue(only().stale(), "a restart does not make it right");
        machine.bitmaps.clear(ID, "daily");
        machine.restart();
        assertFalse(only().stale());

        // another, smaller disk
        machine.park();
        machine.resume(SIZE / 2);
        assertTrue(only().stale());
    }

    @Test
    void aFileThatAKillHasLeftUnfinishedIsRemoved() throws Exception {
        machine.bitmaps.add(ID, "daily", 0);
        machine.kill(false);
        Path unfinished = Files.createFile(machine.file("daily").resolveSibling(".daily+.new"));
        machine.restart();
        assertFalse(Files.exists(unfinished));
        assertTrue(Files.exists(machine.file("daily")));
    }

    @Test
    void aFilterByHandIsStaleUntilItIsCleared() throws Exception {
        machine.recorded = "bitmap,names=daily:weekly,granularity=4K";
        machine.resume(SIZE);
        assertTrue(machine.bitmaps.list(ID).stream().allMatch(BitmapStatus::stale));
        machine.restart();
        assertTrue(machine.bitmaps.list(ID).stream().allMatch(BitmapStatus::stale));
        machine.bitmaps.clear(ID, "daily");
        assertEquals(
                List.of(false, true),
                machine.bitmaps.list(ID).stream().map(BitmapStatus::stale).toList());
        machine.change(Operation.WRITE, 0, 512);
        machine.kill(false);
        assertEquals(
                List.of(4096L, SIZE),
                machine.bitmaps.list(ID).stream().map(BitmapStatus::dirtyBytes).toList());
        // taken away and brought back by hand: writes in between were not seen
        machine.set(Map.of("names", "weekly"));
        machine.awaitReleases();
        assertFalse(Files.exists(machine.file("daily")));
        machine.set(Map.of("names", "weekly:daily"));
        assertTrue(machine.bitmaps.list(ID).stream().allMatch(BitmapStatus::stale));
        assertEquals(Duration.ZERO, machine.set(Map.of("granularity", "8K")));
    }

    @Test
    void isFrozenForOneBackupAtATime() throws Exception {
        machine.bitmaps.add(ID, "daily", 4096);
        machine.change(Operation.WRITE, 0, 512);
        try (Freeze freeze = machine.bitmaps.freeze(ID, "daily", "job-7")) {
            busy(() -> machine.bitmaps.freeze(ID, "daily", "job-8"));
            busy(() -> machine.bitmaps.clear(ID, "daily"));
            busy(() -> machine.bitmaps.remove(ID, "daily"));
            busy(() -> machine.bitmaps.frozen(ID, "daily", "job-7"));
            assertEquals("job-7", only().usedBy());
            assertEquals(1, freeze.bits().count());
        }
        machine.kill(false);
        assertNull(machine.bitmaps.frozen(ID, "daily", "job-8"));
        Freeze freeze = machine.bitmaps.frozen(ID, "daily", "job-7");
        machine.change(Operation.WRITE, 8192, 512);
        assertEquals(2, freeze.bits().count(), "there was no point in time yet");
        freeze.seal();
        machine.change(Operation.WRITE, 16384, 512);
        assertEquals(2, freeze.bits().count());
        freeze.succeed();
        assertEquals(8192, only().dirtyBytes());
        assertNull(machine.bitmaps.frozen(ID, "daily", "job-7"));
    }

    @Test
    void aUseOfWhichAKillHasLeftNothingElseEnds() throws Exception {
        machine.bitmaps.add(ID, "daily", 4096);
        machine.change(Operation.WRITE, 0, 512);
        Freeze freeze = machine.bitmaps.freeze(ID, "daily", "point-7");
        freeze.seal();
        machine.change(Operation.WRITE, 8192, 512);
        machine.others.add("fleece,name=point-7");
        machine.kill(false);
        busy(() -> machine.bitmaps.freeze(ID, "daily", "point-8"));
        // the filter went, and then the daemon was killed
        machine.others.clear();
        machine.kill(false);
        Freeze next = machine.bitmaps.freeze(ID, "daily", "point-8");
        next.seal();
        assertEquals(2, next.bits().count(), "nothing that was written is missing");
        next.succeed();
        assertEquals(0, only().dirtyBytes());
    }

    @Test
    void aLoopDoesNotWaitForTheStore() throws Exception {
        machine.bitmaps.add(ID, "daily", 4096);
        machine.change(Operation.WRITE, 0, 512);
        machine.drain();
        Thread loop = new Thread(machine.open::close);
        synchronized (machine.store()) {
            loop.start();
            loop.join(60_000);
            assertFalse(loop.isAlive());
        }
        machine.open = null;
        machine.parked = true;
        machine.resume(SIZE);
        assertEquals(new BitmapStatus("daily", 4096, 4096, false, ""), only());
    }

    @Test
    void aKillWhileItIsClearedClearsNothing() throws Exception {
        machine.bitmaps.add(ID, "daily", 4096);
        machine.change(Operation.WRITE, 0, 512);
        machine.bitmaps.freeze(ID, "daily", Bitmaps.CLEARING).close();
        machine.change(Operation.DISCARD, 8192, 512);
        machine.kill(false);
        assertEquals(new BitmapStatus("daily", 4096, 8192, false, ""), only());
        assertFalse(Files.exists(machine.file("daily+")));
        boolean[] dirty = machine.dirty("daily");
        assertTrue(dirty[0] && !dirty[8] && dirty[16]);
    }

    private static void busy(Executable call) {
        assertEquals(Reason.BUSY, assertThrows(DiskException.class, call).reason());
    }

    @Test
    void refusesWhatIsWrong() throws Exception {
        machine.bitmaps.add(ID, "daily", 0);
        for (String name : new String[] {"", "a/b", "..", ".a", "a:b", "a,b", "a+", "x".repeat(65)}) {
            assertEquals(
                    Reason.BAD_OPTION,
                    assertThrows(DiskException.class, () -> machine.bitmaps.add(ID, name, 0))
                            .reason());
        }
        assertThrows(DiskException.class, () -> machine.bitmaps.add(ID, "weekly", 5000));
        assertEquals(
                Reason.EXISTS,
                assertThrows(DiskException.class, () -> machine.bitmaps.add(ID, "daily", 0))
                        .reason());
        assertEquals(
                Reason.NOT_FOUND,
                assertThrows(DiskException.class, () -> machine.bitmaps.clear(ID, "weekly"))
                        .reason());
        machine.refuses = true;
        busy(() -> machine.bitmaps.add(ID, "weekly", 0));
        assertFalse(Files.exists(machine.file("weekly")));
        busy(() -> machine.bitmaps.remove(ID, "daily"));
        machine.change(Operation.WRITE, 0, 512);
        busy(() -> machine.bitmaps.clear(ID, "daily"));
        machine.restart();
        assertEquals(new BitmapStatus("daily", 65536, 65536, false, ""), only());
    }
}
