package org.blktap.core;

import java.util.List;
import java.util.Set;
import java.util.function.Consumer;
import org.blktap.api.disk.DiskDriver;
import org.blktap.api.engine.IoLoop;
import org.blktap.api.engine.IoQueue;
import org.blktap.api.memory.NativeMemory;

/**
 * State that all openings of one attachment share.
 *
 * @param used receives the drivers that took part
 * @param kept receives what stays until the detach
 * @param own the uppermost image of each disk that the attachment has open: their locks do not exclude each other
 * @param lost receives, on the loop, the reason why the attachment has lost its image
 */
record OpenEnvironment(
        IoLoop loop,
        IoQueue queue,
        NativeMemory memory,
        Registry<DiskDriver> drivers,
        PathPolicy paths,
        Set<Registry.Entry<DiskDriver>> used,
        List<AutoCloseable> kept,
        List<OpenContext> own,
        Consumer<String> lost) {
    /** Does nothing: whoever works on the image sees that requests fail. */
    static final Consumer<String> REQUESTS_FAIL = why -> {};

    /** Returns a copy with another receiver of the drivers that take part. */
    OpenEnvironment using(Set<Registry.Entry<DiskDriver>> drivers) {
        return new OpenEnvironment(loop, queue, memory, this.drivers, paths, drivers, kept, own, lost);
    }

    /** Returns a copy for a disk that is not the attachment's own: if that disk is lost, its requests fail. */
    OpenEnvironment ofOtherDisk() {
        return new OpenEnvironment(loop, queue, memory, drivers, paths, used, kept, own, REQUESTS_FAIL);
    }
}
