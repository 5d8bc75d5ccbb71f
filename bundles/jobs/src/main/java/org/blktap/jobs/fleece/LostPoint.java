package org.blktap.jobs.fleece;

import java.lang.System.Logger.Level;
import java.util.Map;
import org.blktap.api.disk.VirtualDisk;
import org.blktap.api.filter.PassThroughDisk;

/** Stands for a point in time whose files are missing or damaged, so that the disk runs without it. */
final class LostPoint extends PassThroughDisk {
    private final String name;
    private final String reason;

    LostPoint(VirtualDisk below, String id, String name, String reason) {
        super(below);
        this.name = name;
        this.reason = reason;
        System.getLogger("org.blktap.jobs")
                .log(Level.WARNING, id + ": the point in time " + name + " is lost: " + reason);
    }

    @Override
    public Map<String, ?> stats() {
        return Map.of("point in time", name, "state", "lost: " + reason);
    }
}
