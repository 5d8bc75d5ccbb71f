package org.blktap.linux;

import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;

/** Short files of /proc/sys. */
public final class ProcFile {
    /** More than any of them has. */
    private static final int BYTES_MAX = 4096;

    private ProcFile() {
    }

    /**
     * What such a file says, without the end of the line. The kernel gives it at the beginning of the file only, so that all of it has to be asked for at once;
     * {@link Files#readString} begins with one byte, where a file says that it is empty, and gets no more.
     */
    public static String read(Path path) throws IOException {
        byte[] text = new byte[BYTES_MAX];
        try (InputStream file = Files.newInputStream(path)) {
            return new String(text, 0, Math.max(0, file.read(text)), StandardCharsets.US_ASCII).trim();
        }
    }
}
