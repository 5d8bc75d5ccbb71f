package org.blktap.node.nbd;

import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import org.blktap.api.engine.IoLoop;
import org.blktap.api.memory.NativeMemory;
import org.blktap.api.node.DeviceNode;
import org.blktap.api.testkit.Eventually;
import org.blktap.api.testkit.MemoryPort;
import org.blktap.api.testkit.TestNodeContext;
import org.blktap.linux.EpollLoops;
import org.blktap.linux.NativeMemoryService;

/** What the core and the engines would be: loops, ports, and nodes opened and closed on them. */
@NbdSettings
final class NbdTestDaemon {
    private record Attached(IoLoop loop, MemoryPort port, DeviceNode node) {}

    private final Path runDir;
    private final NativeMemory memory = new NativeMemoryService();
    private final EpollLoops loops = new EpollLoops();
    final NbdNodeProvider provider;
    private final Map<String, Attached> attached = new LinkedHashMap<>();

    NbdTestDaemon(Path runDir) {
        this(runDir, NbdLimits.of(NbdTestDaemon.class.getAnnotation(NbdSettings.class)));
    }

    NbdTestDaemon(Path runDir, NbdLimits limits) {
        this.runDir = runDir;
        provider = new NbdNodeProvider(loops, NbdTestDaemon.class.getAnnotation(NbdSettings.class), limits);
    }

    Path socket() {
        return runDir.resolve(NbdNodeProvider.SOCKET);
    }

    MemoryPort attach(String id, long size, Map<String, String> options) throws Exception {
        IoLoop loop = loops.start(id);
        MemoryPort port = new MemoryPort(memory.allocate(size));
        port.info = port.info.withSize(size);
        port.shuffle = new Random(42);
        try {
            DeviceNode node = loop.call(() -> {
                loop.addEngine(port);
                return provider.open(
                        TestNodeContext.of(id, loop, port, memory, runDir).withOptions(options));
            });
            attached.put(id, new Attached(loop, port, node));
            return port;
        } catch (Exception e) {
            loop.close();
            port.close();
            throw e;
        }
    }

    /** One more node of an attachment. */
    DeviceNode plug(String id, Map<String, String> options) throws Exception {
        Attached to = attached.get(id);
        return to.loop.call(() -> provider.open(
                TestNodeContext.of(id, to.loop, to.port, memory, runDir).withOptions(options)));
    }

    void unplug(String id, DeviceNode node) throws Exception {
        loop(id).call(() -> {
            node.close();
            return null;
        });
    }

    void detach(String id) throws Exception {
        Attached gone = attached.remove(id);
        gone.loop.call(() -> {
            gone.node.close();
            return null;
        });
        gone.loop.close();
        gone.port.close();
    }

    DeviceNode node(String id) {
        return attached.get(id).node;
    }

    IoLoop loop(String id) {
        return attached.get(id).loop;
    }

    Map<String, ?> status(String id) throws Exception {
        return loop(id).call(() -> node(id).status());
    }

    /** Lets what the port has held back go. */
    void release(MemoryPort port) throws Exception {
        for (Attached one : attached.values()) {
            if (one.port == port) {
                one.loop.call(() -> port.hold = false);
            }
        }
    }

    void expectNoClients() throws Exception {
        NbdServer server = provider.server(socket());
        Eventually.holds("no clients", () -> server.clients() == 0);
    }

    void close() throws Exception {
        for (String id : List.copyOf(attached.keySet())) {
            MemoryPort port = attached.get(id).port;
            release(port);
            // a node is closed when nothing is in flight
            Eventually.holds("nothing is at the disk", () -> port.pending() == 0);
            detach(id);
        }
        loops.stop();
    }
}
