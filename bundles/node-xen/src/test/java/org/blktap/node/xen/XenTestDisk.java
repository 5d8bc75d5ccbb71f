package org.blktap.node.xen;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.util.Map;
import java.util.concurrent.Callable;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.atomic.AtomicInteger;
import org.blktap.api.engine.IoLoop;
import org.blktap.api.node.DeviceNode;
import org.blktap.api.testkit.CountedMemory;
import org.blktap.api.testkit.Eventually;
import org.blktap.api.testkit.MemoryPort;
import org.blktap.api.testkit.TestNodeContext;
import org.blktap.linux.Libc;
import org.blktap.linux.Mapping;
import org.blktap.linux.NativeMemoryService;

/**
 * A daemon that serves one disk in memory to one domain: a node on a real loop, and a XenBus thread. It may be closed,
 * or killed at any moment.
 */
final class XenTestDisk implements AutoCloseable {
    static final int DEVICE = 51712;
    /** Time enough for XenStore wherever tests run, and little for the domain. */
    static final NodeOpener.Patience PATIENCE = new NodeOpener.Patience(60_000, 300);

    final TestHost host;
    final int domain;
    final SimHypervisor xen;
    final MemoryPort port;
    final IoLoop loop;
    final DeviceNode node;
    final AtomicInteger gone = new AtomicInteger();
    final CountedMemory memory = new CountedMemory(new NativeMemoryService());
    private final TestNodeContext context;
    private final TestBus bus = new TestBus();
    private final SimXenStore store;
    private final XenStore seen;
    private boolean ended;

    XenTestDisk(TestHost host, int domain, Mapping content) throws Exception {
        this(host, domain, content, false);
    }

    /** @param reopened whether it goes on where another one was killed or closed */
    XenTestDisk(TestHost host, int domain, Mapping content, boolean reopened) throws Exception {
        this(host, host.xen, domain, content, reopened, port -> {});
    }

    /** How the disk is before the node opens. */
    interface Setup {
        void prepare(MemoryPort port);
    }

    XenTestDisk(TestHost host, SimHypervisor xen, int domain, Mapping content, boolean reopened, Setup setup)
            throws Exception {
        this(host, xen, domain, content, reopened, setup, Map.of());
    }

    /** @param options of the node */
    XenTestDisk(
            TestHost host,
            SimHypervisor xen,
            int domain,
            Mapping content,
            boolean reopened,
            Setup setup,
            Map<String, String> options)
            throws Exception {
        this.host = host;
        this.xen = xen;
        this.domain = domain;
        store = host.store.asProcess(bus);
        seen = host.between.apply(store);
        port = new MemoryPort(content);
        // a guest that takes its memory away is noticed where the disk uses it
        port.afterMove = Libc::getpagesize;
        setup.prepare(port);
        loop = host.loops.start("test-xen-" + domain);
        context = TestNodeContext.of("disk-" + domain, loop, port, memory, host.runDir)
                .withTarget(domain + "/xvda")
                .withOptions(options)
                .withReopened(reopened);
        try {
            node = loop.call(() -> {
                        loop.addEngine(port);
                        return opener(PATIENCE).openLater(context).toCompletableFuture();
                    })
                    .get();
        } catch (ExecutionException e) {
            loop.close();
            bus.close();
            throw (Exception) e.getCause();
        } catch (Exception e) {
            loop.close();
            bus.close();
            throw e;
        }
    }

    /** Begins to open one more node of this attachment. */
    CompletableFuture<DeviceNode> openAnother(String target, NodeOpener.Patience patience) throws Exception {
        return call(() -> opener(patience)
                .openLater(context.withTarget(target).withReopened(false))
                .toCompletableFuture());
    }

    private NodeOpener opener(NodeOpener.Patience patience) {
        return new NodeOpener(
                bus,
                seen,
                xen,
                host.limits,
                host.blkback,
                Claimant.DEFAULT,
                (id, address, noDomain) -> gone.incrementAndGet(),
                false,
                patience);
    }

    /** Whoever calls this is where the process dies. */
    void die() {
        bus.die();
    }

    String backend() {
        return "/local/domain/0/backend/" + context.options().asMap().getOrDefault("backend", "tap") + "/" + domain
                + "/" + DEVICE;
    }

    int state() throws Exception {
        return XenbusState.of(host.store, backend()).ordinal();
    }

    void awaitState(XenbusState state) throws Exception {
        Eventually.holds(
                "the backend is " + state + "\n" + host.store, () -> XenbusState.of(host.store, backend()) == state);
    }

    String read(String node) throws Exception {
        return host.store.read(backend() + "/" + node);
    }

    <T> T call(Callable<T> task) throws Exception {
        return loop.call(task);
    }

    void onLoop(Runnable task) throws Exception {
        loop.call(() -> {
            task.run();
            return null;
        });
    }

    /** Both threads have done what they were given. */
    void settle() throws Exception {
        for (int i = 0; i < 3; i++) {
            bus.settle();
            onLoop(() -> {});
        }
        bus.check();
    }

    CompletionStage<Void> unplug() throws Exception {
        return call(() -> node.unplug());
    }

    /** Does what the core does: takes no more requests, ends those at the disk, and closes or removes the node. */
    void close(boolean forGood) throws Exception {
        ended = true;
        onLoop(() -> {
            port.open = false;
            port.release();
            if (forGood) {
                node.remove();
            } else {
                node.close();
            }
            loop.remove(port);
        });
        settle();
        loop.close();
        bus.close();
        assertEquals(0, memory.count(), "buffers that are not given back");
    }

    /** The daemon dies without a word. What it was doing when something of it threw is where it died. */
    void kill() throws Exception {
        ended = true;
        bus.kill();
        // the loop ends between two turns; nothing is told
        loop.close();
        store.forgetWatches();
        xen.closeAll();
        memory.closeAll();
    }

    @Override
    public void close() {
        try {
            if (!ended) {
                close(true);
            }
        } catch (Exception e) {
            throw new AssertionError("cannot be closed", e);
        }
    }
}
