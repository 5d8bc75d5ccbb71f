package org.blktap.format.qcow2;

import com.github.luben.zstd.ZstdDecompressCtx;
import com.github.luben.zstd.ZstdException;
import java.nio.ByteBuffer;
import org.blktap.image.Decompressor;

/** Zstandard streams; what follows the stream in its last sector is ignored. */
final class Zstd implements Decompressor {
    private final ZstdDecompressCtx context = new ZstdDecompressCtx();
    private final ByteBuffer beyond = ByteBuffer.allocateDirect(1);

    @Override
    public boolean decompress(ByteBuffer stored, ByteBuffer plain) {
        context.reset();
        try {
            boolean finished = false;
            while (plain.hasRemaining() && !finished) {
                int before = stored.position() - plain.position();
                int left = plain.remaining();
                finished = context.decompressDirectByteBufferStream(plain, stored);
                if (!finished && plain.remaining() == left && stored.position() - plain.position() == before) {
                    return false;
                }
            }
            if (plain.hasRemaining()) {
                return false;
            }
            // a longer stream is a bomb
            return finished
                    || context.decompressDirectByteBufferStream(beyond.clear(), stored) && beyond.position() == 0;
        } catch (ZstdException e) {
            return false;
        }
    }

    @Override
    public void close() {
        context.close();
    }
}
