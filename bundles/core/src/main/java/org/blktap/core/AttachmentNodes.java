package org.blktap.core;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.function.Consumer;
import org.blktap.api.control.AttachmentStatus;
import org.blktap.api.disk.DiskException;
import org.blktap.api.disk.DiskException.Reason;
import org.blktap.api.node.DeviceNode;
import org.blktap.api.node.NodeProvider;
import org.blktap.core.gate.Gate;

/** The nodes of one attachment. For control threads, one at a time, except where noted. */
final class AttachmentNodes {
    private final LoopCalls loop;
    private final Gate gate;
    private final Services services;
    private final ClientEvents events;
    /** Changed by control threads, gone through on the loop. */
    private final List<OpenNode> nodes = new CopyOnWriteArrayList<>();

    private volatile List<AttachmentStatus.Node> lastStatus = List.of();

    /**
     * @param specs as given to attach
     * @param restored whether an earlier life of the daemon had them
     */
    AttachmentNodes(List<String> specs, boolean restored, LoopCalls loop, Gate gate, Services services)
            throws DiskException {
        this.loop = loop;
        this.gate = gate;
        this.services = services;
        events = new ClientEvents(loop.id(), loop.loop(), services.announcements());
        for (String spec : specs) {
            OpenNode node = new OpenNode(NodeSpec.parse(spec));
            if (restored) {
                node.wasOpen();
            }
            nodes.add(node);
        }
    }

    /** Opens those that are not open. */
    void open() throws DiskException {
        for (OpenNode node : nodes) {
            if (!node.isOpen()) {
                open(node);
            }
        }
    }

    /**
     * Refuses nodes that cannot be opened later either.
     *
     * @throws DiskException if a kind of node is not there
     */
    void checkKinds() throws DiskException {
        for (OpenNode node : nodes) {
            node.findProvider(services);
        }
    }

    private void open(OpenNode node) throws DiskException {
        Registry.Entry<NodeProvider> provider = node.findProvider(services);
        CompletableFuture<Void> opening =
                loop.ask(() -> node.open(loop.id(), loop.loop(), gate, provider, events, services));
        try {
            loop.await(opening, "the node " + node.spec.text() + " to open");
        } finally {
            // where the wait was interrupted, the node knows what becomes of it when it opens later
            opening.cancel(false);
        }
    }

    /**
     * Adds one more.
     *
     * @param now to open it now, not with the others when there is a disk
     */
    void add(String spec, boolean now) throws DiskException {
        OpenNode node = new OpenNode(NodeSpec.parse(spec));
        if (!now) {
            node.findProvider(services);
            nodes.add(node);
            return;
        }
        open(node);
        nodes.add(node);
        loop.run(() -> {
            if (gate.isOpen()) {
                node.node().resumed();
            }
        });
        try {
            awaitStarted();
        } catch (DiskException e) {
            loop.run(node::remove);
            nodes.remove(node);
            throw e;
        }
    }

    /** Waits until the devices of nodes that were opened are there; the port is open. */
    void awaitStarted() throws DiskException {
        for (OpenNode node : nodes) {
            CompletableFuture<Void> started =
                    loop.ask(() -> gate.isOpen() ? node.started() : CompletableFuture.completedFuture(null));
            loop.await(started, "the device of " + node.address() + " to appear");
        }
    }

    /**
     * Ends one, which has nothing in flight.
     *
     * @param name its spec, its address, or its kind if there is one of that only
     * @return its spec
     */
    String remove(String name, boolean force, LoopCalls.Action quiet) throws DiskException {
        OpenNode node = find(name);
        if (!force) {
            unplug(node);
        }
        quiet.run();
        loop.run(node::remove);
        nodes.remove(node);
        return node.spec.text();
    }

    private OpenNode find(String name) throws DiskException {
        List<OpenNode> found = nodes.stream()
                .filter(each -> each.spec.text().equals(name) || each.address().equals(name))
                .toList();
        if (found.isEmpty()) {
            found = nodes.stream().filter(each -> each.spec.kind().equals(name)).toList();
        }
        if (found.size() == 1) {
            return found.get(0);
        }
        String present = nodes.isEmpty()
                ? "none"
                : String.join(", ", nodes.stream().map(OpenNode::address).toList());
        throw new DiskException(
                Reason.NOT_FOUND,
                loop.id() + " has " + (found.isEmpty() ? "no node" : found.size() + " nodes") + " '" + name
                        + "'; present: " + present);
    }

    /** Asks the VMs to release their devices, and waits for that. */
    void unplug() throws DiskException {
        for (OpenNode node : nodes) {
            unplug(node);
        }
    }

    private void unplug(OpenNode node) throws DiskException {
        if (node.isOpen()) {
            loop.await(
                    loop.ask(() -> node.node().unplug().toCompletableFuture()),
                    "the VM to let " + node.address() + " go");
        }
    }

    /** Does something with all that are open. Loop only. */
    void each(Consumer<DeviceNode> action) {
        for (OpenNode node : nodes) {
            if (node.isOpen()) {
                action.accept(node.node());
            }
        }
    }

    /**
     * Refuses to go on if a VM may be writing.
     *
     * @throws DiskException BUSY, naming the node
     */
    void checkNoneWrites() throws DiskException {
        loop.run(() -> {
            for (OpenNode node : nodes) {
                if (node.isOpen() && node.node().mayWrite()) {
                    throw new DiskException(
                            Reason.BUSY,
                            loop.id() + " cannot become read-only: the VM of " + node.address() + " may be writing");
                }
            }
        });
    }

    boolean anyServedBy(Registry.Entry<NodeProvider> provider) {
        return nodes.stream().anyMatch(node -> node.servedBy(provider));
    }

    /** Nothing is in flight. */
    void closeServedBy(Registry.Entry<NodeProvider> provider) throws DiskException {
        for (OpenNode node : nodes) {
            if (node.servedBy(provider)) {
                loop.run(node::close);
            }
        }
    }

    /** Closes all nodes; their VMs find the devices again. No request is in flight. */
    void close() throws DiskException {
        loop.run(() -> nodes.forEach(OpenNode::close));
    }

    /** Removes all nodes for good. No request is in flight. */
    void remove() throws DiskException {
        loop.run(() -> nodes.forEach(OpenNode::remove));
    }

    /** Disconnects the VMs while requests of theirs are in flight; {@link #remove} follows when these have ended. */
    void disconnect() throws DiskException {
        loop.run(() -> each(DeviceNode::disconnect));
    }

    /** Asks the nodes on the loop for their status, without waiting. Any thread. */
    CompletableFuture<List<AttachmentStatus.Node>> status() {
        return loop.start(() -> {
            List<AttachmentStatus.Node> shown = new ArrayList<>();
            for (OpenNode node : nodes) {
                shown.add(new AttachmentStatus.Node(node.spec.kind(), node.address(), node.status()));
            }
            lastStatus = List.copyOf(shown);
            return shown;
        });
    }

    /** The nodes as they were when they last answered, or without a status. Any thread. */
    List<AttachmentStatus.Node> lastStatus() {
        List<AttachmentStatus.Node> last = lastStatus;
        if (last.size() == nodes.size()) {
            return last;
        }
        return nodes.stream()
                .map(node -> new AttachmentStatus.Node(node.spec.kind(), node.address(), Map.of()))
                .toList();
    }
}
