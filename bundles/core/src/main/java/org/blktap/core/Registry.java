package org.blktap.core;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.TimeUnit;
import org.blktap.api.control.Attachments.ServiceStatus;
import org.osgi.framework.ServiceReference;

/**
 * The services of one kind that are present, by the name in one of their properties; of several with one name, the one
 * of highest ranking counts. Thread-safe.
 *
 * @param <T> the service's type
 */
final class Registry<T> {
    /** A bundle that is replaced is away for a second or two. */
    private static final long REPLACED_NANOS = TimeUnit.SECONDS.toNanos(10);

    private final String nameProperty;
    private final String summaryProperty;
    private final TreeMap<ServiceReference<?>, Entry<T>> entries = new TreeMap<>();
    /** When the last service of a name went, of those that have gone. */
    private final Map<String, Long> gone = new HashMap<>();

    /** A service that is present. */
    record Entry<T>(String name, ServiceReference<?> reference, T service) {}

    private volatile Follower<T> follower;

    /** Called, without a lock, for each service that comes and goes. */
    interface Follower<T> {
        /** Must not wait for disks: a service's registration would wait as well. */
        void came(Entry<T> service);

        /** Returns when nothing of the service is in use, or was cut off from what did not release it in time. */
        void goes(Entry<T> service);
    }

    Registry(String nameProperty, String summaryProperty) {
        this.nameProperty = nameProperty;
        this.summaryProperty = summaryProperty;
    }

    /** Sets what is called from now on, first for all that are present; null for nothing. */
    void follow(Follower<T> by) {
        follower = by;
        if (by != null) {
            all().forEach(by::came);
        }
    }

    /** Adds a service. One that lacks the property counts as absent. */
    void add(ServiceReference<?> reference, T service) {
        if (reference.getProperty(nameProperty) instanceof String name) {
            Entry<T> entry = new Entry<>(name, reference, service);
            enter(entry);
            Follower<T> to = follower;
            if (to != null) {
                to.came(entry);
            }
        }
    }

    private synchronized void enter(Entry<T> entry) {
        entries.put(entry.reference(), entry);
        gone.remove(entry.name());
        notifyAll();
    }

    /** Removes a service, and waits until it is not in use any more. */
    void remove(ServiceReference<?> reference) {
        Entry<T> removed = takeOut(reference);
        Follower<T> to = follower;
        if (removed != null && to != null) {
            to.goes(removed);
        }
    }

    private synchronized Entry<T> takeOut(ServiceReference<?> reference) {
        Entry<T> removed = entries.remove(reference);
        if (removed != null && get(removed.name()) == null) {
            gone.put(removed.name(), System.nanoTime());
        }
        return removed;
    }

    /** All services that are present. */
    synchronized List<Entry<T>> all() {
        return List.copyOf(entries.values());
    }

    /**
     * The service of a name, or null. If it went only seconds ago, its bundle is being replaced: then waits for it to
     * come back, ten seconds from when it went. Not for a loop.
     */
    synchronized Entry<T> awaited(String name) {
        while (true) {
            Entry<T> found = get(name);
            Long since = gone.get(name);
            long left = since == null ? 0 : since + REPLACED_NANOS - System.nanoTime();
            if (found != null || left <= 0) {
                return found;
            }
            try {
                TimeUnit.NANOSECONDS.timedWait(this, left);
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
                return null;
            }
        }
    }

    /** {@link #best}, waited for as {@link #awaited} does. */
    synchronized Entry<T> awaitedBest() {
        Entry<T> found = best();
        if (found == null) {
            for (String name : List.copyOf(gone.keySet())) {
                awaited(name);
            }
            found = best();
        }
        return found;
    }

    /** The service of a name, or null. */
    synchronized Entry<T> get(String name) {
        Entry<T> best = null;
        for (Entry<T> entry : entries.values()) {
            if (entry.name().equals(name)) {
                // ascending order: the last one has the highest ranking
                best = entry;
            }
        }
        return best;
    }

    /** The service of highest ranking, or null. */
    synchronized Entry<T> best() {
        return entries.isEmpty() ? null : entries.lastEntry().getValue();
    }

    /** For each name, the service of highest ranking. */
    synchronized List<ServiceStatus> list() {
        Map<String, ServiceStatus> byName = new TreeMap<>();
        for (Entry<T> entry : entries.values()) {
            byName.put(entry.name(), status(entry));
        }
        return new ArrayList<>(byName.values());
    }

    /** All, highest ranking first. */
    synchronized List<ServiceStatus> ranked() {
        Map<String, ServiceStatus> ranked = new LinkedHashMap<>();
        for (Entry<T> entry : entries.descendingMap().values()) {
            ranked.putIfAbsent(entry.name(), status(entry));
        }
        return new ArrayList<>(ranked.values());
    }

    private ServiceStatus status(Entry<T> entry) {
        Object summary = entry.reference().getProperty(summaryProperty);
        var bundle = entry.reference().getBundle();
        return new ServiceStatus(
                entry.name(),
                summary == null ? "" : summary.toString(),
                bundle == null ? "" : bundle.getSymbolicName() + " " + bundle.getVersion());
    }

    /** The names, for messages. */
    synchronized String names() {
        return entries.isEmpty()
                ? "none"
                : String.join(
                        ", ",
                        entries.values().stream()
                                .map(Entry::name)
                                .sorted()
                                .distinct()
                                .toList());
    }
}
