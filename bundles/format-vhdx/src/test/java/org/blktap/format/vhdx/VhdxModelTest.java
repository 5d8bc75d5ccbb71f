package org.blktap.format.vhdx;

import java.util.Map;
import java.util.Random;
import org.blktap.image.sim.FormatModelTest;

/** Dynamic and fixed images with both sector sizes. */
class VhdxModelTest extends FormatModelTest {
    VhdxModelTest() {
        super(new VhdxDriver(), "/sim/a.vhdx", 6);
    }

    @Override
    protected Kind kind(Random random) {
        int sectorSize = random.nextBoolean() ? 512 : 4096;
        return new Kind(
                Map.of(
                        "subformat",
                        random.nextInt(5) == 0 ? "fixed" : "dynamic",
                        "block-size",
                        random.nextInt(3) == 0 ? "2M" : "1M",
                        "sector-size",
                        Integer.toString(sectorSize),
                        "cache",
                        "64K"),
                sectorSize * (1 + random.nextInt((10 << 20) / sectorSize)),
                0);
    }
}
