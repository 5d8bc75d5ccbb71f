package org.blktap.format.vmdk;

import static org.blktap.api.memory.Alignment.SECTOR;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import org.blktap.api.engine.IoFile;
import org.blktap.image.FileSpace;

/**
 * The end of used space in a COWD header. It is raised before new space is used, because VMware's products rely on it.
 *
 * @param at where it is in the file
 */
record FreeSector(IoFile file, long at) implements FileSpace.Growth {
    private static final long MOST = 0xffffffffL;

    private record Part(FreeSector field, long start, long end) implements FileSpace.Extension {
        @Override
        public void write() throws IOException {
            field.write(end);
        }
    }

    @Override
    public FileSpace.Extension plan(long from, long to) {
        return new Part(this, from, to);
    }

    /** Writes an end of used space. Blocking. */
    void write(long end) throws IOException {
        int sector = (int) Math.min(end / SECTOR, MOST);
        file.writeFully(
                ByteBuffer.allocate(Integer.BYTES)
                        .order(ByteOrder.LITTLE_ENDIAN)
                        .putInt(sector)
                        .flip(),
                at);
    }
}
