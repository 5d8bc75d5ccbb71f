package org.blktap.node.vhostuser;

import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.ThreadPoolExecutor;
import java.util.concurrent.TimeUnit;
import org.blktap.linux.Libc;

/**
 * A thread for calls that a client can make block: writes to pipes, and the close of descriptors of anything but memory
 * and eventfds. One for each node, so that a client holds up only its own node. It runs while there is something to do.
 */
final class BlockingCalls {
    /** Most calls that wait; with more, the client is disconnected and no other is accepted until they are done. */
    static final int BACKLOG_MAX = 256;

    private final ThreadPoolExecutor thread;

    BlockingCalls(String name) {
        thread = new ThreadPoolExecutor(1, 1, 5, TimeUnit.SECONDS, new LinkedBlockingQueue<>(), task -> {
            Thread made = new Thread(task, "blktap-calls-" + name);
            made.setDaemon(true);
            return made;
        });
        thread.allowCoreThreadTimeOut(true);
    }

    void execute(Runnable call) {
        try {
            thread.execute(call);
        } catch (OutOfMemoryError e) {
            // the system has no thread now; the next thread that starts will run this call too
            thread.getQueue().add(call);
        }
    }

    /** Closes a received descriptor, here if that cannot block. */
    void close(int fd) {
        Received kind = Received.kind(fd);
        if (kind == Received.MEMORY || kind == Received.EVENT) {
            Libc.close(fd);
        } else {
            execute(() -> Libc.close(fd));
        }
    }

    boolean overloaded() {
        return thread.getQueue().size() > BACKLOG_MAX;
    }
}
