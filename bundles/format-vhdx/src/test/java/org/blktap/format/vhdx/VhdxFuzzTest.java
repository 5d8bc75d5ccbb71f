package org.blktap.format.vhdx;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Map;
import java.util.Random;
import java.util.zip.CRC32C;
import org.blktap.image.sim.FormatFuzzTest;
import org.blktap.image.sim.FormatModelTest;

class VhdxFuzzTest extends FormatFuzzTest {
    private static final int KIB_64 = 64 << 10;

    VhdxFuzzTest() {
        super(new VhdxDriver(), "/sim/a.vhdx");
    }

    @Override
    protected FormatModelTest.Kind kind(Random random) {
        return new FormatModelTest.Kind(
                Map.of("block-size", "1M", "cache", "64K"), 512L * (1 + random.nextInt(8000)), 0);
    }

    /** Of the two headers and the two region tables. */
    @Override
    protected void mendChecksums(byte[] bytes) {
        for (int i = 1; i <= 4; i++) {
            int length = i < 3 ? 4096 : KIB_64;
            if (bytes.length >= i * KIB_64 + length) {
                ByteBuffer structure =
                        ByteBuffer.wrap(bytes, i * KIB_64, length).slice().order(ByteOrder.LITTLE_ENDIAN);
                structure.putInt(4, 0);
                CRC32C crc = new CRC32C();
                crc.update(structure.duplicate());
                structure.putInt(4, (int) crc.getValue());
            }
        }
    }
}
