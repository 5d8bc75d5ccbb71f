package org.blktap.image;

import java.util.function.Supplier;

/**
 * How a format's compressed clusters are read.
 *
 * @param mostBytes most bytes of a compressed cluster; a cluster that claims more is an I/O error
 * @param decompressors makes a decompressor for each cluster that is decompressed at the same time
 */
public record Compression(int mostBytes, Supplier<Decompressor> decompressors) {
    /** For a format without compressed clusters. */
    static final Compression NONE = new Compression(0, () -> {
        throw new IllegalStateException("a format without compression");
    });
}
