package org.blktap.image;

import java.nio.ByteBuffer;
import java.util.zip.DataFormatException;
import java.util.zip.Inflater;

/** Deflate without a frame (RFC 1951). */
public final class Deflate implements Decompressor {
    private final Inflater inflater = new Inflater(true);
    private final ByteBuffer beyond = ByteBuffer.allocate(1);

    /** A shorter stream is damaged, a longer one a bomb. */
    @Override
    public boolean decompress(ByteBuffer stored, ByteBuffer plain) {
        inflater.reset();
        inflater.setInput(stored);
        try {
            while (plain.hasRemaining()) {
                if (inflater.inflate(plain) == 0
                        && (inflater.finished() || inflater.needsInput() || inflater.needsDictionary())) {
                    return false;
                }
            }
            return inflater.finished() || inflater.inflate(beyond.clear()) == 0;
        } catch (DataFormatException e) {
            return false;
        }
    }

    @Override
    public void close() {
        inflater.end();
    }
}
