package org.blktap.core;

import java.util.LinkedHashMap;
import java.util.Map;
import org.blktap.api.disk.DiskException;
import org.blktap.api.disk.DiskException.Reason;
import org.blktap.api.disk.Options;

/**
 * What {@code --filter} names: {@code type[,key=value…]}.
 *
 * @param text in this form
 */
record FilterSpec(String text, String type, Map<String, String> options) {

    static FilterSpec parse(String text) throws DiskException {
        String type = Options.nameIn(text);
        if (!type.matches("[a-z0-9][a-z0-9_-]{0,31}")) {
            throw new DiskException(
                    Reason.BAD_OPTION,
                    "bad filter '" + text + "': expected type[,key=value...], e.g. throttle,iops=2000");
        }
        if (text.indexOf('\n') >= 0 || text.indexOf('\0') >= 0) {
            throw new DiskException(Reason.BAD_OPTION, "bad filter " + type + ": it has a line break");
        }
        return new FilterSpec(text, type, Options.valuesIn(text, "bad filter '" + text + "'"));
    }

    /** Returns the spec with some options changed; an empty value removes one. */
    FilterSpec with(Map<String, String> changes) throws DiskException {
        Map<String, String> all = new LinkedHashMap<>(options);
        for (Map.Entry<String, String> each : changes.entrySet()) {
            if (each.getKey().isEmpty()
                    || each.getKey().indexOf(',') >= 0
                    || each.getValue().indexOf(',') >= 0) {
                throw new DiskException(
                        Reason.BAD_OPTION,
                        "bad option " + each.getKey() + "=" + each.getValue() + ": expected key=value without a comma");
            }
            if (each.getValue().isEmpty()) {
                all.remove(each.getKey());
            } else {
                all.put(each.getKey(), each.getValue());
            }
        }
        StringBuilder changed = new StringBuilder(type);
        all.forEach((key, value) -> changed.append(',').append(key).append('=').append(value));
        return parse(changed.toString());
    }
}
