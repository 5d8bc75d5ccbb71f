package org.blktap.format.vmdk;

import java.util.Map;
import org.blktap.image.sim.FormatChainTest;

/** Disks whose one file has the descriptor. */
class VmdkChainTest extends FormatChainTest {
    VmdkChainTest() {
        super(new VmdkDriver(), VmdkDriver.TYPE, "vmdk", Map.of());
    }

    @Override
    protected String qemuFormat() {
        return "vmdk";
    }
}
