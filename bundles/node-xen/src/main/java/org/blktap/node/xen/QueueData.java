package org.blktap.node.xen;

import org.blktap.api.memory.Memory;
import org.blktap.api.memory.NativeBuffer;
import org.blktap.api.memory.NativeMemory;
import org.blktap.ring.BlkRequest;
import org.blktap.ring.Blkif;

/**
 * Where the data of a ring's requests is: in the frontend's pages, mapped, or in buffers of ours, to and from which it
 * is copied; by one call for all requests of a turn. Loop only.
 */
final class QueueData implements AutoCloseable {
    private static final int SEGMENTS_BYTES = Blkif.INDIRECT_SEGMENTS_MAX * Blkif.SEGMENT_BYTES;

    private final NativeMemory memory;
    private final int entries;
    private final GrantCopies copies;
    private final BounceBuffers buffers;
    private final RequestRoom room;
    /** Mapped grants; null where all data is copied. */
    private final PersistentGrants grants;
    /** The segments of indirect requests, copied out, a piece for each slot; null until there is one. */
    private NativeBuffer indirect;

    QueueData(
            NativeMemory memory,
            int entries,
            GrantCopies copies,
            BounceBuffers buffers,
            RequestRoom room,
            PersistentGrants grants) {
        this.memory = memory;
        this.entries = entries;
        this.copies = copies;
        this.buffers = buffers;
        this.room = room;
        this.grants = grants;
    }

    /** Copies the segments of indirect requests out of their pages. */
    void readIndirectSegments(QueueRequest[] batch, int batchSize) {
        boolean some = false;
        for (int i = 0; i < batchSize; i++) {
            if (batch[i].isIndirect()) {
                some = true;
                for (int page = 0; grants != null && page < batch[i].blk().indirectPages(); page++) {
                    grants.want(batch[i].blk().indirectGref(page));
                }
            }
        }
        if (!some) {
            return;
        }
        if (indirect == null) {
            indirect = memory.allocate((long) entries * SEGMENTS_BYTES);
        }
        if (grants != null) {
            grants.map();
        }
        copies.clear();
        for (int i = 0; i < batchSize; i++) {
            if (batch[i].isIndirect()) {
                readIndirectSegments(batch[i]);
            }
        }
        copies.make();
        BlkifDevice.settle();
        int piece = 0;
        for (int i = 0; i < batchSize; i++) {
            if (batch[i].isIndirect()) {
                int pieces = batch[i].blk().indirectPages();
                if (copies.count() > 0 && !mapped(batch[i].blk())) {
                    if (!copies.copied(piece, piece + pieces)) {
                        batch[i].fail(Blkif.ERROR);
                    }
                    piece += pieces;
                }
                if (!batch[i].failed()) {
                    batch[i].segmentsAt(segments(batch[i]));
                }
            }
        }
    }

    private boolean mapped(BlkRequest blk) {
        for (int page = 0; page < blk.indirectPages(); page++) {
            if (grants == null || grants.page(blk.indirectGref(page)) == 0) {
                return false;
            }
        }
        return true;
    }

    private long segments(QueueRequest request) {
        return indirect.address() + (long) request.slot() * SEGMENTS_BYTES;
    }

    private void readIndirectSegments(QueueRequest request) {
        BlkRequest blk = request.blk();
        boolean mapped = mapped(blk);
        long to = segments(request);
        int bytes = blk.segmentCount() * Blkif.SEGMENT_BYTES;
        for (int page = 0; page < blk.indirectPages(); page++) {
            int part = Math.min(bytes, Blkif.PAGE);
            if (mapped) {
                Memory.copy(grants.page(blk.indirectGref(page)), to, part);
            } else {
                copies.fromGrant(blk.indirectGref(page), 0, part, to);
            }
            to += part;
            bytes -= part;
        }
    }

    /**
     * Finds where the data of a batch is or goes: in pages that are mapped, else in buffers, and copies that of writes
     * there.
     *
     * @return how many are ready, from the first; the next one, if any, waits for room or a buffer
     */
    int find(QueueRequest[] batch, int batchSize) {
        if (grants != null) {
            for (int i = 0; i < batchSize; i++) {
                batch[i].wantPages(grants);
            }
            grants.map();
        }
        copies.clear();
        int ready = 0;
        for (; ready < batchSize; ready++) {
            QueueRequest request = batch[ready];
            if (!request.needsData()) {
                continue;
            }
            if (!request.takeRoom(room)) {
                break;
            }
            if (grants != null && request.useMappedPages(grants)) {
                continue;
            }
            if (!request.useBuffer(buffers)) {
                break;
            }
            if (!request.reads()) {
                request.copyIn(copies);
            }
        }
        copies.make();
        for (int i = 0; i < ready; i++) {
            if (batch[i].hasBuffer() && !batch[i].reads()) {
                batch[i].checkCopied(copies);
            }
        }
        return ready;
    }

    /**
     * Copies what was read into buffers to the pages of the frontend; a request whose pages cannot be reached fails.
     */
    void copyRead(QueueRequest[] done, int doneCount) {
        copies.clear();
        for (int i = 0; i < doneCount; i++) {
            if (done[i].hasBuffer() && done[i].reads() && !done[i].failed()) {
                done[i].copyOut(copies);
            }
        }
        if (copies.count() == 0) {
            return;
        }
        copies.make();
        for (int i = 0; i < doneCount; i++) {
            if (done[i].hasBuffer() && done[i].reads() && !done[i].failed()) {
                done[i].checkCopied(copies);
            }
        }
    }

    /** Nothing is in flight. */
    @Override
    public void close() {
        if (indirect != null) {
            indirect.close();
        }
    }
}
