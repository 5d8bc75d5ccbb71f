package org.blktap.format.vhd;

import java.util.Map;
import org.blktap.image.sim.FormatAllocationTest;

/** A dynamic image. */
class VhdAllocationTest extends FormatAllocationTest {
    VhdAllocationTest() {
        super(new VhdDriver(), "/sim/a.vhd", Map.of(), 4096);
    }
}
