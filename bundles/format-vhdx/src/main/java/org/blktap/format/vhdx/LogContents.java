package org.blktap.format.vhdx;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import org.blktap.api.engine.Errno;
import org.blktap.api.engine.IoFile;
import org.blktap.api.engine.IoLoop;

/**
 * The contents of the file according to a log: pieces that do not overlap, of zeros or of a 4 KiB sector inside the log
 * that was read.
 */
final class LogContents {
    /** The data sectors of four logs of the largest size that is replayed. */
    static final int MOST_PIECES = 1 << 16;
    /** Memory of a piece with all that holds it. */
    static final int PIECE_BYTES = 96;

    private static final int ZEROS = -1;

    private byte[] log;
    private final TreeMap<Long, Piece> pieces = new TreeMap<>();
    private long lastFileOffset;

    /** @param at of a sector in the log, or {@link #ZEROS} */
    private record Piece(long end, int at) {}

    /** Receives the contents of a range. */
    interface Visitor {
        /** @param data of the range, or null for zeros */
        void piece(long offset, long length, ByteBuffer data) throws IOException;
    }

    LogContents(byte[] log) {
        this.log = log;
    }

    void sector(long offset, int at) {
        put(offset, offset + Layout.SECTOR, at);
    }

    void zeros(long offset, long length) {
        put(offset, offset + length, ZEROS);
    }

    /** Sets the minimum length of the file; that of the last entry counts. */
    void lastFileOffset(long offset) {
        lastFileOffset = offset;
    }

    long lastFileOffset() {
        return lastFileOffset;
    }

    boolean isEmpty() {
        return pieces.isEmpty();
    }

    int count() {
        return pieces.size();
    }

    /**
     * Keeps only the sectors of the log that are used, unless these are most of it. Returns the bytes of memory that
     * stay in use.
     */
    long compact() {
        long sectors =
                pieces.values().stream().filter(piece -> piece.at() != ZEROS).count();
        if (sectors * Layout.SECTOR > log.length / 2) {
            return log.length + (long) pieces.size() * PIECE_BYTES;
        }
        byte[] kept = new byte[(int) sectors * Layout.SECTOR];
        int at = 0;
        for (Map.Entry<Long, Piece> entry : pieces.entrySet()) {
            Piece piece = entry.getValue();
            if (piece.at() != ZEROS) {
                System.arraycopy(log, piece.at(), kept, at, Layout.SECTOR);
                entry.setValue(new Piece(piece.end(), at));
                at += Layout.SECTOR;
            }
        }
        log = kept;
        return kept.length + (long) pieces.size() * PIECE_BYTES;
    }

    /**
     * Replaces the contents recorded for a range. All offsets are multiples of a sector, so that only pieces of zeros
     * are ever cut.
     */
    private void put(long from, long to, int at) {
        Map.Entry<Long, Piece> before = pieces.lowerEntry(from);
        if (before != null && before.getValue().end() > from) {
            pieces.put(before.getKey(), new Piece(from, before.getValue().at()));
            if (before.getValue().end() > to) {
                pieces.put(to, before.getValue());
            }
        }
        Map.Entry<Long, Piece> last = pieces.lowerEntry(to);
        if (last != null && last.getValue().end() > to) {
            pieces.put(to, last.getValue());
        }
        pieces.subMap(from, to).clear();
        pieces.put(from, new Piece(to, at));
    }

    boolean overlaps(long offset, long length) {
        Map.Entry<Long, Piece> last = pieces.lowerEntry(offset + length);
        return last != null && last.getValue().end() > offset;
    }

    /** Visits each piece, or part of one, in a range, in order. */
    void visit(long offset, long length, Visitor visitor) throws IOException {
        long end = offset + length;
        Long first = pieces.floorKey(offset);
        for (Map.Entry<Long, Piece> entry :
                pieces.subMap(first == null ? offset : first, end).entrySet()) {
            Piece piece = entry.getValue();
            long from = Math.max(offset, entry.getKey());
            long to = Math.min(end, piece.end());
            if (from < to) {
                int skip = (int) (from - entry.getKey());
                visitor.piece(
                        from,
                        to - from,
                        piece.at() == ZEROS
                                ? null
                                : ByteBuffer.wrap(log, piece.at() + skip, (int) (to - from))
                                        .slice());
            }
        }
    }

    /**
     * Writes all contents to the file and flushes it. Blocking, not for the loop's thread. May be interrupted and
     * repeated.
     */
    void writeTo(IoFile file, IoLoop loop) throws IOException {
        long size = file.size();
        visit(0, Long.MAX_VALUE, (offset, length, data) -> {
            if (Thread.currentThread().isInterrupted()) {
                throw new IOException("interrupted");
            }
            if (data != null) {
                file.writeFully(data, offset);
            } else if (offset < size) {
                // bytes past the end become zeros when the file grows
                zero(file, loop, offset, Math.min(length, size - offset));
            }
        });
        if (lastFileOffset > file.size()) {
            file.truncateNow(lastFileOffset);
        }
        file.flushNow();
    }

    /** Zeroes a range by the file system, since it may be long. Blocking, not for the loop's thread. */
    static void zero(IoFile file, IoLoop loop, long offset, long length) throws IOException {
        CompletableFuture<Integer> ended = new CompletableFuture<>();
        loop.execute(() -> file.zero(offset, length, true, ended::complete));
        try {
            int error = ended.get();
            if (error != 0) {
                throw new IOException("zeroing " + length + " bytes at " + offset + ": " + Errno.text(error));
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new IOException("interrupted", e);
        } catch (ExecutionException e) {
            throw new IOException(e.getCause());
        }
    }
}
