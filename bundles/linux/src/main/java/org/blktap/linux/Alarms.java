package org.blktap.linux;

import java.util.PriorityQueue;
import java.util.concurrent.TimeUnit;
import org.blktap.api.engine.IoLoop.Timer;

/** The timers of a loop, the next one first. One thread. */
final class Alarms {
    private final PriorityQueue<Alarm> waiting = new PriorityQueue<>();

    private static final class Alarm implements Timer, Comparable<Alarm> {
        final long due;
        Runnable task;

        Alarm(long due, Runnable task) {
            this.due = due;
            this.task = task;
        }

        @Override
        public void cancel() {
            task = null;
        }

        @Override
        public int compareTo(Alarm other) {
            return Long.signum(due - other.due);
        }
    }

    Timer add(Runnable task, long milliseconds) {
        Alarm alarm = new Alarm(System.nanoTime() + TimeUnit.MILLISECONDS.toNanos(milliseconds), task);
        waiting.add(alarm);
        return alarm;
    }

    /** Removes the next timer that is due and was not cancelled; returns its task, or null. */
    Runnable takeDue(long now) {
        while (!waiting.isEmpty() && waiting.peek().due - now <= 0) {
            Runnable task = waiting.poll().task;
            if (task != null) {
                return task;
            }
        }
        return null;
    }

    /** Returns the milliseconds until the next timer is due, rounded up; -1 if there is none. */
    int millisecondsLeft(long now) {
        Alarm first = waiting.peek();
        if (first == null) {
            return -1;
        }
        long nanos = first.due - now;
        return nanos <= 0 ? 0 : (int) Math.min(Integer.MAX_VALUE, nanos / 1_000_000 + 1);
    }
}
