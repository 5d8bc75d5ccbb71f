package org.blktap.client.nbd;

import org.blktap.api.engine.Errno;

/** Numbers of the NBD protocol (doc/proto.md of NetworkBlockDevice/nbd), under its own names and by its sections. */
final class Nbd {
    // "Newstyle negotiation", "Oldstyle negotiation"
    static final long INIT_PASSWD = 0x4e42444d41474943L;
    static final long IHAVEOPT = 0x49484156454F5054L;
    static final long OLDSTYLE_MAGIC = 0x00420281861253L;
    static final long OPTION_REPLY_MAGIC = 0x3e889045565a9L;
    static final int FLAG_FIXED_NEWSTYLE = 1;
    static final int FLAG_NO_ZEROES = 1 << 1;
    /** Zeros after the answer to EXPORT_NAME, unless NO_ZEROES was agreed. */
    static final int EXPORT_NAME_PADDING = 124;
    /** The longest string that the protocol knows ("Values", strings). */
    static final int MAX_STRING = 4096;

    // "Option types"
    static final int OPT_EXPORT_NAME = 1;
    static final int OPT_LIST = 3;
    static final int OPT_GO = 7;
    static final int OPT_STRUCTURED_REPLY = 8;
    static final int OPT_SET_META_CONTEXT = 10;

    // "Option reply types"
    static final int REP_ACK = 1;
    static final int REP_SERVER = 2;
    static final int REP_INFO = 3;
    static final int REP_META_CONTEXT = 4;
    static final int REP_FLAG_ERROR = 1 << 31;
    static final int REP_ERR_UNSUP = REP_FLAG_ERROR | 1;
    static final int REP_ERR_POLICY = REP_FLAG_ERROR | 2;
    static final int REP_ERR_INVALID = REP_FLAG_ERROR | 3;
    static final int REP_ERR_PLATFORM = REP_FLAG_ERROR | 4;
    static final int REP_ERR_TLS_REQD = REP_FLAG_ERROR | 5;
    static final int REP_ERR_UNKNOWN = REP_FLAG_ERROR | 6;
    static final int REP_ERR_SHUTDOWN = REP_FLAG_ERROR | 7;
    static final int REP_ERR_BLOCK_SIZE_REQD = REP_FLAG_ERROR | 8;
    static final int REP_ERR_TOO_BIG = REP_FLAG_ERROR | 9;
    static final int REP_ERR_EXT_HEADER_REQD = REP_FLAG_ERROR | 10;

    // information types of NBD_REP_INFO
    static final int INFO_EXPORT = 0;
    static final int INFO_BLOCK_SIZE = 3;

    // "Transmission flags"
    static final int READ_ONLY = 1 << 1;
    static final int SEND_FLUSH = 1 << 2;
    static final int SEND_TRIM = 1 << 5;
    static final int SEND_WRITE_ZEROES = 1 << 6;
    static final int CAN_MULTI_CONN = 1 << 8;

    // "Request message"
    static final int REQUEST_MAGIC = 0x25609513;
    static final int CMD_READ = 0;
    static final int CMD_WRITE = 1;
    static final int CMD_DISC = 2;
    static final int CMD_FLUSH = 3;
    static final int CMD_TRIM = 4;
    static final int CMD_WRITE_ZEROES = 6;
    static final int CMD_BLOCK_STATUS = 7;
    static final int CMD_FLAG_NO_HOLE = 1 << 1;

    // "Simple reply message", "Structured reply chunk message"
    static final int SIMPLE_REPLY_MAGIC = 0x67446698;
    static final int STRUCTURED_REPLY_MAGIC = 0x668e33ef;
    static final int REPLY_FLAG_DONE = 1;
    static final int REPLY_TYPE_NONE = 0;
    static final int REPLY_TYPE_OFFSET_DATA = 1;
    static final int REPLY_TYPE_OFFSET_HOLE = 2;
    static final int REPLY_TYPE_BLOCK_STATUS = 5;
    /** Set in the types of all chunks that report an error. */
    static final int REPLY_TYPE_ERROR_BIT = 1 << 15;

    // "Metadata querying"
    static final String BASE_ALLOCATION = "base:allocation";

    // "Error values", which are Linux's; the others are in api's Errno
    static final int EOVERFLOW = 75;

    private Nbd() {
    }

    /** An error for messages. */
    static String text(int error) {
        return error == EOVERFLOW ? "EOVERFLOW (too large)" : Errno.text(error);
    }
}
