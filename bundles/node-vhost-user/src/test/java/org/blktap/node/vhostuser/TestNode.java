package org.blktap.node.vhostuser;

import java.nio.file.Path;
import java.util.Map;
import java.util.function.BooleanSupplier;
import org.blktap.api.disk.DiskException;
import org.blktap.api.engine.IoLoop;
import org.blktap.api.memory.NativeMemory;
import org.blktap.api.node.DeviceNode;
import org.blktap.api.node.NodeContext;
import org.blktap.api.testkit.Eventually;
import org.blktap.api.testkit.MemoryPort;
import org.blktap.api.testkit.TestNodeContext;
import org.blktap.linux.EpollLoops;
import org.blktap.linux.Mapping;
import org.blktap.linux.NativeMemoryService;

/** A node on a real loop, in front of a disk in memory. */
final class TestNode implements AutoCloseable {
    /** One for all nodes, as in the daemon: they share its limits. */
    private static final VhostUserNodeProvider PROVIDER = new VhostUserNodeProvider(TestMemory.SETTINGS);

    private final VhostUserNodeProvider provider;
    private final NativeMemory memory = new NativeMemoryService();
    final EpollLoops loops = new EpollLoops();
    final IoLoop loop = loops.start("test-vhost-user");
    final MemoryPort port;
    final DeviceNode node;
    final Path socket;

    TestNode(Path directory, long diskBytes, Map<String, String> options) throws Exception {
        this(directory, Mapping.anonymous(diskBytes), options);
    }

    TestNode(Path directory, Mapping disk, Map<String, String> options) throws Exception {
        this(directory, disk, options, PROVIDER);
    }

    TestNode(Path directory, Mapping disk, Map<String, String> options, VhostUserNodeProvider provider)
            throws Exception {
        this.provider = provider;
        port = new MemoryPort(disk);
        NodeContext context = context(directory, options, "");
        socket = directory.resolve("disk-1.sock");
        node = loop.call(() -> provider.open(context));
    }

    NodeContext context(Path directory, Map<String, String> options, String target) {
        return TestNodeContext.of("disk-1", loop, port, memory, directory)
                .withOptions(options)
                .withTarget(target);
    }

    /** Opens another node on the same loop, which is mostly to fail. */
    DeviceNode openAnother(Path directory, Map<String, String> options, String target) throws DiskException {
        try {
            return loop.call(() -> provider.open(context(directory, options, target)));
        } catch (DiskException | RuntimeException e) {
            throw e;
        } catch (Exception e) {
            throw new IllegalStateException(e);
        }
    }

    void onLoop(Runnable task) throws Exception {
        loop.call(() -> {
            task.run();
            return null;
        });
    }

    /** Waits until something is so on the loop. */
    void await(String what, BooleanSupplier condition) throws Exception {
        Eventually.holds(what, () -> loop.call(condition::getAsBoolean));
    }

    void awaitStatus(String key, String value) throws Exception {
        await(
                key + " is " + value,
                () -> value.equals(String.valueOf(node.status().get(key))));
    }

    @Override
    public void close() {
        loop.execute(node::close);
        loop.close();
        loops.stop();
        port.close();
    }
}
