package org.blktap.linux;

/**
 * libaio by JNA direct mapping. Its functions return a negative errno, and leave errno alone. Layouts are those of
 * linux/aio_abi.h on 64-bit little-endian machines.
 */
public final class LibAio {
    /** {@code struct iocb}: data@0 key@8 opcode@16 fd@20 buf@24 nbytes@32 offset@40 flags@56 resfd@60. */
    public static final int IOCB_BYTES = 64;

    public static final int IOCB_DATA = 0;
    public static final int IOCB_OPCODE = 16;
    public static final int IOCB_FD = 20;
    public static final int IOCB_BUF = 24;
    public static final int IOCB_NBYTES = 32;
    public static final int IOCB_OFFSET = 40;
    public static final int IOCB_FLAGS = 56;
    public static final int IOCB_RESFD = 60;
    public static final int IOCB_FLAG_RESFD = 1;
    public static final short IOCB_CMD_PREAD = 0;
    public static final short IOCB_CMD_PWRITE = 1;
    public static final short IOCB_CMD_FDSYNC = 3;
    public static final short IOCB_CMD_PREADV = 7;
    public static final short IOCB_CMD_PWRITEV = 8;
    /** {@code struct io_event}: data@0 obj@8 res@16 res2@24. */
    public static final int EVENT_BYTES = 32;

    public static final int EVENT_DATA = 0;
    public static final int EVENT_RES = 16;
    /** {@code struct aio_ring} at the context's address: id@0 nr@4 head@8 tail@12 magic@16, events@32. */
    public static final int RING_NR = 4;

    public static final int RING_HEAD = 8;
    public static final int RING_TAIL = 12;
    public static final int RING_MAGIC = 16;
    public static final int RING_EVENTS = 32;
    public static final int AIO_RING_MAGIC = 0xa10a10a1;

    private static final String NAME = "libaio.so.1";
    /** Debian 13 renamed the library when time_t grew; the functions are the same. */
    private static final String NAME_T64 = "libaio.so.1t64";

    private static final String MISSING = OptionalLibrary.load(LibAio.class, NAME, NAME_T64);

    private LibAio() {}

    /** Why libaio is missing; null if it is present. Nothing else of this class may be called if it is missing. */
    public static String missing() {
        return MISSING;
    }

    public static native int io_setup(int events, long context);

    public static native int io_destroy(long context);

    public static native int io_submit(long context, long count, long iocbs);

    public static native int io_getevents(long context, long min, long max, long events, long timeout);
}
