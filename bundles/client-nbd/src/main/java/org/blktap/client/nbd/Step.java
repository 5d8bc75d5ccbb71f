package org.blktap.client.nbd;

import org.blktap.api.disk.Request;

/**
 * One exchange with the server for a part of a request: that part, and the range on the server that it needs. The range
 * begins and ends at multiples of the server's minimum block size, or at the end of the export, and is no longer than
 * the server allows. Reused.
 */
final class Step {
    /** What is asked of the server. */
    enum Kind {
        /** No exchange: a hint about less than a block. */
        NONE,
        READ,
        /** Writes, zeros if the request has no data; parts of blocks at its edges are read first. */
        WRITE,
        FLUSH,
        TRIM,
        ZERO,
        MAP
    }

    /** Most bytes of one exchange with data, if the server allows them. */
    static final int MOST_DATA = 1 << 20;
    /** Most bytes of one exchange without data. */
    private static final int MOST_RANGE = 1 << 30;

    private final BlockSizes sizes;
    private final long exportBytes;
    private final boolean canZero;
    private final int mostData;
    private int mostRange = MOST_RANGE;

    private Kind kind = Kind.NONE;
    private long begin;
    private long length;
    private long from;
    private int bytes;

    /** @param canZero whether the server knows WRITE_ZEROES */
    Step(BlockSizes sizes, long exportBytes, boolean canZero) {
        this.sizes = sizes;
        this.exportBytes = exportBytes;
        this.canZero = canZero;
        mostData = (int) Math.max(sizes.minimum(), sizes.down(Math.min(MOST_DATA, sizes.maximum())));
    }

    /** Sets the step to the part of a request that begins at its byte {@code at}. */
    void take(Request request, long at) {
        begin = request.offset() + at;
        long end = request.offset() + request.length();
        switch (request.operation()) {
            case FLUSH -> set(Kind.FLUSH, 0, 0, 0);
            case READ -> around(Kind.READ, end, mostData);
            case WRITE -> around(Kind.WRITE, end, mostData);
            case MAP -> around(Kind.MAP, end, mostRange);
            case DISCARD -> inside(Kind.TRIM, end);
            case WRITE_ZEROES -> {
                if (!canZero) {
                    around(Kind.WRITE, end, mostData);
                } else if (sizes.down(begin) != begin || wholeBlocks(end) <= begin) {
                    // the rest of a block
                    around(Kind.WRITE, Math.min(end, sizes.down(begin) + sizes.minimum()), mostData);
                } else {
                    inside(Kind.ZERO, end);
                }
            }
        }
    }

    /** End of the whole blocks of a request; the last block of the export may be shorter. */
    private long wholeBlocks(long end) {
        return end >= exportBytes ? exportBytes : sizes.down(end);
    }

    /** Sets the range to the whole blocks around the part. */
    private void around(Kind what, long end, int most) {
        long start = sizes.down(begin);
        long stop = Math.min(Math.min(sizes.up(end), exportBytes), start + most);
        set(what, (stop == exportBytes ? end : Math.min(end, stop)) - begin, start, (int) (stop - start));
    }

    /** Sets the range to the whole blocks inside the part. */
    private void inside(Kind what, long end) {
        long start = sizes.up(begin);
        long stop = Math.min(wholeBlocks(end), start + mostRange);
        if (stop <= start) {
            set(Kind.NONE, end - begin, 0, 0);
        } else {
            set(
                    what,
                    (stop == wholeBlocks(end) && what == Kind.TRIM || stop == exportBytes ? end : stop) - begin,
                    start,
                    (int) (stop - start));
        }
    }

    private void set(Kind what, long partLength, long start, int count) {
        kind = what;
        length = partLength;
        from = start;
        bytes = count;
    }

    /** Whether the range is longer than the maximum, which a server may enforce for ranges without data too. */
    boolean canBeShorter() {
        return bytes > sizes.maximum() && (kind == Kind.TRIM || kind == Kind.ZERO || kind == Kind.MAP);
    }

    /** Limits ranges without data to the length of those with data, from here on. */
    void shorten() {
        mostRange = mostData;
    }

    Kind kind() {
        return kind;
    }

    /** Bytes of the request that this step covers. */
    long length() {
        return length;
    }

    /** Offset of the range on the export. */
    long from() {
        return from;
    }

    /** Bytes of the range. */
    int bytes() {
        return bytes;
    }

    /** Bytes of the range before the part: not the request's. */
    int before() {
        return (int) (begin - from);
    }

    /** Bytes of the range after the part: not the request's. */
    int after() {
        return (int) Math.max(0, from + bytes - (begin + length));
    }

    /** Bytes of the part past the end of the export, which are stored nowhere. */
    int beyond() {
        return (int) Math.max(0, begin + length - (from + bytes));
    }
}
