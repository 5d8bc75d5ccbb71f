package org.blktap.node.vhostuser;

import static org.blktap.api.memory.Alignment.SECTOR;

import java.util.StringJoiner;
import org.blktap.api.memory.Alignment;

/**
 * Numbers of the virtio 1.2 specification: section 5.2 (block device), 2.7 (split virtqueues) and 6 (reserved feature
 * bits).
 */
final class VirtioBlk {
    // 5.2.3 Feature bits
    static final long F_SEG_MAX = 1L << 2;
    static final long F_RO = 1L << 5;
    static final long F_BLK_SIZE = 1L << 6;
    static final long F_FLUSH = 1L << 9;
    static final long F_TOPOLOGY = 1L << 10;
    static final long F_CONFIG_WCE = 1L << 11;
    static final long F_MQ = 1L << 12;
    static final long F_DISCARD = 1L << 13;
    static final long F_WRITE_ZEROES = 1L << 14;
    // 6 Reserved feature bits; 30 is taken by vhost-user
    static final long F_INDIRECT_DESC = 1L << 28;
    static final long F_EVENT_IDX = 1L << 29;
    static final long F_PROTOCOL_FEATURES = 1L << 30;
    static final long F_VERSION_1 = 1L << 32;

    // 5.2.6 Device operation: request types and status values
    static final int T_IN = 0;
    static final int T_OUT = 1;
    static final int T_FLUSH = 4;
    static final int T_GET_ID = 8;
    static final int T_DISCARD = 11;
    static final int T_WRITE_ZEROES = 13;
    static final byte S_OK = 0;
    static final byte S_IOERR = 1;
    static final byte S_UNSUPP = 2;
    /** le32 type, le32 reserved, le64 sector. */
    static final int HEADER_BYTES = 16;

    static final int HEADER_SECTOR = 8;
    /** Bytes of GET_ID's string, which has no NUL if it is that long. */
    static final int ID_BYTES = 20;
    /** struct virtio_blk_discard_write_zeroes: le64 sector, le32 num_sectors, le32 flags. */
    static final int RANGE_BYTES = 16;

    static final int RANGE_SECTORS = 8;
    static final int RANGE_FLAGS = 12;

    static final int RANGE_FLAG_UNMAP = 1;
    /** Largest queue (2.7: a power of two, at most 32768); QEMU takes no larger one either. */
    static final int QUEUE_MAX = 1024;
    /**
     * Data descriptors a driver may use for one request: those of QEMU's default queue of 128, less header and status.
     */
    static final int SEG_MAX = 126;
    /** Segments per discard or write-zeroes request. */
    static final int RANGES_MAX = 1;
    /** Sectors per discard: 2 GiB. */
    static final int DISCARD_SECTORS_MAX = 1 << 22;
    /** Sectors per write-zeroes: 16 MiB, since a format may have to write them. */
    static final int ZEROES_SECTORS_MAX = 1 << 15;
    /** Most bytes of one read or write: whole sectors that fit a signed 32-bit length. */
    static final long DATA_MAX = Alignment.down(Integer.MAX_VALUE, SECTOR);

    private static final String[] NAMES = {
        null,
        null,
        "seg_max",
        null,
        null,
        "ro",
        "blk_size",
        null,
        null,
        "flush",
        "topology",
        "config_wce",
        "mq",
        "discard",
        "write_zeroes"
    };

    private VirtioBlk() {}

    /** Feature bits as words, for {@code status}. */
    static String names(long features) {
        StringJoiner words = new StringJoiner(" ");
        for (int bit = 0; bit < NAMES.length; bit++) {
            if (NAMES[bit] != null && (features & 1L << bit) != 0) {
                words.add(NAMES[bit]);
            }
        }
        if ((features & F_INDIRECT_DESC) != 0) {
            words.add("indirect_desc");
        }
        if ((features & F_EVENT_IDX) != 0) {
            words.add("event_idx");
        }
        if ((features & F_VERSION_1) != 0) {
            words.add("version_1");
        }
        return words.toString();
    }
}
