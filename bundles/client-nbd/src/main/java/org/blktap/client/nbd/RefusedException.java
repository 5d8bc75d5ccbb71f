package org.blktap.client.nbd;

import java.io.IOException;
import org.blktap.api.disk.DiskException.Reason;
import org.blktap.api.nbd.Nbd;

/** A server's refusal of an export: the protocol's error and the server's own text. */
final class RefusedException extends IOException {
    private static final long serialVersionUID = 1;

    private final int reply;

    /**
     * @param reply one of {@code NBD_REP_ERR_*}
     * @param text the server's text, or ""
     */
    RefusedException(String what, int reply, String text) {
        this(reply, what + ": " + meaning(reply) + (text.isEmpty() ? "" : "; it says: " + text));
    }

    private RefusedException(int reply, String message) {
        super(message);
        this.reply = reply;
    }

    /** Adds a hint to the message. */
    RefusedException with(String hint) {
        return new RefusedException(reply, getMessage() + "; " + hint);
    }

    int reply() {
        return reply;
    }

    Reason reason() {
        return switch (reply) {
            case Nbd.REP_ERR_UNKNOWN -> Reason.NOT_FOUND;
            case Nbd.REP_ERR_POLICY -> Reason.PERMISSION;
            case Nbd.REP_ERR_TLS_REQD, Nbd.REP_ERR_UNSUP, Nbd.REP_ERR_PLATFORM, Nbd.REP_ERR_EXT_HEADER_REQD ->
                Reason.UNSUPPORTED;
            default -> Reason.IO;
        };
    }

    /** Meaning of a reply, by "Option reply types" of the protocol. */
    private static String meaning(int reply) {
        return switch (reply) {
            case Nbd.REP_ERR_UNSUP -> "not supported (NBD_REP_ERR_UNSUP)";
            case Nbd.REP_ERR_POLICY -> "refused by the server's policy (NBD_REP_ERR_POLICY)";
            case Nbd.REP_ERR_INVALID -> "the server finds the request invalid (NBD_REP_ERR_INVALID)";
            case Nbd.REP_ERR_PLATFORM -> "the server's platform does not support it (NBD_REP_ERR_PLATFORM)";
            case Nbd.REP_ERR_TLS_REQD ->
                "the server requires TLS (NBD_REP_ERR_TLS_REQD); use nbds:// in place of nbd://";
            case Nbd.REP_ERR_UNKNOWN -> "the server has no such export (NBD_REP_ERR_UNKNOWN)";
            case Nbd.REP_ERR_SHUTDOWN -> "the server is shutting down (NBD_REP_ERR_SHUTDOWN)";
            case Nbd.REP_ERR_BLOCK_SIZE_REQD ->
                "the server does not accept the block sizes (NBD_REP_ERR_BLOCK_SIZE_REQD)";
            case Nbd.REP_ERR_TOO_BIG -> "too big for the server (NBD_REP_ERR_TOO_BIG)";
            case Nbd.REP_ERR_EXT_HEADER_REQD ->
                "the server requires extended headers (NBD_REP_ERR_EXT_HEADER_REQD), which tap:nbd does not have";
            default -> String.format("error 0x%08x of the negotiation", reply);
        };
    }
}
