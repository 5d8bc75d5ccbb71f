package org.blktap.events;

import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.locks.LockSupport;
import org.blktap.api.event.Event;
import org.blktap.api.event.Events;
import org.blktap.api.settings.Directories;
import org.osgi.service.component.annotations.Activate;
import org.osgi.service.component.annotations.Component;
import org.osgi.service.component.annotations.Deactivate;
import org.osgi.service.component.annotations.Modified;
import org.osgi.service.component.annotations.Reference;

/**
 * The service {@link Events}. Publishers put events into a bounded queue without a lock. One thread numbers them,
 * writes them to the file, and then shows them to readers, so that no reader sees an event whose number would be given
 * again after a kill.
 */
@Component(service = Events.class, configurationPid = EventSettings.PID)
public final class EventLog implements Events {
    private static final int QUEUED = 1024;
    private static final int BATCH = 256;
    private static final long STOP_MILLIS = TimeUnit.SECONDS.toMillis(5);

    private final ConcurrentLinkedQueue<Pending> queue = new ConcurrentLinkedQueue<>();
    /** The length of the queue, which itself could only count its elements. */
    private final AtomicInteger queued = new AtomicInteger();

    private final AtomicLong lost = new AtomicLong();
    private final History history;
    private final EventFile file;
    private final Thread writer = new Thread(this::write, "blktap-events");
    private volatile int kept;
    private volatile boolean stopped;

    @Activate
    public EventLog(@Reference Directories directories, EventSettings settings) {
        this(directories.data().resolve("events"), settings.history());
    }

    EventLog(Path directory, int kept) {
        this.kept = kept;
        history = new History(kept);
        file = new EventFile(directory);
        history.add(file.open());
        writer.setDaemon(true);
        writer.start();
    }

    @Modified
    public void configure(EventSettings settings) {
        kept = settings.history();
        history.limit(kept);
    }

    @Override
    public void publish(String kind, String subject, String text, Map<String, ?> details) {
        if (queued.incrementAndGet() > QUEUED) {
            queued.decrementAndGet();
            lost.incrementAndGet();
        } else {
            queue.add(new Pending(System.currentTimeMillis(), kind, subject, text, details));
        }
        LockSupport.unpark(writer);
    }

    @Override
    public List<Event> read(long after, int most, Duration wait) throws InterruptedException {
        return history.read(after, Math.max(1, most), wait.toNanos());
    }

    @Override
    public long last() {
        return history.last();
    }

    private void write() {
        while (true) {
            // read before the queue, so that all that was published before the end is written
            boolean last = stopped;
            List<Event> events = take();
            if (!events.isEmpty()) {
                file.append(events, kept);
                history.add(events);
            } else if (last) {
                file.close();
                return;
            } else {
                LockSupport.park(this);
            }
        }
    }

    private List<Event> take() {
        List<Event> events = new ArrayList<>();
        long number = file.next();
        long dropped = lost.getAndSet(0);
        if (dropped > 0) {
            events.add(new Pending(
                            System.currentTimeMillis(),
                            Event.LOST,
                            "",
                            dropped + " events came faster than they could be recorded, and are lost",
                            Map.of("count", dropped))
                    .numbered(number++));
        }
        while (events.size() < BATCH) {
            Pending next = queue.poll();
            if (next == null) {
                break;
            }
            queued.decrementAndGet();
            events.add(next.numbered(number++));
        }
        return events;
    }

    /** Writes what was published, and ends the waits of readers. */
    @Deactivate
    void stop() throws InterruptedException {
        stopped = true;
        LockSupport.unpark(writer);
        writer.join(STOP_MILLIS);
        history.end();
    }
}
