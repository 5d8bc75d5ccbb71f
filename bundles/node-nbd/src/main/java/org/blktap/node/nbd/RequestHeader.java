package org.blktap.node.nbd;

import org.blktap.api.nbd.Nbd;

/** The header of a request, taken out of the receiver's memory before anything of it is looked at. Reused. */
final class RequestHeader {
    private final Framing framing;
    int command;
    int flags;
    long cookie;
    long offset;
    /** Of a payload or a range: unsigned, of 32 bits unless headers are extended. */
    long length;

    RequestHeader(Framing framing) {
        this.framing = framing;
    }

    /** Reads the header at an address ("Request message"); false if the magic is not that of a request. */
    boolean read(long at) {
        flags = Wire.getUnsignedShort(at + Nbd.REQUEST_FLAGS);
        command = Wire.getUnsignedShort(at + Nbd.REQUEST_TYPE);
        cookie = Wire.getLong(at + Nbd.REQUEST_COOKIE);
        offset = Wire.getLong(at + Nbd.REQUEST_OFFSET);
        length = framing == Framing.EXTENDED
                ? Wire.getLong(at + Nbd.REQUEST_LENGTH)
                : Integer.toUnsignedLong(Wire.getInt(at + Nbd.REQUEST_LENGTH));
        return Wire.getInt(at) == framing.requestMagic();
    }

    int bytes() {
        return framing.requestBytes();
    }

    boolean hasPayload() {
        return command == Nbd.CMD_WRITE || framing == Framing.EXTENDED && (flags & Nbd.CMD_FLAG_PAYLOAD_LEN) != 0;
    }

    /** What leaves no way to find the next request; null if there is nothing of that kind. */
    String violation() {
        if (!hasPayload()) {
            return null;
        }
        if (Long.compareUnsigned(length, Nbd.MAX_PAYLOAD) > 0) {
            return "a payload of " + Long.toUnsignedString(length) + " bytes, more than the " + Nbd.MAX_PAYLOAD
                    + " allowed";
        }
        if (framing == Framing.EXTENDED && (flags & Nbd.CMD_FLAG_PAYLOAD_LEN) == 0) {
            // data of a guest may follow, and must never be taken for requests
            return "a write that does not announce its payload";
        }
        return null;
    }
}
