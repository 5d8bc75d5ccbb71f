package org.blktap.events;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import org.blktap.api.event.Event;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

@Timeout(60)
class HistoryTest {
    private static final long MINUTE = TimeUnit.MINUTES.toNanos(1);
    private final History history = new History(5);

    private static Event event(long sequence) {
        return new Event(sequence, sequence, "test", "", "event " + sequence, Map.of());
    }

    private void add(long... sequences) {
        for (long each : sequences) {
            history.add(List.of(event(each)));
        }
    }

    private List<String> read(long after, int most) throws InterruptedException {
        List<String> read = new ArrayList<>();
        for (Event each : history.read(after, most, 0)) {
            read.add(
                    each.kind().equals(Event.GAP)
                            ? "gap " + each.details().get("from") + "-"
                                    + each.details().get("to") + " at " + each.sequence()
                            : Long.toString(each.sequence()));
        }
        return read;
    }

    @Test
    void aReaderGetsEachEventOnce() throws Exception {
        assertEquals(List.of(), read(0, 10));
        add(1, 2, 3);
        assertEquals(List.of("1", "2"), read(0, 2));
        assertEquals(List.of("3"), read(2, 2));
        assertEquals(List.of(), read(3, 2));
    }

    @Test
    void aReaderThatIsBehindIsToldTheNumbers() throws Exception {
        add(1, 2, 3, 4, 5, 6, 7, 8);
        assertEquals(List.of("gap 2-3 at 3", "4", "5", "6", "7", "8"), read(1, 10));
        assertEquals(List.of("gap 2-3 at 3"), read(1, 1), "and continues after the gap");
        assertEquals(List.of("4"), read(3, 1));
        assertEquals(List.of("4", "5"), read(-1, 2), "who begins with the oldest has missed nothing");
    }

    @Test
    void numbersThatWereLeftOutAreAGap() throws Exception {
        add(1, 2, 1000);
        assertEquals(List.of("2", "gap 3-999 at 999", "1000"), read(1, 10));
        assertEquals(List.of("gap 8-999 at 999", "1000"), read(7, 10), "a power failure took them");
    }

    @Test
    void aReaderOfAnotherHistoryBeginsAnew() throws Exception {
        assertEquals(List.of("gap 1-0 at 0"), read(500, 10));
        add(1, 2);
        List<Event> told = history.read(500, 10, MINUTE);
        assertEquals(true, told.get(0).details().get("reset"));
        assertEquals(List.of("1", "2"), read(told.get(0).sequence(), 10));
    }

    @Test
    void aWaitEndsWithAnEventAndWithTheEnd() throws Exception {
        CompletableFuture<List<Event>> waiting = CompletableFuture.supplyAsync(() -> {
            try {
                return history.read(0, 10, 10 * MINUTE);
            } catch (InterruptedException e) {
                throw new IllegalStateException(e);
            }
        });
        Thread.sleep(20);
        add(1);
        assertEquals(1, waiting.get().size());
        history.end();
        assertThrows(IllegalStateException.class, () -> history.read(1, 10, MINUTE));
    }

    @Test
    void fewerEventsAreKeptAtOnce() throws Exception {
        add(1, 2, 3, 4, 5);
        history.limit(2);
        assertEquals(List.of("4", "5"), read(-1, 10));
    }
}
