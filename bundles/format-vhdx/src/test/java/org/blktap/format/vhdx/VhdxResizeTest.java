package org.blktap.format.vhdx;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Path;
import java.util.Map;
import java.util.Random;
import org.blktap.api.disk.DiskException;
import org.blktap.api.disk.DiskException.Reason;
import org.blktap.api.disk.VirtualDisk;
import org.blktap.image.sim.SimContext;
import org.blktap.image.sim.SimFile;
import org.junit.jupiter.api.Test;

/** Creating, and making larger. */
class VhdxResizeTest extends VhdxTest {

    @Test
    void whatIsNewReadsAsZerosAtAnyPointOfACrash() throws Exception {
        int size = MIB + 4096;
        context.files.clear();
        driver.create(IMAGE, size, null, context);
        byte[] bytes = context.files.get(Path.of(IMAGE)).bytes();
        // what nobody may see, in the last block and in the BAT's rest
        SimFile file = put(
                IMAGE,
                bytes,
                b -> b.putLong(BAT, 6 | PAYLOAD + MIB)
                        .putLong(BAT + 8, 6 | PAYLOAD)
                        .put(PAYLOAD + 4096, (byte) 7)
                        .put(PAYLOAD, (byte) 8)
                        .putLong(BAT + 16, 6 | PAYLOAD + 2L * MIB)
                        .put(PAYLOAD + 2 * MIB, (byte) 9));
        int begin = context.loop.moment();
        driver.resize(IMAGE, 6L * MIB, context);
        int end = context.loop.moment();
        Random random = new Random(1);
        for (int point = begin; point <= end; point++) {
            context.put(IMAGE, file.afterPowerLoss(point, random));
            VirtualDisk disk = driver.open(IMAGE, context);
            long found = disk.info().sizeBytes();
            assertTrue(found == size || found == 6L * MIB, found + " bytes at " + point);
            assertTrue(found == 6L * MIB || point < end);
            assertEquals(8, read(disk, MIB));
            for (long at = size; at < found; at += MIB / 2) {
                assertEquals(0, read(disk, at));
            }
            disk.close();
        }
    }

    @Test
    void sizesThatCannotBeAreRefused() throws Exception {
        image(b -> {});
        assertEquals(
                Reason.UNSUPPORTED,
                assertThrows(DiskException.class, () -> driver.resize(IMAGE, SIZE - 512, context))
                        .reason());
        reopen();
        assertEquals(
                Reason.UNSUPPORTED,
                assertThrows(DiskException.class, () -> driver.resize(IMAGE, SIZE + 1, context))
                        .reason());
        reopen();
        assertEquals(
                Reason.UNSUPPORTED,
                assertThrows(DiskException.class, () -> driver.resize(IMAGE, Long.MAX_VALUE & -512, context))
                        .reason());
        reopen();
        // 131072 entries fit, 31 of them of bitmaps
        assertEquals(
                Reason.UNSUPPORTED,
                assertThrows(DiskException.class, () -> driver.resize(IMAGE, (131072L - 30) << 20, context))
                        .reason());
        reopen();
        driver.resize(IMAGE, (131072L - 31) << 20, context);
        reopen();
        driver.resize(IMAGE, (131072L - 31) << 20, context);
        image(b -> b.putLong(BAT, 4));
        assertEquals(
                Reason.CORRUPT,
                assertThrows(DiskException.class, () -> driver.resize(IMAGE, 2L * SIZE, context))
                        .reason());
    }

    @Test
    void optionsOfCreateAreBounded() {
        for (Map<String, String> options : java.util.List.of(
                Map.of("block-size", "512K"),
                Map.of("block-size", "3M"),
                Map.of("block-size", "512M"),
                Map.of("log-size", "0"),
                Map.of("log-size", "1000000"),
                Map.of("log-size", "65M"),
                Map.of("subformat", "thin"),
                Map.of("sector-size", "1024"))) {
            SimContext other = new SimContext(loop, false, options);
            assertEquals(
                    Reason.BAD_OPTION,
                    assertThrows(DiskException.class, () -> driver.create(IMAGE, SIZE, null, other))
                            .reason(),
                    options.toString());
            assertTrue(other.files.isEmpty());
        }
        for (long size : new long[] {-1, 0, 513, (64L << 40) + 512, Long.MIN_VALUE}) {
            assertEquals(
                    Reason.BAD_OPTION,
                    assertThrows(DiskException.class, () -> driver.create(IMAGE, size, null, context))
                            .reason());
        }
    }

    /** 64 TiB in the smallest blocks: opening it takes no more memory than another. */
    @Test
    void theLargestBatIsSoundAndSmallInMemory() throws Exception {
        BlockAllocationTable bat = BlockAllocationTable.of(0, MIB, 512, 64L << 40, false);
        assertEquals((64L << 20) + (64L << 20) / 4096 - 1, bat.entries());
        for (long block : new long[] {0, 1, 4095, 4096, 4097, (64L << 20) - 1}) {
            assertEquals(block, bat.block(bat.index(block)));
            assertTrue(!bat.isBitmap(bat.index(block)));
            assertTrue(bat.isBitmap(bat.bitmapIndex(block)));
        }
        assertEquals(bat.entries() - 1, bat.index((64L << 20) - 1));
        BlockAllocationTable large = BlockAllocationTable.of(0, 256L << 20, 4096, 1L << 40, true);
        assertEquals(128, large.chunkBlocks());
        assertEquals(32 * 129, large.entries());
    }
}
