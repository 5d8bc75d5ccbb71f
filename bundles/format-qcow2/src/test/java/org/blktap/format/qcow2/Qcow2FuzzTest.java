package org.blktap.format.qcow2;

import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.TreeMap;
import org.blktap.image.sim.FormatFuzzTest;
import org.blktap.image.sim.FormatModelTest;

class Qcow2FuzzTest extends FormatFuzzTest {
    Qcow2FuzzTest() {
        super(new Qcow2Driver(), "/sim/a.qcow2");
    }

    @Override
    protected FormatModelTest.Kind kind(Random random) {
        boolean overlay = random.nextBoolean();
        Map<String, String> options = new TreeMap<>();
        options.put("cluster-size", List.of("16384", "65536").get(random.nextInt(2)));
        options.put("extended-l2", random.nextBoolean() ? "yes" : "no");
        options.put("refcount-bits", Integer.toString(1 << random.nextInt(7)));
        if (random.nextInt(4) == 0) {
            options.put("data-file", "a.data");
        }
        return new FormatModelTest.Kind(
                options, 512L * (1 + random.nextInt(8000)), overlay ? 512L * (1 + random.nextInt(1000)) : 0);
    }
}
