package org.blktap.node.nbd;

import org.blktap.api.engine.Errno;

/** Numbers of the NBD protocol (doc/proto.md of NetworkBlockDevice/nbd), under its own names and by its sections. */
final class Nbd {
    // "Newstyle negotiation"
    static final long INIT_PASSWD = 0x4e42444d41474943L;
    static final long IHAVEOPT = 0x49484156454F5054L;
    static final long OPTION_REPLY_MAGIC = 0x3e889045565a9L;
    /** Magic, option, length. */
    static final int OPTION_HEADER_BYTES = 16;
    /** Zeros after the answer to EXPORT_NAME, unless NO_ZEROES was agreed. */
    static final int EXPORT_NAME_PADDING = 124;
    /** The longest string that the protocol knows ("Values", strings). */
    static final int MAX_STRING = 4096;

    // "Handshake flags" and "Client flags" share their bits
    static final int FLAG_FIXED_NEWSTYLE = 1;
    static final int FLAG_NO_ZEROES = 1 << 1;

    // "Transmission flags"
    static final int FLAG_HAS_FLAGS = 1;
    static final int FLAG_READ_ONLY = 1 << 1;
    static final int FLAG_SEND_FLUSH = 1 << 2;
    static final int FLAG_SEND_FUA = 1 << 3;
    static final int FLAG_SEND_TRIM = 1 << 5;
    static final int FLAG_SEND_WRITE_ZEROES = 1 << 6;
    static final int FLAG_SEND_DF = 1 << 7;
    static final int FLAG_CAN_MULTI_CONN = 1 << 8;
    static final int FLAG_SEND_CACHE = 1 << 10;
    static final int FLAG_SEND_FAST_ZERO = 1 << 11;

    // "Option types"
    static final int OPT_EXPORT_NAME = 1;
    static final int OPT_ABORT = 2;
    static final int OPT_LIST = 3;
    static final int OPT_STARTTLS = 5;
    static final int OPT_INFO = 6;
    static final int OPT_GO = 7;
    static final int OPT_STRUCTURED_REPLY = 8;
    static final int OPT_LIST_META_CONTEXT = 9;
    static final int OPT_SET_META_CONTEXT = 10;

    // "Option reply types"
    static final int REP_ACK = 1;
    static final int REP_SERVER = 2;
    static final int REP_INFO = 3;
    static final int REP_META_CONTEXT = 4;
    static final int REP_ERR_UNSUP = 1 << 31 | 1;
    static final int REP_ERR_POLICY = 1 << 31 | 2;
    static final int REP_ERR_INVALID = 1 << 31 | 3;
    static final int REP_ERR_UNKNOWN = 1 << 31 | 6;
    static final int REP_ERR_TOO_BIG = 1 << 31 | 9;

    // information types of NBD_REP_INFO
    static final int INFO_EXPORT = 0;
    static final int INFO_NAME = 1;
    static final int INFO_DESCRIPTION = 2;
    static final int INFO_BLOCK_SIZE = 3;

    // "Metadata querying"
    static final String BASE = "base:";
    static final String BASE_ALLOCATION = "base:allocation";
    /** The id that we give to base:allocation, the only context. */
    static final int ALLOCATION_ID = 1;

    // "Request message"
    static final int REQUEST_MAGIC = 0x25609513;
    /** Magic, flags, type, cookie, offset, length. */
    static final int REQUEST_BYTES = 28;
    static final int CMD_READ = 0;
    static final int CMD_WRITE = 1;
    static final int CMD_DISC = 2;
    static final int CMD_FLUSH = 3;
    static final int CMD_TRIM = 4;
    static final int CMD_CACHE = 5;
    static final int CMD_WRITE_ZEROES = 6;
    static final int CMD_BLOCK_STATUS = 7;

    // "Command flags"
    static final int CMD_FLAG_FUA = 1;
    static final int CMD_FLAG_NO_HOLE = 1 << 1;
    static final int CMD_FLAG_DF = 1 << 2;
    static final int CMD_FLAG_REQ_ONE = 1 << 3;
    static final int CMD_FLAG_FAST_ZERO = 1 << 4;

    // "Simple reply message": magic, error, cookie
    static final int SIMPLE_REPLY_MAGIC = 0x67446698;
    static final int SIMPLE_REPLY_BYTES = 16;
    // "Structured reply chunk message": magic, flags, type, cookie, length
    static final int STRUCTURED_REPLY_MAGIC = 0x668e33ef;
    static final int STRUCTURED_REPLY_BYTES = 20;
    static final int REPLY_FLAG_DONE = 1;
    static final int REPLY_TYPE_NONE = 0;
    static final int REPLY_TYPE_OFFSET_DATA = 1;
    static final int REPLY_TYPE_OFFSET_HOLE = 2;
    static final int REPLY_TYPE_BLOCK_STATUS = 5;
    static final int REPLY_TYPE_ERROR = 1 << 15 | 1;

    // "Error values"
    static final int EPERM = 1;
    static final int EIO = 5;
    static final int ENOMEM = 12;
    static final int EINVAL = 22;
    static final int ENOSPC = 28;
    static final int EOVERFLOW = 75;
    static final int ENOTSUP = 95;
    static final int ESHUTDOWN = 108;

    /** EFBIG and EDQUOT of Linux, which the protocol reports as ENOSPC. */
    private static final int LINUX_EFBIG = 27;
    private static final int LINUX_EDQUOT = 122;

    /** The longest READ or WRITE; also what a client that asks for no block sizes may assume ("Size constraints"). */
    static final int MAX_PAYLOAD = 32 << 20;
    /** The only alignment that costs nothing: what the platform calls a sector. */
    static final int MIN_BLOCK = 512;
    static final int PREFERRED_BLOCK = 4096;

    private Nbd() {
    }

    /**
     * The protocol's error for a Linux errno.
     *
     * @param fastZero whether the request may fail with ENOTSUP, which is reserved for FAST_ZERO
     */
    static int error(int errno, boolean fastZero) {
        return switch (errno) {
            case 0 -> 0;
            case Errno.EPERM, Errno.EACCES, Errno.EROFS -> EPERM;
            case Errno.ENOMEM -> ENOMEM;
            case Errno.EINVAL -> EINVAL;
            case Errno.ENOSPC, LINUX_EFBIG, LINUX_EDQUOT -> ENOSPC;
            case Errno.EOPNOTSUPP -> fastZero ? ENOTSUP : EINVAL;
            case Errno.ESHUTDOWN -> ESHUTDOWN;
            default -> EIO;
        };
    }
}
