package org.blktap.format.vhdx;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Path;
import java.util.Map;
import java.util.Random;
import org.blktap.api.disk.DiskException;
import org.blktap.api.disk.TapSpec;
import org.blktap.image.sim.FormatModelTest;
import org.blktap.image.sim.SimContext;

/** Damaged differencing images. */
class VhdxOverVhdxFuzzTest extends VhdxFuzzTest {
    private static final String BASE = "/sim/base.raw";

    @Override
    protected FormatModelTest.Kind kind(Random random) {
        long size = 512L * (1 + random.nextInt(3000));
        return new FormatModelTest.Kind(Map.of("block-size", "1M", "cache", "64K"), size, size);
    }

    @Override
    protected TapSpec base(SimContext context, byte[] contents) throws DiskException {
        context.drivers.put("vhdx", new VhdxDriver());
        TapSpec parent = VhdxChains.fixed(context, BASE, contents, "512");
        // a child that was made over one like this knows it too
        ByteBuffer image =
                ByteBuffer.wrap(context.files.get(Path.of(BASE)).bytes()).order(ByteOrder.LITTLE_ENDIAN);
        Layout.putGuid(image, (int) VhdxHeader.FIRST_OFFSET + 32, CommitMark.ITEM);
        Layout.putGuid(image, (int) VhdxHeader.SECOND_OFFSET + 32, CommitMark.ITEM);
        VhdxTest.seal(image);
        context.put(BASE, image.array());
        return parent;
    }
}
