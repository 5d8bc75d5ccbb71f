package org.blktap.format.qcow;

import java.util.Map;
import org.blktap.image.sim.FormatChainTest;

class QcowChainTest extends FormatChainTest {
    QcowChainTest() {
        super(new QcowDriver(), QcowDriver.TYPE, "qcow", Map.of());
    }

    @Override
    protected String qemuFormat() {
        return "qcow";
    }
}
