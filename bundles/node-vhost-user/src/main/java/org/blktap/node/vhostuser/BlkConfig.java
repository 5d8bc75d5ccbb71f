package org.blktap.node.vhostuser;

import static org.blktap.api.memory.Alignment.SECTOR;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import org.blktap.api.disk.DiskInfo;
import org.blktap.api.disk.Operation;

/** The configuration space of a block device: {@code struct virtio_blk_config}, virtio 1.2 section 5.2.4. */
final class BlkConfig {
    /** Bytes up to and including write_zeroes_may_unmap. A driver that reads past them gets zeros. */
    static final int BYTES = 57;
    /** The offset of {@code writeback}, the only field that a driver may write. */
    static final int WRITEBACK = 32;

    private static final int CAPACITY = 0;
    private static final int SEG_MAX = 12;
    private static final int BLK_SIZE = 20;
    private static final int PHYSICAL_BLOCK_EXP = 24;
    private static final int MIN_IO_SIZE = 26;
    private static final int OPT_IO_SIZE = 28;
    private static final int NUM_QUEUES = 34;
    private static final int MAX_DISCARD_SECTORS = 36;
    private static final int MAX_DISCARD_SEG = 40;
    private static final int DISCARD_SECTOR_ALIGNMENT = 44;
    private static final int MAX_WRITE_ZEROES_SECTORS = 48;
    private static final int MAX_WRITE_ZEROES_SEG = 52;
    private static final int WRITE_ZEROES_MAY_UNMAP = 56;

    private BlkConfig() {}

    /** Returns the whole space, {@link #BYTES} bytes. */
    static byte[] of(DiskInfo disk, int queues, boolean writeback) {
        ByteBuffer config = ByteBuffer.allocate(BYTES).order(ByteOrder.LITTLE_ENDIAN);
        int blockSize = disk.blockSize();
        int physical = Math.max(blockSize, disk.physicalBlockSize());
        config.putLong(CAPACITY, disk.sectors());
        config.putInt(SEG_MAX, VirtioBlk.SEG_MAX);
        config.putInt(BLK_SIZE, blockSize);
        // the largest power of two that the physical block is a multiple of, in logical blocks
        int exponent = Integer.numberOfTrailingZeros(Integer.highestOneBit(physical / blockSize));
        config.put(PHYSICAL_BLOCK_EXP, (byte) exponent);
        config.putShort(MIN_IO_SIZE, (short) Math.min(0xffff, 1 << exponent));
        config.putInt(OPT_IO_SIZE, disk.optimalIoSize() / blockSize);
        config.put(WRITEBACK, (byte) (writeback ? 1 : 0));
        config.putShort(NUM_QUEUES, (short) queues);
        config.putInt(MAX_DISCARD_SECTORS, VirtioBlk.DISCARD_SECTORS_MAX);
        config.putInt(MAX_DISCARD_SEG, VirtioBlk.RANGES_MAX);
        config.putInt(DISCARD_SECTOR_ALIGNMENT, physical / SECTOR);
        config.putInt(MAX_WRITE_ZEROES_SECTORS, VirtioBlk.ZEROES_SECTORS_MAX);
        config.putInt(MAX_WRITE_ZEROES_SEG, VirtioBlk.RANGES_MAX);
        config.put(WRITE_ZEROES_MAY_UNMAP, (byte) (disk.supports(Operation.DISCARD) ? 1 : 0));
        return config.array();
    }

    /** Returns the feature bits for a disk. */
    static long features(DiskInfo disk) {
        long features = VirtioBlk.F_SEG_MAX
                | VirtioBlk.F_BLK_SIZE
                | VirtioBlk.F_FLUSH
                | VirtioBlk.F_TOPOLOGY
                | VirtioBlk.F_CONFIG_WCE
                | VirtioBlk.F_MQ
                | VirtioBlk.F_INDIRECT_DESC
                | VirtioBlk.F_EVENT_IDX
                | VirtioBlk.F_PROTOCOL_FEATURES
                | VirtioBlk.F_VERSION_1;
        if (disk.readOnly()) {
            return features | VirtioBlk.F_RO;
        }
        return features | VirtioBlk.F_WRITE_ZEROES | (disk.supports(Operation.DISCARD) ? VirtioBlk.F_DISCARD : 0);
    }
}
