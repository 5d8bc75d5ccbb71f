package org.blktap.api.nbd;

/** Numbers of the NBD protocol (doc/proto.md of NetworkBlockDevice/nbd), under its own names and by its sections. */
public final class Nbd {
    /** The TCP port of servers (doc/uri.md). */
    public static final int PORT = 10809;

    // "Newstyle negotiation", "Oldstyle negotiation"
    public static final long INIT_PASSWD = 0x4e42444d41474943L;
    public static final long IHAVEOPT = 0x49484156454F5054L;
    public static final long OLDSTYLE_MAGIC = 0x00420281861253L;
    public static final long OPTION_REPLY_MAGIC = 0x3e889045565a9L;
    /** Magic, option, length. */
    public static final int OPTION_HEADER_BYTES = 16;

    public static final int OPTION_HEADER_OPTION = 8;
    public static final int OPTION_HEADER_LENGTH = 12;
    /** Magic, option, type, length. */
    public static final int OPTION_REPLY_BYTES = 20;
    /** Zeros after the answer to EXPORT_NAME, unless NO_ZEROES was agreed. */
    public static final int EXPORT_NAME_PADDING = 124;
    /** The longest string that the protocol knows ("Values", strings). */
    public static final int MAX_STRING = 4096;

    // "Handshake flags" and "Client flags" share their bits
    public static final int FLAG_FIXED_NEWSTYLE = 1;
    public static final int FLAG_NO_ZEROES = 1 << 1;

    // "Transmission flags"
    public static final int FLAG_HAS_FLAGS = 1;
    public static final int FLAG_READ_ONLY = 1 << 1;
    public static final int FLAG_SEND_FLUSH = 1 << 2;
    public static final int FLAG_SEND_FUA = 1 << 3;
    public static final int FLAG_SEND_TRIM = 1 << 5;
    public static final int FLAG_SEND_WRITE_ZEROES = 1 << 6;
    public static final int FLAG_SEND_DF = 1 << 7;
    public static final int FLAG_CAN_MULTI_CONN = 1 << 8;
    public static final int FLAG_SEND_CACHE = 1 << 10;
    public static final int FLAG_SEND_FAST_ZERO = 1 << 11;

    // "Option types"
    public static final int OPT_EXPORT_NAME = 1;
    public static final int OPT_ABORT = 2;
    public static final int OPT_LIST = 3;
    public static final int OPT_STARTTLS = 5;
    public static final int OPT_INFO = 6;
    public static final int OPT_GO = 7;
    public static final int OPT_STRUCTURED_REPLY = 8;
    public static final int OPT_LIST_META_CONTEXT = 9;
    public static final int OPT_SET_META_CONTEXT = 10;
    /** Of the extension {@code EXTENDED_HEADERS} (doc/proto.md of the branch extension-ext-header). */
    public static final int OPT_EXTENDED_HEADERS = 11;

    // "Option reply types"
    public static final int REP_ACK = 1;
    public static final int REP_SERVER = 2;
    public static final int REP_INFO = 3;
    public static final int REP_META_CONTEXT = 4;
    public static final int REP_FLAG_ERROR = 1 << 31;
    public static final int REP_ERR_UNSUP = REP_FLAG_ERROR | 1;
    public static final int REP_ERR_POLICY = REP_FLAG_ERROR | 2;
    public static final int REP_ERR_INVALID = REP_FLAG_ERROR | 3;
    public static final int REP_ERR_PLATFORM = REP_FLAG_ERROR | 4;
    public static final int REP_ERR_TLS_REQD = REP_FLAG_ERROR | 5;
    public static final int REP_ERR_UNKNOWN = REP_FLAG_ERROR | 6;
    public static final int REP_ERR_SHUTDOWN = REP_FLAG_ERROR | 7;
    public static final int REP_ERR_BLOCK_SIZE_REQD = REP_FLAG_ERROR | 8;
    public static final int REP_ERR_TOO_BIG = REP_FLAG_ERROR | 9;
    public static final int REP_ERR_EXT_HEADER_REQD = REP_FLAG_ERROR | 10;

    // information types of NBD_REP_INFO
    public static final int INFO_EXPORT = 0;
    /** u16 type, u64 size, u16 transmission flags. */
    public static final int INFO_EXPORT_BYTES = 12;

    public static final int INFO_EXPORT_SIZE = 2;
    public static final int INFO_EXPORT_FLAGS = 10;
    public static final int INFO_NAME = 1;
    public static final int INFO_DESCRIPTION = 2;
    public static final int INFO_BLOCK_SIZE = 3;
    /** u16 type, u32 minimum, preferred and maximum. */
    public static final int INFO_BLOCK_SIZE_BYTES = 14;

    public static final int INFO_BLOCK_SIZE_MINIMUM = 2;
    public static final int INFO_BLOCK_SIZE_PREFERRED = 6;
    public static final int INFO_BLOCK_SIZE_MAXIMUM = 10;

    // "Metadata querying"
    public static final String BASE = "base:";
    public static final String BASE_ALLOCATION = "base:allocation";
    // docs/interop/nbd.txt of QEMU
    public static final String QEMU = "qemu:";
    public static final String QEMU_ALLOCATION_DEPTH = "qemu:allocation-depth";
    public static final String QEMU_DIRTY_BITMAP = "qemu:dirty-bitmap:";

    // "Request message"
    public static final int REQUEST_MAGIC = 0x25609513;
    /** Magic, flags, type, cookie, offset, length. */
    public static final int REQUEST_BYTES = 28;

    public static final int REQUEST_FLAGS = 4;
    public static final int REQUEST_TYPE = 6;
    public static final int REQUEST_COOKIE = 8;
    public static final int REQUEST_OFFSET = 16;
    public static final int REQUEST_LENGTH = 24;
    /** With extended headers, the same fields at the same places, but a length of 64 bits. */
    public static final int EXTENDED_REQUEST_MAGIC = 0x21e41c71;

    public static final int EXTENDED_REQUEST_BYTES = 32;

    public static final int CMD_READ = 0;
    public static final int CMD_WRITE = 1;
    public static final int CMD_DISC = 2;
    public static final int CMD_FLUSH = 3;
    public static final int CMD_TRIM = 4;
    public static final int CMD_CACHE = 5;
    public static final int CMD_WRITE_ZEROES = 6;
    public static final int CMD_BLOCK_STATUS = 7;

    // "Command flags"
    public static final int CMD_FLAG_FUA = 1;
    public static final int CMD_FLAG_NO_HOLE = 1 << 1;
    public static final int CMD_FLAG_DF = 1 << 2;
    public static final int CMD_FLAG_REQ_ONE = 1 << 3;
    public static final int CMD_FLAG_FAST_ZERO = 1 << 4;
    /** The length of an extended request is that of a payload that follows. */
    public static final int CMD_FLAG_PAYLOAD_LEN = 1 << 5;

    // "Simple reply message": magic, error, cookie
    public static final int SIMPLE_REPLY_MAGIC = 0x67446698;
    public static final int SIMPLE_REPLY_BYTES = 16;
    public static final int SIMPLE_REPLY_ERROR = 4;
    public static final int SIMPLE_REPLY_COOKIE = 8;
    // "Structured reply chunk message": magic, flags, type, cookie, length
    public static final int STRUCTURED_REPLY_MAGIC = 0x668e33ef;
    public static final int STRUCTURED_REPLY_BYTES = 20;
    public static final int STRUCTURED_REPLY_FLAGS = 4;
    public static final int STRUCTURED_REPLY_TYPE = 6;
    public static final int STRUCTURED_REPLY_COOKIE = 8;
    public static final int STRUCTURED_REPLY_LENGTH = 16;
    // "Extended reply chunk message": magic, flags, type, cookie, offset of the request, length
    public static final int EXTENDED_REPLY_MAGIC = 0x6e8a278c;
    public static final int EXTENDED_REPLY_BYTES = 32;
    public static final int EXTENDED_REPLY_FLAGS = 4;
    public static final int EXTENDED_REPLY_TYPE = 6;
    public static final int EXTENDED_REPLY_COOKIE = 8;
    public static final int EXTENDED_REPLY_OFFSET = 16;
    public static final int EXTENDED_REPLY_LENGTH = 24;
    // "Structured reply types": the payloads before their data, texts or descriptors
    /** u64 offset. */
    public static final int OFFSET_DATA_BYTES = 8;
    /** u64 offset, u32 length. */
    public static final int OFFSET_HOLE_BYTES = 12;

    public static final int OFFSET_HOLE_LENGTH = 8;
    /** u32 id of the context. */
    public static final int BLOCK_STATUS_BYTES = 4;
    /** A descriptor of a block status: u32 length, u32 state. */
    public static final int DESCRIPTOR_BYTES = 8;

    public static final int DESCRIPTOR_STATE = 4;
    /** u32 id of the context, u32 number of descriptors. */
    public static final int BLOCK_STATUS_EXT_BYTES = 8;

    public static final int BLOCK_STATUS_EXT_COUNT = 4;
    /** A descriptor of an extended block status: u64 length, u64 state. */
    public static final int EXTENDED_DESCRIPTOR_BYTES = 16;

    public static final int EXTENDED_DESCRIPTOR_STATE = 8;
    /** u32 error, u16 length of the text. */
    public static final int ERROR_BYTES = 6;

    public static final int ERROR_TEXT_LENGTH = 4;
    public static final int REPLY_FLAG_DONE = 1;
    public static final int REPLY_TYPE_NONE = 0;
    public static final int REPLY_TYPE_OFFSET_DATA = 1;
    public static final int REPLY_TYPE_OFFSET_HOLE = 2;
    public static final int REPLY_TYPE_BLOCK_STATUS = 5;
    public static final int REPLY_TYPE_BLOCK_STATUS_EXT = 6;
    /** Set in the types of all chunks that report an error. */
    public static final int REPLY_TYPE_ERROR_BIT = 1 << 15;

    public static final int REPLY_TYPE_ERROR = REPLY_TYPE_ERROR_BIT | 1;

    // "Error values", which are Linux's
    public static final int EPERM = 1;
    public static final int EIO = 5;
    public static final int ENOMEM = 12;
    public static final int EINVAL = 22;
    public static final int ENOSPC = 28;
    public static final int EOVERFLOW = 75;
    public static final int ENOTSUP = 95;
    public static final int ESHUTDOWN = 108;

    /**
     * The longest READ or WRITE; every server takes one of this length from a client that asks for no block sizes
     * ("Size constraints").
     */
    public static final int MAX_PAYLOAD = 32 << 20;

    private Nbd() {}
}
