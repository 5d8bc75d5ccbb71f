package org.blktap.format.vhd;

import static org.blktap.api.memory.Alignment.PAGE;

import java.io.IOException;
import org.blktap.api.engine.IoFile;
import org.blktap.api.memory.Alignment;
import org.blktap.image.FileSpace;

/**
 * The footer at the end of a file that grows. A new one is written after the new space and flushed with it before the
 * space is used. The new space leaves out the page with the old footer, so that at each moment a footer at the end of
 * the file, or else the copy at offset 0, is intact.
 */
final class LastFooter implements FileSpace.Growth {
    private final IoFile file;
    private final VhdFooter footer;
    private final long blockBytes;
    /** Offset of the footer in the file after all planned growth. */
    private long plannedAt;

    /**
     * @param at offset of the footer, or -1
     * @param blockBytes bytes that are reserved at a time; new space is a multiple of it, so that none is left over
     */
    LastFooter(IoFile file, VhdFooter footer, long at, long blockBytes) {
        this.file = file;
        this.footer = footer;
        this.blockBytes = blockBytes;
        plannedAt = at;
    }

    private record Extension(IoFile file, VhdFooter footer, long start, long end) implements FileSpace.Extension {
        @Override
        public void write() throws IOException {
            file.writeFully(footer.bytes(), end);
        }
    }

    @Override
    public FileSpace.Extension plan(long from, long to) {
        long start = plannedAt + VhdFooter.BYTES <= from ? from : from + PAGE;
        long blocks = Math.max(1, Alignment.units(to - start, blockBytes));
        plannedAt = start + blocks * blockBytes;
        return new Extension(file, footer, start, plannedAt);
    }

    /** Writes the footer at the end of the used space and cuts off the rest. Blocking; nothing is in flight. */
    void putAt(long end) throws IOException {
        file.writeFully(footer.bytes(), end);
        file.flushNow();
        if (file.size() > end + VhdFooter.BYTES) {
            file.truncateNow(end + VhdFooter.BYTES);
            file.flushNow();
        }
        plannedAt = end;
    }
}
