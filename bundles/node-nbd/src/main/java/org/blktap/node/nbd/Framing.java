package org.blktap.node.nbd;

import org.blktap.api.nbd.Nbd;

/** The headers of requests and replies that a client has negotiated. */
enum Framing {
    /** Compact requests, simple replies. */
    SIMPLE(Nbd.REQUEST_MAGIC, Nbd.REQUEST_BYTES, 0),
    /** Compact requests; replies to READ and BLOCK_STATUS in chunks, others simple. */
    STRUCTURED(Nbd.REQUEST_MAGIC, Nbd.REQUEST_BYTES, Nbd.STRUCTURED_REPLY_BYTES),
    /** Requests with lengths of 64 bits, all replies in chunks. */
    EXTENDED(Nbd.EXTENDED_REQUEST_MAGIC, Nbd.EXTENDED_REQUEST_BYTES, Nbd.EXTENDED_REPLY_BYTES);

    /** The longest header of a request. */
    static final int MAX_REQUEST_BYTES = Nbd.EXTENDED_REQUEST_BYTES;

    private final int requestMagic;
    private final int requestBytes;
    private final int chunkBytes;

    Framing(int requestMagic, int requestBytes, int chunkBytes) {
        this.requestMagic = requestMagic;
        this.requestBytes = requestBytes;
        this.chunkBytes = chunkBytes;
    }

    int requestMagic() {
        return requestMagic;
    }

    /** Bytes of a request's header. */
    int requestBytes() {
        return requestBytes;
    }

    /** Bytes of a chunk's header. */
    int chunkBytes() {
        return chunkBytes;
    }

    /** Whether replies may come in chunks. */
    boolean hasChunks() {
        return this != SIMPLE;
    }

    /** Writes a chunk's header; returns the address of its payload. */
    long putChunk(long at, int flags, int type, NbdRequest request, int payload) {
        // both kinds begin with magic, flags, type and cookie
        boolean extended = this == EXTENDED;
        Wire.putInt(at, extended ? Nbd.EXTENDED_REPLY_MAGIC : Nbd.STRUCTURED_REPLY_MAGIC);
        Wire.putShort(at + Nbd.STRUCTURED_REPLY_FLAGS, flags);
        Wire.putShort(at + Nbd.STRUCTURED_REPLY_TYPE, type);
        Wire.putLong(at + Nbd.STRUCTURED_REPLY_COOKIE, request.cookie);
        if (extended) {
            Wire.putLong(at + Nbd.EXTENDED_REPLY_OFFSET, request.offset);
            Wire.putLong(at + Nbd.EXTENDED_REPLY_LENGTH, payload);
        } else {
            Wire.putInt(at + Nbd.STRUCTURED_REPLY_LENGTH, payload);
        }
        return at + chunkBytes;
    }
}
