package org.blktap.format.vmdk;

import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.TreeMap;
import org.blktap.image.sim.FormatModelTest;

class VmdkModelTest extends FormatModelTest {
    VmdkModelTest() {
        super(new VmdkDriver(), "/sim/a.vmdk", 10);
    }

    @Override
    protected Kind kind(Random random, boolean oneFile) {
        Map<String, String> options = new TreeMap<>();
        options.put("grain-size", List.of("4096", "8192", "65536").get(random.nextInt(3)));
        options.put("cache", "64K");
        return new Kind(options, 512L * (1 + random.nextInt(12_000)), 0);
    }
}
