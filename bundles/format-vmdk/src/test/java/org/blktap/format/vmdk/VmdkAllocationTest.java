package org.blktap.format.vmdk;

import java.util.Map;
import org.blktap.image.sim.FormatAllocationTest;

/** A disk in one file, with grains of 64 KiB. */
class VmdkAllocationTest extends FormatAllocationTest {
    VmdkAllocationTest() {
        super(new VmdkDriver(), "/sim/a.vmdk", Map.of(), 4096);
    }
}
