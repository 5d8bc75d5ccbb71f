package org.blktap.format.vhdx;

import java.util.List;
import java.util.Map;
import java.util.Random;
import org.blktap.api.disk.DiskException;
import org.blktap.api.disk.TapSpec;
import org.blktap.image.sim.FormatModelTest;
import org.blktap.image.sim.SimContext;

/** Differencing images over one parent, and over a chain of two. */
class VhdxOverVhdxModelTest extends FormatModelTest {
    private static final String PARENT = "/sim/parent.vhdx";

    VhdxOverVhdxModelTest() {
        super(new VhdxDriver(), "/sim/a.vhdx", 4);
    }

    @Override
    protected Kind kind(Random random) {
        int sectorSize = random.nextBoolean() ? 512 : 4096;
        long size = (long) sectorSize * (1 + random.nextInt((3 << 20) / sectorSize));
        long base = random.nextInt(3) == 0 ? size : sectorSize * (1 + random.nextLong(size / sectorSize));
        return new Kind(
                Map.of(
                        "block-size",
                        // larger than the disk at most; an allocation that fails may leave a hole of a block, and the
                        // simulated files are small
                        List.of("1M", "2M", "4M").get(random.nextInt(3)),
                        "sector-size",
                        Integer.toString(sectorSize),
                        "cache",
                        "64K"),
                size,
                base);
    }

    @Override
    protected TapSpec base(SimContext context, byte[] contents) throws DiskException {
        context.drivers.put("vhdx", new VhdxDriver());
        String sectorSize = context.options().asMap().get("sector-size");
        Random random = new Random(contents.length);
        return random.nextBoolean()
                ? VhdxChains.fixed(context, PARENT, contents, sectorSize)
                : VhdxChains.two(context, PARENT, contents, sectorSize, random);
    }
}
