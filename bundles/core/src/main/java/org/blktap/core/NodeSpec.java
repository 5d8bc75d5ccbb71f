package org.blktap.core;

import java.util.LinkedHashMap;
import java.util.Map;
import org.blktap.api.disk.DiskException;
import org.blktap.api.disk.DiskException.Reason;

/**
 * What {@code --node} names: {@code kind[:target][,key=value…]}.
 *
 * @param text as given
 * @param target what the kind's own rules make of it, or empty
 */
record NodeSpec(String text, String kind, String target, Map<String, String> options) {

    static NodeSpec parse(String text) throws DiskException {
        String[] parts = text.split(",");
        String[] head = parts.length == 0 ? new String[] {""} : parts[0].split(":", 2);
        if (!head[0].matches("[a-z0-9][a-z0-9_-]*")) {
            throw new DiskException(Reason.BAD_OPTION, "bad node '" + text + "': expected kind[:target][,key=value...],"
                    + " e.g. vhost-user,queues=2");
        }
        Map<String, String> options = new LinkedHashMap<>();
        for (int i = 1; i < parts.length; i++) {
            String[] pair = parts[i].split("=", 2);
            if (pair.length != 2 || pair[0].isEmpty()) {
                throw new DiskException(Reason.BAD_OPTION, "bad node '" + text + "': '" + parts[i]
                        + "' is not key=value");
            }
            options.put(pair[0], pair[1]);
        }
        return new NodeSpec(text, head[0], head.length == 2 ? head[1] : "", options);
    }
}
