package org.blktap.node.vhostuser;

import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;
import org.blktap.api.memory.Memory;
import org.blktap.linux.Libc;
import org.blktap.linux.Mapping;

/** Checks the {@link EventWrites} of all clients twice a second, as long as there are clients. */
final class StuckWrites {
    private static final long PERIOD_MILLISECONDS = 500;

    private final List<EventWrites> clients = new CopyOnWriteArrayList<>();
    private boolean running;

    synchronized void add(EventWrites client) {
        clients.add(client);
        if (!running) {
            running = true;
            Thread thread = new Thread(this::run, "blktap-stuck-writes");
            thread.setDaemon(true);
            thread.start();
        }
    }

    synchronized void remove(EventWrites client) {
        clients.remove(client);
        notifyAll();
    }

    /** Waits for the next check; false if no client is left. */
    private synchronized boolean next() {
        try {
            if (!clients.isEmpty()) {
                wait(PERIOD_MILLISECONDS);
            }
        } catch (InterruptedException e) {
            // no code interrupts this thread
            Thread.currentThread().interrupt();
        }
        running = !clients.isEmpty();
        return running;
    }

    private void run() {
        try (Mapping memory = Mapping.anonymous(Libc.IOVEC_BYTES + Long.BYTES)) {
            long iovec = memory.address();
            Memory.putLong(iovec, iovec + Libc.IOVEC_BYTES);
            Memory.putLong(iovec + Libc.IOVEC_LEN, Long.BYTES);
            while (next()) {
                for (EventWrites client : clients) {
                    client.look(iovec);
                }
            }
        }
    }
}
