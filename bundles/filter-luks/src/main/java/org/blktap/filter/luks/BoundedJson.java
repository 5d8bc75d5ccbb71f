package org.blktap.filter.luks;

import com.google.gson.Strictness;
import com.google.gson.stream.JsonReader;
import java.io.IOException;
import java.io.StringReader;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * Reads JSON of unknown origin into maps, lists, strings, {@link Long}, {@link Double}, {@link Boolean}, and null,
 * within limits of depth, number and length: a text of four megabytes could otherwise become objects of a hundred.
 */
final class BoundedJson {
    /** The greatest depth that is read; the format itself needs 5: keyslots, a slot, its kdf, a value. */
    private static final int DEPTH_MAX = 16;
    /** The most values; 32 key slots with all that belongs to them have about 1500. */
    private static final int VALUES_MAX = 20_000;

    private int values;

    private BoundedJson() {}

    /**
     * Parses a text that is exactly one object.
     *
     * @throws IOException with what is wrong
     */
    static Map<String, Object> parse(String text) throws IOException {
        try (JsonReader reader = new JsonReader(new StringReader(text))) {
            reader.setStrictness(Strictness.STRICT);
            reader.setNestingLimit(DEPTH_MAX);
            Map<String, Object> root = new BoundedJson().object(reader);
            reader.peek(); // throws if anything follows
            return root;
        } catch (IllegalStateException | NumberFormatException e) {
            throw new IOException(e.getMessage(), e);
        }
    }

    private Object value(JsonReader reader) throws IOException {
        if (++values > VALUES_MAX) {
            throw new IOException("more than " + VALUES_MAX + " values");
        }
        return switch (reader.peek()) {
            case BEGIN_OBJECT -> object(reader);
            case BEGIN_ARRAY -> array(reader);
            case STRING -> reader.nextString();
            case NUMBER -> number(reader.nextString());
            case BOOLEAN -> reader.nextBoolean();
            case NULL -> {
                reader.nextNull();
                yield null;
            }
            default -> throw new IOException("no value at " + reader.getPath());
        };
    }

    private Map<String, Object> object(JsonReader reader) throws IOException {
        Map<String, Object> members = new LinkedHashMap<>();
        reader.beginObject();
        while (reader.hasNext()) {
            String name = reader.nextName();
            if (members.containsKey(name)) {
                throw new IOException("two members of one name at " + reader.getPath());
            }
            members.put(name, value(reader));
        }
        reader.endObject();
        return members;
    }

    private List<Object> array(JsonReader reader) throws IOException {
        List<Object> elements = new ArrayList<>();
        reader.beginArray();
        while (reader.hasNext()) {
            elements.add(value(reader));
        }
        reader.endArray();
        return elements;
    }

    private static Object number(String text) {
        try {
            return Long.valueOf(text);
        } catch (NumberFormatException e) {
            return Double.valueOf(text);
        }
    }
}
