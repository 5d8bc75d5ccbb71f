package org.blktap.core;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.TimeUnit;
import org.blktap.api.control.AttachRequest;
import org.blktap.api.control.AttachmentStatus.State;
import org.blktap.api.control.StateReason;
import org.blktap.api.disk.DiskContext;
import org.blktap.api.disk.DiskDriver;
import org.blktap.api.disk.DiskException;
import org.blktap.api.disk.DiskException.Reason;
import org.blktap.api.disk.DiskInfo;
import org.blktap.api.disk.Operation;
import org.blktap.api.disk.Options;
import org.blktap.api.disk.Request;
import org.blktap.api.disk.SimpleDriver;
import org.blktap.api.disk.TapSpec;
import org.blktap.api.disk.VirtualDisk;
import org.blktap.api.engine.IoEngine;
import org.blktap.api.engine.IoLoop;
import org.blktap.api.node.DeviceNode;
import org.blktap.api.node.NodeContext;
import org.blktap.api.node.NodeProvider;
import org.blktap.api.testkit.Eventually;
import org.blktap.api.testkit.ProcessResources;
import org.blktap.linux.EpollLoops;
import org.blktap.linux.Mapping;
import org.blktap.linux.NativeMemoryService;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** The manager with services that the test brings and takes away. */
@Timeout(120)
@CoreSettings
class AttachmentManagerTest {
    @TempDir
    Path directory;

    private final EpollLoops loops = new EpollLoops();
    private InstalledServices installed;
    private InstalledNodeKinds nodeKinds;
    private AttachmentManager manager;
    private final List<String> log = new ArrayList<>();
    private final FakeReference<IoEngine> engineReference = new FakeReference<>(Map.of("engine.name", "fake"));
    private final FakeReference<DiskDriver> driverReference = new FakeReference<>(Map.of("tap.type", "fake"));
    private final FakeReference<NodeProvider> nodeReference = new FakeReference<>(Map.of("node.kind", "fake"));
    private FakeNode node;

    @BeforeEach
    void start() throws Exception {
        manager = newManager();
        bringServices();
    }

    @AfterEach
    void stop() {
        manager.deactivate();
        loops.stop();
    }

    private AttachmentManager newManager() throws IOException {
        installed = new InstalledServices();
        nodeKinds = new InstalledNodeKinds();
        return new AttachmentManager(
                loops,
                new NativeMemoryService(),
                installed,
                nodeKinds,
                CoreKit.directories(directory),
                new CoreConfiguration(AttachmentManagerTest.class.getAnnotation(CoreSettings.class)),
                new Announcements());
    }

    private void bringServices() {
        installed.addEngine(loop -> new CoreKit.NoFiles(), engineReference);
        installed.addDriver(new FakeDriver("fake", 1 << 20), driverReference);
        nodeKinds.addNodeProvider(context -> node = new FakeNode(context), nodeReference);
    }

    private final class FakeDriver implements DiskDriver {
        private final String name;
        private final long size;

        FakeDriver(String name, long size) {
            this.name = name;
            this.size = size;
        }

        @Override
        public VirtualDisk open(String path, DiskContext context) throws DiskException {
            context.options().text("colour", null);
            if (path.equals("/bad")) {
                throw DiskException.corrupt(path, "header field magic", 0, "0x0", "0x1");
            }
            if (path.startsWith("/over/")) {
                VirtualDisk backing = context.openBacking(context.backingType("fake"), Path.of(path.substring(5)));
                return new FakeDisk(name, size, backing);
            }
            return new FakeDisk(name, size, null);
        }
    }

    private final class FakeDisk implements VirtualDisk {
        private final String name;
        private final long size;
        private final VirtualDisk backing;

        FakeDisk(String name, long size, VirtualDisk backing) {
            this.name = name;
            this.size = size;
            this.backing = backing;
            note("open " + name);
        }

        @Override
        public DiskInfo info() {
            return DiskInfo.ofSize(size);
        }

        @Override
        public void submit(Request request) {
            if (request.operation() == Operation.FLUSH) {
                note("flush " + name);
            }
            request.complete(0);
        }

        @Override
        public void close() {
            note("close " + name);
            if (backing != null) {
                backing.close();
            }
        }
    }

    private final class FakeNode implements DeviceNode {
        final NodeContext context;
        int resumed;
        int resized;
        boolean keptByVm;
        Runnable letGo = () -> {};

        FakeNode(NodeContext context) throws DiskException {
            this.context = context;
            context.options().text("queues", null);
            if (context.target().equals("taken")) {
                throw new DiskException(Reason.EXISTS, "/run/taken.sock exists");
            }
            note("node");
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
            resumed++;
        }

        @Override
        public void resized() {
            resized++;
        }

        @Override
        public CompletionStage<Void> unplug() {
            assertEquals(true, context.port().isOpen());
            note("unplug");
            letGo.run();
            return keptByVm
                    ? CompletableFuture.failedFuture(new DiskException(Reason.BUSY, "the guest keeps it"))
                    : CompletableFuture.completedFuture(null);
        }

        @Override
        public void close() {
            assertEquals(false, context.port().isOpen());
            note("node closed");
        }

        @Override
        public void remove() {
            assertEquals(false, context.port().isOpen());
            note("node removed");
        }
    }

    private synchronized void note(String what) {
        log.add(what);
    }

    private synchronized List<String> logged() {
        List<String> copy = List.copyOf(log);
        log.clear();
        return copy;
    }

    private AttachRequest request(String spec, String id, String... nodes) throws DiskException {
        return new AttachRequest(TapSpec.parse(spec), id, List.of(nodes), false, Map.of());
    }

    private void await(String id, State state) throws Exception {
        Eventually.holds(
                () -> id + " is " + state + ": " + manager.list(),
                () -> manager.status(id).state() == state);
    }

    @Test
    void attachOpensAndDetachClosesInOrder() throws Exception {
        var status = manager.attach(request("tap:fake:/vm/a.img", null, "fake,queues=2"));
        assertEquals("a", status.id());
        assertEquals(State.RUNNING, status.state());
        assertEquals(1 << 20, status.sizeBytes());
        assertEquals("fake:a", status.nodes().get(0).address());
        assertEquals("true", status.nodes().get(0).status().get("open"));
        assertEquals("a-2", manager.attach(request("tap:fake:/vm/a.img", null)).id());
        logged();
        manager.detach("a");
        assertEquals(List.of("unplug", "node removed", "flush fake", "close fake"), logged());
        assertEquals(1, manager.list().size());
    }

    @Test
    void aVmMayKeepItsDevice() throws Exception {
        manager.attach(request("tap:fake:/vm/a.img", null, "fake"));
        node.keptByVm = true;
        logged();
        DiskException refused = assertThrows(DiskException.class, () -> manager.detach("a", false));
        assertEquals(Reason.BUSY, refused.reason());
        assertEquals(State.RUNNING, manager.status("a").state());
        assertTrue(Files.exists(directory.resolve("data/attachments/a.cfg")));
        assertEquals(List.of("unplug"), logged());
        manager.detach("a", true);
        assertEquals(List.of("node removed", "flush fake", "close fake"), logged());
        assertFalse(Files.exists(directory.resolve("data/attachments/a.cfg")));
    }

    @Test
    void nodesArePluggedAndUnplugged() throws Exception {
        manager.attach(request("tap:fake:/vm/a.img", null, "fake"));
        FakeNode first = node;
        logged();
        manager.plug("a", "fake,queues=3");
        assertNotEquals(first, node);
        assertEquals(List.of("node"), logged(), "the first does not notice");
        assertEquals(2, manager.status("a").nodes().size());
        assertTrue(Files.readString(directory.resolve("data/attachments/a.cfg")).contains("node.1=fake,queues\\=3")
                || Files.readString(directory.resolve("data/attachments/a.cfg")).contains("node.1=fake,queues=3"));
        assertThrows(DiskException.class, () -> manager.plug("a", "fake:taken"));
        Path record = directory.resolve("data/attachments/.a.cfg.new");
        Files.createDirectory(record);
        FakeNode second = node;
        assertEquals(
                Reason.IO,
                assertThrows(DiskException.class, () -> manager.plug("a", "fake,queues=4"))
                        .reason());
        Files.delete(record);
        assertEquals(2, manager.status("a").nodes().size(), "a restart would not have the third");
        assertEquals(State.RUNNING, manager.status("a").state());
        node = second;
        node.keptByVm = true;
        assertEquals(
                Reason.BUSY,
                assertThrows(DiskException.class, () -> manager.unplug("a", "fake,queues=3", false))
                        .reason());
        assertEquals(State.RUNNING, manager.status("a").state());
        logged();
        manager.unplug("a", "fake,queues=3", true);
        assertEquals(List.of("node removed"), logged());
        assertEquals(State.RUNNING, manager.status("a").state());
        assertEquals(1, manager.status("a").nodes().size());
        assertTrue(first.resumed > 0);
        assertEquals(
                Reason.NOT_FOUND,
                assertThrows(DiskException.class, () -> manager.unplug("a", "none", false))
                        .reason());
        assertFalse(
                Files.readString(directory.resolve("data/attachments/a.cfg")).contains("node.1"));
    }

    /** A node that its VM releases reports it on another thread, as Xen's do; the attachment then removes the node. */
    private CompletableFuture<Reason> leavesWhenLetGo(FakeNode leaving, String spec) {
        CompletableFuture<Reason> left = new CompletableFuture<>();
        leaving.letGo = () -> {
            leaving.letGo = () -> {};
            new Thread(
                            () -> {
                                try {
                                    manager.unplug("a", spec, true);
                                    left.complete(null);
                                } catch (DiskException e) {
                                    left.complete(e.reason());
                                }
                            },
                            "leaving-node")
                    .start();
        };
        return left;
    }

    @Test
    void aVmThatLetsGoHasLostItsDeviceThoughAnotherKeepsTheDisk() throws Exception {
        manager.attach(request("tap:fake:/vm/a.img", null, "fake,queues=1"));
        CompletableFuture<Reason> left = leavesWhenLetGo(node, "fake,queues=1");
        manager.plug("a", "fake,queues=2");
        node.keptByVm = true;
        assertEquals(
                Reason.BUSY,
                assertThrows(DiskException.class, () -> manager.detach("a", false))
                        .reason());
        assertEquals(null, left.get(1, TimeUnit.MINUTES));
        assertEquals(State.RUNNING, manager.status("a").state());
        assertEquals(1, manager.status("a").nodes().size());
        String kept = Files.readString(directory.resolve("data/attachments/a.cfg"));
        assertFalse(kept.contains("queues\\=1") || kept.contains("queues=1"), kept);
    }

    @Test
    void aNodeThatLeavesDuringADetachLeavesNoRecord() throws Exception {
        for (int i = 0; i < 50; i++) {
            manager.attach(request("tap:fake:/vm/a.img", null, "fake,queues=1"));
            CompletableFuture<Reason> left = leavesWhenLetGo(node, "fake,queues=1");
            manager.plug("a", "fake,queues=2");
            manager.detach("a", false);
            Reason why = left.get(1, TimeUnit.MINUTES);
            assertTrue(why == null || why == Reason.NOT_FOUND, () -> "" + why);
            assertEquals(List.of(), manager.list());
            assertFalse(Files.exists(directory.resolve("data/attachments/a.cfg")), "a restart would attach it again");
        }
    }

    @Test
    void whatIsParkedStaysSoWithItsReasonWhenNodesGo() throws Exception {
        manager.attach(request("tap:fake:/vm/a.img", null, "fake,queues=1", "fake,queues=2"));
        manager.park("a");
        manager.unplug("a", "fake,queues=2", true);
        assertEquals(State.PARKED, manager.status("a").state());
        assertEquals(StateReason.Kind.OPERATOR, manager.status("a").reason().kind());
        nodeKinds.removeNodeProvider(nodeReference);
        assertEquals(StateReason.Kind.OPERATOR, manager.status("a").reason().kind());
        nodeKinds.addNodeProvider(context -> node = new FakeNode(context), nodeReference);
        manager.resume("a");
        assertEquals(State.RUNNING, manager.status("a").state());
    }

    @Test
    void whatAnOperatorHasParkedStaysSoOverARestart() throws Exception {
        manager.attach(request("tap:fake:/vm/a.img", null, "fake"));
        manager.attach(request("tap:fake:/vm/b.img", null, "fake"));
        manager.park("a");
        manager.deactivate();
        manager = newManager();
        bringServices();
        await("b", State.RUNNING);
        assertEquals(State.PARKED, manager.status("a").state());
        assertEquals(StateReason.Kind.OPERATOR, manager.status("a").reason().kind());
        manager.resume("a");
        assertEquals(State.RUNNING, manager.status("a").state());
        manager.deactivate();
        manager = newManager();
        bringServices();
        await("a", State.RUNNING);
        manager.park("a");
        manager.detach("a", true);
        manager.attach(request("tap:fake:/vm/a.img", null, "fake"));
        manager.deactivate();
        manager = newManager();
        bringServices();
        await("a", State.RUNNING);
    }

    /** A wait for an attachment's end may return before the follow-up has run. Repeats often enough to catch that. */
    @Test
    void anIdIsFreeWhenItsDetachReturns() throws Exception {
        for (int i = 0; i < 100; i++) {
            assertEquals(
                    "a",
                    manager.attach(request("tap:fake:/vm/a.img", null, "fake")).id());
            manager.detach("a", i % 2 == 0);
        }
    }

    @Test
    void idsOfTheDaemonsOwnSocketsAreNotGiven() throws Exception {
        assertReason(Reason.BAD_OPTION, request("tap:fake:/vm/a.img", "nbd"));
        assertReason(Reason.BAD_OPTION, request("tap:fake:/vm/a.img", "control"));
        assertEquals(
                "fake", manager.attach(request("tap:fake:/vm/nbd.img", null)).id());
        assertEquals(
                "nbd-2",
                AttachmentIds.free(new TapSpec("nbd", "nbd+unix:///b?socket=/run/blktap/nbd.sock"), id -> false));
        assertEquals("nbd-3", AttachmentIds.free(new TapSpec("nbd", "nbd://host/"), "nbd-2"::equals));
    }

    @Test
    void aNodeIsFoundByItsKindIfThereIsOne() throws Exception {
        manager.attach(request("tap:fake:/vm/a.img", null, "fake"));
        manager.plug("a", "fake,queues=2");
        DiskException twice = assertThrows(DiskException.class, () -> manager.unplug("a", "fake:", true));
        assertEquals(Reason.NOT_FOUND, twice.reason());
        manager.unplug("a", "fake,queues=2", true);
        manager.unplug("a", "fake", true);
        assertEquals(List.of(), manager.status("a").nodes());
        assertTrue(assertThrows(DiskException.class, () -> manager.unplug("a", "fake", true))
                .getMessage()
                .endsWith("present: none"));
    }

    @Test
    void aNodeIsToldWhetherItWasOpenBefore() throws Exception {
        manager.attach(request("tap:fake:/vm/a.img", null, "fake"));
        assertFalse(node.context.reopened());
        logged();
        nodeKinds.removeNodeProvider(nodeReference);
        assertEquals(List.of("node closed"), logged(), "the VM is to find it again");
        nodeKinds.addNodeProvider(context -> node = new FakeNode(context), nodeReference);
        await("a", State.RUNNING);
        assertTrue(node.context.reopened());
        manager.deactivate();
        manager = newManager();
        bringServices();
        await("a", State.RUNNING);
        assertTrue(node.context.reopened(), "after a restart");
    }

    @Test
    void anAttachThatFailsLeavesNothing() throws Exception {
        assertReason(Reason.CORRUPT, request("tap:fake:/bad", "x", "fake"));
        assertReason(Reason.WRONG_TYPE, request("tap:none:/a", "x", "fake"));
        assertReason(Reason.WRONG_TYPE, request("tap:fake:/a", "x", "none"));
        assertReason(Reason.EXISTS, request("tap:fake:/a", "x", "fake", "fake:taken"));
        assertReason(Reason.BAD_OPTION, request("tap:fake:/a", "x", "fake,colour=red"));
        assertReason(Reason.BAD_OPTION, request("tap:fake:/a", "../x", "fake"));
        assertReason(
                Reason.BAD_OPTION,
                new AttachRequest(TapSpec.parse("tap:fake:/a"), "x", List.of(), false, Map.of("hue", "1")));
        assertEquals(List.of(), manager.list());
        assertFalse(Files.exists(directory.resolve("data/attachments/x.cfg")));
        List<String> seen = logged();
        assertEquals(
                seen.stream().filter(s -> s.equals("open fake")).count(),
                seen.stream().filter(s -> s.equals("close fake")).count());
        manager.attach(request("tap:fake:/a", "x"));
        assertReason(Reason.EXISTS, request("tap:fake:/b", "x"));
    }

    private void assertReason(Reason reason, AttachRequest request) {
        DiskException e = assertThrows(DiskException.class, () -> manager.attach(request));
        assertEquals(reason, e.reason(), e.getMessage());
    }

    @Test
    void aDriverThatIsReplacedParksAndReopens() throws Exception {
        manager.attach(request("tap:fake:/a", "a", "fake"));
        logged();
        installed.removeDriver(driverReference);
        assertEquals(State.PARKED, manager.status("a").state());
        assertTrue(
                manager.status("a").reason().text().contains("tap:fake"),
                manager.status("a").reason().text());
        assertEquals(List.of("flush fake", "close fake"), logged());
        assertEquals("false", manager.status("a").nodes().get(0).status().get("open"));
        installed.addDriver(new FakeDriver("new", 2 << 20), new FakeReference<>(Map.of("tap.type", "fake")));
        await("a", State.RUNNING);
        assertEquals(List.of("open new"), logged());
        assertEquals(2 << 20, manager.status("a").sizeBytes());
        assertEquals(1, node.resized);
        assertTrue(node.resumed > 0);
        assertEquals(1, manager.stats("a").parks());
    }

    @Test
    void aDriverInTheChainParksToo() throws Exception {
        FakeReference<DiskDriver> top = new FakeReference<>(Map.of("tap.type", "top"));
        installed.addDriver(new FakeDriver("top", 1 << 20), top);
        manager.attach(request("tap:top:/over/base", "a"));
        installed.removeDriver(driverReference);
        assertEquals(State.PARKED, manager.status("a").state());
        installed.addDriver(new FakeDriver("fake", 1 << 20), driverReference);
        await("a", State.RUNNING);
    }

    @Test
    void enginesAndNodeKindsMayGoAndComeBack() throws Exception {
        manager.attach(request("tap:fake:/a", "a", "fake"));
        installed.removeEngine(engineReference);
        assertEquals(State.PARKED, manager.status("a").state());
        installed.addEngine(loop -> new CoreKit.NoFiles(), engineReference);
        await("a", State.RUNNING);
        logged();
        nodeKinds.removeNodeProvider(nodeReference);
        assertEquals(List.of("node closed"), logged(), "the disk stays open");
        assertEquals(State.PARKED, manager.status("a").state());
        FakeNode before = node;
        nodeKinds.addNodeProvider(context -> node = new FakeNode(context), nodeReference);
        await("a", State.RUNNING);
        assertNotEquals(before, node);
    }

    @Test
    void anOperatorParksAndResumes() throws Exception {
        manager.attach(request("tap:fake:/a", "a", "fake"));
        manager.park("a");
        assertEquals(State.PARKED, manager.status("a").state());
        // services that come do not undo what the operator did
        installed.addDriver(new FakeDriver("other", 512), new FakeReference<>(Map.of("tap.type", "other")));
        Thread.sleep(50);
        assertEquals(State.PARKED, manager.status("a").state());
        manager.resume("a");
        assertEquals(State.RUNNING, manager.status("a").state());
        assertEquals(
                Reason.NOT_FOUND,
                assertThrows(DiskException.class, () -> manager.park("b")).reason());
    }

    @Test
    void aParkedAttachmentGoesOnWithAnotherImage() throws Exception {
        manager.attach(request("tap:fake:/a", "a", "fake"));
        assertRefused(Reason.BUSY, "tap:fake:/b");
        manager.park("a");
        logged();
        FakeNode before = node;
        int resumed = node.resumed;
        manager.resume("a", TapSpec.parse("tap:fake:/b"));
        assertEquals(List.of("open fake"), logged(), "the node stays");
        assertEquals(before, node);
        assertTrue(node.resumed > resumed);
        assertEquals(0, node.resized);
        assertEquals(State.RUNNING, manager.status("a").state());
        assertEquals("tap:fake:/b", manager.status("a").spec());
        manager.deactivate();
        manager = newManager();
        bringServices();
        await("a", State.RUNNING);
        assertEquals("tap:fake:/b", manager.status("a").spec(), "a restart goes on with it too");
        assertEquals(
                Reason.NOT_FOUND,
                assertThrows(DiskException.class, () -> manager.resume("x", TapSpec.parse("tap:fake:/b")))
                        .reason());
    }

    @Test
    void anImageThatCannotTakeThePlaceLeavesTheOldOneParked() throws Exception {
        installed.addDriver(new FakeDriver("large", 2 << 20), new FakeReference<>(Map.of("tap.type", "large")));
        manager.attach(request("tap:fake:/a", "a", "fake"));
        manager.park("a");
        logged();
        assertRefused(Reason.WRONG_TYPE, "tap:large:/b");
        assertEquals(List.of("open large", "close large"), logged());
        assertEquals(1 << 20, manager.status("a").sizeBytes());
        assertRefused(Reason.CORRUPT, "tap:fake:/bad");
        assertRefused(Reason.WRONG_TYPE, "tap:none:/b");
        Path record = directory.resolve("data/attachments/.a.cfg.new");
        Files.createDirectory(record);
        assertRefused(Reason.IO, "tap:fake:/unrecorded");
        Files.delete(record);
        assertEquals(State.PARKED, manager.status("a").state());
        assertEquals("false", manager.status("a").nodes().get(0).status().get("open"));
        assertEquals("tap:fake:/a", manager.status("a").spec());
        // services that come leave it parked
        installed.addDriver(new FakeDriver("other", 512), new FakeReference<>(Map.of("tap.type", "other")));
        Thread.sleep(50);
        assertEquals(State.PARKED, manager.status("a").state());
        manager.resume("a");
        assertEquals(State.RUNNING, manager.status("a").state());
        assertEquals("tap:fake:/a", manager.status("a").spec());
        manager.detach("a");
        List<String> seen = logged();
        assertEquals(
                seen.stream().filter(s -> s.startsWith("open")).count(),
                seen.stream().filter(s -> s.startsWith("close")).count());
    }

    private void assertRefused(Reason reason, String spec) {
        DiskException e = assertThrows(DiskException.class, () -> manager.resume("a", TapSpec.parse(spec)));
        assertEquals(reason, e.reason(), e.getMessage());
    }

    @Test
    void aRestartAttachesAgainAsSoonAsItCan() throws Exception {
        manager.attach(new AttachRequest(
                TapSpec.parse("tap:fake:/vm/späte datei:x,y.img"),
                "a",
                List.of("fake,queues=2"),
                true,
                Map.of("colour", "blau=grün ")));
        manager.deactivate();
        Files.writeString(directory.resolve("data/attachments/broken.cfg"), "spec=nonsense");
        manager = newManager();
        await("a", State.PARKED);
        assertEquals(StateReason.Kind.NO_ENGINE, manager.status("a").reason().kind());
        assertEquals(1, manager.list().size());
        bringServices();
        await("a", State.RUNNING);
        var status = manager.status("a");
        assertEquals("tap:fake:/vm/späte datei:x,y.img", status.spec());
        assertEquals(Map.of("colour", "blau=grün "), status.options());
        assertTrue(status.readOnly());
        assertEquals("fake:a", status.nodes().get(0).address());
        manager.detach("a");
        assertFalse(Files.exists(directory.resolve("data/attachments/a.cfg")));
    }

    @Test
    void nothingIsLeftOfThreadsAndDescriptors() throws Exception {
        manager.attach(request("tap:fake:/a", "warm", "fake"));
        manager.detach("warm");
        long descriptors = ProcessResources.descriptors();
        for (int i = 0; i < 20; i++) {
            manager.attach(request("tap:fake:/a", "a", "fake"));
            manager.detach("a");
            assertReason(Reason.CORRUPT, request("tap:fake:/bad", "b", "fake"));
        }
        // the virtual machine's own come and go; a leak would be of twenty
        Eventually.holds(
                "as many descriptors as before, or one more", () -> ProcessResources.descriptors() <= descriptors + 1);
        assertTrue(Thread.getAllStackTraces().keySet().stream()
                .noneMatch(t -> t.getName().equals("blktap-a")));
    }

    @Test
    void aSimpleDriverIsADisk() throws Exception {
        byte[] contents = new byte[1 << 20];
        SimpleDriver driver = (path, options, readOnly) -> new SimpleDriver.SimpleDisk() {
            @Override
            public long size() {
                return contents.length + 100;
            }

            @Override
            public void read(ByteBuffer into, long offset) throws IOException {
                if (offset == 512) {
                    throw new IOException("a bad sector");
                }
                into.put(contents, (int) offset, into.remaining());
            }

            @Override
            public void write(ByteBuffer from, long offset) {
                from.get(contents, (int) offset, from.remaining());
            }

            @Override
            public boolean writable() {
                return true;
            }
        };
        FakeReference<SimpleDriver> reference = new FakeReference<>(Map.of("tap.type", "simple"));
        installed.addSimpleDriver(driver, reference);
        assertEquals(
                (1 << 20) + 512,
                manager.attach(request("tap:simple:x", "s", "fake")).sizeBytes(),
                "a last sector that is not whole is rounded up");
        try (Mapping memory = Mapping.anonymous(1 << 20)) {
            memory.bytes().put(7, (byte) 7).put(700_000, (byte) 8);
            assertEquals(0, run(memory, Operation.WRITE, 0, 1 << 20));
            assertEquals(8, contents[700_000]);
            assertEquals(0, run(memory, Operation.WRITE_ZEROES, 0, 512));
            assertEquals(0, contents[7]);
            memory.bytes().put(0, (byte) 1);
            assertEquals(0, run(memory, Operation.READ, 0, 512));
            assertEquals(0, memory.bytes().get(0));
            assertEquals(5, run(memory, Operation.READ, 512, 512), "EIO");
        }
        installed.removeSimpleDriver(reference);
        assertEquals(State.PARKED, manager.status("s").state());
    }

    private int run(Mapping memory, Operation operation, long offset, int length) throws Exception {
        CompletableFuture<Integer> ended = new CompletableFuture<>();
        IoLoop loop = node.context.loop();
        loop.execute(() -> {
            Request request = node.context.port().newRequest(r -> ended.complete(r.error()), 1);
            request.data().add(memory.address(), length);
            node.context.port().submit(request.set(operation, offset, length, 0));
        });
        return ended.get(1, TimeUnit.MINUTES);
    }

    @Test
    void nodeSpecsAreParsed() throws Exception {
        NodeSpec spec = NodeSpec.parse("xen:guest/xvda,queues=2,path=/a=b");
        assertEquals(
                new NodeSpec(
                        "xen:guest/xvda,queues=2,path=/a=b",
                        "xen",
                        "guest/xvda",
                        Map.of("queues", "2", "path", "/a=b")),
                spec);
        for (String bad : new String[] {"", ",", "x,y", "x,=1", "X", "x y"}) {
            assertThrows(DiskException.class, () -> NodeSpec.parse(bad), bad);
        }
    }

    @Test
    void optionsThatNobodyKnowsAreRefused() throws Exception {
        Options options = new Options(Map.of("a", "1", "b", "2"));
        options.text("a", null);
        assertTrue(assertThrows(DiskException.class, () -> options.checkAllKnown("x"))
                .getMessage()
                .contains("'b'"));
        assertEquals(10L << 30, Options.parseSize("10GiB"));
        for (String bad : new String[] {"", "G", "-1", "1X", "99999999999999999999", "9999999T", "1.5G"}) {
            assertThrows(IllegalArgumentException.class, () -> Options.parseSize(bad), bad);
        }
    }
}
