package org.blktap.shell.launch;

import java.io.IOException;
import java.io.InputStream;
import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.nio.file.AccessDeniedException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.Map;
import java.util.regex.Pattern;

/**
 * Reads the file of settings: a JSON object that has an object for each section. Comments are allowed. Does not check
 * the settings themselves.
 */
public final class SettingsFile {
    /**
     * Matches a file as installed: comments and an empty object. Most daemons have such a file, and so start without a
     * parser.
     */
    private static final Pattern NOTHING = Pattern.compile("(\\s*+//.*+)*+\\s*+\\{\\s*+\\}\\s*+");

    /**
     * Far more than anybody writes. What is larger is something else, and might not fit into the heap of a daemon that
     * runs.
     */
    private static final int MOST_BYTES = 1 << 20;

    private SettingsFile() {}

    /**
     * Reads all of it.
     *
     * @return sections by name, their values by key: BigDecimal, Boolean, String, or a List of these. Nothing if there
     *     is no file
     * @throws IOException in one line: the file, what is wrong and where
     */
    public static Map<String, Map<String, Object>> read(Path file) throws IOException {
        try {
            String text = text(file);
            return NOTHING.matcher(text).matches() ? Map.of() : SettingsParser.parse(file, text);
        } catch (NoSuchFileException e) {
            return Map.of();
        } catch (CharacterCodingException e) {
            throw new IOException(file + ": is not UTF-8", e);
        } catch (AccessDeniedException e) {
            throw new IOException(file + ": cannot be read: no permission", e);
        }
    }

    private static String text(Path file) throws IOException {
        // reading a FIFO would wait for a writer, and a device may have no end
        if (Files.exists(file) && !Files.isRegularFile(file)) {
            throw new IOException(file + ": is not a regular file");
        }
        try (InputStream in = Files.newInputStream(file)) {
            byte[] bytes = in.readNBytes(MOST_BYTES + 1);
            if (bytes.length > MOST_BYTES) {
                throw new IOException(file + ": is larger than " + MOST_BYTES + " bytes");
            }
            return StandardCharsets.UTF_8
                    .newDecoder()
                    .decode(ByteBuffer.wrap(bytes))
                    .toString();
        }
    }
}
