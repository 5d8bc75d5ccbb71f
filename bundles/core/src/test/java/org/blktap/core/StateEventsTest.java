package org.blktap.core;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.lang.reflect.Proxy;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.blktap.api.control.AttachRequest;
import org.blktap.api.control.StateReason;
import org.blktap.api.control.StateReason.Kind;
import org.blktap.api.disk.DiskException;
import org.blktap.api.disk.TapSpec;
import org.blktap.api.engine.IoLoop;
import org.blktap.api.event.Event;
import org.blktap.api.event.Events;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** Which events an attachment's states and clients make. */
class StateEventsTest {
    private static final StateReason NO_DRIVER = new StateReason(Kind.NO_DRIVER, "waiting for the driver of tap:x");

    private final List<String> published = new ArrayList<>();
    private final Announcements announcements = new Announcements();
    private AttachRequest request;

    @BeforeEach
    void collect() throws DiskException {
        request = new AttachRequest(TapSpec.parse("tap:x:/a"), "a", List.of(), false, Map.of());
        announcements.events = new Events() {
            @Override
            public void publish(String kind, String subject, String text, Map<String, ?> details) {
                published.add(kind + " " + subject + ": " + details.get(kind.equals(Event.PARKED) ? "reason" : "none"));
            }

            @Override
            public List<Event> read(long after, int most, Duration wait) {
                return List.of();
            }

            @Override
            public long last() {
                return 0;
            }
        };
    }

    private List<String> taken() {
        List<String> all = List.copyOf(published);
        published.clear();
        return all;
    }

    @Test
    void anAttachThatFailsIsNoEvent() {
        StateEvents events = new StateEvents("a", false, announcements);
        events.at(new Life.Parked(new StateReason(Kind.OPEN_FAILED, "no such file")), request);
        events.detached();
        assertEquals(List.of(), taken());
    }

    @Test
    void parksAndResumesAreToldOnce() {
        StateEvents events = new StateEvents("a", false, announcements);
        events.at(new Life.Running(), request);
        events.attached(request, new Life.Running());
        assertEquals(List.of("attached a: null"), taken());
        events.at(new Life.Parking(NO_DRIVER), request);
        events.at(new Life.Parked(NO_DRIVER), request);
        events.at(new Life.Opening(), request);
        events.at(new Life.Parked(NO_DRIVER), request);
        assertEquals(List.of("parked a: no_driver"), taken(), "a second try with the same end is no event");
        events.at(new Life.Running(), request);
        assertEquals(List.of("resumed a: null"), taken());
        events.detached();
        assertEquals(List.of("detached a: null"), taken());
    }

    @Test
    void aPauseOfAChangeIsNoPark() {
        StateEvents events = new StateEvents("a", false, announcements);
        events.attached(request, new Life.Running());
        taken();
        events.at(new Life.Parked(new StateReason(Kind.RESIZING, "being resized")), request);
        events.at(new Life.Running(), request);
        assertEquals(List.of(), taken());
        events.at(new Life.Parked(new StateReason(Kind.IMAGE_CHANGE, "being switched")), request);
        events.at(new Life.Parked(new StateReason(Kind.OPEN_FAILED, "cannot be opened")), request);
        assertEquals(List.of("parked a: open_failed"), taken(), "unless it does not end");
    }

    @Test
    void afterARestartAVmIsServedAgain() {
        StateEvents events = new StateEvents("a", true, announcements);
        events.at(new Life.Opening(), request);
        events.at(new Life.Running(), request);
        assertEquals(List.of("resumed a: null"), taken());
    }

    @Test
    void withoutAHistoryNothingIsPublished() {
        announcements.events = null;
        StateEvents events = new StateEvents("a", true, announcements);
        events.at(new Life.Running(), request);
        assertEquals(List.of(), taken());
    }

    @Test
    void aClientThatConnectsAgainAndAgainIsCounted() {
        ArrayDeque<Runnable> timers = new ArrayDeque<>();
        IoLoop loop = (IoLoop) Proxy.newProxyInstance(
                StateEventsTest.class.getClassLoader(), new Class<?>[] {IoLoop.class}, (proxy, method, arguments) -> {
                    assertEquals("schedule", method.getName());
                    timers.add((Runnable) arguments[0]);
                    return null;
                });
        ClientEvents events = new ClientEvents("a", loop, announcements);
        for (int i = 0; i < 1000; i++) {
            events.connected("nbd", "");
            events.disconnected("nbd", "");
        }
        int burst = taken().size();
        assertTrue(burst <= 20, "events of a burst: " + burst);
        assertEquals(1, timers.size());
        timers.remove().run();
        assertEquals(1, taken().size(), "the others are one event");
    }
}
