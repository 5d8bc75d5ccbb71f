package org.blktap.config;

import java.math.BigDecimal;
import java.nio.file.InvalidPathException;
import java.util.ArrayList;
import java.util.List;
import org.blktap.api.disk.FileNames;

/**
 * A setting that a bundle declares, as its metatype description says.
 *
 * @param section the PID, which is the bundle's symbolic name
 * @param key name within the section
 * @param type Java type of the values
 * @param list whether the setting has several values
 * @param initial the default, of the type of {@link #value}
 * @param min the least number, or null
 * @param max the greatest number, or null
 * @param options the texts that are allowed; empty if any text is
 * @param description one or two sentences
 */
public record Setting(
        String section,
        String key,
        Type type,
        boolean list,
        Object initial,
        BigDecimal min,
        BigDecimal max,
        List<String> options,
        String description) {
    /** The types of metatype that settings have. */
    public enum Type {
        INTEGER,
        LONG,
        BOOLEAN,
        STRING;

        static Type of(String name) {
            return switch (name) {
                case "Integer" -> INTEGER;
                case "Long" -> LONG;
                case "Boolean" -> BOOLEAN;
                case "String" -> STRING;
                default ->
                    throw new IllegalArgumentException("settings are Integer, Long, Boolean or String, not " + name);
            };
        }
    }

    /** Thrown for a value that the setting does not allow; the message says what was expected. */
    public static final class WrongValue extends Exception {
        private static final long serialVersionUID = 1;

        WrongValue(String expected) {
            super(expected);
        }
    }

    /**
     * Converts a value to the type for Config Admin.
     *
     * @param found a {@link BigDecimal}, Boolean, String, or a list of these
     * @return an Integer, Long, Boolean or String, or an array of Strings
     */
    public Object value(Object found) throws WrongValue {
        if (!list) {
            return single(found);
        }
        if (!(found instanceof List<?> all)) {
            throw new WrongValue(expected());
        }
        List<String> texts = new ArrayList<>();
        for (Object each : all) {
            texts.add(String.valueOf(single(each)));
        }
        return texts.toArray(String[]::new);
    }

    private Object single(Object found) throws WrongValue {
        switch (type) {
            case BOOLEAN -> {
                if (found instanceof Boolean) {
                    return found;
                }
            }
            case STRING -> {
                if (found instanceof String text && !isText(text)) {
                    throw new WrongValue("a text without control characters");
                }
                if (found instanceof String text && (options.isEmpty() || options.contains(text))) {
                    return text;
                }
            }
            default -> {
                if (found instanceof BigDecimal number
                        && (min == null || number.compareTo(min) >= 0)
                        && (max == null || number.compareTo(max) <= 0)) {
                    return whole(number);
                }
            }
        }
        throw new WrongValue(expected());
    }

    /** Whether it can be part of a line and the name of a file, which may have bytes that are not UTF-8. */
    private static boolean isText(String text) {
        try {
            FileNames.bytes(text);
        } catch (InvalidPathException e) {
            return false;
        }
        return text.chars().noneMatch(Character::isISOControl);
    }

    private Object whole(BigDecimal number) throws WrongValue {
        try {
            if (type == Type.LONG) {
                return number.longValueExact();
            }
            return number.intValueExact();
        } catch (ArithmeticException e) {
            throw new WrongValue(expected());
        }
    }

    /** Returns the allowed values, for messages. */
    public String expected() {
        String one = switch (type) {
            case BOOLEAN -> "true or false";
            case STRING -> options.isEmpty() ? "a text in quotation marks" : "one of " + String.join(", ", options);
            default ->
                min == null && max == null
                        ? "a whole number"
                        : "a whole number from " + (min == null ? "any" : min) + " to " + (max == null ? "any" : max);
        };
        return list ? "a list in brackets, each " + one : one;
    }
}
