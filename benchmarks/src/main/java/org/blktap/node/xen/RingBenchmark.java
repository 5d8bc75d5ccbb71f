package org.blktap.node.xen;

import com.sun.management.OperatingSystemMXBean;
import com.sun.management.ThreadMXBean;
import java.lang.management.ManagementFactory;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import org.blktap.api.disk.Options;
import org.blktap.api.disk.VirtualDisk;
import org.blktap.api.engine.IoLoop;
import org.blktap.api.memory.NativeMemory;
import org.blktap.api.node.DeviceNode;
import org.blktap.api.node.NodeContext;
import org.blktap.api.testkit.TestDiskContext;
import org.blktap.api.testkit.TestNodeContext;
import org.blktap.core.gate.OpenGate;
import org.blktap.format.ram.RamDriver;
import org.blktap.linux.Mapping;
import org.blktap.linux.NativeMemoryService;
import org.blktap.node.xen.SimFrontend.Shape;
import org.blktap.ring.Abi;
import org.blktap.ring.sim.FrontRing;

/**
 * How many requests of 4 KiB go through a ring, the core's gate and a RAM disk in a second: a simulated frontend on one
 * thread, the daemon's loop on another, event channels by eventfds, depth 32. {@code benchmarks/ring} runs it on one
 * core and on two.
 */
public final class RingBenchmark {
    private static final int DOMAIN = 5;
    private static final int DEPTH = 32;
    private static final long SIZE = 256 << 20;

    private final FrontRing ring;
    private final SimGuest.Port port;
    private final int[] grefs = new int[DEPTH];
    private final Mapping word = Mapping.anonymous(4096);
    private long random = 0x9e3779b97f4a7c15L;

    private RingBenchmark(SimFrontend frontend) {
        ring = frontend.ring(0);
        port = frontend.port(0);
        for (int i = 0; i < DEPTH; i++) {
            grefs[i] = frontend.guest.grant(frontend.guest.newPage());
        }
    }

    /** @param args rounds, seconds of each, {@code mapped} or {@code copied} */
    public static void main(String[] args) throws Exception {
        int rounds = Integer.parseInt(args[0]);
        long nanos = (long) (Double.parseDouble(args[1]) * 1e9);
        boolean mapped = args[2].equals("mapped");
        Path directory = Files.createTempDirectory("blktap-ring");
        try (TestHost host = new TestHost(directory);
                TestBus bus = new TestBus()) {
            host.xen.reachesDisks = mapped;
            SimFrontend frontend = new SimFrontend(host, host.newGuest(DOMAIN));
            IoLoop loop = host.loops.start("loop");
            NativeMemory memory = new NativeMemoryService();
            Thread[] loopThread = new Thread[1];
            DeviceNode node = loop.call(() -> {
                loopThread[0] = Thread.currentThread();
                VirtualDisk disk = new RamDriver()
                        .open("bench,size=" + SIZE, new TestDiskContext(loop, memory, Options.none(), false));
                NodeContext context = TestNodeContext.of("bench", loop, OpenGate.before(loop, disk), memory, directory)
                        .withTarget(DOMAIN + "/xvda");
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
                        .open(context);
            });
            frontend.connect(new Shape(Abi.X86_64, 0, 1, true));
            RingBenchmark benchmark = new RingBenchmark(frontend);
            for (int operation : new int[] {0, 1}) {
                benchmark.measure(operation, rounds, nanos, mapped, loopThread[0]);
            }
            loop.call(() -> {
                node.remove();
                return null;
            });
            loop.close();
        } finally {
            Files.delete(directory);
        }
    }

    private void measure(int operation, int rounds, long nanos, boolean mapped, Thread loop) {
        // the compiler is done after some hundred thousand
        run(operation, Math.max(nanos, 3_000_000_000L));
        ThreadMXBean threads = (ThreadMXBean) ManagementFactory.getThreadMXBean();
        long allocated = threads.getThreadAllocatedBytes(loop.getId());
        long events = port.raised();
        OperatingSystemMXBean system = (OperatingSystemMXBean) ManagementFactory.getOperatingSystemMXBean();
        double[] perSecond = new double[rounds];
        double[] perCpuSecond = new double[rounds];
        long requests = 0;
        for (int i = 0; i < rounds; i++) {
            long start = System.nanoTime();
            long cpu = system.getProcessCpuTime();
            long done = run(operation, nanos);
            perSecond[i] = done * 1e9 / (System.nanoTime() - start);
            // of both sides together: what one core does that has nothing else to do
            perCpuSecond[i] = done * 1e9 / (system.getProcessCpuTime() - cpu);
            requests += done;
        }
        double bytes = (threads.getThreadAllocatedBytes(loop.getId()) - allocated) / (double) requests;
        Arrays.sort(perSecond);
        Arrays.sort(perCpuSecond);
        System.out.printf(
                "4k random %-5s  %s  %8.0f/s  (%.0f to %.0f)  %8.0f a CPU second (%.0f to %.0f)  %.1f an event  %.3f bytes allocated each%n",
                operation == 0 ? "read" : "write",
                mapped ? "mapped" : "copied",
                perSecond[rounds / 2],
                perSecond[0],
                perSecond[rounds - 1],
                perCpuSecond[rounds / 2],
                perCpuSecond[0],
                perCpuSecond[rounds - 1],
                requests / Math.max(1.0, port.raised() - events),
                bytes);
    }

    /** Keeps the ring full for so long; how many requests ended. */
    private long run(int operation, long nanos) {
        long end = System.nanoTime() + nanos;
        long done = 0;
        for (int slot = 0; slot < DEPTH; slot++) {
            request(operation, slot);
        }
        push();
        while (System.nanoTime() < end) {
            int taken = 0;
            while (ring.next()) {
                if (ring.status() != 0) {
                    throw new AssertionError("status " + ring.status());
                }
                request(operation, (int) ring.id());
                taken++;
            }
            if (taken > 0) {
                done += taken;
                push();
            } else if (!ring.arm()) {
                port.await(word);
            }
        }
        while (ring.outstanding() > 0) {
            if (ring.next()) {
                done++;
            } else if (!ring.arm()) {
                port.await(word);
            }
        }
        return done;
    }

    private void request(int operation, int slot) {
        random ^= random << 13;
        random ^= random >>> 7;
        random ^= random << 17;
        ring.request(operation, slot, (random >>> 1) % (SIZE / 4096) * 8);
        ring.segment(grefs[slot], 0, 7);
    }

    private void push() {
        if (ring.push()) {
            port.notifyBackend();
        }
    }
}
