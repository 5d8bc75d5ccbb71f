package org.blktap.node.xen.lab;

import com.sun.jna.Native;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.blktap.api.memory.Memory;
import org.blktap.api.memory.NativeBuffer;
import org.blktap.linux.LibXenEvtchn;
import org.blktap.linux.Mapping;
import org.blktap.ring.Abi;
import org.blktap.ring.Blkif;
import org.blktap.ring.sim.FrontRing;

/**
 * A frontend in user space on a real Xen: dom0 grants pages to itself, so that the daemon's own grants and event
 * channels are used, in both ABIs, by one that does what no kernel would. Run in the lab (itests/xen/suite) while the
 * daemon serves a device to domain 0: {@code LabFrontend DEVICE}. Prints what it sees; status 1 if that is not what was
 * expected.
 */
public final class LabFrontend {
    private static final long LIMIT_NANOS = TimeUnit.MINUTES.toNanos(2);
    private static final int DATA_PAGES = 16;
    private static final int BAD_GREF = 0x7ffffff;

    /** The half of libxengnttab that grants, and that of libxenevtchn that waits to be bound. */
    private static final class Shares {
        static {
            Native.register(Shares.class, "libxengnttab.so.1");
        }

        static native long xengntshr_open(long logger, int flags);

        static native long xengntshr_share_pages(long handle, int domid, int count, long refs, int writable);
    }

    private static final class Ports {
        static {
            Native.register(Ports.class, "libxenevtchn.so.1");
        }

        static native int xenevtchn_bind_unbound_port(long handle, int domid);
    }

    private final String device;
    private final String frontend;
    private final NativeBuffer refs = Mapping.anonymous(4096);
    private final long events;
    private final int port;
    private final int ringRef;
    private final long data;
    private final FrontRing ring;
    private long nextId = 1;

    private LabFrontend(String device, String protocol) throws IOException {
        this.device = device;
        frontend = "/local/domain/0/device/vbd/" + device;
        long shares = Shares.xengntshr_open(0, 0);
        check(shares != 0, "/dev/xen/gntalloc opens");
        long pages = Shares.xengntshr_share_pages(shares, 0, 1 + DATA_PAGES, refs.address(), 1);
        check(pages != 0, "pages are granted");
        ringRef = gref(-1);
        data = pages + Blkif.PAGE;
        events = LibXenEvtchn.xenevtchn_open(0, 0);
        check(events != 0, "/dev/xen/evtchn opens");
        port = Ports.xenevtchn_bind_unbound_port(events, 0);
        check(port >= 0, "a port is there to be bound");
        ring = new FrontRing(pages, 1, Abi.of(protocol));
    }

    /** The reference of a data page. */
    private int gref(int page) {
        return Memory.getInt(refs.address() + (long) (1 + page) * Integer.BYTES);
    }

    private static void check(boolean holds, String what) {
        if (!holds) {
            throw new IllegalStateException("expected: " + what);
        }
    }

    // ---- XenStore, by its tools

    private static String run(String... command) throws IOException {
        Process process = new ProcessBuilder(command).redirectErrorStream(true).start();
        String out =
                new String(process.getInputStream().readAllBytes(), java.nio.charset.StandardCharsets.UTF_8).trim();
        try {
            return process.waitFor() == 0 ? out : "";
        } catch (InterruptedException e) {
            throw new IOException(e);
        }
    }

    private String backendState() throws IOException {
        return run("xenstore-read", run("xenstore-read", frontend + "/backend") + "/state");
    }

    private void connect(String protocol, boolean persistent) throws IOException {
        ring.initialize();
        await("2", "the backend waits");
        run(
                "xenstore-write",
                frontend + "/ring-ref",
                Integer.toString(ringRef),
                frontend + "/event-channel",
                Integer.toString(port),
                frontend + "/protocol",
                protocol,
                frontend + "/feature-persistent",
                persistent ? "1" : "0",
                frontend + "/state",
                "3");
        await("4", "the backend is connected");
        run("xenstore-write", frontend + "/state", "4");
    }

    private void close() throws IOException {
        run("xenstore-write", frontend + "/state", "5");
        await("5", "the backend closes");
        run("xenstore-write", frontend + "/state", "6");
        await("6", "the backend is closed");
        run("xenstore-write", frontend + "/state", "1");
    }

    private void await(String state, String what) throws IOException {
        long end = System.nanoTime() + LIMIT_NANOS;
        String found;
        while (!(found = backendState()).equals(state)) {
            check(System.nanoTime() < end, what + " (state " + state + "), and not " + found);
            pause();
        }
    }

    private static void pause() {
        try {
            Thread.sleep(20);
        } catch (InterruptedException e) {
            throw new IllegalStateException(e);
        }
    }

    // ---- requests

    /** Shows what was written, and waits for one answer: its status. */
    private int answer() {
        if (ring.push()) {
            LibXenEvtchn.xenevtchn_notify(events, port);
        }
        long end = System.nanoTime() + LIMIT_NANOS;
        while (!ring.next()) {
            check(System.nanoTime() < end, "an answer to request " + (nextId - 1));
            pause();
        }
        check(ring.id() == nextId - 1, "an answer to request " + (nextId - 1) + ", and not to " + ring.id());
        return ring.status();
    }

    /** Whether the backend answers within a moment. */
    private boolean answers() {
        if (ring.push()) {
            LibXenEvtchn.xenevtchn_notify(events, port);
        }
        for (int i = 0; i < 100; i++) {
            if (ring.next()) {
                return true;
            }
            pause();
        }
        return false;
    }

    private int transfer(int operation, long sector, int pages) {
        ring.request(operation, nextId++, sector);
        for (int i = 0; i < pages; i++) {
            ring.segment(gref(i), 0, 7);
        }
        return answer();
    }

    private void fill(int pages, int seed) {
        for (long at = 0; at < (long) pages * Blkif.PAGE; at += Integer.BYTES) {
            Memory.putInt(data + at, (int) at * 31 + seed);
        }
    }

    private boolean filled(int pages, int seed) {
        for (long at = 0; at < (long) pages * Blkif.PAGE; at += Integer.BYTES) {
            if (Memory.getInt(data + at) != (int) at * 31 + seed) {
                return false;
            }
        }
        return true;
    }

    private void honest() {
        for (int round = 0; round < 8; round++) {
            fill(11, round);
            check(transfer(Blkif.WRITE, round * 88L, 11) == Blkif.OKAY, "a write is done");
        }
        ring.request(Blkif.FLUSH_DISKCACHE, nextId++, 0);
        check(answer() == Blkif.OKAY, "a flush is done");
        for (int round = 0; round < 8; round++) {
            fill(11, -1);
            check(transfer(Blkif.READ, round * 88L, 11) == Blkif.OKAY, "a read is done");
            check(filled(11, round), "what was written is read");
        }
        // segments in a page of their own
        for (int i = 0; i < 14; i++) {
            FrontRing.segment(data + 15L * Blkif.PAGE + i * 8L, gref(i), 0, 7);
        }
        fill(14, 77);
        ring.indirect(Blkif.WRITE, nextId++, 0, 14, gref(15));
        check(answer() == Blkif.OKAY, "an indirect write is done");
        fill(14, -1);
        ring.indirect(Blkif.READ, nextId++, 0, 14, gref(15));
        check(answer() == Blkif.OKAY && filled(14, 77), "an indirect read is what was written");
        ring.discard(nextId++, 0, 64, 0);
        check(answer() == Blkif.OKAY, "a discard is done");
        ring.discard(nextId++, 0, 64, Blkif.DISCARD_SECURE);
        check(answer() == Blkif.EOPNOTSUPP, "a secure discard is refused");
    }

    private void hostile() throws IOException {
        List<String> wrong = new ArrayList<>();
        for (int segments : new int[] {0, 12, 255}) {
            ring.request(Blkif.READ, nextId++, 0);
            ring.segmentCount(segments);
            expect(wrong, Blkif.ERROR, segments + " segments");
        }
        int[][] places = {{3, 2}, {0, 8}, {255, 255}};
        for (int[] place : places) {
            ring.request(Blkif.WRITE, nextId++, 0);
            ring.segment(gref(0), place[0], place[1]);
            expect(wrong, Blkif.ERROR, "a segment from " + place[0] + " to " + place[1]);
        }
        for (long sector : new long[] {-1, Long.MAX_VALUE, Long.MAX_VALUE / 512, 1L << 40}) {
            ring.request(Blkif.WRITE, nextId++, sector);
            ring.segment(gref(0), 0, 7);
            expect(wrong, Blkif.ERROR, "sector " + sector);
        }
        for (int bad = 0; bad < 11; bad++) {
            ring.request(Blkif.WRITE, nextId++, 0);
            for (int i = 0; i < 11; i++) {
                ring.segment(i == bad ? BAD_GREF : gref(i), 0, 7);
            }
            expect(wrong, Blkif.ERROR, "a page that is not granted, as segment " + bad);
        }
        for (int operation : new int[] {Blkif.RESERVED_1, 7, 200}) {
            ring.request(operation, nextId++, 0);
            ring.segment(gref(0), 0, 7);
            expect(wrong, Blkif.EOPNOTSUPP, "operation " + operation);
        }
        ring.indirect(Blkif.INDIRECT, nextId++, 0, 4, gref(15));
        expect(wrong, Blkif.ERROR, "indirect of indirect");
        ring.indirect(Blkif.READ, nextId++, 0, 257, gref(15));
        expect(wrong, Blkif.ERROR, "257 indirect segments");
        ring.indirect(Blkif.READ, nextId++, 0, 4, BAD_GREF);
        expect(wrong, Blkif.ERROR, "a page of segments that is not granted");
        check(wrong.isEmpty(), String.join("; ", wrong));
        honest();
        ring.scribbleProducer(ring.responseProducer() + 1000);
        LibXenEvtchn.xenevtchn_notify(events, port);
        // long enough for a backend that has hardly any processor: the next request makes the producer plausible again
        for (int i = 0; i < 250; i++) {
            pause();
        }
        ring.request(Blkif.FLUSH_DISKCACHE, nextId++, 0);
        check(!answers(), "no answer after the producer has jumped");
    }

    private void expect(List<String> wrong, int status, String what) {
        int found = answer();
        if (found != status) {
            wrong.add(what + ": status " + found + ", expected " + status);
        }
    }

    /** See the class. */
    public static void main(String[] arguments) throws IOException {
        for (String protocol : new String[] {"x86_64-abi", "x86_32-abi"}) {
            LabFrontend it = new LabFrontend(arguments[0], protocol);
            for (boolean hostile : new boolean[] {false, true}) {
                for (boolean persistent : new boolean[] {true, false}) {
                    it.connect(protocol, persistent);
                    if (hostile) {
                        it.hostile();
                    } else {
                        it.honest();
                    }
                    System.out.println(it.device + ": " + (hostile ? "hostile" : "honest") + ", " + protocol
                            + (persistent ? ", mapped" : ", copied") + ": as expected");
                    it.close();
                }
            }
        }
        System.exit(0);
    }
}
