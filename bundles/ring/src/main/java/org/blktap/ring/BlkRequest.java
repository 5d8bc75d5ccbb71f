package org.blktap.ring;

import java.util.Objects;
import org.blktap.api.memory.Alignment;
import org.blktap.api.memory.Memory;

/**
 * Reads and checks the private copy of a blkif request. One object is reused for all requests; it keeps the addresses
 * that it was given, and copies nothing.
 *
 * <p>An indirect request is decoded in two steps: {@link #decode}, then, if that is well-formed, the pages that
 * {@link #indirectGref} names are copied into private memory and given to {@link #indirectSegments}. One thread at a
 * time.
 */
public final class BlkRequest {
    private static final long SECTORS_MAX = Long.MAX_VALUE / Blkif.SECTOR;

    private enum Fault {
        NONE,
        UNKNOWN_OPERATION,
        SEGMENTS,
        INDIRECT_SEGMENTS,
        INDIRECT_OPERATION,
        SEGMENT,
        SECTOR,
        DISCARD_SECTORS,
        SECURE_DISCARD
    }

    private Abi abi;
    private long address;
    private int operation;
    private long id;
    private long sector;
    private int segmentCount;
    /** Address of the segments, and how many may be read. */
    private long segments;

    private int readable;
    private long bytes;
    private Fault fault = Fault.NONE;
    private int faultySegment;

    /**
     * Reads and checks a request.
     *
     * @param copy its private copy, {@link Abi#COPY_BYTES} bytes, unchanged until the next call
     */
    public void decode(long copy, Abi layout) {
        abi = layout;
        address = copy;
        operation = Memory.getByte(copy + Abi.OPERATION) & 0xff;
        id = Memory.getLong(copy + layout.id);
        sector = Memory.getLong(copy + layout.sector);
        segmentCount = 0;
        segments = 0;
        readable = 0;
        bytes = 0;
        fault = Fault.NONE;
        switch (operation) {
            case Blkif.READ, Blkif.WRITE -> direct(1);
            // without segments these are flushes
            case Blkif.WRITE_BARRIER, Blkif.FLUSH_DISKCACHE -> direct(0);
            case Blkif.DISCARD -> discard();
            case Blkif.INDIRECT -> indirect();
            default -> fault = Fault.UNKNOWN_OPERATION;
        }
    }

    private void direct(int least) {
        segmentCount = Memory.getByte(address + Abi.NR_SEGMENTS) & 0xff;
        if (segmentCount < least || segmentCount > Blkif.SEGMENTS_MAX) {
            fault = Fault.SEGMENTS;
        } else {
            segments(address + abi.segments);
        }
    }

    private void segments(long at) {
        segments = at;
        readable = segmentCount;
        long sectors = 0;
        for (int i = 0; i < segmentCount; i++) {
            int first = firstSector(i);
            int last = lastSector(i);
            if (first > last || last >= Blkif.SECTORS_PER_PAGE) {
                fault = Fault.SEGMENT;
                faultySegment = i;
                return;
            }
            sectors += last - first + 1;
        }
        // the first sector of an empty flush has no meaning
        if (sectors > 0 && beyond(sectors)) {
            fault = Fault.SECTOR;
            return;
        }
        bytes = sectors * Blkif.SECTOR;
    }

    /** Whether the range cannot be expressed in bytes. Whether the disk is long enough, the disk itself checks. */
    private boolean beyond(long sectors) {
        return sector < 0 || sector > SECTORS_MAX - sectors;
    }

    private void discard() {
        long sectors = discardSectors();
        if ((discardFlags() & Blkif.DISCARD_SECURE) != 0) {
            fault = Fault.SECURE_DISCARD;
        } else if (sectors <= 0 || sectors > SECTORS_MAX) {
            fault = Fault.DISCARD_SECTORS;
        } else if (beyond(sectors)) {
            fault = Fault.SECTOR;
        } else {
            bytes = sectors * Blkif.SECTOR;
        }
    }

    private void indirect() {
        segmentCount = Memory.getShort(address + Abi.INDIRECT_NR_SEGMENTS) & 0xffff;
        int wanted = indirectOperation();
        if (wanted != Blkif.READ && wanted != Blkif.WRITE) {
            fault = Fault.INDIRECT_OPERATION;
        } else if (segmentCount < 1 || segmentCount > Blkif.INDIRECT_SEGMENTS_MAX) {
            fault = Fault.INDIRECT_SEGMENTS;
        }
    }

    /**
     * Reads and checks the segments of an indirect request that {@link #decode} has found well-formed.
     *
     * @param privateCopy contents of its pages, one after the other; unchanged until the next call of {@link #decode}
     */
    public void indirectSegments(long privateCopy) {
        if (operation != Blkif.INDIRECT || fault != Fault.NONE) {
            throw new IllegalStateException("not a well-formed indirect request: " + this);
        }
        segments(privateCopy);
    }

    /** The operation that the frontend wrote: one of {@link Blkif}'s, if well-formed. */
    public int operation() {
        return operation;
    }

    /**
     * The operation for the response. For an indirect request it is the one that it wraps: Linux's frontend accepts no
     * other.
     */
    public int answeredOperation() {
        return operation == Blkif.INDIRECT ? indirectOperation() : operation;
    }

    /** The frontend's own number for it, returned as it is. */
    public long id() {
        return id;
    }

    /** First sector, of 512 bytes; meaningless for an empty flush. */
    public long sector() {
        return sector;
    }

    /** The segment count that the frontend wrote; 0 for a discard. */
    public int segmentCount() {
        return segmentCount;
    }

    /** The grant reference of segment {@code i}'s page. */
    public int gref(int i) {
        return Memory.getInt(segment(i) + Abi.SEGMENT_GREF);
    }

    /** The first sector of segment {@code i} in its page, 0 to 7 if well-formed. */
    public int firstSector(int i) {
        return Memory.getByte(segment(i) + Abi.SEGMENT_FIRST) & 0xff;
    }

    /** The last sector of segment {@code i} in its page, not before the first. */
    public int lastSector(int i) {
        return Memory.getByte(segment(i) + Abi.SEGMENT_LAST) & 0xff;
    }

    private long segment(int i) {
        return segments + (long) Objects.checkIndex(i, readable) * Blkif.SEGMENT_BYTES;
    }

    /** How many sectors a discard names, unsigned. */
    public long discardSectors() {
        return Memory.getLong(address + abi.discardSectors);
    }

    public int discardFlags() {
        return Memory.getByte(address + Abi.DISCARD_FLAG) & 0xff;
    }

    /** What an indirect request wraps: READ or WRITE, if well-formed. */
    public int indirectOperation() {
        return Memory.getByte(address + Abi.INDIRECT_OP) & 0xff;
    }

    /** How many pages hold the segments of an indirect request. */
    public int indirectPages() {
        return Alignment.units(segmentCount, Blkif.SEGMENTS_PER_PAGE);
    }

    /** The grant reference of a page of segments. */
    public int indirectGref(int page) {
        return Memory.getInt(address
                + abi.indirectGrefs
                + (long) Objects.checkIndex(page, Blkif.INDIRECT_PAGES_MAX) * Integer.BYTES);
    }

    /** Bytes that the request moves or discards; 0 for an empty flush, and until the segments are known. */
    public long bytes() {
        return bytes;
    }

    /** Whether the request follows the protocol, as far as it has been read. */
    public boolean wellFormed() {
        return fault == Fault.NONE;
    }

    /** The status that answers a request that is not well-formed. */
    public int status() {
        return switch (fault) {
            case NONE -> Blkif.OKAY;
            case UNKNOWN_OPERATION, SECURE_DISCARD -> Blkif.EOPNOTSUPP;
            default -> Blkif.ERROR;
        };
    }

    /** Why it is not well-formed, or null. */
    public String problem() {
        return switch (fault) {
            case NONE -> null;
            case UNKNOWN_OPERATION -> "operation " + operation + ", expected 0 to 3, 5 or 6";
            case SEGMENTS ->
                "operation " + operation + " with " + segmentCount + " segments, expected "
                        + (operation == Blkif.READ || operation == Blkif.WRITE ? 1 : 0) + " to " + Blkif.SEGMENTS_MAX;
            case INDIRECT_SEGMENTS -> segmentCount + " indirect segments, expected 1 to " + Blkif.INDIRECT_SEGMENTS_MAX;
            case INDIRECT_OPERATION -> "indirect operation " + indirectOperation() + ", expected 0 or 1";
            case SEGMENT ->
                "segment " + faultySegment + " from sector " + firstSector(faultySegment) + " to "
                        + lastSector(faultySegment) + " of its page, expected from 0 to 7";
            case SECTOR -> "sector " + Long.toUnsignedString(sector) + ", with its length beyond " + SECTORS_MAX;
            case DISCARD_SECTORS ->
                "discard of " + Long.toUnsignedString(discardSectors()) + " sectors, expected 1 to " + SECTORS_MAX;
            case SECURE_DISCARD -> "secure discard, which is not supported";
        };
    }

    @Override
    public String toString() {
        return "operation " + operation + ", id 0x" + Long.toHexString(id) + ", sector " + Long.toUnsignedString(sector)
                + ", " + segmentCount + " segments" + (wellFormed() ? "" : ": " + problem());
    }
}
