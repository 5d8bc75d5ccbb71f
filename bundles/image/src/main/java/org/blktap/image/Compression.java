package org.blktap.image;

import java.util.function.Supplier;

/**
 * How a format's compressed clusters are read.
 *
 * @param mostBytes of a compressed cluster; one that claims more is an I/O error
 * @param decompressors makes one for each cluster that is decompressed at a time
 */
public record Compression(int mostBytes, Supplier<Decompressor> decompressors) {
    /** For a format without compressed clusters. */
    static final Compression NONE = new Compression(0, () -> {
        throw new IllegalStateException("a format without compression");
    });
}
