package org.blktap.format.vhdx;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.Arrays;
import java.util.List;
import org.blktap.api.disk.DiskException.Reason;
import org.blktap.api.disk.Operation;
import org.blktap.api.disk.VirtualDisk;
import org.blktap.api.engine.Errno;
import org.junit.jupiter.api.Test;

/** Images that others made, by mistake or by intent. */
class VhdxHostileTest extends VhdxTest {
    private static final int FIRST = (int) VhdxHeader.FIRST_OFFSET;
    private static final int SECOND = (int) VhdxHeader.SECOND_OFFSET;
    private static final int REGIONS = (int) Regions.FIRST_OFFSET;

    @Test
    void headersThatBreakTheRulesAreRefused() {
        assertTrue(refused(Reason.CORRUPT, b -> b.putLong(0, 1)).contains("file identifier at offset 0: found 0x1"));
        refused(Reason.CORRUPT, b -> b.putInt(FIRST, 0).putInt(SECOND, 0));
        assertTrue(refused(
                        Reason.UNSUPPORTED,
                        b -> b.putShort(FIRST + 66, (short) 2).putShort(SECOND + 66, (short) 2))
                .contains("version 2"));
        for (int length : new int[] {0, 4096, MIB + 4096, 64 * MIB, -MIB}) {
            assertTrue(refused(Reason.CORRUPT, b -> b.putInt(FIRST + 68, length).putInt(SECOND + 68, length))
                    .contains("LogLength"));
        }
        for (long offset : new long[] {0, 4096, MIB + 4096, 8L * MIB, -MIB, Long.MIN_VALUE, Long.MAX_VALUE}) {
            assertTrue(refused(
                            Reason.CORRUPT, b -> b.putLong(FIRST + 72, offset).putLong(SECOND + 72, offset))
                    .contains("LogOffset"));
        }
        assertTrue(refused(
                        Reason.CORRUPT,
                        b -> b.putLong(FIRST + 8, b.getLong(SECOND + 8)).putInt(FIRST + 16, 1))
                .contains("SequenceNumber"));
    }

    @Test
    void theNewestWholeHeaderCounts() throws Exception {
        image(b -> b.putInt(SECOND + 8, 100).putLong(SECOND + 32, 1).putLong(SECOND + 40, 0));
        VirtualDisk disk = driver.open(IMAGE, context);
        assertEquals(
                "00000001-0000-0000-0000-000000000000", disk.info().details().get("data write GUID"));
        disk.close();
        image(IMAGE, b -> b.putInt(SECOND + 8, 100));
        driver.open(IMAGE, context).close();
        // numbers are unsigned
        image(b -> b.putLong(FIRST + 8, -1).putLong(FIRST + 32, 2).putLong(FIRST + 40, 0));
        disk = driver.open(IMAGE, context);
        assertEquals(
                "00000002-0000-0000-0000-000000000000", disk.info().details().get("data write GUID"));
        disk.close();
    }

    @Test
    void shortFilesAreRefused() {
        byte[] whole = image(b -> {}).bytes();
        for (int length : new int[] {0, 1, 8, FIRST, FIRST + 4096, MIB, 2 * MIB - 1, 3 * MIB, BAT + MIB - 1}) {
            refusedAsItIs(Reason.CORRUPT, context.put(IMAGE, Arrays.copyOf(whole, length)));
        }
    }

    @Test
    void regionTablesThatBreakTheRulesAreRefused() throws Exception {
        refused(Reason.CORRUPT, b -> b.putInt(REGIONS, 0).putInt(REGIONS + 65536, 0));
        refused(Reason.CORRUPT, b -> b.putInt(REGIONS + 8, 2048));
        refused(Reason.CORRUPT, b -> b.putInt(REGIONS + 8, -1));
        assertTrue(refused(Reason.CORRUPT, b -> b.putInt(REGIONS + 8, 1)).contains("metadata"));
        for (long offset : new long[] {0, 4096, MIB + 1, 8L * MIB, -MIB, Long.MIN_VALUE, MIB, METADATA}) {
            refused(Reason.CORRUPT, b -> b.putLong(REGIONS + 32, offset));
        }
        for (int length : new int[] {0, 4096, 16 * MIB, -MIB, 6 * MIB}) {
            refused(Reason.CORRUPT, b -> b.putInt(REGIONS + 40, length));
        }
        // the second entry is the first once more
        refused(Reason.CORRUPT, b -> b.put(REGIONS + 48, b, REGIONS + 16, 16));
        assertTrue(refused(
                        Reason.UNSUPPORTED,
                        b -> b.putInt(REGIONS + 8, 3)
                                .putLong(REGIONS + 80, 7)
                                .putLong(REGIONS + 96, 5 * MIB)
                                .putInt(REGIONS + 104, MIB)
                                .putInt(REGIONS + 108, 1))
                .contains("needs the region"));
        image(b -> b.putInt(REGIONS + 8, 3)
                .putLong(REGIONS + 80, 7)
                .putLong(REGIONS + 96, 5 * MIB)
                .putInt(REGIONS + 104, MIB));
        driver.open(IMAGE, context).close();
        image(IMAGE, b -> b.putInt(REGIONS, 0));
        driver.open(IMAGE, context).close();
    }

    @Test
    void metadataThatBreaksTheRulesIsRefused() {
        refused(Reason.CORRUPT, b -> b.putLong(METADATA, 0));
        refused(Reason.CORRUPT, b -> b.putShort(METADATA + 10, (short) 2048));
        refused(Reason.CORRUPT, b -> b.putShort(METADATA + 10, (short) -1));
        assertTrue(refused(Reason.CORRUPT, b -> b.putShort(METADATA + 10, (short) 4))
                .contains("Physical Sector Size"));
        for (int offset : new int[] {0, 32, MIB - 7, MIB, -1}) {
            refused(Reason.CORRUPT, b -> b.putInt(METADATA + 48, offset));
        }
        for (int length : new int[] {0, 7, MIB, -1}) {
            refused(Reason.CORRUPT, b -> b.putInt(METADATA + 52, length));
        }
        for (int blockSize : new int[] {0, 1, 65536, MIB + 1, 3 * MIB, 512 * MIB, -1, Integer.MIN_VALUE}) {
            assertTrue(refused(Reason.CORRUPT, b -> b.putInt(ITEMS, blockSize)).contains("BlockSize"));
        }
        for (long size : new long[] {0, 1, 511, -512, Long.MIN_VALUE, (64L << 40) + 512, Long.MAX_VALUE}) {
            assertTrue(refused(Reason.CORRUPT, b -> b.putLong(ITEMS + 32, size)).contains("Virtual Disk Size"));
        }
        // right by itself, but the BAT is too small for it
        assertTrue(
                refused(Reason.CORRUPT, b -> b.putLong(ITEMS + 32, 64L << 40)).contains("region BAT"));
        for (int sector : new int[] {0, 1, 520, 8192, -1}) {
            assertTrue(
                    refused(Reason.CORRUPT, b -> b.putInt(ITEMS + 96, sector)).contains("Logical"));
            assertTrue(
                    refused(Reason.CORRUPT, b -> b.putInt(ITEMS + 128, sector)).contains("Physical"));
        }
        assertTrue(refused(
                        Reason.UNSUPPORTED,
                        b -> b.putShort(METADATA + 10, (short) 6)
                                .putLong(METADATA + 192, 9)
                                .putInt(METADATA + 208, ITEMS - METADATA)
                                .putInt(METADATA + 212, 4)
                                .putInt(METADATA + 216, 4))
                .contains("metadata item"));
        refused(Reason.CORRUPT, b -> b.put(METADATA + 64, b, METADATA + 32, 16));
    }

    @Test
    void entriesThatLeadNowhereFailTheirRangeAlone() throws Exception {
        long[] bad = {
            4,
            5,
            6,
            7,
            6 | MIB,
            6 | METADATA,
            6 | BAT,
            6 | PAYLOAD + 4L * MIB,
            6 | 1L << 40,
            6 | Long.MIN_VALUE,
            -1,
            6 | Long.MAX_VALUE & -MIB,
            7 | PAYLOAD
        };
        for (long entry : bad) {
            image(b -> b.putLong(BAT + 8, entry));
            VirtualDisk disk = driver.open(IMAGE, context);
            assertEquals(Errno.EIO, submit(disk, Operation.READ, MIB, 4096), Layout.hex(entry));
            assertEquals(Errno.EIO, submit(disk, Operation.WRITE, MIB + 512, 512));
            assertEquals(Errno.EIO, submit(disk, Operation.WRITE_ZEROES, MIB + 512, 512));
            assertEquals(Errno.EIO, submit(disk, Operation.READ, MIB - 4096, 8192));
            assertEquals(0, submit(disk, Operation.READ, 0, 4096));
            assertEquals(0, submit(disk, Operation.WRITE, 2L * MIB, 4096));
            disk.close();
            reopen();
            assertFalse(driver.check(IMAGE, context.forReading()).clean(), Layout.hex(entry));
        }
    }

    /** As in a copy that was broken off: what grows there later belongs to others. */
    @Test
    void entriesPastTheEndStayInvalidWhileTheFileGrows() throws Exception {
        image(b -> b.putLong(BAT, 6 | 8L * MIB).putLong(BAT + 8, 6 | 9L * MIB));
        VirtualDisk disk = driver.open(IMAGE, context);
        for (int i = 0; i < 2; i++) {
            assertEquals(Errno.EIO, submit(disk, Operation.READ, 0, 4096));
            assertEquals(Errno.EIO, submit(disk, Operation.WRITE, MIB, 4096));
            assertEquals(0, write(disk, (2L + i) * MIB, 4096, 5));
            assertEquals(5, read(disk, (2L + i) * MIB));
        }
        disk.close();
    }

    /** Its first part is there, but the end of it would be another's. */
    @Test
    void aBlockThatIsCutOffIsInvalid() throws Exception {
        byte[] whole = image(b -> b.putLong(BAT, 6 | 7L * MIB)).bytes();
        context.put(IMAGE, Arrays.copyOf(whole, 8 * MIB - 4096));
        VirtualDisk disk = driver.open(IMAGE, context);
        assertEquals(Errno.EIO, submit(disk, Operation.READ, 0, 4096));
        assertEquals(0, write(disk, MIB, 512, 1));
        disk.close();
    }

    @Test
    void blocksInUseTwiceAreFound() throws Exception {
        image(b -> b.putLong(BAT, 6 | PAYLOAD).putLong(BAT + 8, 6 | PAYLOAD));
        List<String> problems = driver.check(IMAGE, context.forReading()).problems();
        assertEquals(1, problems.size());
        assertTrue(problems.get(0).contains("BAT entry 1 at offset " + (BAT + 8)), problems.get(0));
    }

    @Test
    void whatIsNeitherPresentNorAbsentReadsAsZeros() throws Exception {
        image(b -> b.putLong(BAT, 1 | PAYLOAD)
                .putLong(BAT + 8, 2)
                .putLong(BAT + 16, 3 | PAYLOAD)
                .put(PAYLOAD, (byte) 9)
                .putLong(BAT + 24, 6 | PAYLOAD));
        VirtualDisk disk = driver.open(IMAGE, context);
        for (int block = 0; block < 3; block++) {
            assertEquals(0, read(disk, (long) block * MIB));
            assertEquals(0, write(disk, (long) block * MIB + 512, 512, 4));
            assertEquals(0, read(disk, (long) block * MIB));
            assertEquals(4, read(disk, (long) block * MIB + 512));
        }
        assertEquals(9, read(disk, 3L * MIB));
        disk.close();
        reopen();
        assertTrue(driver.check(IMAGE, context.forReading()).clean());
    }
}
