package org.blktap.config;

import java.util.ArrayList;
import java.util.Collection;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * The result of a check of a section of the file against the settings that its bundle declares.
 *
 * @param values the values that are valid, by key, as Config Admin gets them
 * @param problems each names the section, the key, what was found and what was expected; the default is used instead
 */
public record SettingsCheck(Map<String, Object> values, List<String> problems) {
    /**
     * Checks a section.
     *
     * @param given the values in the file
     * @param declared the bundle's settings
     */
    public static SettingsCheck of(String section, Map<String, Object> given, Collection<Setting> declared) {
        Map<String, Object> values = new LinkedHashMap<>();
        List<String> problems = new ArrayList<>();
        given.forEach((key, found) -> {
            Setting setting = declared.stream()
                    .filter(each -> each.section().equals(section) && each.key().equals(key))
                    .findFirst()
                    .orElse(null);
            if (setting == null) {
                List<String> keys = declared.stream()
                        .filter(each -> each.section().equals(section))
                        .map(Setting::key)
                        .toList();
                problems.add(section + ": " + key + ": there is no such setting; "
                        + (keys.isEmpty() ? "the bundle has none" : "there are " + String.join(", ", keys)));
                return;
            }
            try {
                values.put(key, setting.value(found));
            } catch (Setting.WrongValue e) {
                problems.add(section + ": " + key + ": found " + shown(found) + ", expected " + e.getMessage()
                        + "; the default of " + text(setting.initial()) + " is used");
            }
        });
        return new SettingsCheck(values, problems);
    }

    /** Returns a value as it is written in the file. */
    private static String shown(Object found) {
        return found instanceof String text ? '"' + text + '"' : String.valueOf(found);
    }

    /** Returns a value in a form for people. */
    public static String text(Object value) {
        if (value instanceof String[] all) {
            return all.length == 0 ? "none" : String.join(":", all);
        }
        return String.valueOf(value);
    }
}
