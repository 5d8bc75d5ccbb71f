package org.blktap.format.vhd;

import java.io.IOException;
import java.nio.ByteBuffer;
import org.blktap.api.engine.IoFile;
import org.blktap.image.FileSpace;

/**
 * The footer at the end of a file that grows. It is written behind the new space, and flushed, before the space that it took is used, so
 * that at each moment it, or else the copy at offset 0, is intact.
 */
final class LastFooter implements FileSpace.Layout {
    private final IoFile file;
    private final VhdFooter footer;
    /** Where it is, in bytes from the beginning of the file. */
    private long at;

    LastFooter(IoFile file, VhdFooter footer, long at) {
        this.file = file;
        this.footer = footer;
        this.at = at;
    }

    @Override
    public FileSpace.Extension plan(long from, long to) {
        return new FileSpace.Extension() {
            @Override
            public long start() {
                return from;
            }

            @Override
            public long end() {
                return to;
            }

            @Override
            public void write() throws IOException {
                file.writeFully(footer.bytes(), to);
                file.flushNow();
                if (at < to) {
                    // new space reads as zeros
                    file.writeFully(ByteBuffer.allocate(VhdFooter.BYTES), at);
                }
                at = to;
            }
        };
    }

    /** Puts it at the end of what is used, and cuts off the rest. Blocking; nothing is in flight. */
    void putAt(long end) throws IOException {
        file.writeFully(footer.bytes(), end);
        file.flushNow();
        if (file.size() > end + VhdFooter.BYTES) {
            file.truncateNow(end + VhdFooter.BYTES);
            file.flushNow();
        }
        at = end;
    }
}
