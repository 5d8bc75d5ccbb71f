package org.blktap.linux;

import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import org.blktap.api.memory.NativeBuffer;

/**
 * An open device of the kernel's that outlives the bundle which serves it, as shared memory does: its ring, which the
 * kernel ties to one thread, its descriptors and its memory. The bundle's successor takes it over on the same thread
 * and continues; clients wait meanwhile. It has nothing of the bundle's own classes. When the process ends, the kernel
 * closes it.
 *
 * @param owner the only thread that may use the ring; once it has ended, so have all commands of the ring
 * @param ring null if there is none
 * @param fds descriptors, which {@link #close} closes
 * @param memory what the kernel may write to
 * @param facts what the successor must know, in an order that the bundle defines; the first is the version of that
 *     order
 * @param unanswered requests that were taken from the ring and not answered, in an order that the bundle defines
 */
public record KeptDevice(
        Thread owner,
        IoUring ring,
        List<Integer> fds,
        List<NativeBuffer> memory,
        List<Long> facts,
        List<Integer> unanswered)
        implements AutoCloseable {
    private static final Map<String, KeptDevice> KEPT = new ConcurrentHashMap<>();

    /** Keeps a device for whoever takes it. One that was kept by the same name is closed. Any thread. */
    public static void keep(String name, KeptDevice device) {
        KeptDevice before = KEPT.put(name, device);
        if (before != null) {
            before.close();
        }
        // those whose attachments have ended meanwhile
        KEPT.forEach((other, each) -> {
            if (!each.owner.isAlive() && KEPT.remove(other, each)) {
                each.close();
            }
        });
    }

    /** Takes a device, which is the caller's then. Null if there is none, or if it cannot be used on this thread. */
    public static KeptDevice take(String name) {
        KeptDevice device = KEPT.remove(name);
        if (device != null && device.owner != Thread.currentThread()) {
            device.close();
            return null;
        }
        return device;
    }

    /** Closes all of it. */
    @Override
    public void close() {
        if (ring != null) {
            ring.close();
        }
        fds.forEach(Libc::close);
        memory.forEach(NativeBuffer::close);
    }
}
