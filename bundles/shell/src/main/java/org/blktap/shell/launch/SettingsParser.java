package org.blktap.shell.launch;

import com.google.gson.Strictness;
import com.google.gson.stream.JsonReader;
import com.google.gson.stream.JsonToken;
import com.google.gson.stream.MalformedJsonException;
import java.io.EOFException;
import java.io.IOException;
import java.io.StringReader;
import java.math.BigDecimal;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** Parses the text of a file of settings. */
final class SettingsParser {
    private SettingsParser() {}

    static Map<String, Map<String, Object>> parse(Path file, String text) throws IOException {
        try (JsonReader json = new JsonReader(new StringReader(text))) {
            json.setStrictness(Strictness.LENIENT);
            Map<String, Map<String, Object>> sections = sections(file, json);
            if (json.peek() != JsonToken.END_DOCUMENT) {
                throw new IOException(file + ": " + place(json) + ": expected nothing after the last brace");
            }
            return sections;
        } catch (EOFException e) {
            throw new IOException(
                    file + ": ends too early; a brace or bracket is not closed, or there is not even {}", e);
        } catch (MalformedJsonException e) {
            throw new IOException(
                    file + ": not JSON: " + String.valueOf(e.getMessage()).replaceAll("(?s)\\R.*", ""), e);
        }
    }

    private static Map<String, Map<String, Object>> sections(Path file, JsonReader json) throws IOException {
        Map<String, Map<String, Object>> sections = new LinkedHashMap<>();
        expect(file, json, "the file");
        json.beginObject();
        while (json.hasNext()) {
            String section = json.nextName();
            expect(file, json, section);
            Map<String, Object> values = new LinkedHashMap<>();
            json.beginObject();
            while (json.hasNext()) {
                String key = json.nextName();
                if (values.put(key, value(file, json, key)) != null) {
                    throw new IOException(file + ": " + section + ": " + key + " is there twice");
                }
            }
            json.endObject();
            if (sections.put(section, values) != null) {
                throw new IOException(file + ": " + section + " is there twice");
            }
        }
        json.endObject();
        return sections;
    }

    private static void expect(Path file, JsonReader json, String what) throws IOException {
        JsonToken found = json.peek();
        if (found != JsonToken.BEGIN_OBJECT) {
            throw new IOException(file + ": " + place(json) + ": " + what + ": found " + name(found)
                    + ", expected an object in braces");
        }
    }

    private static Object value(Path file, JsonReader json, String key) throws IOException {
        JsonToken found = json.peek();
        return switch (found) {
            case BOOLEAN -> json.nextBoolean();
            case STRING -> json.nextString();
            case NUMBER -> number(file, json, key);
            case BEGIN_ARRAY -> {
                List<Object> all = new ArrayList<>();
                json.beginArray();
                while (json.hasNext()) {
                    if (json.peek() == JsonToken.BEGIN_ARRAY) {
                        throw new IOException(file + ": " + place(json) + ": " + key + ": found a list in a list");
                    }
                    all.add(value(file, json, key));
                }
                json.endArray();
                yield all;
            }
            default ->
                throw new IOException(file + ": " + place(json) + ": " + key + ": found " + name(found)
                        + ", expected a number, a text, true, false or a list");
        };
    }

    private static BigDecimal number(Path file, JsonReader json, String key) throws IOException {
        String text = json.nextString();
        try {
            // a number with a large exponent would become as many digits when it is converted
            if (text.length() < 40) {
                BigDecimal number = new BigDecimal(text);
                if (Math.abs(number.scale()) < 100) {
                    return number;
                }
            }
        } catch (NumberFormatException e) {
            // reported below
        }
        throw new IOException(file + ": " + place(json) + ": " + key + ": no usable number: " + text);
    }

    /** Returns the reader's position, from its own description: {@code JsonReader at line 3 column 5 path $.a}. */
    private static String place(JsonReader json) {
        return json.toString().replaceAll("(?s).*? at (line [0-9]+) .*", "$1");
    }

    private static String name(JsonToken token) {
        return switch (token) {
            case BEGIN_OBJECT -> "an object";
            case BEGIN_ARRAY -> "a list";
            case NULL -> "null";
            case END_DOCUMENT -> "nothing";
            default -> "a value";
        };
    }
}
