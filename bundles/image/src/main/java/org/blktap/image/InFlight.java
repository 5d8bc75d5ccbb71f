package org.blktap.image;

/**
 * Counts the requests of a disk that are under way, for a map that reuses freed clusters: a request that looked a
 * cluster up before it was freed may still read or write there. At most one task waits for the end of such requests.
 * Loop only.
 */
public final class InFlight {
    /**
     * Requests that began before the last wait, and those that began after it; the two change places at each wait.
     * Without a wait there are none of the former.
     */
    private final int[] counts = new int[2];

    private int turn;
    private Runnable waiting;

    /** Counts a request that begins. The result is the argument of {@link #leave}. */
    int enter() {
        counts[turn]++;
        return turn;
    }

    /** Counts a request that has ended. */
    void leave(int entered) {
        if (--counts[entered] == 0 && waiting != null && entered != turn) {
            Runnable task = waiting;
            waiting = null;
            task.run();
        }
    }

    /** Whether no request is under way. */
    public boolean isEmpty() {
        return counts[0] + counts[1] == 0;
    }

    /**
     * Runs a task when all requests that are under way now have ended; at once if there are none. The task before must
     * have run.
     */
    public void whenEnded(Runnable task) {
        if (waiting != null) {
            throw new IllegalStateException("somebody waits already");
        }
        if (isEmpty()) {
            task.run();
        } else {
            waiting = task;
            turn = 1 - turn;
        }
    }
}
