package org.blktap.jobs.bitmap;

import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import org.blktap.api.disk.DiskException;
import org.blktap.api.disk.DiskException.Reason;
import org.blktap.api.disk.Options;

/**
 * The options of a filter {@code bitmap}.
 *
 * @param names of the bitmaps
 * @param granularity of bitmaps that the filter makes itself
 * @param key the key of files that are trusted; empty if none is
 */
record BitmapSettings(List<String> names, int granularity, String key) {
    static final int GRANULARITY = 64 << 10;

    private static final int MIN_GRANULARITY = 512;
    private static final int MAX_GRANULARITY = 1 << 30;
    static final int MOST = 32;
    private static final String NAMES = "names";
    private static final String GRANULARITY_OPTION = "granularity";
    private static final String KEY = "key";

    static BitmapSettings of(Options options) throws DiskException {
        String text = options.text(NAMES, "");
        List<String> names = text.isEmpty() ? List.of() : List.of(text.split(":", -1));
        if (names.isEmpty() || names.size() > MOST || new LinkedHashSet<>(names).size() != names.size()) {
            throw Options.bad(NAMES, text, "1 to " + MOST + " different names with colons between them");
        }
        for (String each : names) {
            check(each);
        }
        int granularity =
                granularity((int) options.size(GRANULARITY_OPTION, GRANULARITY, MIN_GRANULARITY, MAX_GRANULARITY));
        String key = options.text(KEY, "");
        if (!key.matches("[A-Za-z0-9-]{0,40}")) {
            throw Options.bad(KEY, key, "at most 40 letters, digits and -");
        }
        return new BitmapSettings(names, granularity, key);
    }

    /** Whether a text can be the name of a bitmap. */
    static boolean isName(String name) {
        return name.matches("[A-Za-z0-9_][A-Za-z0-9._-]{0,63}");
    }

    /** Checks the name of a bitmap. */
    static void check(String name) throws DiskException {
        if (!isName(name)) {
            throw new DiskException(
                    Reason.BAD_OPTION,
                    "bad name of a bitmap '" + name
                            + "': letters, digits and . _ - only, at most 64, beginning with a letter or digit");
        }
    }

    /** Checks a granularity. */
    static int granularity(long bytes) throws DiskException {
        if (bytes < MIN_GRANULARITY || bytes > MAX_GRANULARITY || Long.bitCount(bytes) != 1) {
            throw Options.bad(GRANULARITY_OPTION, Long.toString(bytes), "a power of two from 512 to 1G");
        }
        return (int) bytes;
    }

    /** Returns the options that change the names of a filter's bitmaps. */
    static Map<String, String> changes(List<String> names, String key) {
        return Map.of(NAMES, String.join(":", names), KEY, key);
    }

    /** Returns the options that change a filter's key. */
    static Map<String, String> changes(String key) {
        return Map.of(KEY, key);
    }

    /** Returns the spec of a new filter. */
    static String spec(String name, String key) {
        return BitmapFilter.TYPE + "," + NAMES + "=" + name + "," + KEY + "=" + key;
    }

    List<String> with(String name) {
        List<String> more = new ArrayList<>(names);
        more.add(name);
        return more;
    }

    List<String> without(String name) {
        List<String> fewer = new ArrayList<>(names);
        fewer.remove(name);
        return fewer;
    }
}
