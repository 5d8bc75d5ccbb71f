package org.blktap.format.vhdx;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.UUID;
import java.util.function.Consumer;
import org.blktap.api.disk.DiskDriver.CheckReport;
import org.blktap.api.disk.DiskException;
import org.blktap.api.disk.DiskException.Reason;
import org.blktap.api.disk.VirtualDisk;
import org.blktap.api.memory.Memory;
import org.blktap.api.memory.Segments;
import org.blktap.image.sim.SimFile;
import org.junit.jupiter.api.Test;

/** Logs to replay: ours, other programs', and forged ones. */
class VhdxLogTest extends VhdxTest {
    private static final UUID GUID = UUID.fromString("01020304-0506-0708-090a-0b0c0d0e0f10");
    private static final int SECTOR = Layout.SECTOR;

    private static void dirty(ByteBuffer b) {
        Layout.putGuid(b, (int) VhdxHeader.FIRST_OFFSET + 48, GUID);
        Layout.putGuid(b, (int) VhdxHeader.SECOND_OFFSET + 48, GUID);
        seal(b);
    }

    /**
     * An entry that sets the first entry of the BAT, and zeros the rest of its 4 KiB and more, wherever it is in the
     * ring.
     */
    private static void entry(
            ByteBuffer b, int position, int tail, long number, long batEntry, Consumer<ByteBuffer> change) {
        ByteBuffer e = ByteBuffer.allocate(2 * SECTOR).order(ByteOrder.LITTLE_ENDIAN);
        e.putInt(0, LogEntry.SIGNATURE)
                .putInt(8, 2 * SECTOR)
                .putInt(12, tail)
                .putLong(16, number)
                .putInt(24, 2);
        Layout.putGuid(e, 32, GUID);
        e.putLong(48, PAYLOAD).putLong(56, PAYLOAD + 4L * MIB);
        e.putInt(64, LogEntry.ZERO_DESCRIPTOR)
                .putLong(72, 2 * SECTOR)
                .putLong(80, BAT)
                .putLong(88, number);
        e.putInt(96, LogEntry.DATA_DESCRIPTOR)
                .putInt(100, 0x11223344)
                .putLong(104, batEntry)
                .putLong(112, BAT)
                .putLong(120, number);
        e.putInt(SECTOR, LogEntry.DATA_SECTOR)
                .putInt(SECTOR + 4, (int) (number >>> 32))
                .putInt(2 * SECTOR - 4, (int) number);
        e.putLong(SECTOR + 8, 6 | PAYLOAD + MIB);
        change.accept(e);
        seal(e, 0, 2 * SECTOR);
        for (int i = 0; i < 2; i++) {
            b.put(LOG + (position + i * SECTOR) % MIB, e, i * SECTOR, SECTOR);
        }
    }

    private static void entry(ByteBuffer b, int position, int tail, long number, long batEntry) {
        entry(b, position, tail, number, batEntry, e -> {});
    }

    private SimFile logged(Consumer<ByteBuffer> change) {
        return image(IMAGE, b -> {
            dirty(b);
            b.put(PAYLOAD, (byte) 8).put(PAYLOAD + MIB, (byte) 9).putLong(BAT + 16, 6 | PAYLOAD + 2L * MIB);
            change.accept(b);
        });
    }

    private void replays(int first) throws Exception {
        byte[] before = reopen().bytes();
        VirtualDisk disk = driver.open(IMAGE, context.forReading());
        assertEquals("replayed in memory", disk.info().details().get("log"));
        assertEquals(first, read(disk, 0));
        assertEquals(9, read(disk, MIB));
        disk.close();
        SimFile file = context.files.get(Path.of(IMAGE));
        assertArrayEquals(before, file.bytes());
        reopen();
        disk = driver.open(IMAGE, context);
        assertEquals(first, read(disk, 0));
        assertEquals(9, read(disk, MIB));
        disk.close();
        file = reopen();
        ByteBuffer bytes = ByteBuffer.wrap(file.bytes()).order(ByteOrder.LITTLE_ENDIAN);
        assertEquals(0, bytes.getLong(BAT + 16));
        assertEquals(0x11223344, bytes.getInt(BAT + SECTOR - 4));
        assertEquals(0, bytes.getLong((int) VhdxHeader.FIRST_OFFSET + 48));
        assertEquals(0, bytes.getLong((int) VhdxHeader.SECOND_OFFSET + 48));
    }

    @Test
    void aLogIsReplayed() throws Exception {
        logged(b -> entry(b, 0, 0, 1, 6 | PAYLOAD));
        replays(8);
        // two entries in the middle, and one of an older round
        logged(b -> {
            entry(b, 0, 0, 3, 0);
            entry(b, 5 * SECTOR, 5 * SECTOR, 7, 0);
            entry(b, 7 * SECTOR, 5 * SECTOR, 8, 6 | PAYLOAD);
        });
        replays(8);
        // over the end of the ring
        logged(b -> {
            entry(b, MIB - SECTOR, MIB - SECTOR, 1L << 40, 0);
            entry(b, SECTOR, MIB - SECTOR, (1L << 40) + 1, 6 | PAYLOAD);
        });
        replays(8);
        // the last is torn
        logged(b -> {
            entry(b, 0, 0, 1, 6 | PAYLOAD);
            entry(b, 2 * SECTOR, 0, 2, 0);
            b.put(LOG + 3 * SECTOR + 100, (byte) 1);
        });
        replays(8);
        // the last is there, but not the one before it
        logged(b -> {
            entry(b, 0, 0, 1, 6 | PAYLOAD);
            entry(b, 4 * SECTOR, 0, 3, 0);
        });
        replays(8);
    }

    @Test
    void logsThatBreakTheRulesAreRefused() {
        assertTrue(refusedAsItIs(Reason.CORRUPT, logged(b -> {})).contains("no entries that count"));
        assertTrue(refusedAsItIs(Reason.CORRUPT, logged(b -> entry(b, 0, SECTOR, 1, 0)))
                .contains("no entries"));
        for (int field : new int[] {0, 4, 8, 16, 24, 32, 64, 88, 96, 120, SECTOR, SECTOR + 4, 2 * SECTOR - 4}) {
            // the checksum fits, or is what does not
            refusedAsItIs(Reason.CORRUPT, logged(b -> {
                entry(b, 0, 0, 1, 0, e -> e.putInt(field, -1));
                b.putInt(LOG + 4, field == 4 ? 0 : b.getInt(LOG + 4));
            }));
        }
        refusedAsItIs(Reason.CORRUPT, logged(b -> entry(b, 0, 0, 0, 0)));
        assertTrue(refusedAsItIs(Reason.CORRUPT, logged(b -> entry(b, 0, 0, 1, 0, e -> e.putLong(48, 9L * MIB))))
                .contains("cut off"));
        assertTrue(refusedAsItIs(Reason.CORRUPT, logged(b -> entry(b, 0, 0, 1, 0, e -> e.putLong(48, -1))))
                .contains("FlushedFileOffset"));
        for (long last : new long[] {-1, Long.MAX_VALUE, 1L << 50}) {
            assertTrue(refusedAsItIs(Reason.CORRUPT, logged(b -> entry(b, 0, 0, 1, 0, e -> e.putLong(56, last))))
                    .contains("LastFileOffset"));
        }
        for (long offset :
                new long[] {0, 65536, 131072, BAT + 1, -4096, LOG, LOG + MIB - SECTOR, Long.MAX_VALUE & -4096}) {
            assertTrue(refusedAsItIs(Reason.CORRUPT, logged(b -> entry(b, 0, 0, 1, 0, e -> e.putLong(112, offset))))
                    .contains("log descriptor"));
        }
        for (long length : new long[] {0, 1, -4096, Long.MAX_VALUE & -4096}) {
            assertTrue(refusedAsItIs(Reason.CORRUPT, logged(b -> entry(b, 0, 0, 1, 0, e -> e.putLong(72, length))))
                    .contains("log descriptor"));
        }
        assertTrue(refusedAsItIs(Reason.UNSUPPORTED, logged(b -> {
                    b.putShort((int) VhdxHeader.FIRST_OFFSET + 64, (short) 1)
                            .putShort((int) VhdxHeader.SECOND_OFFSET + 64, (short) 1);
                    seal(b);
                }))
                .contains("version 1"));
    }

    /** It takes no longer than any other, though each sector begins as an entry of the whole log does. */
    @Test
    void aLogOfNothingButBeginningsIsRefusedSoon() {
        logged(b -> {
            for (int at = 0; at < MIB; at += SECTOR) {
                b.putInt(LOG + at, LogEntry.SIGNATURE).putInt(LOG + at + 8, MIB).putLong(LOG + at + 16, 1);
                Layout.putGuid(b, LOG + at + 32, GUID);
            }
        });
        assertEquals(
                Reason.CORRUPT,
                assertThrows(DiskException.class, () -> driver.open(IMAGE, context))
                        .reason());
    }

    @Test
    void aCheckListsTheLogAndARepairReplaysIt() throws Exception {
        logged(b -> entry(b, 0, 0, 1, 6 | PAYLOAD));
        CheckReport found = driver.check(IMAGE, context.forReading());
        assertTrue(found.clean());
        assertEquals(List.of("log with 2 changes: replayed into the file"), found.repairs());
        assertTrue(HeaderSection.read(reopen()).current().hasLog());
        assertEquals(found.repairs(), driver.check(IMAGE, context).repairs());
        assertFalse(HeaderSection.read(reopen()).current().hasLog());
        CheckReport left = driver.check(IMAGE, context.forReading());
        assertTrue(left.clean());
        assertFalse(left.wantsRepair(), left.toString());
    }

    @Test
    void aRepairRemovesTheMarkOfADiskThatWasNotClosedAndCutsOffWhatItHadExtended() throws Exception {
        SimFile file = image(b -> b.putLong(BAT, 6 | PAYLOAD));
        VirtualDisk disk = driver.open(IMAGE, context);
        assertEquals(0, write(disk, 5L * MIB, 512, 1));
        byte[] killed = file.bytes();
        disk.close();
        context.put(IMAGE, killed);
        CheckReport found = driver.check(IMAGE, context.forReading());
        assertEquals(1, found.repairs().size());
        assertTrue(found.leaked() > 0);
        assertTrue(driver.check(IMAGE, context).clean());
        reopen();
        CheckReport left = driver.check(IMAGE, context.forReading());
        // the three blocks between the used ones stay
        assertEquals(3, left.leaked());
        assertEquals(List.of(), left.repairs());
        disk = driver.open(IMAGE, context);
        assertEquals(1, read(disk, 5L * MIB));
        disk.close();
    }

    /**
     * Half of its 16384 entries name the first as their tail, which does not lead to them: to walk there from each
     * takes 67 million steps.
     */
    @Test
    void aLogOfManyEntriesIsReadSoon() throws Exception {
        int log = 64 * MIB;
        ByteBuffer bytes = ByteBuffer.allocate(MIB + log).order(ByteOrder.LITTLE_ENDIAN);
        for (int i = 0; i < log / SECTOR; i++) {
            int at = MIB + i * SECTOR;
            bytes.putInt(at, LogEntry.SIGNATURE)
                    .putInt(at + 8, SECTOR)
                    .putLong(at + 16, i < log / SECTOR / 2 ? i + 1 : i + 2);
            Layout.putGuid(bytes, at + 32, GUID);
            bytes.putLong(at + 56, i);
            seal(bytes, at, SECTOR);
        }
        LogContents contents = LogReader.read(context.put(IMAGE, bytes.array()), header(log));
        assertTrue(contents.isEmpty());
        assertEquals(log / SECTOR / 2 - 1, contents.lastFileOffset());
    }

    private static VhdxHeader header(int logLength) {
        ByteBuffer bytes = ByteBuffer.allocate(SECTOR).order(ByteOrder.LITTLE_ENDIAN);
        bytes.putInt(0, VhdxHeader.SIGNATURE)
                .putLong(8, 1)
                .putShort(66, (short) 1)
                .putInt(68, logLength)
                .putLong(72, MIB);
        Layout.putGuid(bytes, 48, GUID);
        seal(bytes, 0, SECTOR);
        return VhdxHeader.parse(bytes);
    }

    @Test
    void theMemoryForLogsIsBoundedForAllImages() throws Exception {
        VhdxLogMemory logs = new VhdxLogMemory(96 << 20);
        try (VhdxLogMemory.Share most = logs.take(90 << 20, IMAGE)) {
            Thread.currentThread().interrupt();
            assertTrue(assertThrows(DiskException.class, () -> logs.take(32 << 20, IMAGE))
                    .getMessage()
                    .contains(IMAGE));
            assertTrue(Thread.interrupted());
            // more while it is in use, and less again
            logs.limit(128 << 20);
            logs.take(32 << 20, IMAGE).close();
            logs.limit(96 << 20);
            most.shrinkTo(1 << 20);
            logs.take(32 << 20, IMAGE).close();
        }
        logs.take(96 << 20, IMAGE).close();
    }

    @Test
    void piecesOfALogReplaceEachOther() throws Exception {
        byte[] log = new byte[8 * SECTOR];
        for (int i = 0; i < 8; i++) {
            Arrays.fill(log, i * SECTOR, (i + 1) * SECTOR, (byte) (i + 1));
        }
        Random random = new Random(5);
        for (int round = 0; round < 200; round++) {
            LogContents contents = new LogContents(log);
            int[] model = new int[32];
            Arrays.fill(model, -1);
            for (int i = 0; i < 20; i++) {
                int at = random.nextInt(32);
                if (random.nextBoolean()) {
                    int sector = random.nextInt(8);
                    contents.sector((long) at * SECTOR, sector * SECTOR);
                    model[at] = sector + 1;
                } else {
                    int count = 1 + random.nextInt(32 - at);
                    contents.zeros((long) at * SECTOR, (long) count * SECTOR);
                    Arrays.fill(model, at, at + count, 0);
                }
            }
            int[] found = new int[32];
            Arrays.fill(found, -1);
            contents.visit(0, 32L * SECTOR, (offset, length, data) -> {
                for (long at = offset; at < offset + length; at += SECTOR) {
                    assertEquals(-1, found[(int) (at / SECTOR)]);
                    found[(int) (at / SECTOR)] = data == null ? 0 : data.get((int) (at - offset));
                }
            });
            assertArrayEquals(model, found);
            for (int i = 0; i < 32; i++) {
                assertEquals(model[i] >= 0, contents.overlaps((long) i * SECTOR + 512, 512));
            }
        }
    }

    @Test
    void anImageThatIsOnlyReadStaysAsItIs() throws Exception {
        SimFile file = image(b -> {});
        byte[] before = file.bytes();
        VirtualDisk disk = driver.open(IMAGE, context);
        assertEquals(0, read(disk, 0));
        disk.close();
        assertArrayEquals(before, file.bytes());
    }

    /** A child of the image must see that it was changed; a killed process leaves a log. */
    @Test
    void theFirstChangeMarksTheImage() throws Exception {
        SimFile file = image(b -> b.putLong(BAT, 6 | PAYLOAD));
        VirtualDisk disk = driver.open(IMAGE, context);
        String guid = disk.info().details().get("data write GUID");
        assertEquals(0, write(disk, 0, 512, 1));
        byte[] killed = file.bytes();
        disk.close();
        HeaderSection closed = HeaderSection.read(reopen());
        assertNotEquals(guid, closed.current().dataWriteGuid().toString());
        assertFalse(closed.current().hasLog());
        context.put(IMAGE, killed);
        assertTrue(
                HeaderSection.read(context.files.get(Path.of(IMAGE))).current().hasLog());
        disk = driver.open(IMAGE, context.forReading());
        assertEquals(1, read(disk, 0));
        assertEquals(null, disk.info().details().get("log"));
        disk.close();
    }

    /** Many more entries than the log holds at a time: wherever the power fails, what was answered is there. */
    @Test
    void aLogBeginsAgain() throws Exception {
        SimFile file = image(b -> {});
        Random random = new Random(3);
        int[] ended = new int[300];
        int begin;
        try (LogWriter log = new LogWriter(file, HeaderSection.read(file), context.memory())) {
            log.begin();
            file.settle();
            begin = loop.moment();
            LoggedFile logged = new LoggedFile(file, log, loop, () -> PAYLOAD);
            for (int i = 0; i < ended.length; i++) {
                int number = i;
                Memory.fill(memory.address(), 3 * SECTOR, (byte) (i + 1));
                Segments data = new Segments(1);
                data.add(memory.address(), 3 * SECTOR);
                logged.write(BAT, data, 0, 3 * SECTOR, error -> ended[number] = loop.moment());
                loop.drain();
            }
        }
        int end = loop.moment();
        for (int point = begin; point < end; point += 1 + random.nextInt(9)) {
            SimFile crashed = context.put(IMAGE, file.afterPowerLoss(point, random));
            LogContents contents =
                    LogReader.read(crashed, HeaderSection.read(crashed).current());
            ByteBuffer found = ByteBuffer.allocate(3 * SECTOR);
            try (ReplayedFile replayed =
                    new ReplayedFile(crashed, contents, new VhdxLogMemory(MIB).take(MIB, IMAGE), loop)) {
                replayed.readFully(found, BAT);
            }
            int last = 0;
            while (last < ended.length && ended[last] <= point) {
                last++;
            }
            byte value = found.get(0);
            assertTrue(
                    value == (byte) last || value == (byte) (last + 1),
                    value + " after " + last + " writes, at " + point);
            for (int i = 0; i < 3 * SECTOR; i++) {
                assertEquals(value, found.get(i));
            }
        }
    }

    /** Changes of one turn of the loop are all there or none, whichever table was first. */
    @Test
    void aGroupIsOneEntry() throws Exception {
        SimFile file = image(b -> {});
        int begin;
        int[] errors = {-1, -1};
        try (LogWriter log = new LogWriter(file, HeaderSection.read(file), context.memory())) {
            log.begin();
            file.settle();
            begin = loop.moment();
            LoggedFile logged = new LoggedFile(file, log, loop, () -> PAYLOAD);
            Memory.fill(memory.address(), SECTOR, (byte) 5);
            Segments data = new Segments(1);
            data.add(memory.address(), SECTOR);
            loop.execute(() -> {
                logged.write(BAT, data, 0, SECTOR, error -> errors[0] = error);
                logged.first().write(BAT + 2L * SECTOR, data, 0, SECTOR, error -> errors[1] = error);
            });
            loop.drain();
            assertArrayEquals(new int[] {0, 0}, errors);
            int end = loop.moment();
            for (int point = begin; point <= end; point++) {
                for (int seed = 0; seed < 5; seed++) {
                    SimFile crashed = context.put(IMAGE, file.afterPowerLoss(point, new Random(seed)));
                    LogContents contents =
                            LogReader.read(crashed, HeaderSection.read(crashed).current());
                    ByteBuffer found = ByteBuffer.allocate(3 * SECTOR);
                    try (ReplayedFile replayed =
                            new ReplayedFile(crashed, contents, new VhdxLogMemory(MIB).take(MIB, IMAGE), loop)) {
                        replayed.readFully(found, BAT);
                    }
                    assertEquals(found.get(0), found.get(2 * SECTOR));
                }
            }
            // the entry cannot be written: neither change is made
            file.failWith(() -> 5);
            Memory.fill(memory.address(), SECTOR, (byte) 6);
            loop.execute(() -> {
                logged.write(BAT, data, 0, SECTOR, error -> errors[0] = error);
                logged.first().write(BAT + 2L * SECTOR, data, 0, SECTOR, error -> errors[1] = error);
            });
            loop.drain();
            assertArrayEquals(new int[] {5, 5}, errors);
            byte[] now = file.bytes();
            assertEquals(5, now[BAT]);
            assertEquals(5, now[BAT + 2 * SECTOR]);
        }
    }
}
