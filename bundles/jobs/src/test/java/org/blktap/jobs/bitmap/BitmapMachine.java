package org.blktap.jobs.bitmap;

import java.io.IOException;
import java.lang.reflect.InvocationHandler;
import java.lang.reflect.Method;
import java.lang.reflect.Proxy;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ExecutionException;
import org.blktap.api.control.AttachmentStatus;
import org.blktap.api.control.Attachments;
import org.blktap.api.disk.DiskException;
import org.blktap.api.disk.DiskException.Reason;
import org.blktap.api.disk.DiskInfo;
import org.blktap.api.disk.Operation;
import org.blktap.api.disk.Options;
import org.blktap.api.disk.Request;
import org.blktap.api.disk.StoredBitmaps;
import org.blktap.api.disk.VirtualDisk;
import org.blktap.api.engine.ExtentList;
import org.blktap.api.filter.PassThroughDisk;
import org.blktap.api.filter.Substitute;
import org.blktap.api.testkit.TestFilterContext;
import org.blktap.api.testkit.TimedLoop;
import org.blktap.jobs.TestStatus;

/**
 * One attachment "a" with the filter {@code bitmap} between two others, as the core would have it: a change of the
 * filter drains what is in flight. The disk holds requests until they are drained. The test's thread is the loop.
 */
final class BitmapMachine implements InvocationHandler, VirtualDisk {
    static final String ID = "a";

    final Attachments attachments = (Attachments)
            Proxy.newProxyInstance(Attachments.class.getClassLoader(), new Class<?>[] {Attachments.class}, this);
    private final TimedLoop loop = new TimedLoop();
    private final Path parent;
    private int lives;
    private Path data;
    private BitmapFilter filter;
    Bitmaps bitmaps;
    private final List<Request> pending = new ArrayList<>();
    private long size;
    /** The spec of the filter; null if there is none. */
    String recorded;

    /** What the image stores; null for an image that stores no bitmaps. */
    ModelImage image;

    /** Specs of other filters of the attachment. */
    final List<String> others = new ArrayList<>();

    PassThroughDisk open;
    boolean parked;
    /** What a VM does while the filter is changed: before what is in flight has ended, and after that. */
    Runnable beforeDrain = () -> {};

    Runnable afterDrain = () -> {};
    /** Whether the next change fails since requests do not end. */
    boolean refuses;

    BitmapMachine(Path parent, long size) throws IOException {
        this.parent = parent;
        this.size = size;
        begin(Files.createDirectories(parent.resolve("life0")));
    }

    private void begin(Path directory) {
        data = directory;
        filter = new BitmapFilter(new BitmapStore(directory));
        bitmaps = new Bitmaps(filter, attachments);
    }

    // ---- the disk

    @Override
    public DiskInfo info() {
        return DiskInfo.ofSize(size).withContext("other");
    }

    @Override
    public StoredBitmaps storedBitmaps() {
        return image;
    }

    @Override
    public void draining(boolean begins) {
        if (image != null && !begins) {
            image.serves();
        }
    }

    /** The filter that the image asks for. */
    String implied() {
        return filter.impliedBy(this);
    }

    @Override
    public void submit(Request request) {
        if (image != null && request.operation().changes()) {
            image.changes();
        }
        if (request.operation() == Operation.MAP) {
            request.extents().add(request.length(), request.context() == 0 ? ExtentList.DATA : 7);
            request.complete(0);
        } else {
            pending.add(request);
        }
    }

    @Override
    public void close() {
        // nothing is open
    }

    void drain() {
        while (!pending.isEmpty()) {
            pending.remove(pending.size() - 1).complete(0);
        }
    }

    /** A filter above, which submits requests of its own, later. */
    private static final class Above extends PassThroughDisk {
        Above(VirtualDisk below) {
            super(below);
        }

        @Override
        public void submit(Request request) {
            below().submit(new Substitute(ended -> {
                        int error = ended.error();
                        ((Substitute) ended).release().complete(error);
                    })
                    .of(request));
        }
    }

    private VirtualDisk top() {
        return open == null ? this : new Above(open);
    }

    /** A VM changes a range. */
    void change(Operation operation, long offset, long length) {
        Request request = new Request(ended -> {}, 1);
        if (operation == Operation.WRITE || operation == Operation.READ) {
            request.data().add(4096, (int) length);
        }
        top().submit(request.set(operation, offset, length, 0));
    }

    /** Asks for the dirty ranges of a bitmap; one boolean for each sector. */
    boolean[] dirty(String name) {
        int context = open.info().contexts().indexOf("dirty-bitmap:" + name) + 1;
        boolean[] dirty = new boolean[(int) (size / 512)];
        for (long at = 0; at < size; ) {
            ExtentList list = new ExtentList();
            top().submit(new Request(ended -> {}, 0).setMap(at, size - at, list, context));
            for (int i = 0; i < list.count(); i++) {
                Arrays.fill(dirty, (int) (at / 512), (int) ((at + list.length(i)) / 512), list.state(i) == 1);
                at += list.length(i);
            }
        }
        return dirty;
    }

    long size() {
        return size;
    }

    // ---- the core

    private PassThroughDisk opened(String spec) throws DiskException {
        Options options = new Options(Options.valuesIn(spec, "test"));
        PassThroughDisk disk = filter.open(
                new PassThroughDisk(this) {},
                TestFilterContext.of(ID, loop, null).withOptions(options.asMap()));
        return disk;
    }

    private Duration exchange(String spec) throws DiskException {
        if (parked) {
            recorded = spec;
            return Duration.ZERO;
        }
        String before = recorded;
        PassThroughDisk fresh = spec == null ? null : opened(spec);
        recorded = spec;
        beforeDrain.run();
        if (refuses) {
            recorded = before;
            if (fresh != null) {
                fresh.close();
            }
            throw new DiskException(Reason.BUSY, "requests do not end");
        }
        drain();
        PassThroughDisk old = open;
        if (old != null) {
            old.beforeRemoval();
        }
        open = fresh;
        (open == null ? this : open).draining(false);
        afterDrain.run();
        if (old != null) {
            old.close();
        }
        return Duration.ofMillis(1);
    }

    /** Changes options, as {@code filter set} does. */
    Duration set(Map<String, String> values) throws DiskException {
        Map<String, String> all = new LinkedHashMap<>(Options.valuesIn(recorded, "test"));
        values.forEach((key, value) -> {
            if (value.isEmpty()) {
                all.remove(key);
            } else {
                all.put(key, value);
            }
        });
        StringBuilder spec = new StringBuilder("bitmap");
        all.forEach((key, value) -> spec.append(',').append(key).append('=').append(value));
        if (!parked && open.set(new Options(all))) {
            recorded = spec.toString();
            return Duration.ZERO;
        }
        return exchange(spec.toString());
    }

    @Override
    public Object invoke(Object proxy, Method method, Object[] arguments) throws Throwable {
        return switch (method.getName()) {
            case "status" -> status();
            case "list" -> List.of(status());
            case "addFilter" -> exchange((String) arguments[1]);
            case "setFilter" -> {
                @SuppressWarnings("unchecked")
                Map<String, String> values = (Map<String, String>) arguments[2];
                yield set(values);
            }
            case "removeFilter" -> exchange(null);
            default -> throw new UnsupportedOperationException(method.getName());
        };
    }

    private AttachmentStatus status() {
        return TestStatus.of(
                ID,
                "tap:ram:a",
                parked ? AttachmentStatus.State.PARKED : AttachmentStatus.State.RUNNING,
                size,
                Map.of(),
                filters());
    }

    private List<String> filters() {
        List<String> filters = new ArrayList<>(recorded == null ? List.of() : List.of(recorded));
        filters.addAll(others);
        return filters;
    }

    BitmapStore store() {
        return filter.store();
    }

    void park() {
        drain();
        parked = true;
        if (open != null) {
            open.close();
            open = null;
        }
        if (image != null) {
            image.closed();
        }
        awaitReleases();
    }

    /** The files are read by the test. */
    void awaitReleases() {
        try {
            store().awaitReleases();
        } catch (InterruptedException | ExecutionException e) {
            throw new AssertionError(e);
        }
    }

    void resume(long sizeBytes) throws DiskException {
        size = sizeBytes;
        parked = false;
        if (image != null) {
            image.opened();
        }
        open = recorded == null ? null : opened(recorded);
        (open == null ? this : open).draining(false);
    }

    /** The daemon is killed and starts again; with the power it loses the boot. */
    void kill(boolean powerLoss) throws IOException, DiskException {
        Path next = parent.resolve("life" + ++lives);
        copy(data, next, powerLoss);
        Path old = data;
        // of the old life nothing reaches the new one
        pending.clear();
        if (image != null) {
            image.killed();
        }
        if (open != null) {
            open.close();
            open = null;
        }
        awaitReleases();
        delete(old);
        begin(next);
        if (!parked) {
            resume(size);
        }
    }

    /** Closes the daemon and starts it. */
    void restart() throws DiskException {
        boolean wasParked = parked;
        park();
        begin(data);
        parked = wasParked;
        if (!parked) {
            resume(size);
        }
    }

    /** The file of a bitmap. */
    Path file(String name) {
        return data.resolve(ID).resolve(name);
    }

    private static void copy(Path from, Path to, boolean otherBoot) throws IOException {
        Files.createDirectories(to);
        try (DirectoryStream<Path> all = Files.newDirectoryStream(from)) {
            for (Path each : all) {
                Path copy = to.resolve(each.getFileName());
                if (Files.isDirectory(each)) {
                    copy(each, copy, otherBoot);
                } else {
                    byte[] bytes = Files.readAllBytes(each);
                    bytes[32] = (byte) (bytes[32] ^ (otherBoot ? 1 : 0));
                    Files.write(copy, bytes);
                }
            }
        }
    }

    private static void delete(Path directory) throws IOException {
        try (DirectoryStream<Path> all = Files.newDirectoryStream(directory)) {
            for (Path each : all) {
                if (Files.isDirectory(each)) {
                    delete(each);
                } else {
                    Files.delete(each);
                }
            }
        }
        Files.delete(directory);
    }
}
