package org.blktap.format.qcow2;

import java.io.IOException;
import java.nio.ByteBuffer;
import org.blktap.api.engine.IoFile;
import org.blktap.api.engine.IoLoop;
import org.blktap.image.Holes;

/**
 * Reads tables of an image that nobody writes. After several tables of zeros in a row it looks for holes before it
 * reads, so that a small sparse file that claims to be large is not read through. One thread, not the loop's.
 */
final class TableReader {
    private static final int MANY = 16;

    private final IoFile file;
    private final Holes holes;
    private int empty;

    /** @param loop null to look for no holes */
    TableReader(IoFile file, IoLoop loop) {
        this.file = file;
        holes = loop == null ? null : new Holes(file, loop);
    }

    /**
     * Fills a buffer from its beginning. Returns false if the table is all zeros; the contents of the buffer are then
     * undefined.
     */
    boolean read(ByteBuffer into, long offset) throws IOException {
        if (empty >= MANY && holes != null && holes.contains(offset, into.capacity())) {
            return false;
        }
        file.readFully(into.clear(), offset);
        boolean zeros = true;
        for (int at = 0; at < into.capacity() && zeros; at += 8) {
            zeros = into.getLong(at) == 0;
        }
        empty = zeros ? empty + 1 : 0;
        return !zeros;
    }
}
