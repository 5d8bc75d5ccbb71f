package org.blktap.format.qcow;

import java.util.List;
import java.util.Map;
import java.util.Random;
import org.blktap.image.sim.FormatModelTest;

/** Standalone images, with and without coarse allocation, and overlays. */
class QcowModelTest extends FormatModelTest {
    QcowModelTest() {
        super(new QcowDriver(), "/sim/a.qcow", 10);
    }

    @Override
    protected Kind kind(Random random) {
        boolean overlay = random.nextBoolean();
        String clusterSize =
                List.of("512", "1024", "4096", "4096", "16384", "65536").get(random.nextInt(6));
        return new Kind(
                Map.of("cluster-size", clusterSize, "cache", "64K"),
                512L * (1 + random.nextInt(overlay ? 3000 : 12_000)),
                overlay ? 512L * (1 + random.nextInt(4000)) : 0);
    }
}
