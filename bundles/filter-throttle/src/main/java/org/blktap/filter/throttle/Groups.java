package org.blktap.filter.throttle;

import java.util.HashMap;
import java.util.Map;

/** The groups that have members, by name. Thread-safe. */
final class Groups {
    private final Map<String, Group> groups = new HashMap<>();

    synchronized Group join(String name, ThrottledDisk member, Limits asked, long nowNanos) {
        Group group = groups.computeIfAbsent(name, Group::new);
        group.join(member, asked, nowNanos);
        return group;
    }

    synchronized void leave(Group group, ThrottledDisk member, long nowNanos) {
        if (group.leave(member, nowNanos)) {
            groups.remove(group.name(), group);
        }
    }
}
