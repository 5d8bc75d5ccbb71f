package org.blktap.format.qcow2;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.ByteBuffer;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.BitSet;
import java.util.List;
import java.util.Map;
import java.util.Random;
import org.blktap.api.disk.DiskDriver.CheckReport;
import org.blktap.api.disk.DiskException;
import org.blktap.api.disk.Operation;
import org.blktap.api.disk.StoredBitmaps;
import org.blktap.api.disk.StoredBitmaps.Source;
import org.blktap.api.disk.StoredBitmaps.State;
import org.blktap.api.disk.StoredBitmaps.StoredBitmap;
import org.blktap.api.disk.TapSpec;
import org.blktap.api.disk.VirtualDisk;
import org.blktap.api.memory.NativeBuffer;
import org.blktap.image.sim.SimContext;
import org.blktap.image.sim.SimFile;
import org.blktap.image.sim.SimLoop;
import org.blktap.linux.Mapping;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Bitmaps in the image: stored, read, marked before a change; hostile ones; crashes while they are stored. */
class Qcow2BitmapsTest {
    private static final String IMAGE = "/sim/a.qcow2";
    /** With bits for 512 bytes: two clusters of 512 bytes, and a part of a third one. */
    private static final int SIZE = (4 << 20) + (1 << 20) + 512;

    private static final int BITS = SIZE / 512;

    private final Qcow2Driver driver = new Qcow2Driver();
    private SimLoop loop = new SimLoop(new Random(1));
    private SimContext context = new SimContext(loop, false, Map.of("cluster-size", "512"));

    /** A bitmap with bits for 512 bytes. */
    private record Bits(String name, boolean stale, long size, BitSet bits) implements Source {
        static Bits of(String name, int... ranges) {
            BitSet bits = new BitSet();
            for (int i = 0; i < ranges.length; i += 2) {
                bits.set(ranges[i], ranges[i + 1]);
            }
            return new Bits(name, false, SIZE, bits);
        }

        @Override
        public long granularity() {
            return 512;
        }

        @Override
        public long nextDirty(long from) {
            int bit = bits.nextSetBit((int) (from / 512));
            return bit < 0 ? size : Math.max(from, bit * 512L);
        }

        @Override
        public long nextClean(long from) {
            return Math.min(size, Math.max(from, bits.nextClearBit((int) (from / 512)) * 512L));
        }
    }

    private SimFile file() {
        return context.files.get(Path.of(IMAGE));
    }

    private void reopen() {
        context.put(IMAGE, file().bytes());
    }

    private VirtualDisk open() throws DiskException {
        reopen();
        return driver.open(IMAGE, context);
    }

    private void create() throws DiskException {
        driver.create(IMAGE, SIZE, null, context);
        reopen();
    }

    private void store(Source... bitmaps) throws DiskException {
        VirtualDisk disk = open();
        disk.storedBitmaps().store(Arrays.asList(bitmaps));
        disk.close();
        sound();
    }

    /** Nothing is leaked or wrong. */
    private void sound() throws DiskException {
        reopen();
        CheckReport report = driver.check(IMAGE, context.forReading());
        assertEquals(List.of(), report.problems());
        assertEquals(0, report.leaked());
    }

    private void write(VirtualDisk disk, long offset) {
        try (NativeBuffer memory = Mapping.anonymous(4096)) {
            for (int i = 0; i < 4096; i++) {
                memory.bytes(0, 4096).put(i, (byte) 7);
            }
            assertEquals(0, loop.submit(disk, Operation.WRITE, offset, memory.address(), 4096));
            assertEquals(0, loop.submit(disk, Operation.FLUSH, 0, 0, 0));
        }
    }

    private static BitSet read(StoredBitmaps from, String name) throws DiskException {
        BitSet bits = new BitSet();
        long[] end = {-1};
        from.read(name, (offset, length) -> {
            assertTrue(offset > end[0] && length > 0, "ascending, and they do not touch");
            end[0] = offset + length;
            bits.set((int) (offset / 512), (int) ((offset + length) / 512));
        });
        return bits;
    }

    private StoredBitmap only() throws DiskException {
        VirtualDisk disk = open();
        List<StoredBitmap> all = disk.storedBitmaps().list();
        disk.close();
        assertEquals(1, all.size(), all::toString);
        return all.get(0);
    }

    // ---- what programs see

    @Test
    void whatIsStoredIsReadAgain() throws Exception {
        create();
        Random random = new Random(5);
        long largest = 0;
        for (int round = 0; round < 30; round++) {
            Bits daily = Bits.of("daily", 0, 1, 7, 9, BITS - 1, BITS);
            Bits all = Bits.of("all", 0, BITS);
            Bits none = Bits.of("none");
            Bits some = Bits.of("some");
            for (int i = 0; i < random.nextInt(50); i++) {
                int at = random.nextInt(BITS);
                some.bits.set(at, Math.min(BITS, at + random.nextInt(5000)));
            }
            VirtualDisk disk = open();
            write(disk, random.nextInt(1000) * 4096L);
            disk.storedBitmaps().store(List.of(daily, all, none, some, new Bits("bad", true, SIZE, new BitSet())));
            disk.close();
            sound();
            disk = open();
            StoredBitmaps stored = disk.storedBitmaps();
            assertTrue(stored.current());
            assertEquals(5, stored.list().size());
            assertEquals(
                    new StoredBitmap("daily", 512, State.RECORDING, true),
                    stored.list().get(0));
            assertEquals(
                    new StoredBitmap("bad", 512, State.STALE, true),
                    stored.list().get(4));
            for (Bits each : List.of(daily, all, none, some)) {
                assertEquals(each.bits, read(stored, each.name));
            }
            assertThrows(DiskException.class, () -> read(stored, "bad"));
            disk.draining(false);
            assertTrue(!stored.current() && stored.list().size() == 5);
            disk.close();
            sound();
            largest = round == 10 ? file().size() : largest;
        }
        assertTrue(file().size() <= largest + (1 << 20), "clusters of older bitmaps are used again");
        VirtualDisk disk = driver.open(IMAGE, context.forReading());
        assertNull(disk.storedBitmaps());
        disk.close();
    }

    /** An opening alone changes nothing; a change marks the bitmaps first, and they stay so if nobody stores them. */
    @Test
    void aBitmapThatNobodyKeepsIsStaleAfterAChange() throws Exception {
        create();
        store(Bits.of("daily", 3, 9));
        byte[] before = file().bytes();
        open().close();
        assertEquals(ByteBuffer.wrap(before), ByteBuffer.wrap(file().bytes()));
        assertEquals(State.RECORDING, only().state());
        VirtualDisk disk = open();
        write(disk, 0);
        disk.close();
        sound();
        assertEquals(State.STALE, only().state());
        // one that does not record is not touched by writes
        store(Bits.of("daily", 3, 9));
        patch(entry() + BitmapEntry.AT_FLAGS, 4, 0);
        disk = open();
        write(disk, 8192);
        disk.close();
        assertEquals(new StoredBitmap("daily", 512, State.STOPPED, false), only());
    }

    @Test
    void aBitmapIsForgotten() throws Exception {
        create();
        store(Bits.of("daily", 3, 9), Bits.of("weekly", 5, 4000));
        VirtualDisk disk = open();
        disk.storedBitmaps().forget("daily");
        disk.close();
        sound();
        assertEquals("weekly", only().name());
        disk = open();
        assertEquals(Bits.of("weekly", 5, 4000).bits, read(disk.storedBitmaps(), "weekly"));
        disk.storedBitmaps().forget("weekly");
        disk.close();
        sound();
        Qcow2Header header = Qcow2Header.read(file());
        assertEquals(0, header.autoclear());
        assertNull(header.extensions().get(Qcow2Header.EXT_BITMAPS));
    }

    @Test
    void theBackingNameStays() throws Exception {
        SimContext other = context.with(Map.of());
        other.drivers.put("qcow2", driver);
        driver.create("/sim/base.qcow2", SIZE, null, other);
        String base = "/sim/" + "b".repeat(200) + ".qcow2";
        other.put(base, other.files.get(Path.of("/sim/base.qcow2")).bytes());
        driver.create(IMAGE, SIZE, new TapSpec("qcow2", base), other);
        context = other;
        for (int i = 0; i < 3; i++) {
            context.put(base, context.files.get(Path.of(base)).bytes());
            store(Bits.of("daily", i, 100 + i));
            context.put(base, context.files.get(Path.of(base)).bytes());
            VirtualDisk disk = open();
            assertEquals(new TapSpec("qcow2", base), disk.info().backing());
            assertEquals(Bits.of("daily", i, 100 + i).bits, read(disk.storedBitmaps(), "daily"));
            disk.close();
        }
    }

    @Test
    void aDiskThatGrowsHasBitmapsOfItsSize() throws Exception {
        create();
        store(Bits.of("daily", 3, 9), Bits.of("off", 5, 4000), new Bits("bad", true, SIZE, new BitSet()));
        patch(entry() + 32 + BitmapEntry.AT_FLAGS, 4, 0);
        reopen();
        driver.resize(IMAGE, 2L * SIZE, context);
        sound();
        VirtualDisk disk = open();
        StoredBitmaps stored = disk.storedBitmaps();
        BitSet daily = Bits.of("daily", 3, 9, BITS, 2 * BITS).bits;
        assertEquals(daily, read(stored, "daily"));
        assertEquals(Bits.of("off", 5, 4000).bits, read(stored, "off"));
        assertEquals(
                List.of("bad STALE", "daily RECORDING", "off STOPPED"),
                stored.list().stream()
                        .map(each -> each.name() + " " + each.state())
                        .sorted()
                        .toList());
        disk.close();
    }

    // ---- hostile images

    private long directory() throws DiskException {
        return ByteBuffer.wrap(Qcow2Header.read(file()).extensions().get(Qcow2Header.EXT_BITMAPS))
                .getLong(BitmapDirectory.AT_DIRECTORY);
    }

    /** The first entry of the directory. */
    private long entry() throws DiskException {
        return directory();
    }

    private long extension() {
        byte[] all = file().bytes();
        for (int at = Qcow2Header.V3_LENGTH; at < 512; at += 8) {
            if (ByteBuffer.wrap(all).getInt(at) == Qcow2Header.EXT_BITMAPS) {
                return at + Qcow2Header.EXT_BYTES;
            }
        }
        throw new AssertionError("no bitmaps extension");
    }

    private void patch(long at, int bytes, long value) {
        ByteBuffer b = ByteBuffer.allocate(8).putLong(0, value).position(8 - bytes);
        file().writeFully(b, at);
    }

    private enum Directory {
        BEYOND,
        UNALIGNED,
        HUGE,
        SHORTER,
        LONGER,
        ON_THE_L1_TABLE,
        NEGATIVE,
        NO_BITMAPS,
        MANY_BITMAPS,
        RESERVED,
        NO_NAME,
        LONG_NAME,
        MUCH_EXTRA,
        FLAGS,
        SAME_NAME,
        NO_EXTENSION
    }

    /** Nothing of such bitmaps is believed, nor by any program that opens the image afterwards. */
    @ParameterizedTest
    @EnumSource
    void aDirectoryThatIsWrongIsNotValid(Directory what) throws Exception {
        create();
        store(Bits.of("daily", 3, 9), Bits.of("hours", 5, 4000));
        long at = extension();
        int length = 64;
        switch (what) {
            case BEYOND -> patch(at + BitmapDirectory.AT_DIRECTORY, 8, 1L << 40);
            case UNALIGNED -> patch(at + BitmapDirectory.AT_DIRECTORY, 8, directory() + 8);
            case HUGE -> patch(at + BitmapDirectory.AT_DIRECTORY_BYTES, 8, 1L << 60);
            case SHORTER -> patch(at + BitmapDirectory.AT_DIRECTORY_BYTES, 8, length - 8);
            case LONGER -> patch(at + BitmapDirectory.AT_DIRECTORY_BYTES, 8, length + 8);
            case ON_THE_L1_TABLE ->
                patch(
                        at + BitmapDirectory.AT_DIRECTORY,
                        8,
                        Qcow2Header.read(file()).l1Offset());
            case NEGATIVE -> patch(at + BitmapDirectory.AT_DIRECTORY_BYTES, 8, -1);
            case NO_BITMAPS -> patch(at, 4, 0);
            case MANY_BITMAPS -> patch(at, 4, 65536);
            case RESERVED -> patch(at + BitmapDirectory.AT_RESERVED, 4, 1);
            case NO_NAME -> patch(entry() + BitmapEntry.AT_NAME_BYTES, 2, 0);
            case LONG_NAME -> patch(entry() + BitmapEntry.AT_NAME_BYTES, 2, 1024);
            case MUCH_EXTRA -> patch(entry() + BitmapEntry.AT_EXTRA_BYTES, 4, 0xffffffffL);
            case FLAGS -> patch(entry() + BitmapEntry.AT_FLAGS, 4, 1 << 3);
            case SAME_NAME -> file().writeFully(ByteBuffer.wrap("daily".getBytes()), entry() + 32 + BitmapEntry.FIXED);
            case NO_EXTENSION -> patch(at - Qcow2Header.EXT_BYTES, 4, 0x11111111);
        }
        reopen();
        Qcow2Header before = Qcow2Header.read(file());
        DiskException e = assertThrows(DiskException.class, () -> BitmapDirectory.read(before, file()));
        assertTrue(
                e.getMessage().matches("(?s)" + IMAGE + ": .*bitmap.* at offset \\d+: found .*, expected .*"),
                e.getMessage());
        VirtualDisk disk = open();
        assertEquals(0, Qcow2Header.read(file()).autoclear());
        assertEquals(List.of(), disk.storedBitmaps().list());
        assertEquals(what != Directory.NO_EXTENSION, disk.storedBitmaps().invalidated());
        disk.storedBitmaps().store(List.of(Bits.of("daily", 8, 9)));
        disk.close();
        reopen();
        assertEquals(List.of(), driver.check(IMAGE, context).problems());
        sound();
        assertEquals(State.RECORDING, only().state());
    }

    private enum Entry {
        TYPE,
        SMALL_BITS,
        LARGE_BITS,
        GRANULARITY_63,
        GRANULARITY_255,
        EXTRA,
        SHORT_TABLE,
        HUGE_TABLE,
        TABLE_BEYOND,
        TABLE_AT_0,
        TABLE_ON_THE_COUNTS,
        TABLE_ENTRY_RESERVED,
        TABLE_ENTRY_HIGH,
        TABLE_ENTRY_ONE,
        TABLE_ENTRY_UNALIGNED,
        TABLE_ENTRY_BEYOND
    }

    /** One bitmap is wrong: it is stale, or cannot be read; the other is as it was, and so are disk and counts. */
    @ParameterizedTest
    @EnumSource
    void aBitmapThatIsWrongIsNotRead(Entry what) throws Exception {
        create();
        store(Bits.of("daily", 3, 9), Bits.of("hours", 5, 4000));
        long entry = entry();
        ByteBuffer now = ByteBuffer.wrap(file().bytes());
        long table = now.getLong((int) entry + BitmapEntry.AT_TABLE);
        long data = now.getLong((int) table);
        Qcow2Header header = Qcow2Header.read(file());
        switch (what) {
            case TYPE -> patch(entry + BitmapEntry.AT_TYPE, 1, 2);
            case SMALL_BITS -> patch(entry + BitmapEntry.AT_GRANULARITY, 1, 8);
            case LARGE_BITS -> patch(entry + BitmapEntry.AT_GRANULARITY, 1, 32);
            case GRANULARITY_63 -> patch(entry + BitmapEntry.AT_GRANULARITY, 1, 63);
            case GRANULARITY_255 -> patch(entry + BitmapEntry.AT_GRANULARITY, 1, 255);
            case EXTRA -> {
                // the name becomes extra data and a shorter name
                patch(entry + BitmapEntry.AT_EXTRA_BYTES, 4, 2);
                patch(entry + BitmapEntry.AT_NAME_BYTES, 2, 3);
            }
            case SHORT_TABLE -> patch(entry + BitmapEntry.AT_TABLE_ENTRIES, 4, 1);
            case HUGE_TABLE -> patch(entry + BitmapEntry.AT_TABLE_ENTRIES, 4, 0xffffffffL);
            case TABLE_BEYOND -> patch(entry + BitmapEntry.AT_TABLE, 8, Long.MAX_VALUE & -512);
            case TABLE_AT_0 -> patch(entry + BitmapEntry.AT_TABLE, 8, 0);
            case TABLE_ON_THE_COUNTS -> patch(entry + BitmapEntry.AT_TABLE, 8, header.refcountTableOffset());
            case TABLE_ENTRY_RESERVED -> patch(table + 8, 8, 2);
            case TABLE_ENTRY_HIGH -> patch(table + 8, 8, 1L << 56);
            case TABLE_ENTRY_ONE -> patch(table, 8, data | 1);
            case TABLE_ENTRY_UNALIGNED -> patch(table, 8, data | 1 << 8);
            case TABLE_ENTRY_BEYOND -> patch(table, 8, 1L << 50);
        }
        VirtualDisk disk = open();
        StoredBitmaps stored = disk.storedBitmaps();
        String name = what == Entry.EXTRA ? "ily" : "daily";
        StoredBitmap wrong = stored.list().get(0);
        assertEquals(name, wrong.name());
        DiskException e = assertThrows(DiskException.class, () -> read(stored, name));
        assertTrue(
                e.getMessage()
                        .matches("(?s)" + IMAGE + ": bitmap " + name + ", .* at offset \\d+: found .*, expected .*"),
                e.getMessage());
        assertEquals(what.name().startsWith("TABLE_ENTRY") ? State.RECORDING : State.STALE, wrong.state());
        assertEquals(Bits.of("hours", 5, 4000).bits, read(stored, "hours"));
        write(disk, 0);
        stored.store(List.of(Bits.of(name, 1, 2), Bits.of("hours", 5, 6)));
        disk.close();
        reopen();
        driver.check(IMAGE, context);
        sound();
        disk = open();
        assertEquals(Bits.of(name, 1, 2).bits, read(disk.storedBitmaps(), name));
        disk.close();
    }

    @Test
    void manyBitmapsTakeNoTime() throws Exception {
        create();
        Source[] many = new Source[5000];
        Arrays.setAll(many, i -> Bits.of("b" + i));
        store(many);
        VirtualDisk disk = open();
        assertEquals(5000, disk.storedBitmaps().list().size());
        write(disk, 0);
        disk.close();
        sound();
    }

    // ---- crashes

    /** Each step of a first and of a second storing: the old bitmaps, which are not valid, or the new ones. */
    @ParameterizedTest
    @ValueSource(ints = {1, 2, 3, 4, 5, 6, 7, 8})
    void aCrashLeavesOldOrNewBitmaps(int seed) throws Exception {
        loop = new SimLoop(new Random(seed));
        context = new SimContext(loop, false, Map.of("cluster-size", "512"));
        create();
        if (seed % 2 == 0) {
            store(Bits.of("daily", 3, 9, 100, 200), Bits.of("keep", 50, 60));
        }
        reopen();
        SimFile sim = file();
        int begin = loop.moment();
        VirtualDisk disk = driver.open(IMAGE, context);
        write(disk, 1 << 20);
        int written = loop.moment();
        Bits next = Bits.of("daily", 3, 9, 100, 200, 2048, 2056, 5000, 9000);
        disk.storedBitmaps().store(List.of(next, Bits.of("keep", 1, 2)));
        disk.close();
        int end = loop.moment();
        int newOnes = 0;
        for (int moment = begin; moment <= end; moment++) {
            for (int tries = 0; tries < 3; tries++) {
                boolean power = tries > 0;
                byte[] image =
                        power ? sim.afterPowerLoss(moment, new Random(seed * 100 + tries)) : sim.afterKill(moment);
                SimContext after = new SimContext(new SimLoop(new Random(1)), false, Map.of());
                after.put(IMAGE, image);
                String when = "moment " + moment + " of " + begin + " to " + end;
                assertEquals(List.of(), driver.check(IMAGE, after.forReading()).problems(), when);
                after.put(IMAGE, image);
                VirtualDisk opened = driver.open(IMAGE, after);
                StoredBitmaps stored = opened.storedBitmaps();
                StoredBitmap daily = stored.list().stream()
                        .filter(each -> each.name().equals("daily"))
                        .findFirst()
                        .orElse(null);
                if (daily != null && daily.state() == State.RECORDING) {
                    BitSet bits = read(stored, "daily");
                    boolean old = seed % 2 == 0 && moment <= written && !bits.equals(next.bits);
                    assertEquals(old ? Bits.of("daily", 3, 9, 100, 200).bits : next.bits, bits, when);
                    assertTrue(!old || isZero(after, opened), "a write that the bitmap misses, " + when);
                    newOnes += old ? 0 : 1;
                } else {
                    assertTrue(moment < end, when);
                }
                opened.close();
            }
        }
        assertTrue(newOnes >= 3);
        assertNotNull(disk);
    }

    private static boolean isZero(SimContext after, VirtualDisk disk) {
        try (NativeBuffer memory = Mapping.anonymous(4096)) {
            assertEquals(0, after.loop.submit(disk, Operation.READ, 1 << 20, memory.address(), 4096));
            for (int i = 0; i < 4096; i++) {
                if (memory.bytes(0, 4096).get(i) != 0) {
                    return false;
                }
            }
            return true;
        }
    }
}
