package org.blktap.image;

import java.nio.ByteBuffer;
import org.osgi.annotation.versioning.ConsumerType;

/** Turns a compressed cluster into its plain bytes. Used by one thread at a time, off the loop. */
@ConsumerType
public interface Decompressor extends AutoCloseable {
    /**
     * @param stored the compressed bytes; more may follow the stream
     * @param plain to be filled: its length is exactly one cluster
     * @return false for a stream that is damaged, too short, or longer than a cluster
     */
    boolean decompress(ByteBuffer stored, ByteBuffer plain);

    @Override
    void close();
}
