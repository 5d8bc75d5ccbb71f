package org.blktap.api.disk;

import java.io.IOException;
import java.nio.ByteBuffer;
import org.osgi.annotation.versioning.ConsumerType;

/**
 * An image that is being made, cluster by cluster in ascending order; clusters that are left out read as zeros.
 * Blocking. {@link #compress} may be called on several threads at once, the rest on one.
 */
@ConsumerType
public interface CompressedImage extends AutoCloseable {
    /** Bytes of a cluster, which is compressed as one. */
    int clusterSize();

    /** Compresses one cluster; the buffers are the caller's, the result is good for {@link #append}. */
    ByteBuffer compress(ByteBuffer cluster) throws IOException;

    /**
     * Appends a cluster.
     *
     * @param offset on the disk, in bytes: a multiple of {@link #clusterSize}, larger than the last one's
     * @param cluster the whole cluster; the last one of the disk is filled up with zeros
     * @param compressed what {@link #compress} made of it
     */
    void append(long offset, ByteBuffer cluster, ByteBuffer compressed) throws IOException;

    /** Writes the tables and makes all of it survive power loss. */
    void finish() throws IOException;

    /** Closes the files. */
    @Override
    void close();
}
