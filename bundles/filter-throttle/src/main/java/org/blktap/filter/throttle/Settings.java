package org.blktap.filter.throttle;

import org.blktap.api.disk.DiskException;
import org.blktap.api.disk.Options;

/**
 * The options of the filter.
 *
 * @param group a name, or empty
 */
record Settings(Limits limits, String group) {
    static Settings of(Options options) throws DiskException {
        String group = options.text("group", "");
        if (!group.matches("[A-Za-z0-9._-]{0,64}")) {
            throw Options.bad("group", group, "letters, digits, dots, dashes and underscores, 64 at most");
        }
        return new Settings(Limits.of(options), group);
    }
}
