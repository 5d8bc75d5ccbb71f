package org.blktap.node.xen;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;

/** The simulated store keeps the rules that {@link LibXenStoreTest} relies on. */
class SimXenStoreTest {
    private final SimXenBus bus = new SimXenBus();
    private final SimXenStore store = new SimXenStore(bus);
    private final List<String> events = new ArrayList<>();

    @Test
    void keepsTheSharedRules() throws Exception {
        new XenStoreRules(store, condition -> {
                    bus.runAll();
                    assertTrue(condition.getAsBoolean());
                })
                .all();
    }

    @Test
    void guestsMayDoWhatTheirPermissionsSay() throws Exception {
        String backend = "/local/domain/0/backend/vbd/5/51712";
        String frontend = "/local/domain/5/device/vbd/51712";
        store.write(backend + "/state", "2");
        store.permissions(backend, 0, 5);
        store.permissions(backend + "/state", 0, 5);
        store.write(frontend, "");
        store.permissions(frontend, 5, 0);
        SimXenStore guest = store.asDomain(5);
        assertEquals(5, guest.domainId());
        assertEquals("2", guest.read(backend + "/state"));
        assertThrows(IOException.class, () -> guest.write(backend + "/state", "4"));
        assertThrows(IOException.class, () -> guest.remove(backend));
        assertThrows(IOException.class, () -> guest.write(backend + "/new", ""));
        guest.write("device/vbd/51712/state", "3");
        assertEquals("3", store.read(frontend + "/state"));
        assertEquals("n5,r0", store.permissionsOf(frontend + "/state"), "inherited, and its own");
        SimXenStore other = store.asDomain(6);
        assertThrows(IOException.class, () -> other.read(frontend + "/state"));
        assertThrows(IOException.class, () -> other.read(frontend + "/absent"), "not even that it is absent");
        assertThrows(IOException.class, () -> guest.permissions(backend, 5, 0));
        guest.permissions(frontend + "/state", 5, 6);
        assertEquals("3", other.read(frontend + "/state"));
    }

    @Test
    void guestsAreNotToldOfWhatTheyMayNotRead() throws Exception {
        store.write("/secret", "");
        store.permissions("/secret", 0, 7);
        store.asDomain(7).watch("/secret", () -> events.add("7"));
        store.asDomain(8).watch("/secret", () -> events.add("8"));
        bus.runAll();
        events.clear();
        store.write("/secret", "1");
        bus.runAll();
        assertEquals(List.of("7"), events);
        store.remove("/secret");
        bus.runAll();
        assertEquals(List.of("7", "7"), events);
    }

    @Test
    void injectedConflictsAreTriedAgainAndEnd() throws Exception {
        store.injectConflicts(3);
        int[] tries = {0};
        store.transaction(tx -> {
            tries[0]++;
            tx.write("/a", "" + tries[0]);
        });
        assertEquals(4, tries[0]);
        assertEquals("4", store.read("/a"));
        assertEquals(1, store.commits());
        store.injectConflicts(Integer.MAX_VALUE);
        assertTrue(assertThrows(IOException.class, () -> store.transaction(tx -> tx.write("/a", "never")))
                .getMessage()
                .contains("EAGAIN"));
        assertEquals("4", store.read("/a"));
    }

    @Test
    void aLostStoreFailsAndItsWatchesEnd() throws Exception {
        bus.listen(new XenStoreListener() {
            @Override
            public void onConnected(XenStore s) {
                events.add("connected");
            }

            @Override
            public void onLost() {
                events.add("lost");
            }
        });
        bus.connect(store);
        bus.runAll();
        store.watch("/a", () -> events.add("changed"));
        bus.lose();
        bus.runAll();
        assertEquals(List.of("connected", "lost"), events);
        assertThrows(IOException.class, () -> store.read("/a"));
        bus.connect(new SimXenStore(bus));
        bus.runAll();
        assertNull(new SimXenStore(bus).read("/a"));
        assertEquals("connected", events.get(2));
    }
}
