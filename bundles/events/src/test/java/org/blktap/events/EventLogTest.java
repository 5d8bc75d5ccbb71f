package org.blktap.events;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.blktap.api.event.Event;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

@Timeout(120)
class EventLogTest {
    private static final Duration LONG = Duration.ofSeconds(60);

    @TempDir
    Path directory;

    private static List<Event> await(EventLog log, long after, int count) throws InterruptedException {
        List<Event> all = new ArrayList<>();
        long at = after;
        while (all.size() < count) {
            for (Event each : log.read(at, 1000, LONG)) {
                all.add(each);
                at = each.sequence();
            }
        }
        return all;
    }

    private static void publish(EventLog log, String subject) {
        log.publish("test", subject, "text", Map.of("n", 1, "name", "x", "yes", true));
    }

    @Test
    void eventsSurviveARestartAndNumbersGoOn() throws Exception {
        EventLog log = new EventLog(directory.resolve("events"), 100);
        publish(log, "a");
        // a name with a byte that is not UTF-8
        publish(log, "b\udce9");
        List<Event> before = await(log, 0, 2);
        log.stop();
        EventLog again = new EventLog(directory.resolve("events"), 100);
        List<Event> after = await(again, -1, 2);
        assertEquals(before.size(), after.size());
        assertEquals("b\udce9", after.get(1).subject());
        assertEquals(Map.of("n", 1L, "name", "x", "yes", true), after.get(0).details());
        publish(again, "c");
        assertEquals(3, await(again, 2, 1).get(0).sequence());
        again.stop();
    }

    @Test
    void theFilesAreBounded() throws Exception {
        Path events = directory.resolve("events");
        EventLog log = new EventLog(events, 100);
        for (int i = 0; i < 1000; i++) {
            publish(log, "a" + i);
            if (i % 100 == 99) {
                await(log, i, 1);
            }
        }
        await(log, 999, 1);
        log.stop();
        try (var files = Files.list(events)) {
            assertEquals(2, files.count());
        }
        assertTrue(Files.readAllLines(events.resolve("current")).size() <= 400);
        assertTrue(Files.readAllLines(events.resolve("earlier")).size() <= 400);
        EventLog again = new EventLog(events, 100);
        List<Event> kept = await(again, -1, 100);
        assertEquals(901, kept.get(0).sequence(), "the last hundred");
        again.stop();
    }

    @Test
    void aLineThatWasCutOffIsLeftOut() throws Exception {
        Path events = directory.resolve("events");
        EventLog log = new EventLog(events, 100);
        publish(log, "a");
        await(log, 0, 1);
        log.stop();
        Files.writeString(
                events.resolve("current"),
                Files.readString(events.resolve("current")) + "{\"sequence\":2,\"timeMillis\":17,\"ki");
        EventLog again = new EventLog(events, 100);
        publish(again, "b");
        assertEquals("b", await(again, 1, 1).get(0).subject());
        again.stop();
        EventLog third = new EventLog(events, 100);
        assertEquals(2, await(third, -1, 2).size());
        third.stop();
    }

    @Test
    void afterARestartOfTheHostNoNumberIsGivenTwice() {
        Path events = directory.resolve("events");
        EventFile file = new EventFile(events, "boot 1");
        assertEquals(List.of(), file.open());
        file.append(List.of(new Event(1, 1, "test", "", "", Map.of())), 100);
        file.close();
        EventFile same = new EventFile(events, "boot 1");
        same.open();
        assertEquals(2, same.next());
        same.close();
        EventFile other = new EventFile(events, "boot 2");
        assertEquals(1, other.open().size());
        assertTrue(other.next() > 1000);
        long next = other.next();
        other.close();
        EventFile again = new EventFile(events, "boot 2");
        again.open();
        assertTrue(again.next() >= next || again.next() == 2, "nothing was published under those numbers");
        again.close();
    }

    @Test
    void aFullDiskKeepsNobodyFromReading() throws Exception {
        Path events = directory.resolve("events");
        Files.writeString(events, "a file where the directory would be");
        EventLog log = new EventLog(events, 100);
        publish(log, "a");
        assertEquals("a", await(log, 0, 1).get(0).subject());
        Files.delete(events);
        Files.createDirectory(events);
        publish(log, "b");
        await(log, 1, 1);
        log.stop();
        assertTrue(Files.readString(events.resolve("current")).contains("\"subject\":\"b\""), "it is tried again");
    }

    @Test
    void partsAreBounded() throws Exception {
        EventLog log = new EventLog(directory.resolve("events"), 100);
        Map<String, Object> many = new HashMap<>();
        for (int i = 0; i < 1000; i++) {
            many.put("key" + i, "v".repeat(100_000));
        }
        log.publish("k\u001b".repeat(1000), "s".repeat(100_000), "t".repeat(1 << 20), many);
        Event event = await(log, 0, 1).get(0);
        assertTrue(
                event.toString().length() < 20_000,
                "an event has " + event.toString().length() + " characters");
        log.stop();
    }

    @Test
    void aFloodIsCountedAndBlocksNobody() throws Exception {
        EventLog log = new EventLog(directory.resolve("events"), 100_000);
        List<Thread> publishers = new ArrayList<>();
        for (int i = 0; i < 4; i++) {
            Thread each = new Thread(() -> {
                for (int n = 0; n < 20_000; n++) {
                    publish(log, "a");
                }
            });
            publishers.add(each);
            each.start();
        }
        for (Thread each : publishers) {
            each.join();
        }
        log.publish("last", "", "", Map.of());
        long seen = 0;
        long at = 0;
        boolean last = false;
        while (!last) {
            for (Event each : log.read(at, 1000, LONG)) {
                assertEquals(at + 1, each.sequence());
                at = each.sequence();
                seen += each.kind().equals(Event.LOST) ? (Long) each.details().get("count") : 1;
                last |= each.kind().equals("last");
            }
            // the last one may be among the lost
            last |= seen == 80_001;
        }
        assertEquals(80_001, seen);
        log.stop();
    }
}
