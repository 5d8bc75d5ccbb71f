package org.blktap.format.vhdx;

import java.util.Map;
import org.blktap.image.sim.FormatAllocationTest;

/** A dynamic image. */
class VhdxAllocationTest extends FormatAllocationTest {
    VhdxAllocationTest() {
        super(new VhdxDriver(), "/sim/a.vhdx", Map.of(), 4096);
    }
}
