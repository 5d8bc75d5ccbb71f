package org.blktap.format.vhdx;

import java.util.Map;
import org.blktap.api.disk.DiskException;
import org.blktap.api.disk.TapSpec;
import org.blktap.image.sim.FormatAllocationTest;
import org.blktap.image.sim.SimContext;

/** A differencing image, whose blocks are partially present. */
class VhdxOverVhdxAllocationTest extends FormatAllocationTest {
    private static final String PARENT = "/sim/parent.vhdx";

    VhdxOverVhdxAllocationTest() {
        super(new VhdxDriver(), "/sim/a.vhdx", Map.of(), 4096);
    }

    @Override
    protected TapSpec base(SimContext context, long size) throws DiskException {
        VhdxDriver driver = new VhdxDriver();
        driver.create(PARENT, size, null, context);
        context.drivers.put("vhdx", driver);
        return new TapSpec("vhdx", PARENT);
    }
}
