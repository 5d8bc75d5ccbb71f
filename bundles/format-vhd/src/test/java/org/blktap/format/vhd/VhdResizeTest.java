package org.blktap.format.vhd;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.ByteBuffer;
import java.util.List;
import java.util.Map;
import java.util.Random;
import org.blktap.api.disk.DiskException;
import org.blktap.api.disk.DiskException.Reason;
import org.blktap.api.disk.TapSpec;
import org.blktap.api.disk.VirtualDisk;
import org.blktap.image.sim.SimFile;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** Disks that grow, also when the machine fails meanwhile. */
@Timeout(300)
class VhdResizeTest {
    private static final long OLD = 100 * 4096 + 512;

    /** Writes to a few places, resizes, and looks at all crashes on the way. */
    private void grows(Map<String, String> options, TapSpec backing, long size) throws Exception {
        try (VhdImages images = new VhdImages(options)) {
            if (backing != null) {
                images.put(backing.path(), new byte[4096]);
            }
            images.create(VhdImages.IMAGE, OLD, backing);
            VirtualDisk disk = images.open();
            assertEquals(0, images.write(disk, 0, 4096, 1));
            assertEquals(0, images.write(disk, 8192, 8192, 2));
            assertEquals(0, images.write(disk, OLD - 512, 512, 3));
            disk.close();
            SimFile file = images.put(VhdImages.IMAGE, images.bytes(VhdImages.IMAGE));
            int begin = images.context.loop.moment();
            images.driver.resize(VhdImages.IMAGE, size, images.context);
            int end = images.context.loop.moment();
            images.reopen();
            looksRight(images, size);
            assertEquals(
                    List.of(),
                    images.driver
                            .check(VhdImages.IMAGE, images.context.forReading())
                            .problems());
            Random random = new Random(2);
            for (int point = begin; point <= end; point++) {
                for (byte[] crashed : new byte[][] {file.afterKill(point), file.afterPowerLoss(point, random)}) {
                    images.put(VhdImages.IMAGE, crashed);
                    assertEquals(
                            List.of(),
                            images.driver
                                    .check(VhdImages.IMAGE, images.context.forReading())
                                    .problems(),
                            "after " + point);
                    images.reopen();
                    disk = images.open();
                    long now = disk.info().sizeBytes();
                    disk.close();
                    assertTrue(now == OLD || now == size, now + " bytes after " + point);
                    images.reopen();
                    looksRight(images, now);
                }
            }
        }
    }

    private static void looksRight(VhdImages images, long size) throws Exception {
        VirtualDisk disk = images.open();
        assertEquals(size, disk.info().sizeBytes());
        assertEquals(1, images.read(disk, 0, 4096));
        assertEquals(0, images.read(disk, 4096, 4096));
        assertEquals(2, images.read(disk, 8192, 8192));
        assertEquals(3, images.read(disk, OLD - 512, 512));
        if (size > OLD) {
            assertEquals(0, images.read(disk, OLD, 4096));
            assertEquals(0, images.read(disk, size - 4096, 4096));
            assertEquals(0, images.write(disk, size - 4096, 4096, 4));
            assertEquals(4, images.read(disk, size - 4096, 4096));
        }
        disk.close();
    }

    @Test
    void aFixedDiskGrows() throws Exception {
        try (VhdImages images = new VhdImages(Map.of("subformat", "fixed"))) {
            images.create(VhdImages.IMAGE, OLD, null);
            VirtualDisk disk = images.open();
            assertEquals(0, images.write(disk, 0, 4096, 1));
            assertEquals(0, images.write(disk, 8192, 8192, 2));
            assertEquals(0, images.write(disk, OLD - 512, 512, 3));
            disk.close();
            images.reopen();
            images.driver.resize(VhdImages.IMAGE, OLD + 512, images.context);
            images.reopen();
            images.driver.resize(VhdImages.IMAGE, 1 << 20, images.context);
            images.reopen();
            looksRight(images, 1 << 20);
        }
    }

    @Test
    void theMetadataMovesWhereTheBatIsFull() throws Exception {
        grows(Map.of("block-size", "4096"), null, 3 << 20);
        grows(Map.of("block-size", "4096"), new TapSpec("aio", "/sim/base.raw"), 3 << 20);
        grows(Map.of("block-size", "2M"), null, 9 << 20);
    }

    @Test
    void aLastBlockThatIsLongerThanTheDiskHasRoom() throws Exception {
        grows(Map.of("block-size", "2M"), null, 1 << 20);
        grows(Map.of("block-size", "2M"), new TapSpec("aio", "/sim/base.raw"), 1 << 20);
    }

    @Test
    void againAndAgain() throws Exception {
        try (VhdImages images = new VhdImages(Map.of("block-size", "4096"))) {
            images.create(VhdImages.IMAGE, 4096, null);
            for (int i = 1; i < 40; i++) {
                VirtualDisk disk = images.open();
                assertEquals(0, images.write(disk, (i - 1) * 40_960L, 4096, i));
                disk.close();
                images.reopen();
                images.driver.resize(VhdImages.IMAGE, i * 40_960L + 4096, images.context);
                images.reopen();
                assertEquals(
                        List.of(),
                        images.driver
                                .check(VhdImages.IMAGE, images.context.forReading())
                                .problems());
            }
            VirtualDisk disk = images.open();
            for (int i = 1; i < 40; i++) {
                assertEquals(i, images.read(disk, (i - 1) * 40_960L, 4096));
            }
            disk.close();
        }
    }

    /** As XenServer makes them with its option for a metadata size. */
    @Test
    void spareEntriesAreUsedAndNotTrusted() throws Exception {
        try (VhdImages images = new VhdImages(Map.of())) {
            SimFile file = images.create(VhdImages.IMAGE, 64 << 20, null);
            ByteBuffer b = ByteBuffer.wrap(file.bytes());
            VhdImages.footers(b, f -> f.putLong(48, 3 << 20));
            b.putInt(VhdImages.BAT + 5 * 4, 77);
            images.put(VhdImages.IMAGE, b.array());
            long length = b.capacity();
            images.driver.resize(VhdImages.IMAGE, 40 << 20, images.context);
            assertEquals(length, images.bytes(VhdImages.IMAGE).length);
            VirtualDisk disk = images.open();
            assertEquals(40 << 20, disk.info().sizeBytes());
            assertEquals("in use", disk.info().details().get("batmap"));
            assertEquals(0, images.read(disk, 10 << 20, 4096));
            disk.close();
        }
    }

    /** Blocks in the way of a larger BAT move; the gap that they leave is no leak, which no repair would end. */
    @Test
    void aGapThatAResizeLeavesIsNoLeak() throws Exception {
        try (VhdImages images = new VhdImages(Map.of())) {
            images.create(VhdImages.IMAGE, 64 << 20, null);
            VirtualDisk disk = images.open();
            for (int i = 0; i < 3; i++) {
                images.write(disk, i * (8L << 20), 4096, 1);
            }
            disk.close();
            images.reopen();
            images.driver.resize(VhdImages.IMAGE, 128 << 20, images.context);
            images.reopen();
            assertEquals(
                    0,
                    images.driver
                            .check(VhdImages.IMAGE, images.context.forReading())
                            .leaked());
        }
    }

    @Test
    void whatCannotBeIsRefused() throws Exception {
        try (VhdImages images = new VhdImages(Map.of())) {
            images.create(VhdImages.IMAGE, 4 << 20, null);
            assertEquals(Reason.UNSUPPORTED, refused(images, 1 << 20));
            images.reopen();
            assertEquals(Reason.BAD_OPTION, refused(images, 3L << 40));
            images.put("/sim/base.raw", new byte[8 << 20]);
            images.create(VhdImages.IMAGE, 4 << 20, new TapSpec("aio", "/sim/base.raw"));
            assertEquals(Reason.UNSUPPORTED, refused(images, 8 << 20));
        }
    }

    private static Reason refused(VhdImages images, long size) {
        return assertThrows(DiskException.class, () -> images.driver.resize(VhdImages.IMAGE, size, images.context))
                .reason();
    }
}
