package org.blktap.node.xen;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.blktap.api.engine.Pace;
import org.blktap.api.memory.NativeBuffer;
import org.blktap.api.testkit.Eventually;
import org.blktap.linux.Mapping;
import org.blktap.linux.NativeMemoryService;
import org.blktap.node.xen.SimFrontend.Io;
import org.blktap.node.xen.SimFrontend.Shape;
import org.blktap.ring.Abi;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** What one guest takes is bounded, and leaves enough for the others. */
class GuestLimitsTest {
    @TempDir
    Path runDir;

    private final Mapping content = Mapping.anonymous(16 << 20);
    private TestHost host;

    @BeforeEach
    void boot() throws Exception {
        host = new TestHost(runDir);
    }

    @AfterEach
    void shutDown() throws Exception {
        host.assertNothingLeft();
        assertEquals(
                List.of(0L, 0L, 0L, 0L),
                List.of(
                        host.limits.entries().taken(),
                        host.limits.pages().taken(),
                        host.limits.mappings().taken(),
                        host.limits.buffers().taken()));
        host.close();
        content.close();
    }

    private static DomainBudget budget(long most, long domainMost, long reserve) {
        return new DomainBudget(most, domainMost, reserve);
    }

    private static DomainBudget plenty() {
        return budget(1 << 30, 1 << 30, 0);
    }

    @XenSettings(entries = 100, domain_entries = 60, mappings = 40, buffers = 2, domain_buffers = 1)
    private static final class Fewer {}

    @Test
    void limitsFollowTheSettings() {
        GuestLimits limits = TestHost.limits();
        assertEquals(
                List.of(65_536L, 16_384L, 32_765L, 4_095L),
                List.of(
                        limits.entries().most(),
                        limits.entries().domainMost(),
                        limits.mappings().most(),
                        limits.mappings().domainMost()));
        assertTrue(limits.entries().take(3, 80, true));
        limits.configure(Fewer.class.getAnnotation(XenSettings.class), 65_530);
        assertEquals(
                List.of(100L, 60L, 40L, 5L, 2L << 20, 1L << 20),
                List.of(
                        limits.entries().most(),
                        limits.entries().domainMost(),
                        limits.mappings().most(),
                        limits.mappings().domainMost(),
                        limits.buffers().most(),
                        limits.buffers().domainMost()));
        assertTrue(!limits.entries().take(3, 1, true)
                && limits.entries().take(4, 20, true)
                && !limits.entries().take(4, 1, true));
    }

    @Test
    void aBudgetKeepsTheReserveAndEachDomainsShare() {
        DomainBudget budget = budget(100, 60, 20);
        assertTrue(budget.take(1, 60, false));
        assertFalse(budget.take(1, 1, true), "its share");
        assertFalse(budget.take(2, 21, false), "the reserve");
        assertTrue(budget.take(2, 20, false));
        assertTrue(budget.take(3, 20, true));
        assertFalse(budget.take(4, 1, true));
        budget.giveBack(1, 60);
        assertTrue(budget.take(4, 40, false));
        assertFalse(budget.take(4, Long.MAX_VALUE, true));
        budget.giveBack(2, 20);
        budget.giveBack(3, 20);
        budget.giveBack(4, 40);
        assertEquals(0, budget.taken());
    }

    @Test
    void theVerbShowsWhatIsTakenOfEachLimit() {
        DomainBudget pages = budget(100, 60, 20);
        assertTrue(pages.take(7, 30, false));
        assertTrue(pages.take(3, 5, false));
        List<XenLimitsVerb.Usage> usages =
                XenLimitsVerb.usages(new GuestLimits(budget(1, 1, 0), pages, budget(2, 1, 0), budget(3, 1, 0)));
        assertEquals(
                List.of(
                        new XenLimitsVerb.Usage("entries", null, 0, 1),
                        new XenLimitsVerb.Usage("pages", null, 35, 100),
                        new XenLimitsVerb.Usage("pages", 3, 5, 60),
                        new XenLimitsVerb.Usage("pages", 7, 30, 60),
                        new XenLimitsVerb.Usage("mappings", null, 0, 2),
                        new XenLimitsVerb.Usage("buffers", null, 0, 3)),
                usages);
    }

    /** Guests that ask for the largest rings there are leave room for those of the usual size. */
    @Test
    void ringsOfAllGuestsTogether() throws Exception {
        host.limits = new GuestLimits(budget(4096, 2048, 1024), plenty(), plenty(), plenty());
        List<XenTestDisk> disks = new ArrayList<>();
        List<SimFrontend> served = new ArrayList<>();
        int refused = 0;
        for (int domain = 1; domain <= 6; domain++) {
            SimFrontend greedy = new SimFrontend(host, host.newGuest(domain));
            XenTestDisk disk = new XenTestDisk(host, domain, content);
            disks.add(disk);
            greedy.state(XenbusState.INITIALISING);
            greedy.awaitBackend(XenbusState.INIT_WAIT);
            greedy.newRings(new Shape(Abi.X86_64, 4, 3, true));
            greedy.state(XenbusState.INITIALISED);
            Eventually.holds(
                    "an answer",
                    () -> disk.state() == XenbusState.CONNECTED.ordinal()
                            || disk.state() == XenbusState.CLOSING.ordinal());
            if (disk.state() == XenbusState.CLOSING.ordinal()) {
                refused++;
                String why = disk.call(() -> (String) disk.node.status().get("last trouble"));
                assertTrue(why.contains("1536 entries") && why.contains("domain.entries"), why);
            } else {
                greedy.state(XenbusState.CONNECTED);
                served.add(greedy);
            }
        }
        assertEquals(4, refused);
        SimFrontend usual = new SimFrontend(host, host.newGuest(9));
        try (XenTestDisk disk = new XenTestDisk(host, 9, content)) {
            usual.connect(new Shape(Abi.X86_64, 0, 4, true));
            usual.assertServed(0x900);
            assertNotNull(disk.read("sectors"));
        }
        for (SimFrontend greedy : served) {
            greedy.assertServed(0x901);
        }
        for (XenTestDisk disk : disks) {
            disk.close(true);
        }
    }

    /**
     * A guest that uses up all mappings and pages has the others' data copied at worst, and never keeps them from
     * connecting.
     */
    @Test
    void mappingsAndPages() throws Exception {
        host.limits = new GuestLimits(plenty(), budget(1024, 512, 0), budget(64, 40, 24), plenty());
        SimFrontend greedy = new SimFrontend(host, host.newGuest(5, 8192));
        SimFrontend other = new SimFrontend(host, host.newGuest(6));
        try (XenTestDisk disk = new XenTestDisk(host, 5, content);
                XenTestDisk otherDisk = new XenTestDisk(host, 6, content)) {
            greedy.connect(new Shape(Abi.X86_64, 2, 1, true));
            List<Io> kept = new ArrayList<>();
            for (int i = 0; i < 400; i++) {
                // pages that it has never used before, one by one
                Io io = greedy.io(0, 1, 8L * i, new int[] {0, 7});
                greedy.fill(io, 0, i);
                assertEquals(0, greedy.run(io));
                kept.add(io);
            }
            assertTrue(host.limits.mappings().taken(5) <= 40, "of one domain");
            assertTrue(host.limits.pages().taken(5) <= 512);
            other.connect(new Shape(Abi.X86_64, 0, 4, true));
            other.assertServed(0x600);
            for (int i = 0; i < 50; i++) {
                Io read = greedy.io(0, 0, 8L * i, new int[] {0, 0});
                assertEquals(0, greedy.run(read));
                greedy.assertFilled(read, 0, i, "read");
            }
            kept.forEach(greedy::release);
            disk.settle();
            otherDisk.settle();
        }
    }

    /** Whatever others have taken, a device has memory for its largest request. */
    @Test
    void buffersOfAllDevices() {
        DomainBudget budget = budget(4 << 20, 2 << 20, 0);
        NativeMemoryService memory = new NativeMemoryService();
        List<NativeBuffer> taken = new ArrayList<>();
        BounceBuffers[] devices = new BounceBuffers[5];
        for (int i = 0; i < devices.length; i++) {
            devices[i] = new BounceBuffers(memory, budget, i / 2);
            NativeBuffer buffer = devices[i].take(1 << 20);
            assertNotNull(buffer, "what is its own");
            taken.add(buffer);
            List<NativeBuffer> more = new ArrayList<>();
            for (NativeBuffer next = devices[i].take(1 << 20); next != null; next = devices[i].take(1 << 20)) {
                more.add(next);
            }
            // two devices a domain, of which the first takes what the domain may have
            assertEquals(i % 2 == 0 && i < 4 ? 2 : 0, more.size(), "device " + i);
            taken.addAll(more);
            for (NativeBuffer each : more) {
                devices[i].giveBack(each);
            }
        }
        assertEquals(4 << 20, budget.taken());
        assertNull(devices[4].take(1));
        devices[0].trim();
        assertEquals(2 << 20, budget.taken(), "what is given back is there for others");
        NativeBuffer small = devices[4].take(1);
        assertNotNull(small);
        devices[4].giveBack(small);
        int at = 0;
        for (BounceBuffers device : devices) {
            device.giveBack(taken.get(at));
            at += device == devices[0] || device == devices[2] ? 3 : 1;
            device.close();
        }
        assertEquals(0, budget.taken());
    }

    /**
     * What is in flight, and with it the heap of all that is behind, is bounded in pieces; what grew for a burst does
     * not stay.
     */
    @Test
    void piecesInFlight() throws Exception {
        SimFrontend many = new SimFrontend(host, host.newGuest(5, 32_768));
        try (XenTestDisk disk = new XenTestDisk(host, 5, content)) {
            many.connect(new Shape(Abi.X86_64, 4, 1, true));
            disk.onLoop(() -> disk.port.hold = true);
            int[][] parts = new int[200][];
            // no two pieces are next to each other
            Arrays.fill(parts, new int[] {0, 3});
            List<Io> requests = new ArrayList<>();
            for (int i = 0; i < 100; i++) {
                Io io = many.io(0, 0, 0, parts);
                many.put(io);
                requests.add(io);
            }
            many.push();
            Eventually.holds(
                    "as many as there is room for",
                    () -> disk.call(() -> disk.port.pending() == RequestRoom.PIECES_MOST / 200));
            disk.settle();
            assertEquals(RequestRoom.PIECES_MOST / 200, disk.call(() -> disk.port.pending()));
            disk.onLoop(() -> disk.port.hold = false);
            many.awaitAll(requests);
            assertTrue(requests.stream().allMatch(io -> io.status == 0));
        }
    }

    @Test
    void listsThatHaveGrownAreKeptUpToABound() {
        RequestRoom room = new RequestRoom();
        assertTrue(room.keep(RequestRoom.KEPT_MOST));
        assertFalse(room.keep(1));
        assertTrue(room.keep(-100));
        assertTrue(room.keep(100));
        assertTrue(room.take(RequestRoom.PIECES_MOST));
        assertFalse(room.take(1));
        long before = room.givenBack();
        room.giveBack(RequestRoom.PIECES_MOST);
        assertEquals(before + 1, room.givenBack());
        assertEquals(0, room.taken());
    }

    /** A guest that changes its state all the time gets a bounded part of the thread that serves all. */
    @Test
    void stepsOfOneDevice() {
        long[] now = {0};
        Pace pace = new Pace(Steps.AT_ONCE, Steps.MILLISECONDS, () -> now[0]);
        int steps = 0;
        for (int millisecond = 0; millisecond < 1000; millisecond++) {
            now[0] += 1_000_000;
            for (int i = 0; i < 50; i++) {
                steps += pace.now() ? 1 : 0;
            }
        }
        assertEquals(Steps.AT_ONCE + 1000 / Steps.MILLISECONDS, steps, 1);
    }
}
