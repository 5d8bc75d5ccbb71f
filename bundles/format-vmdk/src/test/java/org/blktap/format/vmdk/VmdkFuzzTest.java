package org.blktap.format.vmdk;

import java.util.List;
import java.util.Map;
import java.util.Random;
import org.blktap.image.sim.FormatFuzzTest;
import org.blktap.image.sim.FormatModelTest;

/** Sparse extents, and descriptors with files of their own. */
class VmdkFuzzTest extends FormatFuzzTest {
    VmdkFuzzTest() {
        super(new VmdkDriver(), "/sim/a.vmdk");
    }

    @Override
    protected FormatModelTest.Kind kind(Random random) {
        String subformat = List.of(
                        "monolithicSparse",
                        "monolithicSparse",
                        "monolithicFlat",
                        "twoGbMaxExtentSparse",
                        "twoGbMaxExtentFlat")
                .get(random.nextInt(5));
        return new FormatModelTest.Kind(
                Map.of("subformat", subformat, "cache", "64K"), 512L * (1 + random.nextInt(8000)), 0);
    }
}
