package org.blktap.format.qcow2;

import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.TreeMap;
import org.blktap.image.sim.FormatModelTest;

/** Both versions, all widths of reference counts, subclusters, data files, preallocated images and overlays. */
class Qcow2ModelTest extends FormatModelTest {
    Qcow2ModelTest() {
        super(new Qcow2Driver(), "/sim/a.qcow2", 6);
    }

    @Override
    protected boolean repairs() {
        return true;
    }

    @Override
    protected Kind kind(Random random) {
        Map<String, String> options = new TreeMap<>();
        boolean overlay = random.nextBoolean();
        boolean extended = random.nextInt(3) == 0;
        options.put("extended-l2", extended ? "yes" : "no");
        options.put(
                "cluster-size",
                extended ? "16384" : List.of("512", "1024", "4096", "65536").get(random.nextInt(4)));
        options.put("cache", "64K");
        if (!extended && random.nextInt(4) == 0) {
            options.put("version", "2");
        } else {
            options.put("refcount-bits", Integer.toString(1 << random.nextInt(7)));
            if (random.nextInt(4) == 0) {
                options.put("data-file", "a.data");
            }
        }
        if (!overlay && random.nextInt(4) == 0) {
            options.put("preallocation", "metadata");
        }
        return new Kind(
                options,
                512L * (1 + random.nextInt(overlay ? 3000 : 12_000)),
                overlay ? 512L * (1 + random.nextInt(4000)) : 0);
    }
}
