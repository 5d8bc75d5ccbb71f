package org.blktap.node.ublk;

import org.blktap.api.memory.Alignment;

/**
 * Numbers and layouts of include/uapi/linux/ublk_cmd.h, as of Linux 6.12; newer ones say so. The protocol is described
 * in Documentation/block/ublk.rst.
 */
final class Ublk {
    private static final int IOC_WRITE = 1;
    private static final int IOC_READ = 2;
    private static final int IOC_TYPE = 'u';

    /** {@code struct ublksrv_ctrl_cmd}: the command's part of an entry of the control device. */
    static final int CTRL_BYTES = 32;

    static final int CTRL_DEV_ID = 0;
    static final int CTRL_QUEUE_ID = 4;
    static final int CTRL_LEN = 6;
    static final int CTRL_ADDR = 8;
    static final int CTRL_DATA = 16;
    static final short NO_QUEUE = -1;

    // UBLK_U_CMD_*
    static final int CMD_GET_DEV_INFO = encode(IOC_READ, 0x02, CTRL_BYTES);
    static final int CMD_ADD_DEV = encode(IOC_READ | IOC_WRITE, 0x04, CTRL_BYTES);
    static final int CMD_DEL_DEV = encode(IOC_READ | IOC_WRITE, 0x05, CTRL_BYTES);
    static final int CMD_START_DEV = encode(IOC_READ | IOC_WRITE, 0x06, CTRL_BYTES);
    static final int CMD_STOP_DEV = encode(IOC_READ | IOC_WRITE, 0x07, CTRL_BYTES);
    static final int CMD_SET_PARAMS = encode(IOC_READ | IOC_WRITE, 0x08, CTRL_BYTES);
    static final int CMD_START_USER_RECOVERY = encode(IOC_READ | IOC_WRITE, 0x10, CTRL_BYTES);
    static final int CMD_END_USER_RECOVERY = encode(IOC_READ | IOC_WRITE, 0x11, CTRL_BYTES);
    /** From Linux 6.5 on. */
    static final int CMD_GET_FEATURES = encode(IOC_READ, 0x13, CTRL_BYTES);
    /** From Linux 6.9 on. Does not wait until nobody has the device open any more. */
    static final int CMD_DEL_DEV_ASYNC = encode(IOC_READ, 0x14, CTRL_BYTES);
    /** From Linux 6.16 on. */
    static final int CMD_UPDATE_SIZE = encode(IOC_READ | IOC_WRITE, 0x15, CTRL_BYTES);

    /** {@code UBLK_FEATURES_LEN}. */
    static final int FEATURES_BYTES = 8;

    /** {@code struct ublksrv_io_cmd}: the command's part of an entry of a device. */
    static final int IO_BYTES = 16;

    static final int IO_Q_ID = 0;
    static final int IO_TAG = 2;
    static final int IO_RESULT = 4;
    static final int IO_ADDR = 8;

    // UBLK_U_IO_*
    static final int IO_FETCH_REQ = encode(IOC_READ | IOC_WRITE, 0x20, IO_BYTES);
    static final int IO_COMMIT_AND_FETCH_REQ = encode(IOC_READ | IOC_WRITE, 0x21, IO_BYTES);
    /** {@code UBLK_IO_RES_OK}: a request has come. Its negative counterpart, UBLK_IO_RES_ABORT, is -ENODEV. */
    static final int RES_OK = 0;

    // UBLK_F_*
    static final long F_USER_RECOVERY = 1L << 3;
    static final long F_USER_RECOVERY_REISSUE = 1L << 4;
    static final long F_UNPRIVILEGED_DEV = 1L << 5;
    static final long F_CMD_IOCTL_ENCODE = 1L << 6;
    /** From Linux 6.16 on. */
    static final long F_UPDATE_SIZE = 1L << 10;

    /** Without these, a device would not survive the daemon. */
    static final long FEATURES_NEEDED = F_USER_RECOVERY | F_USER_RECOVERY_REISSUE | F_CMD_IOCTL_ENCODE;

    // UBLK_S_DEV_*
    static final int STATE_DEAD = 0;
    static final int STATE_LIVE = 1;
    static final int STATE_QUIESCED = 2;

    /** {@code struct ublksrv_io_desc}: op_flags@0 nr_sectors@4 start_sector@8 addr@16. */
    static final int DESC_BYTES = 24;

    static final int DESC_OP_FLAGS = 0;
    static final int DESC_SECTORS = 4;
    static final int DESC_START = 8;
    /** The part of op_flags that is the operation. */
    static final int OP_MASK = 0xff;

    static final int OP_READ = 0;
    static final int OP_WRITE = 1;
    static final int OP_FLUSH = 2;
    static final int OP_DISCARD = 3;
    static final int OP_WRITE_ZEROES = 5;
    static final int OP_F_FUA = 1 << 13;
    static final int OP_F_NOUNMAP = 1 << 15;

    /** {@code UBLK_MAX_QUEUE_DEPTH}. */
    static final int QUEUE_DEPTH_MAX = 4096;

    private Ublk() {}

    /** {@code _IOC} of include/uapi/asm-generic/ioctl.h. */
    static int encode(int direction, int number, int bytes) {
        return direction << 30 | bytes << 16 | IOC_TYPE << 8 | number;
    }

    /** Bytes of the descriptors of a queue, which are mapped at once. */
    static long descriptorBytes(int depth, int pageBytes) {
        return Alignment.up((long) depth * DESC_BYTES, pageBytes);
    }

    /** Offset of the descriptors of a queue for mmap(2): each queue has room for the greatest depth. */
    static long descriptorOffset(int queue, int pageBytes) {
        return queue * Alignment.up((long) QUEUE_DEPTH_MAX * DESC_BYTES, pageBytes);
    }

    static String stateText(int state) {
        return switch (state) {
            case STATE_DEAD -> "not started";
            case STATE_LIVE -> "live";
            case STATE_QUIESCED -> "quiesced";
            default -> "state " + state;
        };
    }
}
