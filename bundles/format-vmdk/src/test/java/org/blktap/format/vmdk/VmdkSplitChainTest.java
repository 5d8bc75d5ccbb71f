package org.blktap.format.vmdk;

import java.util.Map;
import org.blktap.image.sim.FormatChainTest;

/** Disks whose descriptor is a file. */
class VmdkSplitChainTest extends FormatChainTest {
    VmdkSplitChainTest() {
        super(new VmdkDriver(), VmdkDriver.TYPE, "vmdk", Map.of("subformat", "twoGbMaxExtentSparse"));
    }

    @Override
    protected String qemuFormat() {
        return "vmdk";
    }
}
