package org.blktap.format.vhd;

import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.UUID;
import org.blktap.api.disk.DiskException;
import org.blktap.api.disk.TapSpec;
import org.blktap.image.sim.FormatModelTest;
import org.blktap.image.sim.SimContext;

/** Differencing images over a VHD parent, which is found by its locators and known by its UUID. */
class VhdOverVhdModelTest extends FormatModelTest {
    VhdOverVhdModelTest() {
        super(new VhdDriver(), "/sim/a.vhd", 5);
    }

    @Override
    protected Kind kind(Random random) {
        return new Kind(
                Map.of("block-size", List.of("4096", "65536", "2M").get(random.nextInt(3)), "cache", "64K"),
                512L * (1 + random.nextInt(8000)),
                512L * (1 + random.nextInt(4000)));
    }

    @Override
    protected TapSpec base(SimContext context, byte[] contents) throws DiskException {
        byte[] image = Arrays.copyOf(contents, contents.length + VhdFooter.BYTES);
        VhdFooter.create(VhdFooter.FIXED, contents.length, 0, UUID.randomUUID())
                .bytes()
                .get(image, contents.length, VhdFooter.BYTES);
        context.put(BASE, image);
        context.drivers.put("vhd", new VhdDriver());
        return new TapSpec("vhd", BASE);
    }
}
