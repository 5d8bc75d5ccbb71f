package org.blktap.format.qcow2;

import java.util.Map;
import org.blktap.image.sim.FormatAllocationTest;

/** An image with the usual settings: version 3, clusters of 64 KiB. */
class Qcow2AllocationTest extends FormatAllocationTest {
    Qcow2AllocationTest() {
        super(new Qcow2Driver(), "/sim/a.qcow2", Map.of(), 4096);
    }
}
