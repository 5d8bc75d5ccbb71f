package org.blktap.node.xen;

import com.sun.management.ThreadMXBean;
import java.io.RandomAccessFile;
import java.lang.management.ManagementFactory;
import java.lang.reflect.Constructor;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import org.blktap.api.disk.DiskInfo;
import org.blktap.api.disk.Operation;
import org.blktap.api.disk.Request;
import org.blktap.api.disk.VirtualDisk;
import org.blktap.api.engine.IoEngine;
import org.blktap.api.engine.IoFile;
import org.blktap.api.engine.IoLoop;
import org.blktap.api.engine.IoQueue;
import org.blktap.api.memory.Memory;
import org.blktap.api.node.DeviceNode;
import org.blktap.api.testkit.TestNodeContext;
import org.blktap.core.gate.OpenGate;
import org.blktap.linux.Mapping;
import org.blktap.linux.NativeMemoryService;
import org.blktap.node.xen.SimFrontend.Shape;
import org.blktap.ring.Abi;
import org.blktap.ring.sim.FrontRing;

/**
 * Reads and writes of 1 MiB, depth 4, as Linux's blkfront makes them: each is eight requests of 32 pages, which fill
 * the ring, and what was read is copied out of the granted pages. Behind the node is a file, by libaio.
 * {@code benchmarks/ring --large} runs it.
 */
public final class LargeReadBenchmark {
    private static final int DOMAIN = 5;
    private static final int ENTRIES = 32;
    private static final int PAGES = 32;
    private static final int REQUEST = PAGES * 4096;
    private static final int PARTS = 8;
    private static final int DEPTH = ENTRIES / PARTS;
    private static final long SIZE = 256 << 20;

    private final FrontRing ring;
    private final SimGuest guest;
    private final SimGuest.Port port;
    private final int[][] pages = new int[ENTRIES][PAGES];
    private final int[][] grefs = new int[ENTRIES][PAGES];
    private final int[] lists = new int[ENTRIES];
    private final int[] listGrefs = new int[ENTRIES];
    private final Mapping word = Mapping.anonymous(4096);
    private final Mapping copied = Mapping.anonymous(ENTRIES * (long) REQUEST);
    private final int[] left = new int[DEPTH];
    private long next;

    private LargeReadBenchmark(SimFrontend frontend) {
        guest = frontend.guest;
        ring = frontend.ring(0);
        port = frontend.port(0);
        for (int slot = 0; slot < ENTRIES; slot++) {
            for (int i = 0; i < PAGES; i++) {
                pages[slot][i] = guest.newPage();
                grefs[slot][i] = guest.grant(pages[slot][i]);
            }
            lists[slot] = guest.newPage();
            listGrefs[slot] = guest.grant(lists[slot]);
        }
    }

    /**
     * The pages of a request in falling order, as blkfront has them every other time: it takes first what it has used
     * last.
     */
    private void reverse() {
        for (int slot = 0; slot < ENTRIES; slot++) {
            for (int i = 0, k = PAGES - 1; i < k; i++, k--) {
                int page = pages[slot][i];
                pages[slot][i] = pages[slot][k];
                pages[slot][k] = page;
                int gref = grefs[slot][i];
                grefs[slot][i] = grefs[slot][k];
                grefs[slot][k] = gref;
            }
        }
    }

    private static final class FileDisk implements VirtualDisk {
        private final IoFile file;

        FileDisk(IoFile file) {
            this.file = file;
        }

        @Override
        public DiskInfo info() {
            return DiskInfo.ofSize(SIZE).withBlocks(512, 4096);
        }

        @Override
        public void submit(Request request) {
            if (request.operation() == Operation.READ) {
                file.read(request.offset(), request.data(), 0, request.length(), request);
            } else {
                file.write(request.offset(), request.data(), 0, request.length(), request);
            }
        }

        @Override
        public void close() {
            file.close();
        }
    }

    /** @param args rounds, seconds of each, and the file, which is overwritten */
    public static void main(String[] args) throws Exception {
        int rounds = Integer.parseInt(args[0]);
        long nanos = (long) (Double.parseDouble(args[1]) * 1e9);
        Path path = Path.of(args[2]);
        try (RandomAccessFile file = new RandomAccessFile(path.toFile(), "rw")) {
            byte[] some = new byte[1 << 20];
            Arrays.fill(some, (byte) 7);
            for (long at = 0; at < SIZE; at += some.length) {
                file.write(some);
            }
        }
        Path directory = Files.createTempDirectory("blktap-ring");
        try (TestHost host = new TestHost(directory);
                TestBus bus = new TestBus()) {
            SimFrontend frontend = new SimFrontend(host, host.newGuest(DOMAIN));
            IoLoop loop = host.loops.start("loop");
            Thread[] loopThread = new Thread[1];
            DeviceNode node = loop.call(() -> {
                loopThread[0] = Thread.currentThread();
                // not public, since only its bundle makes one
                Constructor<?> engine =
                        Class.forName("org.blktap.aio.LibaioEngine").getDeclaredConstructor();
                engine.setAccessible(true);
                IoQueue queue = ((IoEngine) engine.newInstance()).open(loop);
                VirtualDisk disk = new FileDisk(queue.open(path, true));
                return new NodeOpener(
                                bus,
                                host.store.asProcess(bus),
                                host.xen,
                                host.limits,
                                host.blkback,
                                Claimant.DEFAULT,
                                (id, address, noDomain) -> {},
                                false,
                                NodeOpener.Patience.USUAL)
                        .open(TestNodeContext.of(
                                        "bench",
                                        loop,
                                        OpenGate.before(loop, disk),
                                        new NativeMemoryService(),
                                        directory)
                                .withTarget(DOMAIN + "/xvda"));
            });
            frontend.connect(new Shape(Abi.X86_64, 0, 1, true));
            LargeReadBenchmark benchmark = new LargeReadBenchmark(frontend);
            for (String order : new String[] {"in a row", "backwards"}) {
                for (int operation : new int[] {0, 1}) {
                    benchmark.measure(operation, order, rounds, nanos, loopThread[0]);
                }
                benchmark.reverse();
            }
            loop.call(() -> {
                node.remove();
                return null;
            });
            loop.close();
        } finally {
            Files.delete(directory);
            Files.deleteIfExists(path);
        }
    }

    private void measure(int operation, String order, int rounds, long nanos, Thread loop) {
        run(operation, Math.max(nanos, 3_000_000_000L));
        ThreadMXBean threads = (ThreadMXBean) ManagementFactory.getThreadMXBean();
        double[] rates = new double[rounds];
        double[] loopMicros = new double[rounds];
        long allocated = threads.getThreadAllocatedBytes(loop.getId());
        long events = port.raised();
        long all = 0;
        for (int round = 0; round < rounds; round++) {
            long start = System.nanoTime();
            long cpu = threads.getThreadCpuTime(loop.getId());
            long done = run(operation, nanos);
            rates[round] = done * 1e9 / (System.nanoTime() - start);
            loopMicros[round] = (threads.getThreadCpuTime(loop.getId()) - cpu) / 1e3 / done;
            all += done;
        }
        Arrays.sort(rates);
        Arrays.sort(loopMicros);
        System.out.printf(
                "1 MiB %-5s  pages %-9s  %6.0f/s (%.0f to %.0f)  processor time of the loop %4.0f us each (%.0f to %.0f)  %.1f events each  %.3f bytes allocated each%n",
                operation == 0 ? "read" : "write",
                order,
                rates[rounds / 2],
                rates[0],
                rates[rounds - 1],
                loopMicros[rounds / 2],
                loopMicros[0],
                loopMicros[rounds - 1],
                (port.raised() - events) / (double) all,
                (threads.getThreadAllocatedBytes(loop.getId()) - allocated) / (double) all);
    }

    /** How many of 1 MiB ended. */
    private long run(int operation, long nanos) {
        long end = System.nanoTime() + nanos;
        long done = 0;
        for (int i = 0; i < DEPTH; i++) {
            begin(operation, i);
        }
        while (ring.outstanding() > 0) {
            int taken = 0;
            while (ring.next()) {
                if (ring.status() != 0) {
                    throw new AssertionError("status " + ring.status());
                }
                taken++;
                int slot = (int) ring.id();
                if (operation == 0) {
                    copyOut(slot);
                }
                if (--left[slot / PARTS] == 0) {
                    done++;
                    if (System.nanoTime() < end) {
                        begin(operation, slot / PARTS);
                    }
                }
            }
            if (taken == 0 && !ring.arm()) {
                port.await(word);
            }
        }
        return done;
    }

    private void copyOut(int slot) {
        for (int i = 0; i < PAGES; i++) {
            Memory.copy(guest.address(pages[slot][i]), copied.address() + (long) slot * REQUEST + i * 4096L, 4096);
        }
    }

    private void begin(int operation, int which) {
        left[which] = PARTS;
        next = (next + (1 << 20)) % SIZE;
        for (int part = 0; part < PARTS; part++) {
            int slot = which * PARTS + part;
            if (operation == 1) {
                for (int i = 0; i < PAGES; i++) {
                    Memory.copy(
                            copied.address() + (long) slot * REQUEST + i * 4096L, guest.address(pages[slot][i]), 4096);
                }
            }
            for (int i = 0; i < PAGES; i++) {
                FrontRing.segment(guest.address(lists[slot]) + 8L * i, grefs[slot][i], 0, 7);
            }
            ring.indirect(operation, slot, (next + (long) part * REQUEST) / 512, PAGES, listGrefs[slot]);
        }
        if (ring.push()) {
            port.notifyBackend();
        }
    }
}
