package org.blktap.node.xen;

/**
 * How many pieces of data the requests in flight of one device may have together: it bounds what the engines and
 * formats keep for each piece. What does not fit waits in its ring until others end. It also bounds the lists that
 * requests keep for the next time. Loop only.
 */
final class RequestRoom {
    /** 64 MiB in pages; the largest request has 256. */
    static final int PIECES_MOST = 16_384;
    /**
     * Most pieces of grown lists that are kept: 128 requests of 32 pieces, as Linux's frontend makes with four queues.
     */
    static final int KEPT_MOST = 4096;

    private int taken;
    private int kept;
    private long givenBack;

    boolean take(int pieces) {
        if (taken + pieces > PIECES_MOST) {
            return false;
        }
        taken += pieces;
        return true;
    }

    void giveBack(int pieces) {
        taken -= pieces;
        givenBack++;
    }

    /** How often room was released: a queue that got none, or no buffer, tries again when this has changed. */
    long givenBack() {
        return givenBack;
    }

    int taken() {
        return taken;
    }

    /** Whether a list may stay as large as it has grown. */
    boolean keep(int more) {
        if (kept + more > KEPT_MOST) {
            return false;
        }
        kept += more;
        return true;
    }

    int kept() {
        return kept;
    }
}
