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
    void detailsKeepTheirOrderAndNameTheDisk() {
        assertEquals("", PLAIN.identity());
        assertEquals("1-2", PLAIN.withDetails(Map.of("uuid", "1-2")).identity());
        assertThrows(
                UnsupportedOperationException.class,
                () -> PLAIN.withDetails(Map.of("uuid", "1-2")).details().clear());
    }
}
