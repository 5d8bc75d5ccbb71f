package org.blktap.image;

import java.util.List;

/** The spaces of several files as one. None of them reuses clusters. */
public final class SeveralSpaces implements Space {
    private final Space[] spaces;
    private final Pool<Turns> turns = new Pool<>(pool -> new Turns());

    public SeveralSpaces(List<? extends Space> spaces) {
        this.spaces = spaces.toArray(new Space[0]);
        for (Space space : this.spaces) {
            if (space.inFlight() != null) {
                throw new IllegalArgumentException("a space that reuses clusters is the only one of its disk");
            }
        }
    }

    @Override
    public int takeFlushError() {
        // the errors of all: one flush reports all failures before it
        int first = 0;
        for (Space space : spaces) {
            int error = space.takeFlushError();
            first = first == 0 ? error : first;
        }
        return first;
    }

    @Override
    public void whenIdle(Runnable task) {
        turns.take().start(task);
    }

    /** Waits for one space after the other. Pooled. */
    private final class Turns implements Runnable {
        private Runnable task;
        private int next;

        private void start(Runnable whenAll) {
            task = whenAll;
            next = 0;
            run();
        }

        @Override
        public void run() {
            if (next < spaces.length) {
                spaces[next++].whenIdle(this);
                return;
            }
            Runnable ended = task;
            task = null;
            turns.give(this);
            ended.run();
        }
    }
}
