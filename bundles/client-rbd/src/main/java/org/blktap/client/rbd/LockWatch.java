package org.blktap.client.rbd;

import java.util.function.Consumer;
import org.blktap.api.engine.Errno;
import org.blktap.api.engine.IoLoop;

/**
 * Asks the cluster at intervals whether an image still has its lock, so that the loss is noticed also on a disk without
 * requests, and when the lock was removed without shutting out the host. Loop only.
 */
final class LockWatch {
    private static final long MILLISECONDS = 5_000;

    private final RbdImage image;
    private final IoLoop loop;
    private final Consumer<String> lost;
    private IoLoop.Timer timer;
    private boolean closed;
    /** The last answer. */
    private volatile int answer;

    LockWatch(RbdImage image, IoLoop loop, Consumer<String> lost) {
        this.image = image;
        this.loop = loop;
        this.lost = lost;
    }

    void start() {
        timer = loop.schedule(this::ask, MILLISECONDS);
    }

    private void ask() {
        loop.offload(
                () -> {
                    answer = image.ownsLock();
                    return 0;
                },
                errno -> answered(errno == 0 ? answer : 1));
    }

    private void answered(int owner) {
        if (closed) {
            return;
        }
        if (owner == 0) {
            lost.accept("another host has taken the image's lock");
        } else if (owner == -Errno.ESHUTDOWN) {
            lost.accept(RbdDisk.SHUT_OUT);
        } else {
            start();
        }
    }

    void close() {
        closed = true;
        if (timer != null) {
            timer.cancel();
        }
    }
}
