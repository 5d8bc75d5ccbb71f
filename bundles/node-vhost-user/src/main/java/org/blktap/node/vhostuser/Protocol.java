package org.blktap.node.vhostuser;

/** Numbers of the vhost-user protocol, from QEMU's docs/interop/vhost-user.rst. */
final class Protocol {
    // "Header": u32 request, u32 flags, u32 size of the payload
    static final int HEADER_BYTES = 12;
    static final int HEADER_FLAGS = 4;
    static final int HEADER_SIZE = 8;
    static final int VERSION = 1;
    static final int FLAG_VERSION_MASK = 3;
    static final int FLAG_REPLY = 4;
    static final int FLAG_NEED_REPLY = 8;

    // "Front-end message types"
    static final int GET_FEATURES = 1;
    static final int SET_FEATURES = 2;
    static final int SET_OWNER = 3;
    static final int RESET_OWNER = 4;
    static final int SET_MEM_TABLE = 5;
    static final int SET_VRING_NUM = 8;
    static final int SET_VRING_ADDR = 9;
    static final int SET_VRING_BASE = 10;
    static final int GET_VRING_BASE = 11;
    static final int SET_VRING_KICK = 12;
    static final int SET_VRING_CALL = 13;
    static final int SET_VRING_ERR = 14;
    static final int GET_PROTOCOL_FEATURES = 15;
    static final int SET_PROTOCOL_FEATURES = 16;
    static final int GET_QUEUE_NUM = 17;
    static final int SET_VRING_ENABLE = 18;
    static final int SET_BACKEND_REQ_FD = 21;
    static final int GET_CONFIG = 24;
    static final int SET_CONFIG = 25;
    static final int GET_INFLIGHT_FD = 31;
    static final int SET_INFLIGHT_FD = 32;
    static final int RESET_DEVICE = 34;
    static final int GET_MAX_MEM_SLOTS = 36;
    static final int ADD_MEM_REG = 37;
    static final int REM_MEM_REG = 38;

    // "Back-end message types"
    static final int BACKEND_CONFIG_CHANGE = 2;

    // "Protocol features"
    static final long F_MQ = 1L << 0;
    static final long F_REPLY_ACK = 1L << 3;
    static final long F_BACKEND_REQ = 1L << 5;
    static final long F_CONFIG = 1L << 9;
    static final long F_BACKEND_SEND_FD = 1L << 10;
    static final long F_INFLIGHT_SHMFD = 1L << 12;
    static final long F_RESET_DEVICE = 1L << 13;
    static final long F_CONFIGURE_MEM_SLOTS = 1L << 15;
    static final long OFFERED = F_MQ
            | F_REPLY_ACK
            | F_BACKEND_REQ
            | F_CONFIG
            | F_BACKEND_SEND_FD
            | F_INFLIGHT_SHMFD
            | F_RESET_DEVICE
            | F_CONFIGURE_MEM_SLOTS;

    /** "Memory region description": u64 guest address, size, user address, offset in the file. */
    static final int REGION_BYTES = 32;

    static final int REGION_SIZE = 8;
    static final int REGION_USER = 16;
    static final int REGION_OFFSET = 24;
    /** "Multiple memory regions description": u32 count, u32 padding before the regions. */
    static final int REGION_TABLE_HEADER = 8;
    /** "Single memory region description": u64 padding before the region. */
    static final int SINGLE_REGION = 8;

    static final int SINGLE_REGION_BYTES = SINGLE_REGION + REGION_BYTES;
    /** VHOST_MEMORY_BASELINE_NREGIONS: regions of SET_MEM_TABLE, and the descriptors that come along. */
    static final int TABLE_REGIONS = 8;
    /** Most regions that a client may add by ADD_MEM_REG: the slots that KVM gives a VM for its RAM. */
    static final int MEMORY_SLOTS = 509;
    /** "Virtio device config space": u32 offset, size, flags before the bytes. */
    static final int CONFIG_HEADER = 12;

    static final int CONFIG_SIZE = 4;
    /** VHOST_USER_MAX_CONFIG_SIZE. */
    static final int CONFIG_MAX = 256;
    /** "Inflight description": u64, u64, u16, u16; on the wire with the tail padding of a C structure. */
    static final int INFLIGHT_BYTES = 24;
    /** Bytes without the padding, as in the text. */
    static final int INFLIGHT_BYTES_UNPADDED = 20;

    static final int INFLIGHT_OFFSET = 8;
    static final int INFLIGHT_QUEUES = 16;
    static final int INFLIGHT_QUEUE_SIZE = 18;
    /** "Vring state description": u32 index, u32 num. */
    static final int VRING_STATE_BYTES = 8;

    static final int VRING_STATE_NUM = 4;
    /** "Vring addresses description": u32 index, u32 flags, u64 descriptors, used ring, available ring, log. */
    static final int VRING_ADDR_BYTES = 40;

    static final int VRING_ADDR_FLAGS = 4;
    static final int VRING_ADDR_DESCRIPTORS = 8;
    static final int VRING_ADDR_USED = 16;
    static final int VRING_ADDR_AVAIL = 24;
    /** The longest payload of all messages, that of GET_CONFIG; SET_MEM_TABLE has 264 bytes. */
    static final int PAYLOAD_MAX = CONFIG_HEADER + CONFIG_MAX;

    /** In the u64 of SET_VRING_KICK, CALL and ERR: the ring's index, and that no descriptor comes along. */
    static final long VRING_INDEX_MASK = 0xff;

    static final long VRING_NO_FD = 0x100;

    private Protocol() {}

    /** A message's name for logs. */
    static String name(int request) {
        return switch (request) {
            case GET_FEATURES -> "GET_FEATURES";
            case SET_FEATURES -> "SET_FEATURES";
            case SET_OWNER -> "SET_OWNER";
            case RESET_OWNER -> "RESET_OWNER";
            case SET_MEM_TABLE -> "SET_MEM_TABLE";
            case SET_VRING_NUM -> "SET_VRING_NUM";
            case SET_VRING_ADDR -> "SET_VRING_ADDR";
            case SET_VRING_BASE -> "SET_VRING_BASE";
            case GET_VRING_BASE -> "GET_VRING_BASE";
            case SET_VRING_KICK -> "SET_VRING_KICK";
            case SET_VRING_CALL -> "SET_VRING_CALL";
            case SET_VRING_ERR -> "SET_VRING_ERR";
            case GET_PROTOCOL_FEATURES -> "GET_PROTOCOL_FEATURES";
            case SET_PROTOCOL_FEATURES -> "SET_PROTOCOL_FEATURES";
            case GET_QUEUE_NUM -> "GET_QUEUE_NUM";
            case SET_VRING_ENABLE -> "SET_VRING_ENABLE";
            case SET_BACKEND_REQ_FD -> "SET_BACKEND_REQ_FD";
            case GET_CONFIG -> "GET_CONFIG";
            case SET_CONFIG -> "SET_CONFIG";
            case GET_INFLIGHT_FD -> "GET_INFLIGHT_FD";
            case SET_INFLIGHT_FD -> "SET_INFLIGHT_FD";
            case RESET_DEVICE -> "RESET_DEVICE";
            case GET_MAX_MEM_SLOTS -> "GET_MAX_MEM_SLOTS";
            case ADD_MEM_REG -> "ADD_MEM_REG";
            case REM_MEM_REG -> "REM_MEM_REG";
            default -> "message " + request;
        };
    }
}
