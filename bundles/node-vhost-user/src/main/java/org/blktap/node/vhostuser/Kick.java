package org.blktap.node.vhostuser;

import org.blktap.api.engine.CloseOnFailure;
import org.blktap.api.engine.IoLoop;
import org.blktap.linux.Libc;

/**
 * The eventfd of a driver's kicks. It wakes the loop, which then looks into the ring, and is never read: epoll reports
 * each write to it as an edge, and a read would block if the client cleared O_NONBLOCK and read it first.
 */
final class Kick {
    private final int fd;
    private final IoLoop.Watch watch;

    private Kick(int fd, IoLoop.Watch watch) {
        this.fd = fd;
        this.watch = watch;
    }

    /** Takes over a descriptor, and closes it if it refuses it. */
    static Kick of(int fd, VirtioBlkDevice device, String what) throws ProtocolException {
        if (Received.kind(fd) != Received.EVENT) {
            device.calls().close(fd);
            throw new ProtocolException(what + ": its kick descriptor is no eventfd");
        }
        try (CloseOnFailure opened = new CloseOnFailure(() -> Libc.close(fd))) {
            return opened.keep(new Kick(fd, device.loop().watch(fd, IoLoop.READABLE | IoLoop.EDGE_TRIGGERED, events -> {
                // the turn after this looks into all rings
            })));
        } catch (RuntimeException | Error e) {
            throw new ProtocolException(what + ": its kick descriptor cannot be waited for: " + e.getMessage());
        }
    }

    void close() {
        watch.close();
        Libc.close(fd);
    }
}
