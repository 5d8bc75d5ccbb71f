package org.blktap.format.vmdk;

import static org.blktap.api.memory.Alignment.SECTOR;

import java.nio.ByteBuffer;
import java.util.zip.DataFormatException;
import java.util.zip.Inflater;
import org.blktap.api.memory.Alignment;
import org.blktap.image.Decompressor;

/**
 * Compressed grains, zlib streams (RFC 1950). The last grain of a disk may be stored only up to the end of the disk.
 * This class does not know which grain is the last, so it takes missing bytes as zeros; the stream's checksum shows
 * that nothing is damaged.
 */
final class GrainInflater implements Decompressor {
    private final Inflater inflater = new Inflater();
    private final ByteBuffer beyond = ByteBuffer.allocate(1);
    private final byte[] zeros = new byte[SECTOR];

    @Override
    public boolean decompress(ByteBuffer stored, ByteBuffer plain) {
        inflater.reset();
        inflater.setInput(stored);
        try {
            while (plain.hasRemaining()) {
                if (inflater.inflate(plain) == 0) {
                    return inflater.finished()
                            && plain.position() > 0
                            && Alignment.isAligned(plain.remaining(), SECTOR)
                            && fill(plain);
                }
            }
            // the checksum is checked after the last byte
            return inflater.finished() || inflater.inflate(beyond.clear()) == 0 && inflater.finished();
        } catch (DataFormatException e) {
            return false;
        }
    }

    private boolean fill(ByteBuffer plain) {
        while (plain.hasRemaining()) {
            plain.put(zeros, 0, SECTOR);
        }
        return true;
    }

    @Override
    public void close() {
        inflater.end();
    }
}
