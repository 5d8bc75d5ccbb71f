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
 * The services of one kind that are present, by the name in one of their properties; of several with one name, the
 * one of highest ranking counts. Thread-safe.
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
    record Entry<T>(String name, ServiceReference<?> reference, T service) {
    }

    Registry(String nameProperty, String summaryProperty) {
        this.nameProperty = nameProperty;
        this.summaryProperty = summaryProperty;
    }

    /** Adds a service; null if it lacks the property, so that it counts as absent. */
    synchronized Entry<T> add(ServiceReference<?> reference, T service) {
        if (!(reference.getProperty(nameProperty) instanceof String name)) {
            return null;
        }
        Entry<T> entry = new Entry<>(name, reference, service);
        entries.put(reference, entry);
        gone.remove(name);
        notifyAll();
        return entry;
    }

    synchronized Entry<T> remove(ServiceReference<?> reference) {
        Entry<T> removed = entries.remove(reference);
        if (removed != null && get(removed.name()) == null) {
            gone.put(removed.name(), System.nanoTime());
        }
        return removed;
    }

    /**
     * The service of a name, or null. If it went only seconds ago, its bundle is being replaced: then waits for it to come back, ten seconds
     * from when it went. Not for a loop.
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
                // ascending order: the last is the one of highest ranking
                best = entry;
            }
        }
        return best;
    }

    /** The service of highest ranking, or null. */
    synchronized Entry<T> best() {
        return entries.isEmpty() ? null : entries.lastEntry().getValue();
    }

    /** Those that count, by name. */
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
        return new ServiceStatus(entry.name(), summary == null ? "" : summary.toString(),
                bundle == null ? "" : bundle.getSymbolicName() + " " + bundle.getVersion());
    }

    /** The names, for messages. */
    synchronized String names() {
        return entries.isEmpty() ? "none" : String.join(", ", entries.values().stream().map(Entry::name).sorted().distinct()
                .toList());
    }
}
