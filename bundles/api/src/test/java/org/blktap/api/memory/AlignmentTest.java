package org.blktap.api.memory;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import org.junit.jupiter.api.Test;

class AlignmentTest {
    @Test
    void rounds() {
        for (long unit : new long[] {1, 8, Alignment.SECTOR, Alignment.PAGE, 1L << 40}) {
            for (long multiple : new long[] {0, unit, 5 * unit}) {
                assertEquals(multiple, Alignment.up(multiple, unit));
                assertEquals(multiple, Alignment.down(multiple, unit));
                assertEquals(multiple + unit, Alignment.up(multiple + 1, unit));
                assertEquals(multiple, Alignment.down(multiple + unit - 1, unit));
                assertTrue(Alignment.isAligned(multiple, unit));
                assertEquals(unit == 1, Alignment.isAligned(multiple + 1, unit));
                assertEquals(multiple / unit, Alignment.units(multiple, unit));
                assertEquals(multiple / unit + 1, Alignment.units(multiple + 1, unit));
            }
        }
        assertEquals(4096, Alignment.up(3585, 512));
        assertEquals(3584, Alignment.down(4095, 512));
        assertEquals(3, Alignment.units(7, 3));
    }

    @Test
    void severalValuesAreAlignedIfTheirBitsAre() {
        assertTrue(Alignment.isAligned(4096L | 512, Alignment.SECTOR));
        assertFalse(Alignment.isAligned(4096L | 511, Alignment.SECTOR));
    }

    @Test
    void overflowOfWhatAClientChoosesIsReported() {
        assertEquals(Long.MAX_VALUE - 4095, Alignment.upExact(Long.MAX_VALUE - 4095, 4096));
        assertThrows(ArithmeticException.class, () -> Alignment.upExact(Long.MAX_VALUE - 4094, 4096));
    }
}
