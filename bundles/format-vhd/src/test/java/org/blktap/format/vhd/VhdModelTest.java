package org.blktap.format.vhd;

import java.util.List;
import java.util.Map;
import java.util.Random;
import org.blktap.image.sim.FormatModelTest;

/** Fixed, dynamic and differencing images over raw disks, with small blocks and those of 2 MiB. */
class VhdModelTest extends FormatModelTest {
    VhdModelTest() {
        super(new VhdDriver(), "/sim/a.vhd", 10);
    }

    @Override
    protected Kind kind(Random random) {
        boolean overlay = random.nextBoolean();
        if (!overlay && random.nextInt(8) == 0) {
            return new Kind(Map.of("subformat", "fixed", "cache", "64K"), 512L * (1 + random.nextInt(12_000)), 0);
        }
        String blockSize = List.of("4096", "8192", "16384", "65536", "524288", "2M", "2M", "2M")
                .get(random.nextInt(8));
        return new Kind(
                Map.of("block-size", blockSize, "cache", "64K"),
                512L * (1 + random.nextInt(overlay ? 3000 : 12_000)),
                overlay ? 512L * (1 + random.nextInt(4000)) : 0);
    }
}
