package org.blktap.node.ublk;

import org.blktap.api.memory.Memory;

/**
 * {@code struct ublksrv_ctrl_dev_info} of ublk_cmd.h: what the driver knows of a device.
 *
 * @param number N of /dev/ublkbN; -1 in a request for any
 * @param queues hardware queues; the driver makes at most one for each processor
 * @param depth requests of a queue
 * @param state one of STATE in {@link Ublk}
 * @param bufferBytes the most bytes of a request
 * @param pid the process that serves the device, by its own report
 * @param flags UBLK_F_*
 * @param identity {@code ublksrv_flags}, which the driver keeps for us and does not interpret
 * @param owner the user who has made the device, as the driver has seen
 */
record DeviceInfo(
        int number, int queues, int depth, int state, int bufferBytes, int pid, long flags, long identity, int owner) {
    static final int BYTES = 64;

    private static final int QUEUES = 0;
    private static final int DEPTH = 2;
    private static final int STATE = 4;
    private static final int BUFFER_BYTES = 8;
    private static final int DEV_ID = 12;
    private static final int PID = 16;
    private static final int FLAGS = 24;
    private static final int SRV_FLAGS = 32;
    private static final int OWNER_UID = 40;

    /** Returns the request for a new device. */
    static DeviceInfo wanted(int number, int queues, int depth, int bufferBytes, long flags, long identity) {
        return new DeviceInfo(number, queues, depth, 0, bufferBytes, 0, flags, identity, 0);
    }

    static DeviceInfo read(long at) {
        return new DeviceInfo(
                Memory.getInt(at + DEV_ID),
                Memory.getShort(at + QUEUES) & 0xffff,
                Memory.getShort(at + DEPTH) & 0xffff,
                Memory.getShort(at + STATE) & 0xffff,
                Memory.getInt(at + BUFFER_BYTES),
                Memory.getInt(at + PID),
                Memory.getLong(at + FLAGS),
                Memory.getLong(at + SRV_FLAGS),
                Memory.getInt(at + OWNER_UID));
    }

    void write(long at) {
        Memory.zero(at, BYTES);
        Memory.putShort(at + QUEUES, (short) queues);
        Memory.putShort(at + DEPTH, (short) depth);
        Memory.putInt(at + BUFFER_BYTES, bufferBytes);
        Memory.putInt(at + DEV_ID, number);
        Memory.putLong(at + FLAGS, flags);
        Memory.putLong(at + SRV_FLAGS, identity);
    }

    /**
     * Whether the device has the sizes that were asked for; it may have fewer queues, if there are fewer processors.
     */
    boolean fits(DeviceInfo asked) {
        return queues >= 1
                && queues <= asked.queues
                && depth == asked.depth
                && bufferBytes > 0
                && bufferBytes <= asked.bufferBytes;
    }

    /** Whether a daemon of this user has made the device with this identity, and so that it survives its server. */
    boolean isOurs(long ourIdentity, int ourUser) {
        return identity == ourIdentity
                && owner == ourUser
                && (flags & Ublk.F_UNPRIVILEGED_DEV) == 0
                && (flags & Ublk.F_USER_RECOVERY) != 0
                && (flags & Ublk.F_USER_RECOVERY_REISSUE) != 0;
    }

    int tags() {
        return queues * depth;
    }

    @Override
    public String toString() {
        return "/dev/ublkb" + number;
    }
}
