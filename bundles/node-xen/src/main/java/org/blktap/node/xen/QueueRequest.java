package org.blktap.node.xen;

import org.blktap.api.disk.Operation;
import org.blktap.api.disk.Request;
import org.blktap.api.engine.Errno;
import org.blktap.api.memory.NativeBuffer;
import org.blktap.api.memory.Segments;
import org.blktap.ring.BlkRequest;
import org.blktap.ring.Blkif;

/**
 * One request of a ring on its way: decoded, its data found in mapped pages or in a buffer of ours, handed to the disk
 * in one or two steps, and answered. Made once for each slot of the ring's log and reused. Loop only.
 */
final class QueueRequest {
    /** The steps at the disk that are left, in this order. */
    private enum Stage {
        FLUSH,
        DATA,
        DONE
    }

    private final BlkifQueue queue;
    private final int slot;
    private final BlkRequest blk = new BlkRequest();
    private final Request request;
    private Stage step = Stage.DONE;
    private int status;
    private NativeBuffer buffer;
    /** Taken of the device's room. */
    private int room;
    /** What its list has grown to beyond the direct segments, and what of it is accounted for. */
    private int grown;

    private int kept;
    /** The pieces of this request among those that are copied together. */
    private int firstPiece;

    private int lastPiece;

    QueueRequest(BlkifQueue queue, int slot) {
        this.queue = queue;
        this.slot = slot;
        request = queue.port().newRequest(this::completed, Blkif.SEGMENTS_MAX);
    }

    int slot() {
        return slot;
    }

    /** The operation that the frontend asks for. */
    BlkRequest blk() {
        return blk;
    }

    /** How it ended, a status of {@link Blkif}. */
    int status() {
        return status;
    }

    void fail(int blkifStatus) {
        status = blkifStatus;
        step = Stage.DONE;
    }

    boolean failed() {
        return status != Blkif.OKAY;
    }

    /** Whether data goes to the frontend. */
    boolean reads() {
        return blk.answeredOperation() == Blkif.READ;
    }

    /** Whether it changes the disk; the data of an indirect request is not known yet. */
    private boolean changes() {
        return !reads() && (blk.operation() == Blkif.DISCARD || blk.operation() == Blkif.INDIRECT || blk.bytes() > 0);
    }

    private boolean movesData() {
        return blk.operation() != Blkif.DISCARD && blk.bytes() > 0;
    }

    /**
     * Begins with the private copy of a request.
     *
     * @param mayWrite whether the guest may; else what changes the disk fails
     */
    void begin(long copy, boolean mayWrite) {
        blk.decode(copy, queue.abi());
        // nor anything of the request before, such as that its memory was gone
        request.data().clear();
        status = blk.status();
        if (!mayWrite && status == Blkif.OKAY && changes()) {
            status = Blkif.ERROR;
        }
        step = status != Blkif.OKAY
                ? Stage.DONE
                : blk.operation() == Blkif.WRITE_BARRIER || blk.operation() == Blkif.FLUSH_DISKCACHE
                        ? Stage.FLUSH
                        : Stage.DATA;
    }

    // ---- the segments of an indirect request

    boolean isIndirect() {
        return !failed() && blk.operation() == Blkif.INDIRECT;
    }

    /** They are in private memory now. */
    void segmentsAt(long copy) {
        blk.indirectSegments(copy);
        status = blk.status();
        if (failed()) {
            step = Stage.DONE;
        }
    }

    // ---- the data

    void wantPages(PersistentGrants grants) {
        if (!failed() && movesData()) {
            for (int i = 0; i < blk.segmentCount(); i++) {
                grants.want(blk.gref(i));
            }
        }
    }

    /** Points the data at the frontend's own pages; false if one is not mapped. */
    boolean useMappedPages(PersistentGrants grants) {
        Segments data = request.data();
        data.clear();
        for (int i = 0; i < blk.segmentCount(); i++) {
            long page = grants.page(blk.gref(i));
            if (page == 0) {
                return false;
            }
            data.add(page + (long) blk.firstSector(i) * Blkif.SECTOR, segmentBytes(i));
        }
        if (data.count() > Blkif.SEGMENTS_MAX) {
            grown = Math.max(grown, data.count());
        }
        return true;
    }

    private int segmentBytes(int i) {
        return (blk.lastSector(i) - blk.firstSector(i) + 1) * Blkif.SECTOR;
    }

    /** Whether it needs data that is not found yet. */
    boolean needsData() {
        return !failed() && movesData();
    }

    /** Takes room for its pieces; false if there is none for now. */
    boolean takeRoom(RequestRoom of) {
        int pieces = blk.segmentCount();
        if (!of.take(pieces)) {
            return false;
        }
        room = pieces;
        return true;
    }

    /**
     * Whether its list has become larger than may be kept: it is not to be used again. Asked once it has been answered.
     */
    boolean outgrown(RequestRoom of) {
        if (grown <= kept) {
            return false;
        }
        if (of.keep(grown - kept)) {
            kept = grown;
            return false;
        }
        of.keep(-kept);
        return true;
    }

    /** Points the data at a buffer of ours; false if there is none for now. */
    boolean useBuffer(BounceBuffers buffers) {
        buffer = buffers.take(blk.bytes());
        if (buffer == null) {
            return false;
        }
        request.data().clear();
        request.data().add(buffer.address(), (int) blk.bytes());
        return true;
    }

    boolean hasBuffer() {
        return buffer != null;
    }

    /** Adds the copies of a write's data to those that are made together. */
    void copyIn(GrantCopies copies) {
        firstPiece = copies.count();
        long at = buffer.address();
        for (int i = 0; i < blk.segmentCount(); i++) {
            copies.fromGrant(blk.gref(i), blk.firstSector(i) * Blkif.SECTOR, segmentBytes(i), at);
            at += segmentBytes(i);
        }
        lastPiece = copies.count();
    }

    /** Adds the copies of the data of a read that has ended. */
    void copyOut(GrantCopies copies) {
        firstPiece = copies.count();
        long at = buffer.address();
        for (int i = 0; i < blk.segmentCount(); i++) {
            copies.toGrant(at, blk.gref(i), blk.firstSector(i) * Blkif.SECTOR, segmentBytes(i));
            at += segmentBytes(i);
        }
        lastPiece = copies.count();
    }

    /** The copies were made: fails if one of its was not. */
    void checkCopied(GrantCopies copies) {
        if (!copies.copied(firstPiece, lastPiece)) {
            fail(Blkif.ERROR);
        }
    }

    /** Releases its buffer and its room. */
    void free(BounceBuffers buffers, RequestRoom of) {
        if (buffer != null) {
            buffers.giveBack(buffer);
            buffer = null;
        }
        if (room > 0) {
            of.giveBack(room);
            room = 0;
        }
    }

    // ---- at the disk

    /** Hands the next step to the disk, which is open; it may have ended on return. */
    void submit() {
        switch (step) {
            case FLUSH -> queue.port().submit(request.set(Operation.FLUSH, 0, 0, 0));
            case DATA -> queue.port().submit(data());
            case DONE -> queue.finished(this);
        }
    }

    /** Takes it back, if it waits because the storage has failed it; {@link #submit} does its step again. */
    boolean withdraw() {
        return queue.port().withdraw(request);
    }

    private Request data() {
        long offset = blk.sector() * Blkif.SECTOR;
        return switch (blk.operation()) {
            case Blkif.DISCARD -> request.set(Operation.DISCARD, offset, blk.bytes(), 0);
            // on disk before what comes after it begins
            case Blkif.WRITE_BARRIER -> request.set(Operation.WRITE, offset, blk.bytes(), Request.FUA);
            default -> request.set(reads() ? Operation.READ : Operation.WRITE, offset, blk.bytes(), 0);
        };
    }

    private void completed(Request ended) {
        status = switch (ended.error()) {
            case 0 -> Blkif.OKAY;
            case Errno.EOPNOTSUPP -> Blkif.EOPNOTSUPP;
            default -> Blkif.ERROR;
        };
        step = failed() || step == Stage.DATA || !movesData() ? Stage.DONE : Stage.DATA;
        if (step == Stage.DONE) {
            queue.finished(this);
        } else {
            queue.goOn(this);
        }
    }
}
