package org.blktap.api.disk;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.EnumSet;
import java.util.Map;
import org.junit.jupiter.api.Test;

class DiskInfoTest {
    private static final DiskInfo PLAIN = DiskInfo.ofSize(1 << 20);

    @Test
    void aDiskReadsAndWritesUnlessItSaysOtherwise() {
        assertEquals(EnumSet.of(Operation.READ, Operation.WRITE, Operation.FLUSH, Operation.MAP), PLAIN.operations());
        assertTrue(PLAIN.with(Operation.DISCARD).supports(Operation.DISCARD));
        assertFalse(PLAIN.supports(Operation.DISCARD), "the original stays");
        assertFalse(PLAIN.with(Operation.DISCARD).without(Operation.DISCARD).supports(Operation.DISCARD));
    }

    @Test
    void aReadOnlyDiskSupportsNothingThatChangesItInWhateverOrderThatIsSaid() {
        for (DiskInfo info : new DiskInfo[] {
            PLAIN.withReadOnly(true).with(Operation.DISCARD, Operation.WRITE_ZEROES),
            PLAIN.with(Operation.DISCARD, Operation.WRITE_ZEROES).withReadOnly(true)
        }) {
            assertTrue(info.readOnly());
            assertEquals(EnumSet.of(Operation.READ, Operation.FLUSH, Operation.MAP), info.operations());
            assertTrue(info.withReadOnly(false).supports(Operation.DISCARD));
        }
    }

    @Test
    void contentsMayEndInsideTheLastSector() {
        DiskInfo info = DiskInfo.ofContents(1000).withBlocks(512, 4096).withOptimalIo(65536);
        assertEquals(1024, info.sizeBytes());
        assertEquals(1000, info.contentBytes());
        assertEquals(2, info.sectors());
        assertEquals(4096, info.physicalBlockSize());
        assertEquals(65536, info.optimalIoSize());
        assertEquals(2048, info.withSize(2048).contentBytes());
        assertThrows(IllegalArgumentException.class, () -> DiskInfo.ofSize(1000));
        assertThrows(IllegalArgumentException.class, () -> PLAIN.withSize(-512));
    }

    @Test
    void aSizeIsAMultipleOfItsUnitBetweenItsLimits() throws DiskException {
        DiskInfo.checkSize("/a", 512, 512, 512, 1024);
        DiskInfo.checkSize("/a", 1024, 512, 512, 1024);
        DiskInfo.checkSize("/a", 0, 4096, 0, Long.MAX_VALUE);
        for (long wrong : new long[] {-512, 0, 511, 513, 1536}) {
            DiskException refused =
                    assertThrows(DiskException.class, () -> DiskInfo.checkSize("/a", wrong, 512, 512, 1024));
            assertEquals(DiskException.Reason.BAD_OPTION, refused.reason());
            assertEquals("/a: size " + wrong + ": expected a multiple of 512 from 512 to 1024", refused.getMessage());
        }
        DiskException refused =
                assertThrows(DiskException.class, () -> DiskInfo.checkSize("/a", -1, 512, 0, Long.MAX_VALUE));
        assertEquals("/a: size -1: expected a multiple of 512 from 0 on", refused.getMessage());
    }

    @Test
    void detailsKeepTheirOrderAndNameTheDisk() {
        assertEquals("", PLAIN.identity());
        assertEquals("1-2", PLAIN.withDetails(Map.of("uuid", "1-2")).identity());
        assertThrows(
                UnsupportedOperationException.class,
                () -> PLAIN.withDetails(Map.of("uuid", "1-2")).details().clear());
    }
}
