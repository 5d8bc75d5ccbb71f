package org.blktap.api.disk;

import java.util.Arrays;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;

/**
 * The {@code key=value} options of an attach, create or node. Each key that is read counts as known;
 * {@link #checkAllKnown} refuses the rest, so that a misspelt option is never ignored. One thread.
 */
public final class Options {
    private final Map<String, String> values;
    private final Set<String> known = new LinkedHashSet<>();

    public Options(Map<String, String> values) {
        this.values = Collections.unmodifiableMap(new LinkedHashMap<>(values));
    }

    /** Returns options with other values, of which those are known that are known here. */
    public Options withValues(Map<String, String> other) {
        Options changed = new Options(other);
        changed.known.addAll(known);
        return changed;
    }

    public static Options none() {
        return new Options(Map.of());
    }

    /** Returns the name in {@code name[,key=value...]}. */
    public static String nameIn(String text) {
        int comma = text.indexOf(',');
        return comma < 0 ? text : text.substring(0, comma);
    }

    /**
     * Returns the options in {@code name[,key=value...]}. If a key is given twice, the last value is used.
     *
     * @param what begins the message of a failure
     * @throws DiskException BAD_OPTION if one of them has no {@code =} or no key
     */
    public static Map<String, String> valuesIn(String text, String what) throws DiskException {
        String[] parts = text.split(",");
        return pairs(Arrays.asList(parts).subList(1, parts.length), what + ": ");
    }

    /**
     * Returns the values of {@code key=value} by key. If a key is given twice, the last value is used.
     *
     * @throws DiskException BAD_OPTION if one of them has no {@code =} or no key
     */
    public static Map<String, String> pairs(List<String> pairs) throws DiskException {
        return pairs(pairs, "");
    }

    private static Map<String, String> pairs(List<String> pairs, String what) throws DiskException {
        Map<String, String> values = new LinkedHashMap<>();
        for (String each : pairs) {
            int equals = each.indexOf('=');
            if (equals < 1) {
                throw new DiskException(DiskException.Reason.BAD_OPTION, what + "'" + each + "' is not key=value");
            }
            values.put(each.substring(0, equals), each.substring(equals + 1));
        }
        return values;
    }

    /** All of them, as given. */
    public Map<String, String> asMap() {
        return values;
    }

    public String text(String key, String otherwise) {
        known.add(key);
        return values.getOrDefault(key, otherwise);
    }

    /** {@code true}, {@code yes}, {@code on} and {@code 1}, or their opposites. */
    public boolean flag(String key, boolean otherwise) throws DiskException {
        String value = text(key, null);
        if (value == null) {
            return otherwise;
        }
        return switch (value) {
            case "true", "yes", "on", "1", "" -> true;
            case "false", "no", "off", "0" -> false;
            default -> throw bad(key, value, "yes or no");
        };
    }

    /** A whole number in {@code [min, max]}. */
    public int number(String key, int otherwise, int min, int max) throws DiskException {
        String value = text(key, null);
        if (value == null) {
            return otherwise;
        }
        try {
            int n = Integer.parseInt(value);
            if (n >= min && n <= max) {
                return n;
            }
        } catch (NumberFormatException e) {
            // reported below, as a number out of range is
        }
        throw bad(key, value, "a number from " + min + " to " + max);
    }

    /** A size in bytes, as {@link #parseSize} reads it. */
    public long size(String key, long otherwise) throws DiskException {
        String value = text(key, null);
        if (value == null) {
            return otherwise;
        }
        try {
            return parseSize(value);
        } catch (IllegalArgumentException e) {
            throw bad(key, value, "a size such as 512M or 10G");
        }
    }

    /** Returns a size in bytes in {@code [min, max]}. */
    public long size(String key, long otherwise, long min, long max) throws DiskException {
        long size = size(key, otherwise);
        if (size < min || size > max) {
            throw bad(key, Long.toString(size), sizeText(min) + " to " + sizeText(max));
        }
        return size;
    }

    /** One of the given words. */
    public String oneOf(String key, String otherwise, String... words) throws DiskException {
        String value = text(key, otherwise);
        if (value == null || Set.of(words).contains(value)) {
            return value;
        }
        throw bad(key, value, String.join(", ", words));
    }

    /** Refuses what nobody has asked for. */
    public void checkAllKnown(String what) throws DiskException {
        for (String key : values.keySet()) {
            if (!known.contains(key)) {
                throw new DiskException(
                        DiskException.Reason.BAD_OPTION,
                        what + ": unknown option '" + key + "'"
                                + (known.isEmpty() ? "; it takes none" : "; known: " + String.join(", ", known)));
            }
        }
    }

    /** A failure of one option's value, in one form everywhere. */
    public static DiskException bad(String key, String value, String expected) {
        return new DiskException(
                DiskException.Reason.BAD_OPTION, "bad option " + key + "=" + value + ": expected " + expected);
    }

    /** A size as {@link #parseSize} reads it, in the largest unit of which it is a whole number. */
    public static String sizeText(long bytes) {
        String units = "KMGT";
        String unit = "";
        long number = bytes;
        for (int i = 0; i < units.length() && number != 0 && number % 1024 == 0; i++) {
            number /= 1024;
            unit = units.substring(i, i + 1);
        }
        return number + unit;
    }

    /**
     * Bytes from {@code 4096}, {@code 64k}, {@code 512M}, {@code 10G}, {@code 2T} (powers of 1024; a {@code B} or
     * {@code iB} may follow).
     *
     * @throws IllegalArgumentException if it is none of these, or past 2^62
     */
    public static long parseSize(String text) {
        String t = text.strip().toUpperCase(java.util.Locale.ROOT);
        int end = 0;
        while (end < t.length() && Character.isDigit(t.charAt(end))) {
            end++;
        }
        int shift = switch (t.substring(end)) {
            case "", "B" -> 0;
            case "K", "KB", "KIB" -> 10;
            case "M", "MB", "MIB" -> 20;
            case "G", "GB", "GIB" -> 30;
            case "T", "TB", "TIB" -> 40;
            default -> throw new IllegalArgumentException("bad size '" + text + "'");
        };
        if (end == 0 || end > 18) {
            throw new IllegalArgumentException("bad size '" + text + "'");
        }
        long number = Long.parseLong(t.substring(0, end));
        if (number > (1L << 62) >> shift) {
            throw new IllegalArgumentException("size '" + text + "' is too large");
        }
        return number << shift;
    }
}
