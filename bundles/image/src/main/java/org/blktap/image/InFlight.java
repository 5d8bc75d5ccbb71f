package org.blktap.image;

/**
 * The requests of a disk that are under way, for a map that reuses clusters which nothing points at any more: a request that has looked one
 * up before may still be reading or writing there. At most one waits for the end of those. Loop only.
 */
public final class InFlight {
    /** Those that began before the last wait, and those after it, in turns; without a wait there are none of the former. */
    private final int[] counts = new int[2];
    private int turn;
    private Runnable waiting;

    /** A request begins; the answer is for {@link #leave}. */
    int enter() {
        counts[turn]++;
        return turn;
    }

    /** A request has ended. */
    void leave(int entered) {
        if (--counts[entered] == 0 && waiting != null && entered != turn) {
            Runnable task = waiting;
            waiting = null;
            task.run();
        }
    }

    /** Whether nothing is under way. */
    public boolean isEmpty() {
        return counts[0] + counts[1] == 0;
    }

    /** Runs a task when all that is under way now has ended: at once if nothing is. The one before has been run. */
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
