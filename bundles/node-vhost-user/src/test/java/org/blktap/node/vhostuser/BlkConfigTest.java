package org.blktap.node.vhostuser;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import org.blktap.api.disk.DiskInfo;
import org.blktap.api.disk.Operation;
import org.junit.jupiter.api.Test;

/** Offsets are those of virtio 1.2 section 5.2.4, written out. */
class BlkConfigTest {
    private static DiskInfo disk(int block, int physical, int optimal, boolean readOnly, boolean discard) {
        DiskInfo disk = DiskInfo.ofSize(3L << 41)
                .withBlocks(block, physical)
                .withOptimalIo(optimal)
                .withReadOnly(readOnly);
        return discard ? disk.with(Operation.DISCARD) : disk;
    }

    @Test
    void layout() {
        ByteBuffer config = ByteBuffer.wrap(BlkConfig.of(disk(512, 4096, 65536, false, true), 5, true))
                .order(ByteOrder.LITTLE_ENDIAN);
        assertEquals(57, config.limit());
        assertEquals((3L << 41) / 512, config.getLong(0), "capacity");
        assertEquals(0, config.getInt(8), "size_max is not offered");
        assertEquals(126, config.getInt(12), "seg_max");
        assertEquals(512, config.getInt(20), "blk_size");
        assertEquals(3, config.get(24), "physical_block_exp");
        assertEquals(0, config.get(25), "alignment_offset");
        assertEquals(8, config.getShort(26), "min_io_size");
        assertEquals(128, config.getInt(28), "opt_io_size");
        assertEquals(1, config.get(32), "writeback");
        assertEquals(5, config.getShort(34), "num_queues");
        assertEquals(1 << 22, config.getInt(36), "max_discard_sectors");
        assertEquals(1, config.getInt(40), "max_discard_seg");
        assertEquals(8, config.getInt(44), "discard_sector_alignment");
        assertEquals(1 << 15, config.getInt(48), "max_write_zeroes_sectors");
        assertEquals(1, config.getInt(52), "max_write_zeroes_seg");
        assertEquals(1, config.get(56), "write_zeroes_may_unmap");
    }

    @Test
    void largeSectors() {
        ByteBuffer config = ByteBuffer.wrap(BlkConfig.of(disk(4096, 4096, 0, false, false), 1, false))
                .order(ByteOrder.LITTLE_ENDIAN);
        assertEquals((3L << 41) / 512, config.getLong(0), "capacity counts 512-byte sectors always");
        assertEquals(4096, config.getInt(20));
        assertEquals(0, config.get(24));
        assertEquals(0, config.get(32));
        assertEquals(0, config.get(56));
    }

    @Test
    void featuresFollowTheDisk() {
        long all = BlkConfig.features(disk(512, 512, 0, false, true));
        assertEquals(0x170007e44L, all & ~(1L << 1), "what real backends offer, but for size_max");
        assertEquals(1L << 13, all ^ BlkConfig.features(disk(512, 512, 0, false, false)));
        assertEquals(1L << 5 | 1L << 13 | 1L << 14, all ^ BlkConfig.features(disk(512, 512, 0, true, true)));
    }
}
