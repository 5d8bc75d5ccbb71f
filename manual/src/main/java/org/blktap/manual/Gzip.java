package org.blktap.manual;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;
import java.util.zip.Deflater;
import java.util.zip.GZIPOutputStream;

/** Compresses as {@code gzip -9n} does, which Debian asks of manual pages and changelogs. Run by the build. */
public final class Gzip {
    // RFC 1952, 2.3.1: XFL, the compressor used its slowest algorithm
    private static final int EXTRA_FLAGS = 8;
    private static final byte SLOWEST = 2;

    private Gzip() {}

    /**
     * @param arguments a file and its compressed copy, or a directory and one for the compressed copies of its files
     */
    public static void main(String[] arguments) throws IOException {
        Path from = Path.of(arguments[0]);
        Path to = Path.of(arguments[1]);
        if (!Files.isDirectory(from)) {
            compress(from, to);
            return;
        }
        List<Path> files;
        try (Stream<Path> all = Files.walk(from)) {
            files = all.filter(Files::isRegularFile).toList();
        }
        for (Path each : files) {
            compress(each, to.resolve(from.relativize(each) + ".gz"));
        }
    }

    private static void compress(Path from, Path to) throws IOException {
        Files.createDirectories(to.getParent());
        ByteArrayOutputStream compressed = new ByteArrayOutputStream();
        try (OutputStream out = new BestGzip(compressed)) {
            Files.copy(from, out);
        }
        byte[] bytes = compressed.toByteArray();
        bytes[EXTRA_FLAGS] = SLOWEST;
        Files.write(to, bytes);
    }

    private static final class BestGzip extends GZIPOutputStream {
        BestGzip(OutputStream to) throws IOException {
            super(to);
            def.setLevel(Deflater.BEST_COMPRESSION);
        }
    }
}
