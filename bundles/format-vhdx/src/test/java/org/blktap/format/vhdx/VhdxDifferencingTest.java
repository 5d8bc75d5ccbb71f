package org.blktap.format.vhdx;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.blktap.api.disk.DiskException;
import org.blktap.api.disk.DiskException.Reason;
import org.blktap.api.disk.Operation;
import org.blktap.api.disk.VirtualDisk;
import org.blktap.api.engine.Errno;
import org.blktap.image.sim.SimContext;
import org.junit.jupiter.api.Test;

/** Differencing images, as Hyper-V makes them. */
class VhdxDifferencingTest extends VhdxTest {
    private static final String PARENT = "/sim/sub/parent.vhdx";
    /** Of the only chunk, after the entries of its 4096 blocks. */
    private static final int BITMAP_ENTRY = BAT + 4096 * 8;

    private static final int LOCATOR = ITEMS + 4096;

    private String linkage() throws DiskException {
        return HeaderSection.read(context.files.get(Path.of(PARENT)))
                .current()
                .dataWriteGuid()
                .toString();
    }

    private static void locator(ByteBuffer b, Map<String, String> values) {
        Layout.putGuid(b, LOCATOR, ParentLocator.TYPE);
        b.putShort(LOCATOR + 18, (short) values.size());
        int at = 20 + 12 * values.size();
        int entry = LOCATOR + 20;
        for (Map.Entry<String, String> value : new TreeMap<>(values).entrySet()) {
            byte[] key = value.getKey().getBytes(StandardCharsets.UTF_16LE);
            byte[] text = value.getValue().getBytes(StandardCharsets.UTF_16LE);
            b.putInt(entry, at)
                    .putInt(entry + 4, at + key.length)
                    .putShort(entry + 8, (short) key.length)
                    .putShort(entry + 10, (short) text.length);
            b.put(LOCATOR + at, key).put(LOCATOR + at + key.length, text);
            at += key.length + text.length;
            entry += 12;
        }
        b.putInt(ITEMS + 4, VhdxMetadata.HAS_PARENT);
        b.putShort(METADATA + 10, (short) 6);
        Layout.putGuid(b, METADATA + 192, VhdxMetadata.PARENT_LOCATOR);
        b.putInt(METADATA + 208, LOCATOR - METADATA)
                .putInt(METADATA + 212, at)
                .putInt(METADATA + 216, VhdxMetadata.IS_REQUIRED);
    }

    /**
     * The parent holds 1 everywhere in blocks 0 to 3; the child has block 0 whole, of block 1 the second sector, of
     * block 2 zeros.
     */
    private void child(Map<String, String> locator) {
        image(b -> {
            locator(b, locator);
            b.putLong(BAT, 6 | PAYLOAD)
                    .putLong(BAT + 8, 7 | PAYLOAD + MIB)
                    .putLong(BAT + 16, 2)
                    .putLong(BITMAP_ENTRY, 6 | PAYLOAD + 2L * MIB);
            b.put(PAYLOAD, (byte) 5).put(PAYLOAD + MIB + 512, (byte) 6);
            int firstOfBlock1 = PAYLOAD + 2 * MIB + 2048 / 8;
            b.put(firstOfBlock1, (byte) 0b10);
        });
    }

    private SimContext reading() {
        SimContext reading = context.forReading();
        reading.drivers.put("vhdx", driver);
        return reading;
    }

    private void parent() {
        image(PARENT, b -> {
            for (int block = 0; block < 4; block++) {
                b.putLong(BAT + block * 8, 6 | PAYLOAD + (long) block * MIB);
                for (int i = 0; i < MIB; i++) {
                    b.put(PAYLOAD + block * MIB + i, (byte) 1);
                }
            }
        });
    }

    private DiskException refusedForReading() {
        return assertThrows(DiskException.class, () -> driver.open(IMAGE, reading()));
    }

    @Test
    void whatTheChildDoesNotHaveIsTheParents() throws Exception {
        parent();
        child(Map.of(
                "parent_linkage",
                "{" + linkage().toUpperCase() + "}",
                "relative_path",
                "sub\\parent.vhdx",
                "absolute_win32_path",
                "C:\\parent.vhdx"));
        VirtualDisk disk = driver.open(IMAGE, reading());
        assertEquals("differencing", disk.info().details().get("subformat"));
        assertEquals("vhdx:sub/parent.vhdx", disk.info().details().get("backing"));
        int[][] expected = {
            {0, 5},
            {1, 0},
            {MIB - 1, 0},
            {MIB, 1},
            {MIB + 511, 1},
            {MIB + 512, 6},
            {MIB + 513, 0},
            {MIB + 1024, 1},
            {2 * MIB - 1, 1},
            {2 * MIB, 0},
            {3 * MIB - 1, 0},
            {3 * MIB, 1},
            {4 * MIB - 1, 1},
            {4 * MIB, 0},
            {8 * MIB - 1, 0}
        };
        for (int[] at : expected) {
            assertEquals(at[1], read(disk, at[0]), "at " + at[0]);
        }
        assertEquals(0, submit(disk, Operation.READ, MIB - 65536, 4 * 65536));
        disk.close();
        assertTrue(driver.check(IMAGE, reading()).clean());
        assertEquals(2, driver.check(IMAGE, reading()).clusters());
    }

    @Test
    void aParentThatIsNotTheOneIsRefused() throws Exception {
        parent();
        child(Map.of("parent_linkage", Layout.NO_GUID.toString(), "relative_path", "sub\\parent.vhdx"));
        DiskException e = refusedForReading();
        assertEquals(Reason.CORRUPT, e.reason());
        assertTrue(e.getMessage().contains(linkage()), e.getMessage());
        assertTrue(context.files.get(Path.of(PARENT)).isClosed());
        assertTrue(context.files.get(Path.of(IMAGE)).isClosed());
        child(Map.of("parent_linkage", linkage(), "relative_path", "none.vhdx"));
        assertEquals(Reason.NOT_FOUND, refusedForReading().reason());
        for (String text : new String[] {"nonsense", "{}"}) {
            child(Map.of("parent_linkage", text, "relative_path", "sub\\parent.vhdx"));
            assertEquals(Reason.CORRUPT, refusedForReading().reason());
        }
        child(Map.of("relative_path", "sub\\parent.vhdx"));
        assertEquals(Reason.CORRUPT, refusedForReading().reason());
        child(Map.of("parent_linkage", linkage(), "absolute_win32_path", "C:\\parent.vhdx"));
        assertEquals(Reason.NOT_FOUND, refusedForReading().reason());
        child(Map.of("parent_linkage", linkage()));
        assertTrue(refusedForReading().getMessage().contains("-o parent="));
        child(Map.of("parent_linkage", linkage(), "relative_path", "a\0b"));
        assertEquals(Reason.CORRUPT, refusedForReading().reason());
    }

    @Test
    void aParentBesideTheImageIsFoundWhateverHostItsNameIsOf() throws Exception {
        parent();
        context.put("/sim/parent.vhdx", context.files.remove(Path.of(PARENT)).bytes());
        String linkage = HeaderSection.read(context.files.get(Path.of("/sim/parent.vhdx")))
                .current()
                .dataWriteGuid()
                .toString();
        String other = "11111111-2222-3333-4444-555555555555";
        for (Map<String, String> locator : List.of(
                Map.of("parent_linkage", linkage, "relative_path", "..\\..\\base\\parent.vhdx"),
                Map.of(
                        "parent_linkage",
                        linkage,
                        "volume_path",
                        "\\\\?\\Volume{26A21BDA-A627-11D7-9931-806E6F6E6963}\\parent.vhdx"),
                Map.of("parent_linkage", linkage, "absolute_win32_path", "\\\\?\\D:\\vm\\parent.vhdx"),
                Map.of(
                        "parent_linkage",
                        linkage,
                        "absolute_win32_path",
                        "D:\\vm\\parent.vhdx",
                        "relative_path",
                        ".\\none.vhdx"),
                Map.of(
                        "parent_linkage",
                        other,
                        "parent_linkage2",
                        "{" + linkage + "}",
                        "absolute_win32_path",
                        "/mnt/x/parent.vhdx"))) {
            child(locator);
            VirtualDisk disk = driver.open(IMAGE, reading());
            assertEquals(1, read(disk, MIB), locator.toString());
            disk.close();
            context.put(
                    "/sim/parent.vhdx",
                    context.files.get(Path.of("/sim/parent.vhdx")).bytes());
        }
        child(Map.of("parent_linkage", other, "absolute_win32_path", "D:\\vm\\parent.vhdx"));
        DiskException e = refusedForReading();
        assertEquals(Reason.CORRUPT, e.reason());
        assertTrue(
                e.getMessage().contains("/vm/parent.vhdx (") && e.getMessage().contains(linkage), e.getMessage());
    }

    /** Each of 65535 entries of a megabyte could have a key and a value of 64 KiB. */
    @Test
    void aLocatorOfManyEntriesIsRefused() {
        parent();
        image(b -> {
            locator(b, Map.of());
            b.putShort(LOCATOR + 18, (short) 33).putInt(METADATA + 212, 20 + 33 * 12);
        });
        assertTrue(refusedForReading().getMessage().contains("KeyValueCount"));
    }

    @Test
    void locatorsThatBreakTheRulesAreRefused() throws Exception {
        parent();
        Map<String, String> right = Map.of("parent_linkage", linkage(), "relative_path", "sub\\parent.vhdx");
        for (int[] change :
                new int[][] {{0, 1}, {18, -1}, {20, -1}, {24, -1}, {28, -1}, {28, 3}, {28, 0}, {20, 1 << 20}}) {
            image(b -> {
                locator(b, right);
                b.putInt(LOCATOR + change[0], change[1]);
            });
            assertEquals(Reason.CORRUPT, refusedForReading().reason(), change[0] + ": " + change[1]);
        }
        image(b -> {
            locator(b, right);
            b.putInt(METADATA + 212, 19);
        });
        assertEquals(Reason.CORRUPT, refusedForReading().reason());
        image(b -> b.putInt(ITEMS + 4, VhdxMetadata.HAS_PARENT));
        assertEquals(Reason.CORRUPT, refusedForReading().reason());
    }

    @Test
    void bitmapsThatAreNowhereFailTheirRangeAlone() throws Exception {
        parent();
        for (long entry : new long[] {0, 1, 7, 6, 6 | BAT, 6 | PAYLOAD + 4L * MIB, -1}) {
            child(Map.of("parent_linkage", linkage(), "relative_path", "sub\\parent.vhdx"));
            put(IMAGE, context.files.get(Path.of(IMAGE)).bytes(), b -> b.putLong(BITMAP_ENTRY, entry));
            VirtualDisk disk = driver.open(IMAGE, reading());
            assertEquals(Errno.EIO, submit(disk, Operation.READ, MIB, 512), Layout.hex(entry));
            assertEquals(5, read(disk, 0));
            assertEquals(1, read(disk, 3L * MIB));
            disk.close();
            context.put(PARENT, context.files.get(Path.of(PARENT)).bytes());
        }
    }
}
