package org.blktap.core;

import java.util.Map;
import org.blktap.api.disk.DiskException;
import org.blktap.api.disk.DiskException.Reason;
import org.blktap.api.disk.Options;

/**
 * What {@code --node} names: {@code kind[:target][,key=value…]}.
 *
 * @param text as given
 * @param target what the kind's own rules make of it, or empty
 */
record NodeSpec(String text, String kind, String target, Map<String, String> options) {

    static NodeSpec parse(String text) throws DiskException {
        String[] head = Options.nameIn(text).split(":", 2);
        if (!head[0].matches("[a-z0-9][a-z0-9_-]*")) {
            throw new DiskException(
                    Reason.BAD_OPTION,
                    "bad node '" + text + "': expected kind[:target][,key=value...]," + " e.g. vhost-user,queues=2");
        }
        return new NodeSpec(
                text, head[0], head.length == 2 ? head[1] : "", Options.valuesIn(text, "bad node '" + text + "'"));
    }
}
