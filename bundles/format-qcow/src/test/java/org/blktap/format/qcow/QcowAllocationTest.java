package org.blktap.format.qcow;

import java.util.Map;
import org.blktap.image.sim.FormatAllocationTest;

/** A standalone image, whose slots are allocated as one. */
class QcowAllocationTest extends FormatAllocationTest {
    QcowAllocationTest() {
        super(new QcowDriver(), "/sim/a.qcow", Map.of(), 4096);
    }
}
