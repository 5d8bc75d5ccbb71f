package org.blktap.core;

import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Callable;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.Consumer;
import org.blktap.api.control.AttachRequest;
import org.blktap.api.control.AttachmentStatus;
import org.blktap.api.control.AttachmentStatus.State;
import org.blktap.api.disk.DiskDriver;
import org.blktap.api.disk.DiskException;
import org.blktap.api.disk.Operation;
import org.blktap.api.disk.Request;
import org.blktap.api.disk.TapSpec;
import org.blktap.api.engine.Errno;
import org.blktap.api.engine.ErrnoException;
import org.blktap.api.engine.IoEngine;
import org.blktap.api.engine.IoFile;
import org.blktap.api.engine.IoQueue;
import org.blktap.api.node.DeviceNode;
import org.blktap.api.node.NodeContext;
import org.blktap.api.node.NodeProvider;
import org.blktap.api.settings.Directories;
import org.blktap.api.testkit.Eventually;
import org.blktap.linux.EpollLoops;
import org.blktap.linux.NativeMemoryService;

/**
 * The core with short limits, an engine, nodes through which a test sends requests, and the drivers that a test brings.
 */
@CoreSettings(drain_seconds = 1, forced_seconds = 1, unbind_seconds = 1, stop_seconds = 1)
final class CoreKit implements AutoCloseable {
    final EpollLoops loops = new EpollLoops();
    final FakeReference<IoEngine> engine = new FakeReference<>(Map.of("engine.name", "fake"));
    final FakeReference<NodeProvider> provider = new FakeReference<>(Map.of("node.kind", "fake"));
    /** The node of each attachment that was opened last. */
    final Map<String, Node> nodes = new ConcurrentHashMap<>();

    private final Directories directories;
    private final IoEngine files;
    /** Called on the loop when a node may send requests, with the attachment's id. */
    volatile Consumer<String> whenResumed = id -> {};

    InstalledServices installed;
    InstalledNodeKinds nodeKinds;
    AttachmentManager manager;

    CoreKit(Path directory) throws IOException {
        this(directory, loop -> new NoFiles());
    }

    /** @param files opens the files of images */
    CoreKit(Path directory, IoEngine files) throws IOException {
        this.files = files;
        directories = directories(directory);
        start();
    }

    /** Those of a daemon below a test's directory. */
    static Directories directories(Path directory) {
        return new Directories(
                directory,
                directory.resolve("run"),
                directory.resolve("data"),
                directory.resolve("deploy"),
                directory.resolve("control"));
    }

    void start() throws IOException {
        installed = new InstalledServices();
        nodeKinds = new InstalledNodeKinds();
        manager = new AttachmentManager(
                loops,
                new NativeMemoryService(),
                installed,
                nodeKinds,
                directories,
                new CoreConfiguration(CoreKit.class.getAnnotation(CoreSettings.class)),
                new Announcements());
        installed.addEngine(files, engine);
        nodeKinds.addNodeProvider(this::node, provider);
    }

    private DeviceNode node(NodeContext context) {
        Node node = new Node(context, id -> whenResumed.accept(id));
        nodes.put(context.id(), node);
        return node;
    }

    /** A daemon that stops and starts; its drivers are brought by the test. */
    void restart() throws IOException {
        manager.deactivate();
        nodes.clear();
        start();
    }

    static FakeReference<DiskDriver> driver(String type) {
        return new FakeReference<>(Map.of("tap.type", type));
    }

    AttachmentStatus attach(String type, String id) throws DiskException {
        return manager.attach(
                new AttachRequest(TapSpec.parse("tap:" + type + ":/" + id), id, List.of("fake"), false, Map.of()));
    }

    void await(String id, State state) throws Exception {
        until(
                id + " is " + state,
                () -> manager.list().stream().anyMatch(each -> each.id().equals(id) && each.state() == state));
    }

    void awaitGone(String id) throws Exception {
        until(
                id + " is gone",
                () -> manager.list().stream().noneMatch(each -> each.id().equals(id)));
    }

    void until(String what, Callable<Boolean> condition) throws Exception {
        Eventually.holds(() -> what + ": " + manager.list(), condition);
    }

    /** Sends a request as the VM of an attachment does: when the port is open. Ends with its errno. */
    CompletableFuture<Integer> send(String id, Operation operation) {
        return nodes.get(id).send(operation);
    }

    @Override
    public void close() {
        manager.deactivate();
        loops.stop();
    }

    /** A queue on which there is no file. */
    static final class NoFiles implements IoQueue {
        @Override
        public IoFile open(Path path, boolean writable) throws ErrnoException {
            throw new ErrnoException(Errno.ENOENT, path + ": no such file");
        }

        @Override
        public void close() {
            // nothing was opened
        }
    }

    /** A node whose VM sends what the test says. */
    static final class Node implements DeviceNode {
        final NodeContext context;
        private final java.util.ArrayDeque<Request> waiting = new java.util.ArrayDeque<>();
        final AtomicInteger answers = new AtomicInteger();
        final AtomicInteger resizes = new AtomicInteger();
        /** How often the VM was asked for the device. */
        final AtomicInteger asked = new AtomicInteger();
        /** Whether it was closed, to come back after a restart, or removed. */
        volatile String end = "";
        /** What the VM would have been shown when the node opened. */
        volatile boolean disconnected;
        /** What the VM does when it is asked for the device. */
        volatile Runnable letGo = () -> {};

        private final Consumer<String> whenResumed;

        Node(NodeContext context, Consumer<String> whenResumed) {
            this.whenResumed = whenResumed;
            this.context = context;
        }

        CompletableFuture<Integer> send(Operation operation) {
            // no driver of these tests looks at the data
            return operation == Operation.FLUSH ? send(operation, 0, 0, 0) : send(operation, 4096, 4096, 4096);
        }

        /** @param address of the data of a READ or WRITE */
        CompletableFuture<Integer> send(Operation operation, long offset, int length, long address) {
            CompletableFuture<Integer> ended = new CompletableFuture<>();
            context.loop().execute(() -> {
                Request request = context.port()
                        .newRequest(
                                r -> {
                                    answers.incrementAndGet();
                                    ended.complete(r.error());
                                },
                                1);
                if (operation != Operation.FLUSH) {
                    request.data().add(address, length);
                }
                waiting.add(request.set(operation, offset, length, 0));
                resumed();
            });
            return ended;
        }

        @Override
        public String address() {
            return "fake:" + context.id();
        }

        @Override
        public Map<String, String> status() {
            return Map.of("open", Boolean.toString(context.port().isOpen()));
        }

        @Override
        public void resumed() {
            whenResumed.accept(context.id());
            while (context.port().isOpen() && !waiting.isEmpty()) {
                context.port().submit(waiting.poll());
            }
        }

        @Override
        public void resized() {
            resizes.incrementAndGet();
        }

        @Override
        public CompletionStage<Void> unplug() {
            asked.incrementAndGet();
            Runnable answer = letGo;
            letGo = () -> {};
            answer.run();
            return CompletableFuture.completedFuture(null);
        }

        @Override
        public void disconnect() {
            disconnected = true;
        }

        @Override
        public void close() {
            end = "closed";
            waiting.clear();
        }

        @Override
        public void remove() {
            end = "removed";
            waiting.clear();
        }
    }
}
