package org.blktap.node.ublk;

import org.blktap.api.disk.DiskException;
import org.blktap.api.disk.Options;
import org.blktap.api.node.NodeContext;

/**
 * The options of a node: {@code ublk:N} or {@code ublk:/dev/ublkbN}, {@code queues=}, {@code depth=}, {@code largest=}.
 *
 * @param number N, or {@link DeviceRecord#ANY}
 * @param queues hardware queues of the device
 * @param depth requests of a queue
 * @param bufferBytes the most bytes of a request
 */
record NodeOptions(int number, int queues, int depth, int bufferBytes) {
    private static final int NUMBER_MAX = (1 << 20) - 1;
    private static final String DEVICE = "/dev/ublkb";
    private static final int QUEUES_MAX = 16;
    private static final int QUEUES = 1;
    private static final int DEPTH_MAX = 1024;
    private static final int DEPTH = 128;
    private static final long BUFFER_MIN = 4096;
    /** The largest buffer, for requests of 4 MiB; a buffer takes memory only as it is used. */
    private static final long BUFFER_MAX = 4 << 20;

    private static final long BUFFER = 512 << 10;

    static NodeOptions of(NodeContext context) throws DiskException {
        Options options = context.options();
        String target = context.target();
        String digits = target.startsWith(DEVICE) ? target.substring(DEVICE.length()) : target;
        int number = DeviceRecord.ANY;
        if (!target.isEmpty()) {
            if (!digits.matches("[0-9]{1,7}") || Integer.parseInt(digits) > NUMBER_MAX) {
                throw new DiskException(
                        DiskException.Reason.BAD_OPTION,
                        "bad node ublk:" + target + ": expected a number, or " + DEVICE + "N");
            }
            number = Integer.parseInt(digits);
        }
        int queues = options.number("queues", QUEUES, 1, QUEUES_MAX);
        int depth = options.number("depth", DEPTH, 1, DEPTH_MAX);
        long buffer = options.size("largest", BUFFER, BUFFER_MIN, BUFFER_MAX);
        if (buffer % BUFFER_MIN != 0) {
            throw Options.bad("largest", Long.toString(buffer), "a multiple of 4k");
        }
        return new NodeOptions(number, queues, depth, (int) buffer);
    }

    /** Returns the request to the driver. */
    DeviceInfo wanted(int deviceNumber, long features, long identity) {
        return DeviceInfo.wanted(
                deviceNumber,
                queues,
                depth,
                bufferBytes,
                Ublk.FEATURES_NEEDED | features & Ublk.F_UPDATE_SIZE,
                identity);
    }
}
