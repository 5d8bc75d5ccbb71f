package org.blktap.node.xen;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.blktap.api.memory.Memory;
import org.blktap.api.testkit.Eventually;
import org.blktap.ring.Abi;
import org.blktap.ring.sim.FrontRing;

/** What Linux's blkfront does: the states, the rings, and requests with their pages. For the test's thread. */
final class SimFrontend {
    /**
     * How it uses the device.
     *
     * @param order of each ring's pages
     * @param persistent whether pages stay granted
     */
    record Shape(Abi abi, int order, int queues, boolean persistent) {
        static final Shape PLAIN = new Shape(Abi.X86_64, 0, 1, true);
    }

    /** A page of data; of a persistent frontend granted all the time. */
    private record DataPage(int page, int gref) {}

    /** A request, until its response has been taken, and after. */
    static final class Io {
        int operation;
        /** What the ring says, which for an indirect one is another. */
        boolean indirect;

        long sector;
        int queue;
        final List<DataPage> pages = new ArrayList<>();
        final List<int[]> parts = new ArrayList<>();
        private DataPage segments;
        /** For the test: what was written, and what has to end before this begins. */
        long stamp;

        Io behind;
        /** Null until it has been answered. */
        Integer status;

        int sectors() {
            return parts.stream().mapToInt(part -> part[1] - part[0] + 1).sum();
        }
    }

    /** One ring. */
    private static final class Queue {
        FrontRing ring;
        List<Integer> pages = new ArrayList<>();
        List<Integer> grefs = new ArrayList<>();
        SimGuest.Port port;
        final Map<Long, Io> flying = new HashMap<>();
    }

    final SimGuest guest;
    private final SimXenStore store;
    private final String directory;
    private final String backend;
    private final List<DataPage> kept = new ArrayList<>();
    private Shape shape;
    private List<Queue> queues = List.of();
    private long nextId = 0x1234_5678_0000_0000L;

    SimFrontend(TestHost host, SimGuest guest) {
        this(host, guest, "tap");
    }

    SimFrontend(TestHost host, SimGuest guest, String type) {
        this.guest = guest;
        store = host.store.asDomain(guest.domain());
        directory = "/local/domain/" + guest.domain() + "/device/vbd/" + XenTestDisk.DEVICE;
        backend = "/local/domain/0/backend/" + type + "/" + guest.domain() + "/" + XenTestDisk.DEVICE;
    }

    // ---- states

    void write(String node, String value) throws Exception {
        store.write(directory + "/" + node, value);
    }

    void remove(String node) throws Exception {
        store.remove(directory + "/" + node);
    }

    void state(XenbusState state) throws Exception {
        write("state", Integer.toString(state.ordinal()));
    }

    XenbusState backendState() throws Exception {
        return XenbusState.of(store, backend);
    }

    void awaitBackend(XenbusState state) throws Exception {
        Eventually.holds("the backend is " + state + "\n" + store, () -> backendState() == state);
    }

    /** Everything from the first state to CONNECTED. */
    void connect(Shape wanted) throws Exception {
        state(XenbusState.INITIALISING);
        awaitBackend(XenbusState.INIT_WAIT);
        newRings(wanted);
        state(XenbusState.INITIALISED);
        awaitBackend(XenbusState.CONNECTED);
        state(XenbusState.CONNECTED);
    }

    /** Makes rings and writes of them. */
    void newRings(Shape wanted) throws Exception {
        shape = wanted;
        queues = new ArrayList<>();
        for (int i = 0; i < wanted.queues; i++) {
            Queue queue = new Queue();
            int first = guest.newPage();
            int pages = 1 << wanted.order;
            // the ring has to be in a row on our side too
            List<Integer> taken = new ArrayList<>(List.of(first));
            while (taken.size() < pages) {
                int next = guest.newPage();
                if (next != taken.get(taken.size() - 1) + 1) {
                    taken.clear();
                }
                taken.add(next);
            }
            queue.pages = taken;
            taken.forEach(page -> queue.grefs.add(guest.grant(page)));
            queue.ring = new FrontRing(guest.address(taken.get(0)), pages, wanted.abi);
            queue.ring.initialize();
            queue.port = guest.newPort();
            queues.add(queue);
        }
        writeRings();
    }

    /** Writes what a frontend writes of its rings. */
    void writeRings() throws Exception {
        store.transaction(tx -> {
            for (String name : tx.list(directory)) {
                if (name.matches("ring-.*|queue-.*|multi-.*|event-channel")) {
                    tx.remove(directory + "/" + name);
                }
            }
            for (int i = 0; i < queues.size(); i++) {
                String path = queues.size() == 1 ? directory : directory + "/queue-" + i;
                List<Integer> grefs = queues.get(i).grefs;
                for (int k = 0; k < grefs.size(); k++) {
                    tx.write(path + "/ring-ref" + (grefs.size() == 1 ? "" : k), Integer.toString(grefs.get(k)));
                }
                tx.write(
                        path + "/event-channel",
                        Integer.toString(queues.get(i).port.number()));
            }
            if (shape.order > 0) {
                tx.write(directory + "/ring-page-order", Integer.toString(shape.order));
            }
            if (queues.size() > 1) {
                tx.write(directory + "/multi-queue-num-queues", Integer.toString(queues.size()));
            }
            tx.write(directory + "/protocol", shape.abi == Abi.X86_64 ? "x86_64-abi" : "x86_32-abi");
            tx.write(directory + "/feature-persistent", shape.persistent ? "1" : "0");
        });
    }

    /** Lets the device go, and waits until the backend has. */
    void disconnect() throws Exception {
        state(XenbusState.CLOSING);
        state(XenbusState.CLOSED);
        Eventually.holds(
                "the backend has closed\n" + store,
                () -> backendState() == XenbusState.CLOSED || backendState() == XenbusState.UNKNOWN);
        dropRings();
    }

    /** Gives the pages of the rings back; nobody has them mapped, or the guest itself has gone. */
    void dropRings() {
        for (Queue queue : queues) {
            queue.flying.values().forEach(this::release);
            queue.grefs.forEach(guest::revoke);
            queue.pages.forEach(guest::freePage);
        }
        queues = List.of();
        kept.forEach(page -> {
            guest.revoke(page.gref);
            guest.freePage(page.page);
        });
        kept.clear();
    }

    /** Begins its rings anew without telling anybody: what was in flight is forgotten. */
    void forget() {
        for (Queue queue : queues) {
            queue.flying.values().forEach(this::release);
            queue.flying.clear();
            queue.ring.initialize();
        }
    }

    // ---- rings

    Shape shape() {
        return shape;
    }

    int queueCount() {
        return queues.size();
    }

    FrontRing ring(int queue) {
        return queues.get(queue).ring;
    }

    int ringGref(int queue) {
        return queues.get(queue).grefs.get(0);
    }

    SimGuest.Port port(int queue) {
        return queues.get(queue).port;
    }

    int free(int queue) {
        return queues.get(queue).ring.free();
    }

    int flying() {
        return queues.stream().mapToInt(queue -> queue.flying.size()).sum();
    }

    // ---- requests

    /**
     * A request with one page for each part, which is the first and the last sector of its page. Not in the ring yet.
     */
    Io io(int queue, int operation, long sector, int[]... parts) {
        Io io = new Io();
        io.queue = queue;
        io.operation = operation;
        io.sector = sector;
        for (int[] part : parts) {
            io.parts.add(part);
            io.pages.add(shape.persistent && !kept.isEmpty() ? kept.remove(kept.size() - 1) : newPage());
        }
        return io;
    }

    private DataPage newPage() {
        int page = guest.newPage();
        return new DataPage(page, guest.grant(page));
    }

    /** The address of a sector of a request's data. */
    long data(Io io, int sector) {
        for (int i = 0; i < io.parts.size(); i++) {
            int[] part = io.parts.get(i);
            int count = part[1] - part[0] + 1;
            if (sector < count) {
                return guest.address(io.pages.get(i).page) + 512L * (part[0] + sector);
            }
            sector -= count;
        }
        throw new IndexOutOfBoundsException();
    }

    /** Fills a sector with one number. */
    void fill(Io io, int sector, long stamp) {
        long at = data(io, sector);
        for (int i = 0; i < 64; i++) {
            Memory.putLong(at + 8L * i, stamp);
        }
    }

    void assertFilled(Io io, int sector, long stamp, String what) {
        long at = data(io, sector);
        for (int i = 0; i < 64; i++) {
            if (Memory.getLong(at + 8L * i) != stamp) {
                assertEquals(
                        Long.toHexString(stamp),
                        Long.toHexString(Memory.getLong(at + 8L * i)),
                        what + ": sector " + (io.sector + sector) + ", byte " + 8 * i);
            }
        }
    }

    /** Writes a request into the ring; the backend does not see it before {@link #push}. */
    void put(Io io) {
        Queue queue = queues.get(io.queue);
        long id = nextId++;
        queue.flying.put(id, io);
        if (io.indirect || io.parts.size() > 11) {
            io.indirect = true;
            io.segments = shape.persistent && !kept.isEmpty() ? kept.remove(kept.size() - 1) : newPage();
            for (int i = 0; i < io.parts.size(); i++) {
                FrontRing.segment(
                        guest.address(io.segments.page) + 8L * i,
                        io.pages.get(i).gref,
                        io.parts.get(i)[0],
                        io.parts.get(i)[1]);
            }
            queue.ring.indirect(io.operation, id, io.sector, io.parts.size(), io.segments.gref);
            return;
        }
        queue.ring.request(io.operation, id, io.sector);
        for (int i = 0; i < io.parts.size(); i++) {
            queue.ring.segment(
                    io.pages.get(i).gref, io.parts.get(i)[0], io.parts.get(i)[1]);
        }
    }

    Io putDiscard(int queue, long sector, long sectors, int flags) {
        Io io = new Io();
        io.queue = queue;
        io.operation = 5;
        io.sector = sector;
        long id = nextId++;
        queues.get(queue).flying.put(id, io);
        queues.get(queue).ring.discard(id, sector, sectors, flags);
        return io;
    }

    /** Registers a request that the test itself writes into the ring, under the id that is returned. */
    long register(Io io) {
        long id = nextId++;
        queues.get(io.queue).flying.put(id, io);
        return id;
    }

    void push() {
        for (Queue queue : queues) {
            if (queue.ring.push()) {
                queue.port.notifyBackend();
            }
        }
    }

    /** Takes all responses that are there: each to a request that is in flight, once, with the right operation. */
    List<Io> reap() {
        List<Io> done = new ArrayList<>();
        for (Queue queue : queues) {
            while (queue.ring.next()) {
                Io io = queue.flying.remove(queue.ring.id());
                if (io == null) {
                    throw new AssertionError(
                            "a response to a request that is not in flight, id " + Long.toHexString(queue.ring.id()));
                }
                assertEquals(io.operation, queue.ring.operation());
                assertEquals(0, queue.ring.padding(), "padding of a response");
                io.status = queue.ring.status();
                done.add(io);
            }
        }
        return done;
    }

    /** Gives a request's pages back, after its data has been looked at. */
    void release(Io io) {
        if (io.segments != null) {
            io.pages.add(io.segments);
            io.segments = null;
        }
        for (DataPage page : io.pages) {
            if (shape.persistent) {
                kept.add(page);
            } else {
                guest.revoke(page.gref);
                guest.freePage(page.page);
            }
        }
        io.pages.clear();
    }

    /**
     * Waits for responses as a frontend does that sleeps: asks for a notification, and looks again only when it has
     * come.
     */
    List<Io> awaitSome() throws Exception {
        boolean there = false;
        for (Queue queue : queues) {
            there |= queue.ring.arm();
        }
        if (!there) {
            Eventually.holds("a notification while " + flying() + " requests are in flight", () -> {
                boolean some = false;
                for (Queue queue : queues) {
                    some |= queue.port.taken();
                }
                return some;
            });
        }
        return reap();
    }

    void awaitAll(List<Io> requests) throws Exception {
        while (requests.stream().anyMatch(io -> io.status == null)) {
            awaitSome();
        }
    }

    /** One request and its answer. */
    int run(Io io) throws Exception {
        put(io);
        push();
        awaitAll(List.of(io));
        return io.status;
    }

    // ---- the plainest requests

    private static int[][] whole(int sectors) {
        int[][] parts = new int[(sectors + 7) / 8][];
        for (int i = 0; i < parts.length; i++) {
            parts[i] = new int[] {0, Math.min(7, sectors - 8 * i - 1)};
        }
        return parts;
    }

    int writeSectors(long sector, int sectors, long stamp) throws Exception {
        Io io = io(0, 1, sector, whole(sectors));
        for (int i = 0; i < sectors; i++) {
            fill(io, i, stamp + i);
        }
        int status = run(io);
        release(io);
        return status;
    }

    void assertSectors(long sector, int sectors, long stamp) throws Exception {
        Io io = io(0, 0, sector, whole(sectors));
        assertEquals(0, run(io));
        for (int i = 0; i < sectors; i++) {
            assertFilled(io, i, stamp + i, "read");
        }
        release(io);
    }

    /** It works: what is written is read. */
    void assertServed(long stamp) throws Exception {
        assertEquals(0, writeSectors(stamp % 1000, 40, stamp));
        assertSectors(stamp % 1000, 40, stamp);
        Io flush = io(0, 3, 0);
        assertEquals(0, run(flush));
    }
}
