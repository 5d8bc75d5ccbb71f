package org.blktap.shell.tapctl;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.blktap.linux.WholeFile;

/**
 * What the file of a minor says: nothing for one that is reserved, {@code pid=<pid>} for one that is bound,
 * {@code id=<id>} for the number of an attachment that somebody else has made.
 *
 * @param pid 0 if it is not bound
 * @param id or null
 */
record Marker(int minor, long pid, String id) {
    private static final Pattern TEXT = Pattern.compile("(?:pid=([0-9]{1,10})|id=([A-Za-z0-9._-]{1,64}))?\\s*");
    /** Longest file that we write; a longer one is not read. */
    private static final int MAX_BYTES = 128;

    static Marker read(Path file, int minor) throws IOException {
        byte[] bytes;
        try (var in = Files.newInputStream(file)) {
            bytes = in.readNBytes(MAX_BYTES);
        }
        Matcher text = TEXT.matcher(new String(bytes, StandardCharsets.US_ASCII));
        if (!text.matches()) {
            // another program's: the number is taken, and that is all
            return new Marker(minor, 0, null);
        }
        return new Marker(minor, text.group(1) == null ? 0 : Long.parseLong(text.group(1)), text.group(2));
    }

    void write(Path file) throws IOException {
        String text = id != null ? "id=" + id + "\n" : pid != 0 ? "pid=" + pid + "\n" : "";
        WholeFile.write(file, text.getBytes(StandardCharsets.US_ASCII));
    }
}
