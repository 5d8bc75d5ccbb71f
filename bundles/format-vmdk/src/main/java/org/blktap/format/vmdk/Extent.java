package org.blktap.format.vmdk;

import org.blktap.image.Place;

/** A run of the disk that is stored in one way. Loop only. */
abstract class Extent implements AutoCloseable {
    /** Bytes from the beginning of the disk. */
    final long start;

    final long end;

    Extent(VmdkImage.Part part) {
        start = part.start();
        end = part.end();
    }

    /**
     * Answers as {@link org.blktap.image.ClusterMap#find} does; the range lies in the extent, and {@code offset} counts
     * from its beginning.
     */
    abstract void find(long offset, long length, Place into);

    /** The tables of an extent that may be written, or null. */
    SparseExtent sparse() {
        return null;
    }

    /** Writes pending metadata, and frees memory; the image closes the file. May block briefly. */
    @Override
    public void close() {
        // most hold nothing
    }
}
