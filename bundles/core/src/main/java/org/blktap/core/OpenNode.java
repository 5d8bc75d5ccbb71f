package org.blktap.core;

import java.lang.System.Logger;
import java.lang.System.Logger.Level;
import java.nio.file.Path;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.function.Consumer;
import org.blktap.api.control.StateReason;
import org.blktap.api.disk.DiskException;
import org.blktap.api.disk.Options;
import org.blktap.api.engine.IoLoop;
import org.blktap.api.memory.NativeMemory;
import org.blktap.api.node.DeviceNode;
import org.blktap.api.node.DiskPort;
import org.blktap.api.node.NodeContext;
import org.blktap.api.node.NodeProvider;
import org.blktap.core.gate.Gate;
import org.blktap.core.gate.NodePort;

/** One node of an attachment: what was asked for, and what is open of it. */
final class OpenNode {
    private static final Logger LOG = System.getLogger("org.blktap.core");
    final NodeSpec spec;
    private Registry.Entry<NodeProvider> provider;
    private volatile DeviceNode node;
    private NodePort port;
    private volatile String address;
    private boolean opened;
    private boolean started;
    /** How it was ended while it was not open; null if it was not. Loop only. */
    private Consumer<DeviceNode> endedAs;

    OpenNode(NodeSpec spec) {
        this.spec = spec;
        address = spec.text();
    }

    boolean isOpen() {
        return node != null;
    }

    DeviceNode node() {
        return node;
    }

    /** The current or last address; before the node was open, the requested one. */
    String address() {
        return address;
    }

    boolean servedBy(Registry.Entry<NodeProvider> gone) {
        return provider != null && provider.equals(gone);
    }

    /** Takes the node for one that was open before, see {@link NodeContext#reopened}. */
    void wasOpen() {
        opened = true;
    }

    /** The service that opens the node. Waits for one that is being replaced; for control threads. */
    Registry.Entry<NodeProvider> findProvider(Services services) throws DiskException {
        Registry.Entry<NodeProvider> found = services.nodeKinds().kinds().awaited(spec.kind());
        if (found == null) {
            throw new MissingService(
                    StateReason.Kind.NO_NODE_KIND,
                    spec.kind(),
                    "no node of kind " + spec.kind() + "; present: "
                            + services.nodeKinds().kinds().names());
        }
        return found;
    }

    /** Opens the node, on the loop; the future ends there. */
    CompletableFuture<Void> open(
            String id,
            IoLoop loop,
            Gate gate,
            Registry.Entry<NodeProvider> found,
            ClientEvents events,
            Services services)
            throws DiskException {
        endedAs = null;
        Options options = new Options(spec.options());
        CompletableFuture<Void> done = new CompletableFuture<>();
        NodePort fresh = new NodePort(gate);
        found.service()
                .openLater(new Context(
                        id,
                        spec.target(),
                        options,
                        opened,
                        loop,
                        fresh,
                        services.memory(),
                        services.runDir(),
                        events,
                        spec.kind()))
                .whenComplete((opening, failure) -> {
                    try {
                        if (failure != null) {
                            done.completeExceptionally(
                                    failure instanceof CompletionException ? failure.getCause() : failure);
                        } else {
                            opened(opening, fresh, found, options, done);
                        }
                    } catch (DiskException | RuntimeException | Error e) {
                        done.completeExceptionally(e);
                    }
                });
        return done;
    }

    private void opened(
            DeviceNode fresh,
            NodePort through,
            Registry.Entry<NodeProvider> by,
            Options options,
            CompletableFuture<Void> done)
            throws DiskException {
        boolean again = opened;
        try {
            options.checkAllKnown("node " + spec.kind());
        } catch (DiskException e) {
            late(again).accept(fresh);
            throw e;
        }
        provider = by;
        node = fresh;
        port = through;
        address = fresh.address();
        opened = true;
        started = false;
        // if no caller waits for it any more, a node that a VM had before stays for what opens or ends it next
        if (!done.complete(null) && (!again || endedAs != null)) {
            end(late(again));
        }
    }

    /** How an abandoned node ends: a VM that had it before finds it again, unless the node had to be removed. */
    private Consumer<DeviceNode> late(boolean again) {
        return !again ? DeviceNode::remove : endedAs == null ? DeviceNode::close : endedAs;
    }

    /** See {@link DeviceNode#started}: once for each opening. Loop only. */
    CompletableFuture<Void> started() {
        if (node == null || started) {
            return CompletableFuture.completedFuture(null);
        }
        started = true;
        return node.started().toCompletableFuture();
    }

    /** Closes the node, on the loop; its VM finds it again. Nothing of it is in flight. */
    void close() {
        end(DeviceNode::close);
    }

    /** Removes the node, on the loop, for good. Nothing of it is in flight. */
    void remove() {
        end(DeviceNode::remove);
    }

    private void end(Consumer<DeviceNode> ending) {
        DeviceNode closing = node;
        node = null;
        provider = null;
        if (closing == null) {
            endedAs = ending;
        } else {
            try {
                ending.accept(closing);
            } catch (RuntimeException | Error e) {
                LOG.log(Level.ERROR, address + ": the node cannot be closed", e);
            }
            port.close();
        }
    }

    Map<String, ?> status() {
        DeviceNode open = node;
        return open == null ? Map.of() : open.status();
    }

    private record Context(
            String id,
            String target,
            Options options,
            boolean reopened,
            IoLoop loop,
            DiskPort port,
            NativeMemory memory,
            Path runDir,
            ClientEvents events,
            String kind)
            implements NodeContext {
        @Override
        public void clientConnected(String client) {
            events.connected(kind, client);
        }

        @Override
        public void clientDisconnected(String client) {
            events.disconnected(kind, client);
        }
    }
}
