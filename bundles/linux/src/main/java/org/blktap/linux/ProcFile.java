package org.blktap.linux;

import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;

/** Reads short files of /proc/sys. */
public final class ProcFile {
    /** More than any of these files has. */
    private static final int BYTES_MAX = 4096;

    private ProcFile() {}

    /**
     * Returns the contents of the file without the end of the line, by one read: the kernel returns them only for a
     * read at offset 0. {@link Files#readString} would start with a read of one byte, because the file's size is 0, and
     * get nothing more.
     */
    public static String read(Path path) throws IOException {
        byte[] text = new byte[BYTES_MAX];
        try (InputStream file = Files.newInputStream(path)) {
            return new String(text, 0, Math.max(0, file.read(text)), StandardCharsets.US_ASCII).trim();
        }
    }
}
