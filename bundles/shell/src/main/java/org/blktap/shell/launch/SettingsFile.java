package org.blktap.shell.launch;

import java.io.IOException;
import java.nio.charset.CharacterCodingException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.Map;
import java.util.regex.Pattern;

/**
 * Reads the file of settings: a JSON object that has an object for each section. Comments are allowed. Does not check the settings themselves.
 */
public final class SettingsFile {
    /** Matches a file as installed: comments and an empty object. Most daemons have such a file, and so start without a parser. */
    private static final Pattern NOTHING = Pattern.compile("(\\s*+//.*+)*+\\s*+\\{\\s*+\\}\\s*+");

    private SettingsFile() {
    }

    /**
     * Reads all of it.
     *
     * @return sections by name, their values by key: BigDecimal, Boolean, String, or a List of these. Nothing if there is no file
     * @throws IOException in one line: the file, what is wrong and where
     */
    public static Map<String, Map<String, Object>> read(Path file) throws IOException {
        try {
            String text = Files.readString(file);
            return NOTHING.matcher(text).matches() ? Map.of() : SettingsParser.parse(file, text);
        } catch (NoSuchFileException e) {
            return Map.of();
        } catch (CharacterCodingException e) {
            throw new IOException(file + ": is not UTF-8", e);
        }
    }
}
