package org.blktap.core.gate;

import org.blktap.api.disk.VirtualDisk;
import org.blktap.api.engine.IoLoop;
import org.blktap.api.node.DiskPort;

/**
 * The core's gate before a disk, which is not to be had outside of the core otherwise, for measuring nodes as they run.
 */
public final class OpenGate {
    private OpenGate() {}

    /** To be called on the loop. */
    public static DiskPort before(IoLoop loop, VirtualDisk disk) {
        Gate gate = new Gate(loop, () -> {});
        gate.install(disk);
        gate.open();
        return gate;
    }
}
