package org.blktap.node.xen;

import java.io.IOException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ConcurrentSkipListMap;
import java.util.concurrent.CopyOnWriteArrayList;
import org.blktap.api.control.AttachRequest;
import org.blktap.api.control.AttachmentStats;
import org.blktap.api.control.AttachmentStatus;
import org.blktap.api.control.Attachments;
import org.blktap.api.control.StateReason;
import org.blktap.api.disk.DiskException;
import org.blktap.api.disk.DiskInfo;
import org.blktap.api.disk.TapSpec;

/** Attaches anything of the type ram, and does of a node what the core would have it do. */
final class FakeAttachments implements Attachments {
    private final TestHost host;
    final Map<String, AttachRequest> attached = new ConcurrentSkipListMap<>();
    /** Each is there when it has had its effect. */
    final List<String> calls = new CopyOnWriteArrayList<>();
    /** Those that could not be opened again. */
    final Set<String> parked = ConcurrentHashMap.newKeySet();

    /** Those whose image others have open. */
    final Set<String> waiting = ConcurrentHashMap.newKeySet();

    /** What happens while an attach is under way. */
    volatile Event meanwhile = () -> {};

    interface Event {
        void happens() throws IOException;
    }

    FakeAttachments(TestHost host) {
        this.host = host;
    }

    @Override
    public void setOptions(String id, Map<String, String> values) {
        calls.add("set " + id + " " + values);
    }

    @Override
    public AttachmentStatus attach(AttachRequest request) throws DiskException {
        try {
            try {
                meanwhile.happens();
            } catch (IOException e) {
                throw new AssertionError(e);
            }
            if (!request.spec().type().equals("ram")) {
                throw new DiskException(
                        DiskException.Reason.WRONG_TYPE,
                        "no driver for tap:" + request.spec().type());
            }
            if (attached.containsKey(request.id())) {
                throw new DiskException(
                        DiskException.Reason.EXISTS, "attachment '" + request.id() + "' exists already");
            }
            if (request.options().containsKey("wait-for-lock")) {
                // others have it open, until a test lets it be opened
                waiting.add(request.id());
                attached.put(request.id(), request);
            } else {
                put(request);
            }
            return status(request.id());
        } finally {
            calls.add("attach " + request.spec() + " " + request.id() + " " + request.nodes()
                    + (request.readOnly() ? " read-only" : "")
                    + (request.options().isEmpty() ? "" : " " + request.options()));
        }
    }

    void put(AttachRequest request) throws DiskException {
        attached.put(request.id(), request);
        try {
            for (String node : request.nodes()) {
                DomainDevice device = DomainDevice.ofNode(node);
                if (device != null) {
                    DeviceNodes.claim(
                            host.store,
                            device.paths(host.store),
                            new DeviceNodes.Claim(request.id(), device.name(), 4, device.access(), !request.readOnly()),
                            host.blkback);
                }
            }
        } catch (IOException e) {
            throw new AssertionError(e);
        }
    }

    @Override
    public void detach(String id, boolean force) throws DiskException {
        try {
            if (attached.remove(id) == null) {
                throw new DiskException(DiskException.Reason.NOT_FOUND, "no attachment " + id);
            }
        } finally {
            calls.add("detach " + id + (force ? " forced" : ""));
        }
    }

    @Override
    public long resize(String id, long sizeBytes) {
        throw new AssertionError("not asked for here");
    }

    @Override
    public void exchange(String id, TapSpec medium, boolean force) {
        throw new AssertionError("not asked for here");
    }

    @Override
    public void resume(String id, TapSpec image) {
        throw new AssertionError("not asked for here");
    }

    @Override
    public void makeReadOnly(String id) throws DiskException {
        try {
            AttachRequest request = attached.get(id);
            if (request.options().containsKey("written")) {
                throw new DiskException(
                        DiskException.Reason.BUSY, id + " cannot become read-only: the VM of nbd may be writing");
            }
            attached.put(id, request.withoutWrites());
        } finally {
            calls.add("read-only " + id);
        }
    }

    @Override
    public void plug(String id, String node) throws DiskException {
        try {
            AttachRequest request = attached.get(id);
            if (request == null) {
                throw new DiskException(DiskException.Reason.NOT_FOUND, "no attachment " + id);
            }
            List<String> nodes = new ArrayList<>(request.nodes());
            nodes.add(node);
            put(request.withNodes(nodes));
        } finally {
            calls.add("plug " + id + " " + node);
        }
    }

    @Override
    public void unplug(String id, String node, boolean force) {
        try {
            AttachRequest request = attached.get(id);
            List<String> nodes = new ArrayList<>(request.nodes());
            nodes.remove(node);
            attached.put(id, request.withNodes(nodes));
        } finally {
            calls.add("unplug " + id + " " + node + (force ? " forced" : ""));
        }
    }

    @Override
    public Duration addFilter(String id, String spec, String below) {
        throw new UnsupportedOperationException();
    }

    @Override
    public Duration setFilter(String id, String type, Map<String, String> values) {
        throw new UnsupportedOperationException();
    }

    @Override
    public Duration removeFilter(String id, String type) {
        throw new UnsupportedOperationException();
    }

    @Override
    public List<Duration> snapshot(List<Overlay> overlays) {
        throw new UnsupportedOperationException();
    }

    @Override
    public Duration growBacking(String id, TapSpec image, Map<String, String> options, long sizeBytes) {
        throw new UnsupportedOperationException();
    }

    @Override
    public Duration switchImage(String id, ImageSwitch to) {
        throw new UnsupportedOperationException();
    }

    @Override
    public List<ServiceStatus> filters() {
        return List.of();
    }

    @Override
    public List<AttachmentStatus> list() {
        return attached.values().stream().map(this::show).toList();
    }

    private AttachmentStatus show(AttachRequest request) {
        List<AttachmentStatus.Node> nodes = new ArrayList<>();
        request.nodes().forEach(node -> nodes.add(new AttachmentStatus.Node(node.split("[:,]")[0], node, Map.of())));
        return new AttachmentStatus(
                request.id(),
                request.spec().toString(),
                parked.contains(request.id())
                        ? AttachmentStatus.State.PARKED
                        : waiting.contains(request.id())
                                ? AttachmentStatus.State.OPENING
                                : AttachmentStatus.State.RUNNING,
                waiting.contains(request.id())
                        ? new StateReason(StateReason.Kind.IMAGE_IN_USE, "in use")
                        : StateReason.NONE,
                0,
                512,
                request.readOnly(),
                "",
                nodes,
                Map.of(),
                Map.of(),
                List.of());
    }

    @Override
    public AttachmentStatus status(String id) throws DiskException {
        AttachRequest request = attached.get(id);
        if (request == null) {
            throw new DiskException(DiskException.Reason.NOT_FOUND, "no attachment " + id);
        }
        return show(request);
    }

    @Override
    public DiskInfo disk(String id) {
        throw new AssertionError("not asked for here");
    }

    @Override
    public AttachmentStats stats(String id) {
        throw new AssertionError("not asked for here");
    }

    @Override
    public void park(String id) {
        throw new AssertionError("not asked for here");
    }

    @Override
    public void resume(String id) {
        throw new AssertionError("not asked for here");
    }

    @Override
    public CompletionStage<Void> settled() {
        return CompletableFuture.completedFuture(null);
    }

    @Override
    public List<ServiceStatus> drivers() {
        return List.of();
    }

    @Override
    public List<ServiceStatus> nodes() {
        return List.of();
    }

    @Override
    public List<ServiceStatus> engines() {
        return List.of();
    }
}
