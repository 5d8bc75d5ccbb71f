package org.blktap.format.qcow;

import java.util.List;
import java.util.Map;
import java.util.Random;
import org.blktap.image.sim.FormatFuzzTest;
import org.blktap.image.sim.FormatModelTest;

class QcowFuzzTest extends FormatFuzzTest {
    QcowFuzzTest() {
        super(new QcowDriver(), "/sim/a.qcow");
    }

    @Override
    protected FormatModelTest.Kind kind(Random random) {
        return new FormatModelTest.Kind(
                Map.of("cluster-size", List.of("512", "4096", "65536").get(random.nextInt(3))),
                512L * (1 + random.nextInt(8000)),
                random.nextBoolean() ? 512L * (1 + random.nextInt(1000)) : 0);
    }
}
