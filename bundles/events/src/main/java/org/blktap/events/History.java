package org.blktap.events;

import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Collection;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import org.blktap.api.event.Event;

/** The last events, in order of their numbers, which may have gaps. Thread-safe. */
final class History {
    private final ArrayDeque<Event> events = new ArrayDeque<>();
    private int most;
    private boolean ended;

    History(int most) {
        this.most = most;
    }

    /** Changes how many events are kept. */
    synchronized void limit(int events) {
        most = events;
        shrink();
    }

    synchronized void add(Collection<Event> more) {
        events.addAll(more);
        shrink();
        notifyAll();
    }

    private void shrink() {
        while (events.size() > most) {
            events.removeFirst();
        }
    }

    /** Wakes readers; there will be no more events. */
    synchronized void end() {
        ended = true;
        notifyAll();
    }

    synchronized long last() {
        return events.isEmpty() ? 0 : events.getLast().sequence();
    }

    /** Reads events as {@link org.blktap.api.event.Events#read} does. */
    synchronized List<Event> read(long after, int count, long waitNanos) throws InterruptedException {
        long end = System.nanoTime() + waitNanos;
        while (true) {
            List<Event> found = after(after, count);
            long left = end - System.nanoTime();
            if (ended) {
                throw new IllegalStateException("the history of events has ended");
            }
            if (!found.isEmpty() || left <= 0) {
                return found;
            }
            TimeUnit.NANOSECONDS.timedWait(this, left);
        }
    }

    private List<Event> after(long after, int count) {
        List<Event> found = new ArrayList<>();
        if (after > last()) {
            found.add(reset(after));
            return found;
        }
        long expected = after < 0 ? Long.MAX_VALUE : after + 1;
        for (Event each : newerThan(after)) {
            if (found.size() >= count) {
                break;
            }
            if (each.sequence() > expected) {
                found.add(gap(expected, each));
            }
            if (found.size() < count) {
                found.add(each);
            }
            expected = each.sequence() + 1;
        }
        return found;
    }

    /** Returns the events after a number. Looks from the end, since a reader that follows has seen nearly all. */
    private Collection<Event> newerThan(long after) {
        ArrayDeque<Event> newer = new ArrayDeque<>();
        for (var each = events.descendingIterator(); each.hasNext(); ) {
            Event event = each.next();
            if (event.sequence() <= after) {
                break;
            }
            newer.addFirst(event);
        }
        return newer;
    }

    private static Event gap(long from, Event next) {
        long to = next.sequence() - 1;
        Map<String, Object> numbers = new LinkedHashMap<>();
        numbers.put("from", from);
        numbers.put("to", to);
        return new Event(
                to,
                next.timeMillis(),
                Event.GAP,
                "",
                "missed: " + (from == to ? "event " + from + " is" : "events " + from + " to " + to + " are")
                        + " not kept any more",
                numbers);
    }

    /**
     * Returns the event for a reader whose number is not from this history, for example after the data directory was
     * removed.
     */
    private Event reset(long after) {
        long before = events.isEmpty() ? 0 : events.getFirst().sequence() - 1;
        return new Event(
                before,
                System.currentTimeMillis(),
                Event.GAP,
                "",
                "missed: the history has begun anew; it ends at " + last() + ", and " + after + " was asked for",
                Map.of("reset", true, "from", before + 1, "to", before));
    }
}
