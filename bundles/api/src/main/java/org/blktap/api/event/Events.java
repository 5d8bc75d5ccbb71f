package org.blktap.api.event;

import java.time.Duration;
import java.util.List;
import java.util.Map;
import org.osgi.annotation.versioning.ProviderType;

/**
 * The events of the daemon: a service by which any bundle publishes them and reads them. The history is bounded; a
 * reader that is behind it gets a note of those that it has missed.
 */
@ProviderType
public interface Events {
    /**
     * Publishes an event. Any thread, also a loop: never waits, and allocates only the event. For things that are rare:
     * what a client, guest or image can cause any number of times must be limited by the publisher. Events that come
     * faster than they can be recorded are dropped and counted, see {@link Event#LOST}.
     *
     * @param kind of {@link Event}, or the bundle's own
     * @param subject an attachment's id, a bundle's symbolic name, or empty
     * @param text one line for people; long texts are cut
     * @param details texts, numbers and truth values, at most 16; not changed afterwards
     */
    void publish(String kind, String subject, String text, Map<String, ?> details);

    /**
     * Returns the events after a number, the oldest first. Blocks; not for a loop. To follow the events, pass the
     * sequence of the last event that was returned.
     *
     * <p>If events after the number are not kept any more, an event of the kind {@link Event#GAP} stands in their
     * place.
     *
     * @param after the last number that the reader knows; negative to begin with the oldest event that is kept
     * @param most how many are returned at most, at least 1
     * @param wait how long to wait if there are none
     * @return empty if none has come
     * @throws IllegalStateException if the service has ended
     */
    List<Event> read(long after, int most, Duration wait) throws InterruptedException;

    /** The number of the last event; 0 if there has been none. */
    long last();
}
