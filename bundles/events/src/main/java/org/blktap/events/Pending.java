package org.blktap.events;

import java.util.LinkedHashMap;
import java.util.Map;
import org.blktap.api.disk.Printable;
import org.blktap.api.event.Event;

/** An event that has been published and has no number yet. */
record Pending(long timeMillis, String kind, String subject, String text, Map<String, ?> details) {
    private static final int MOST_DETAILS = 16;
    private static final int KIND_LENGTH = 32;
    private static final int SUBJECT_LENGTH = 256;
    private static final int TEXT_LENGTH = 1000;
    private static final int VALUE_LENGTH = 1000;

    /** Makes the event. All its parts are bounded, since they may come from a guest, an image or another bundle. */
    Event numbered(long sequence) {
        Map<String, Object> bounded = new LinkedHashMap<>();
        details.forEach((key, value) -> {
            if (bounded.size() < MOST_DETAILS && value != null) {
                bounded.put(
                        Printable.of(key, KIND_LENGTH),
                        value instanceof Number || value instanceof Boolean
                                ? value
                                : cut(value.toString(), VALUE_LENGTH));
            }
        });
        return new Event(
                sequence,
                timeMillis,
                Printable.of(kind, KIND_LENGTH),
                cut(subject, SUBJECT_LENGTH),
                cut(text, TEXT_LENGTH),
                bounded);
    }

    /** Shortens a text. Bytes of names that are not UTF-8 stay as they are; whoever prints the event escapes them. */
    private static String cut(String text, int most) {
        return text.length() <= most ? text : text.substring(0, most) + "...";
    }
}
