package org.blktap.format.vmdk;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import org.blktap.api.engine.IoFile;

/** The entries of a grain directory, read from the file in pieces as they are asked for. Blocking; one thread. */
final class DirectoryEntries {
    private static final int PIECE_ENTRIES = 16 << 10;

    private final IoFile file;
    private final long offset;
    private final int entries;
    private final ByteBuffer piece;
    private int first = -1;

    DirectoryEntries(IoFile file, long offset, int entries) {
        this.file = file;
        this.offset = offset;
        this.entries = entries;
        piece = ByteBuffer.allocate(Math.min(entries, PIECE_ENTRIES) * 4).order(ByteOrder.LITTLE_ENDIAN);
    }

    /** Bytes from the beginning of the file to a grain table, or 0; not checked. */
    long offset(int slot) throws IOException {
        int wanted = slot - slot % PIECE_ENTRIES;
        if (wanted != first) {
            file.readFully(piece.clear().limit(Math.min(entries - wanted, PIECE_ENTRIES) * 4), offset + wanted * 4L);
            first = wanted;
        }
        return Integer.toUnsignedLong(piece.getInt((slot - first) * 4)) * GrainLayout.SECTOR;
    }
}
