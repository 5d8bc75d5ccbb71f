package org.blktap.shell;

import java.lang.reflect.InvocationHandler;
import java.lang.reflect.Proxy;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;
import org.blktap.api.control.AttachRequest;
import org.blktap.api.control.AttachmentStats;
import org.blktap.api.control.AttachmentStatus;
import org.blktap.api.control.AttachmentStatus.State;
import org.blktap.api.control.Attachments;
import org.blktap.api.control.Images;
import org.blktap.api.control.StateReason;
import org.blktap.api.disk.DiskDriver.CheckReport;
import org.blktap.api.disk.DiskException;
import org.blktap.api.disk.DiskException.Reason;
import org.blktap.api.disk.DiskInfo;
import org.blktap.api.disk.Options;
import org.blktap.api.disk.TapSpec;
import org.blktap.api.engine.ExtentList;
import org.blktap.shell.command.Surroundings;

/** A core that keeps its attachments in a list. */
public final class Fakes implements Attachments, Images {
    /** The backing images of images, by their specs. */
    public final Map<String, TapSpec> backings = new HashMap<>();

    public final List<AttachRequest> attached = new ArrayList<>();
    public final List<String> calls = new ArrayList<>();
    public final Set<String> parked = new HashSet<>();
    /** What the next call throws. */
    public Exception failure;
    /** What goes on while the attachments are listed. */
    public Runnable listed = () -> {};
    /** The same, while one is detached: it has gone already. */
    public Runnable detached = () -> {};

    public CheckReport report = new CheckReport(7, 0, List.of());
    /** Whether a convert runs until its caller gives up. */
    public volatile boolean endless;
    /** What a check finds after a repair. */
    public CheckReport repaired = report;

    public Surroundings in(Path directory) {
        return new Surroundings(() -> this, () -> this, directory, false);
    }

    private void called(String what) throws DiskException {
        calls.add(what);
        if (failure instanceof DiskException e) {
            throw e;
        }
        if (failure instanceof RuntimeException e) {
            throw e;
        }
    }

    AttachmentStatus status(AttachRequest request) {
        List<AttachmentStatus.Node> nodes = request.nodes().stream()
                .map(node -> new AttachmentStatus.Node(
                        node, node + ":/run/" + request.id() + ".sock", Map.of("clients", "0")))
                .toList();
        return new AttachmentStatus(
                request.id(),
                request.spec().toString(),
                parked.contains(request.id()) ? State.PARKED : State.RUNNING,
                StateReason.NONE,
                10L << 30,
                512,
                request.readOnly(),
                "libaio",
                nodes,
                request.options(),
                Map.of("format", "fake"),
                request.filters());
    }

    @Override
    public AttachmentStatus attach(AttachRequest request) throws DiskException {
        called("attach");
        AttachRequest named = new AttachRequest(
                request.spec(),
                request.id() == null ? "made" : request.id(),
                request.nodes(),
                request.readOnly(),
                request.options(),
                request.filters());
        attached.add(named);
        return status(named);
    }

    private AttachRequest find(String id) throws DiskException {
        return attached.stream()
                .filter(each -> each.id().equals(id))
                .findFirst()
                .orElseThrow(() -> new DiskException(Reason.NOT_FOUND, "no attachment '" + id + "'"));
    }

    @Override
    public void detach(String id, boolean force) throws DiskException {
        called("detach " + id + (force ? " by force" : ""));
        attached.remove(find(id));
        detached.run();
    }

    @Override
    public void plug(String id, String node) throws DiskException {
        find(id);
        called("plug " + id + " " + node);
    }

    @Override
    public void unplug(String id, String node, boolean force) throws DiskException {
        find(id);
        called("unplug " + id + " " + node + (force ? " by force" : ""));
    }

    @Override
    public void setOptions(String id, Map<String, String> values) throws DiskException {
        find(id);
        called("set " + id + " " + values);
    }

    @Override
    public List<AttachmentStatus> list() {
        listed.run();
        return attached.stream().map(this::status).toList();
    }

    @Override
    public AttachmentStatus status(String id) throws DiskException {
        return status(find(id));
    }

    @Override
    public DiskInfo disk(String id) throws DiskException {
        return DiskInfo.ofSize(1 << 20).withBacking(backings.get(status(id).spec()));
    }

    @Override
    public AttachmentStats stats(String id) throws DiskException {
        find(id);
        return new AttachmentStats(
                id,
                3,
                1,
                20,
                Map.of(
                        "read",
                        new AttachmentStats.Counter(
                                5, 20480, 0, new AttachmentStats.Latency(Double.NaN, 10, 11, 12, 13, 14))),
                find(id).filters().stream()
                        .map(each -> new AttachmentStats.FilterStats(Options.nameIn(each), Map.of("waiting", 7)))
                        .toList());
    }

    @Override
    public void park(String id) throws DiskException {
        called("park " + id);
        parked.add(id);
    }

    @Override
    public void makeReadOnly(String id) throws DiskException {
        called("read-only " + id);
        AttachRequest before = find(id);
        attached.set(attached.indexOf(before), before.withoutWrites());
    }

    @Override
    public void resume(String id) throws DiskException {
        called("resume " + id);
        parked.remove(id);
    }

    @Override
    public void resume(String id, TapSpec image) throws DiskException {
        called("resume " + id + " " + image);
        parked.remove(id);
        AttachRequest before = find(id);
        attached.set(attached.indexOf(before), before.withSpec(image));
    }

    @Override
    public Duration addFilter(String id, String spec, String below) throws DiskException {
        AttachRequest before = find(id);
        called("filter add " + id + " " + spec + " below " + below);
        List<String> more = new ArrayList<>(before.filters());
        more.add(spec);
        attached.set(attached.indexOf(before), before.withFilters(more));
        return Duration.ofMillis(4);
    }

    @Override
    public Duration setFilter(String id, String type, Map<String, String> values) throws DiskException {
        find(id);
        called("filter set " + id + " " + type + " " + values);
        return Duration.ZERO;
    }

    @Override
    public Duration removeFilter(String id, String type) throws DiskException {
        AttachRequest before = find(id);
        called("filter remove " + id + " " + type);
        attached.set(
                attached.indexOf(before),
                before.withFilters(before.filters().stream()
                        .filter(each -> !each.startsWith(type + ","))
                        .toList()));
        return Duration.ofNanos(300);
    }

    @Override
    public List<Duration> snapshot(List<Overlay> overlays) throws DiskException {
        called("snapshot "
                + overlays.stream()
                        .map(each -> each.id() + " " + each.image() + " " + each.options())
                        .toList());
        return overlays.stream().map(each -> Duration.ofMillis(4)).toList();
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
        return List.of(new ServiceStatus("throttle", "limits", "t 1"));
    }

    @Override
    public long resize(String id, long sizeBytes) throws DiskException {
        find(id);
        called("resize " + id + " " + sizeBytes);
        return sizeBytes == -1 ? 30L << 30 : sizeBytes;
    }

    @Override
    public void exchange(String id, TapSpec medium, boolean force) throws DiskException {
        find(id);
        called("exchange " + id + " " + medium + (force ? " by force" : ""));
    }

    @Override
    public CompletionStage<Void> settled() {
        return CompletableFuture.completedFuture(null);
    }

    @Override
    public List<ServiceStatus> drivers() {
        return List.of(
                new ServiceStatus("aio", "raw", "a 1"),
                new ServiceStatus("nbd", "other servers", "n 1"),
                new ServiceStatus("qcow", "qcow version 1", "q 1"),
                new ServiceStatus("ram", "memory", "r 1"));
    }

    @Override
    public List<ServiceStatus> nodes() {
        return List.of(new ServiceStatus("nbd", "NBD clients", "n 1"));
    }

    @Override
    public List<ServiceStatus> engines() {
        return List.of(new ServiceStatus("libaio", "", "a 1"));
    }

    @Override
    public void createFor(DiskInfo source, TapSpec spec, Map<String, String> options) {
        throw new UnsupportedOperationException();
    }

    @Override
    public void create(
            TapSpec spec,
            long sizeBytes,
            TapSpec backing,
            boolean reserve,
            Map<String, String> options,
            List<String> filters)
            throws DiskException {
        called("create " + spec + " " + sizeBytes + " " + backing + " " + options + (reserve ? " reserved" : "")
                + (filters.isEmpty() ? "" : " " + filters));
    }

    @Override
    public void remove(TapSpec spec, Map<String, String> options) {
        // nothing is there
    }

    @Override
    public void resize(TapSpec spec, long sizeBytes, Map<String, String> options) throws DiskException {
        called("resize " + spec + " " + sizeBytes);
    }

    @Override
    public DiskInfo info(TapSpec spec, Map<String, String> options) throws DiskException {
        called("info " + spec);
        return DiskInfo.ofSize(1 << 20)
                .withReadOnly(true)
                .withDetails(Map.of("format", "fake"))
                .withBacking(backings.get(spec.toString()));
    }

    @Override
    public void map(TapSpec spec, Map<String, String> options, Extents to) throws DiskException {
        called("map " + spec);
        to.extent(0, 4096, ExtentList.DATA);
        to.extent(4096, 8192, ExtentList.HOLE | ExtentList.ZERO);
    }

    @Override
    public void convert(Conversion conversion, Progress progress) throws DiskException {
        called("convert " + conversion.from() + " " + conversion.to() + " " + conversion.toOptions()
                + (conversion.compressed() ? " compressed" : ""));
        boolean wanted;
        do {
            wanted = progress.at(512, 1024);
        } while (wanted && endless);
        if (!wanted) {
            throw new DiskException(Reason.IO, "given up");
        }
    }

    @Override
    public CheckReport check(TapSpec spec, boolean repair, Map<String, String> options) throws DiskException {
        called((repair ? "repair " : "check ") + spec);
        try {
            while (endless) {
                Thread.sleep(1000);
            }
        } catch (InterruptedException e) {
            throw new DiskException(DiskException.Reason.IO, spec + ": the check was interrupted", e);
        }
        CheckReport found = report;
        if (repair) {
            report = repaired;
        }
        return found;
    }

    /** An implementation of one of OSGi's large interfaces that knows a few methods. */
    public static <T> T proxy(Class<T> type, InvocationHandler handler) {
        return type.cast(Proxy.newProxyInstance(type.getClassLoader(), new Class<?>[] {type}, handler));
    }
}
