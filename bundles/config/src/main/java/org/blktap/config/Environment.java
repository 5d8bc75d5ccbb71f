package org.blktap.config;

import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.Map;

/** Settings that environment variables override. */
public final class Environment {
    /** The variable for the setting {@code image.roots} of the core: a list separated by colons. */
    public static final String IMAGE_ROOTS = "BLKTAP_IMAGE_ROOTS";

    private static final String SECTION = "org.blktap.core";
    private static final String KEY = "image.roots";

    private Environment() {}

    /**
     * Overrides valid values of a section.
     *
     * @param imageRoots the value of {@link #IMAGE_ROOTS}; null or empty if there is none
     */
    public static Map<String, Object> override(String section, Map<String, Object> values, String imageRoots) {
        Map<String, Object> result = new LinkedHashMap<>(values);
        if (imageRoots != null && !imageRoots.isEmpty() && section.equals(SECTION)) {
            result.put(KEY, imageRoots.split(":"));
        }
        return result;
    }

    /** The variable that determines a setting, or null. */
    static String variable(Setting setting, String imageRoots) {
        Map<String, Object> overridden = new HashMap<>(override(setting.section(), Map.of(), imageRoots));
        return overridden.containsKey(setting.key()) ? IMAGE_ROOTS : null;
    }
}
