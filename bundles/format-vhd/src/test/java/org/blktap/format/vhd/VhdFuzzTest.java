package org.blktap.format.vhd;

import java.nio.ByteBuffer;
import java.util.List;
import java.util.Map;
import java.util.Random;
import org.blktap.image.sim.FormatFuzzTest;
import org.blktap.image.sim.FormatModelTest;

class VhdFuzzTest extends FormatFuzzTest {
    VhdFuzzTest() {
        super(new VhdDriver(), "/sim/a.vhd");
    }

    @Override
    protected FormatModelTest.Kind kind(Random random) {
        return new FormatModelTest.Kind(
                Map.of("block-size", List.of("4096", "65536", "2M").get(random.nextInt(3)), "cache", "64K"),
                512L * (1 + random.nextInt(8000)),
                random.nextBoolean() ? 512L * (1 + random.nextInt(1000)) : 0);
    }

    /** Of the footer, its copy and the header. */
    @Override
    protected void mendChecksums(byte[] bytes) {
        mend(bytes, 0, 512, 64);
        mend(bytes, 512, 1024, 36);
        mend(bytes, bytes.length - 512, 512, 64);
    }

    private static void mend(byte[] bytes, int at, int length, int checksum) {
        if (at < 0 || at + length > bytes.length) {
            return;
        }
        ByteBuffer structure = ByteBuffer.wrap(bytes, at, length).slice();
        structure.putInt(checksum, 0);
        int sum = 0;
        for (int i = 0; i < length; i++) {
            sum += Byte.toUnsignedInt(structure.get(i));
        }
        structure.putInt(checksum, ~sum);
    }
}
