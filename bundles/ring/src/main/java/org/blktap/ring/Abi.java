package org.blktap.ring;

/**
 * The two layouts of blkif's structures, by the frontend's ABI: 64-bit integers are aligned to eight bytes, or to four.
 * Offsets are bytes in the structures of Xen's public io/blkif.h, compiled for each ABI.
 */
public enum Abi {
    /** x86_64, and the 32 and 64 bit ARM. */
    X86_64(8, 16),
    X86_32(4, 12);

    /** Bytes of a private copy of a request, in either ABI. */
    public static final int COPY_BYTES = 112;
    /** Most pages of a ring: ring-page-order 0 to 4. */
    public static final int PAGES_MAX = 16;

    // struct sring of io/ring.h: u32 req_prod, req_event, rsp_prod, rsp_event, padding, then the ring's entries
    static final int REQ_PROD = 0;
    static final int REQ_EVENT = 4;
    static final int RSP_PROD = 8;
    static final int RSP_EVENT = 12;
    static final int SRING_BYTES = 64;

    // struct blkif_request: u8 operation, u8 nr_segments, u16 handle, u64 id, u64 sector_number, seg[11]
    static final int OPERATION = 0;
    static final int NR_SEGMENTS = 1;
    // struct blkif_request_discard: u8 operation, u8 flag, u16 handle, u64 id, u64 sector_number, u64 nr_sectors
    static final int DISCARD_FLAG = 1;
    // struct blkif_request_indirect: u8 operation, u8 indirect_op, u16 nr_segments, u64 id, u64 sector_number, u16
    // handle, u32 indirect_grefs[8]
    static final int INDIRECT_OP = 1;
    static final int INDIRECT_NR_SEGMENTS = 2;
    // struct blkif_response: u64 id, u8 operation, s16 status
    static final int RESPONSE_ID = 0;
    static final int RESPONSE_OPERATION = 8;
    static final int RESPONSE_STATUS = 10;

    // struct blkif_request_segment
    static final int SEGMENT_GREF = 0;
    static final int SEGMENT_FIRST = 4;
    static final int SEGMENT_LAST = 5;

    final int id;
    final int sector;
    final int segments;
    final int discardSectors;
    final int indirectGrefs;
    private final int requestBytes;
    private final int responseBytes;

    /**
     * @param id the offset of a request's id, after four bytes
     * @param responseBytes 12, padded to the alignment
     */
    Abi(int id, int responseBytes) {
        this.id = id;
        this.responseBytes = responseBytes;
        sector = id + Long.BYTES;
        segments = sector + Long.BYTES;
        discardSectors = sector + Long.BYTES;
        // after u16 handle, aligned to four
        indirectGrefs = sector + Long.BYTES + Integer.BYTES;
        requestBytes = segments + Blkif.SEGMENTS_MAX * Blkif.SEGMENT_BYTES;
    }

    /**
     * The ABI that a frontend's node protocol names.
     *
     * @param protocol null if the node is absent: the native one
     * @throws IllegalArgumentException for an unknown one
     */
    public static Abi of(String protocol) {
        if (protocol == null) {
            return X86_64;
        }
        return switch (protocol) {
            case "x86_64-abi", "arm-abi" -> X86_64;
            case "x86_32-abi" -> X86_32;
            default ->
                throw new IllegalArgumentException(
                        "protocol is \"" + protocol + "\", expected x86_64-abi, x86_32-abi or arm-abi");
        };
    }

    /** Bytes of a request, and so of an entry of the ring. */
    public int requestBytes() {
        return requestBytes;
    }

    /** Bytes of a response, padding included. */
    public int responseBytes() {
        return responseBytes;
    }

    /**
     * Returns the entries of a ring: the largest power of two that fits.
     *
     * @param pages pages of 4096 bytes, 1 to 16
     */
    public int entries(int pages) {
        if (pages < 1 || pages > PAGES_MAX) {
            throw new IllegalArgumentException("a ring of " + pages + " pages, expected 1 to " + PAGES_MAX);
        }
        return Integer.highestOneBit((pages * Blkif.PAGE - SRING_BYTES) / requestBytes);
    }
}
