package org.blktap.node.nbd;

import java.util.List;
import org.blktap.api.engine.ExtentList;
import org.blktap.api.nbd.Nbd;
import org.blktap.api.node.DiskPort;

/**
 * BLOCK_STATUS of one client: asks the disk about one context after the other, and puts the chunks of the reply into
 * the request's buffer. A range is asked about in pieces; the next piece or context is asked for in a later turn of the
 * loop. Loop only.
 */
final class BlockStatus {
    /** Bytes of a reply, with all its chunks. */
    static final int REPLY_BYTES = 64 << 10;
    /** The longest range that the disk is asked about at once. */
    static final long PIECE_BYTES = 1L << 30;
    /** Pieces of a range that one reply answers at most; a client asks again for the rest. */
    private static final int MAX_PIECES = 64;
    /** A reply that has so many runs is not made longer. */
    private static final int ENOUGH_RUNS = 512;

    private final Framing framing;
    private final List<MetaContext> contexts;
    private final DiskPort port;
    private final ExtentLists lists;

    /** @param lists the export's */
    BlockStatus(Session session, DiskPort port, ExtentLists lists) {
        framing = session.framing();
        contexts = session.contexts();
        this.port = port;
        this.lists = lists;
    }

    /** Whether the client may ask. */
    boolean isAgreed() {
        return !contexts.isEmpty();
    }

    /** Prepares a request that has its buffer and list; the next question is then {@link #ask}ed. */
    void begin(NbdRequest request) {
        request.context = 0;
        request.filled = 0;
        request.done = 0;
    }

    /**
     * Makes the next question to the disk.
     *
     * @return 0, or the error that the client gets: EINVAL if the disk has the context no more
     */
    int ask(NbdRequest request) {
        int context = contexts.get(request.context).mapContext(port.info());
        if (context < 0) {
            return Nbd.EINVAL;
        }
        long piece = Math.min(request.length - request.done, PIECE_BYTES);
        request.disk.setMap(request.offset + request.done, piece, request.extents, context);
        return 0;
    }

    /**
     * Takes the disk's answer to a question.
     *
     * @return whether all contexts are answered; else the next question must be asked
     */
    boolean take(NbdRequest request) {
        ExtentList extents = request.extents;
        request.done += request.disk.length();
        if (mayGoOn(request) && extents.total() == request.done) {
            return false;
        }
        // what one list answers is told now
        MetaContext asked = contexts.get(request.context);
        do {
            put(request, contexts.get(request.context));
            request.context++;
        } while (request.context < contexts.size()
                && contexts.get(request.context).diskName().equals(asked.diskName()));
        if (request.context == contexts.size()) {
            return true;
        }
        request.extents = lists.renew(extents);
        request.done = 0;
        return false;
    }

    private boolean mayGoOn(NbdRequest request) {
        return framing == Framing.EXTENDED
                && request.done < request.length
                && request.done < MAX_PIECES * PIECE_BYTES
                && request.extents.count() < (request.has(Nbd.CMD_FLAG_REQ_ONE) ? 2 : ENOUGH_RUNS);
    }

    /** Appends a chunk with the runs of a context; each context may use its share of what is left of the buffer. */
    private void put(NbdRequest request, MetaContext context) {
        boolean extended = framing == Framing.EXTENDED;
        int fixed = extended ? Nbd.BLOCK_STATUS_EXT_BYTES : Nbd.BLOCK_STATUS_BYTES;
        int each = extended ? Nbd.EXTENDED_DESCRIPTOR_BYTES : Nbd.DESCRIPTOR_BYTES;
        int share = (REPLY_BYTES - request.filled) / (contexts.size() - request.context);
        int most = request.has(Nbd.CMD_FLAG_REQ_ONE) ? 1 : (share - framing.chunkBytes() - fixed) / each;
        long header = request.address + request.filled;
        long payload = header + framing.chunkBytes();
        int count = descriptors(request, context, payload + fixed, most);
        Wire.putInt(payload, context.id());
        if (extended) {
            Wire.putInt(payload + Nbd.BLOCK_STATUS_EXT_COUNT, count);
        }
        boolean last = request.context == contexts.size() - 1;
        framing.putChunk(
                header,
                last ? Nbd.REPLY_FLAG_DONE : 0,
                extended ? Nbd.REPLY_TYPE_BLOCK_STATUS_EXT : Nbd.REPLY_TYPE_BLOCK_STATUS,
                request,
                fixed + count * each);
        request.filled += framing.chunkBytes() + fixed + count * each;
    }

    /** Writes descriptors of runs, joined where the context does not distinguish them; returns their number. */
    private int descriptors(NbdRequest request, MetaContext context, long first, int most) {
        ExtentList extents = request.extents;
        boolean depth = context.id() == MetaContext.DEPTH.id();
        long left = request.done;
        int count = 0;
        long run = 0;
        int state = 0;
        for (int i = 0; i < extents.count() && left > 0; i++) {
            long bytes = Math.min(extents.length(i), left);
            int next = depth ? extents.depth(i) : extents.state(i);
            if (run > 0 && next != state) {
                descriptor(first, count++, run, state);
                run = 0;
                if (count == most) {
                    return count;
                }
            }
            state = next;
            run += bytes;
            left -= bytes;
        }
        if (run > 0) {
            descriptor(first, count++, run, state);
        }
        return count;
    }

    private void descriptor(long first, int index, long bytes, int state) {
        if (framing == Framing.EXTENDED) {
            long at = first + (long) index * Nbd.EXTENDED_DESCRIPTOR_BYTES;
            Wire.putLong(at, bytes);
            Wire.putLong(at + Nbd.EXTENDED_DESCRIPTOR_STATE, state);
        } else {
            long at = first + (long) index * Nbd.DESCRIPTOR_BYTES;
            Wire.putInt(at, (int) bytes);
            Wire.putInt(at + Nbd.DESCRIPTOR_STATE, state);
        }
    }
}
