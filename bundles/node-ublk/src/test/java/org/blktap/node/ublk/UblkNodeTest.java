package org.blktap.node.ublk;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import org.blktap.api.disk.DiskException;
import org.blktap.api.engine.Errno;
import org.blktap.api.engine.IoLoop;
import org.blktap.api.node.DeviceNode;
import org.blktap.api.testkit.Eventually;
import org.blktap.api.testkit.MemoryPort;
import org.blktap.api.testkit.TestNodeContext;
import org.blktap.linux.EpollLoops;
import org.blktap.linux.Mapping;
import org.blktap.linux.NativeMemoryService;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Nodes on a real loop, in front of a disk in memory, with a kernel that is simulated. */
class UblkNodeTest {
    private static final int DISK_BYTES = 1 << 20;
    private static final long PATIENCE_SECONDS = 120;

    @TempDir
    Path directory;

    private final FakeUblk kernel = new FakeUblk();
    private final EpollLoops loops = new EpollLoops();
    private IoLoop loop;
    private MemoryPort port;
    private UblkNodeProvider provider;

    @BeforeEach
    void start() throws Exception {
        port = new MemoryPort(Mapping.anonymous(DISK_BYTES));
        newProcess();
    }

    /** Another loop thread and another bundle, in front of the same disk and kernel. */
    private void newProcess() throws Exception {
        if (loop != null) {
            loop.close();
        }
        loop = loops.start("test-ublk");
        loop.call(() -> {
            loop.addEngine(port);
            return null;
        });
        provider = new UblkNodeProvider(kernel, FakeUblk.FEATURES);
    }

    @AfterEach
    void end() {
        loop.close();
        kernel.kill();
        loops.stop();
        port.close();
    }

    private TestNodeContext context() {
        return TestNodeContext.of("a", loop, port, new NativeMemoryService(), directory)
                .withOptions(Map.of("depth", "8", "largest", "64k"));
    }

    private DeviceNode open(TestNodeContext context) throws Exception {
        CompletionStage<DeviceNode> opening = loop.call(() -> provider.openLater(context));
        try {
            return opening.toCompletableFuture().get(PATIENCE_SECONDS, TimeUnit.SECONDS);
        } catch (ExecutionException e) {
            throw e.getCause() instanceof DiskException known ? known : e;
        }
    }

    private DeviceNode started(TestNodeContext context) throws Exception {
        DeviceNode node = open(context);
        loop.call(() -> node.started().toCompletableFuture()).get(PATIENCE_SECONDS, TimeUnit.SECONDS);
        return node;
    }

    private void onLoop(Runnable task) throws Exception {
        loop.call(() -> {
            task.run();
            return null;
        });
    }

    private static int result(FakeUblk.Io io) throws Exception {
        return io.result.get(PATIENCE_SECONDS, TimeUnit.SECONDS);
    }

    private FakeUblk.Device device() {
        return kernel.devices.get(0);
    }

    @Test
    void aDeviceReadsWritesAndIsRemoved() throws Exception {
        DeviceNode node = started(context());
        assertEquals("ublk:/dev/ublkb0", node.address());
        assertEquals(42, device().pid);
        byte[] data = new byte[8192];
        new Random(1).nextBytes(data);
        assertEquals(8192, result(device().submit(Ublk.OP_WRITE | Ublk.OP_F_FUA, 8, 16, data)));
        byte[] read = new byte[8192];
        assertEquals(8192, result(device().submit(Ublk.OP_READ, 8, 16, read)));
        assertArrayEquals(data, read);
        assertEquals(0, result(device().submit(Ublk.OP_FLUSH, 0, 0, null)));
        assertEquals(0, result(device().submit(Ublk.OP_DISCARD, 8, 8, null)));
        assertEquals(0, result(device().submit(Ublk.OP_WRITE_ZEROES | Ublk.OP_F_NOUNMAP, 16, 8, null)));
        byte[] zeros = new byte[8192];
        assertEquals(8192, result(device().submit(Ublk.OP_READ, 8, 16, read)));
        assertArrayEquals(zeros, read);
        assertEquals(
                List.of(
                        "WRITE 4096 8192 1",
                        "READ 4096 8192 0",
                        "FLUSH 0 0 0",
                        "DISCARD 4096 4096 0",
                        "WRITE_ZEROES 8192 4096 2",
                        "READ 4096 8192 0"),
                port.seen.stream().map(Object::toString).toList());
        onLoop(node::remove);
        assertTrue(kernel.devices.isEmpty());
        assertEquals(0, kernel.openFiles());
        assertFalse(Files.exists(directory.resolve("ublk-a")));
    }

    @Test
    void requestsOfADriverThatErrsAreRefused() throws Exception {
        started(context());
        for (long[] bad : new long[][] {
            {Ublk.OP_READ, 0, 0},
            {Ublk.OP_READ, 0, 129},
            {Ublk.OP_WRITE, 0, -1},
            {Ublk.OP_WRITE, -1, 8},
            {Ublk.OP_READ, Long.MAX_VALUE, 8},
            {Ublk.OP_READ, DISK_BYTES / 512, 8},
            {Ublk.OP_DISCARD, 0, Integer.MAX_VALUE},
            {Ublk.OP_WRITE_ZEROES, Long.MAX_VALUE / 512, 8},
            {4, 0, 8},
            {255, 0, 8},
        }) {
            FakeUblk.Io io = device().submit((int) bad[0], bad[1], (int) bad[2], new byte[8]);
            assertTrue(result(io) < 0, () -> Arrays.toString(bad));
        }
        assertEquals(4096, result(device().submit(Ublk.OP_READ, 0, 8, new byte[4096])));
    }

    @Test
    void errorsOfTheDiskAreAnswered() throws Exception {
        started(context());
        port.fails = request -> Errno.ENOSPC;
        assertEquals(-Errno.ENOSPC, result(device().submit(Ublk.OP_WRITE, 0, 8, new byte[4096])));
        port.fails = request -> 0;
        port.thrown = new IllegalStateException("a test");
        assertEquals(-Errno.EIO, result(device().submit(Ublk.OP_READ, 0, 8, new byte[4096])));
        port.thrown = null;
        assertEquals(4096, result(device().submit(Ublk.OP_READ, 0, 8, new byte[4096])));
    }

    @Test
    void requestsWaitWhileThePortIsClosed() throws Exception {
        DeviceNode node = started(context());
        port.open = false;
        FakeUblk.Io io = device().submit(Ublk.OP_READ, 0, 8, new byte[4096]);
        onLoop(() -> {});
        assertFalse(io.result.isDone());
        onLoop(() -> {
            port.open = true;
            node.resumed();
        });
        assertEquals(4096, result(io));
    }

    @Test
    void moreRequestsThanTags() throws Exception {
        started(context().withOptions(Map.of("depth", "4", "queues", "2")));
        port.shuffle = new Random(2);
        List<FakeUblk.Io> all = new ArrayList<>();
        for (int i = 0; i < 500; i++) {
            byte[] data = new byte[4096];
            Arrays.fill(data, (byte) i);
            all.add(device().submit(Ublk.OP_WRITE, i % 200 * 8L, 8, data));
        }
        for (FakeUblk.Io io : all) {
            assertEquals(4096, result(io));
        }
        assertTrue(port.mostPending() <= 8, () -> "pending: " + port.mostPending());
    }

    @Test
    void aKilledDaemonsDeviceIsRecovered() throws Exception {
        started(context());
        port.hold = true;
        byte[] data = new byte[4096];
        Arrays.fill(data, (byte) 7);
        List<FakeUblk.Io> left = new ArrayList<>();
        for (int i = 0; i < 20; i++) {
            left.add(device().submit(Ublk.OP_WRITE, i * 8L, 8, data));
        }
        Eventually.holds("all tags are in flight", () -> port.pending() == 8);
        kernel.kill();
        assertEquals(Ublk.STATE_QUIESCED, device().state);
        onLoop(() -> {
            port.take();
            port.hold = false;
        });
        long identity = device().identity;
        newProcess();
        DeviceNode again = open(context().withReopened(true));
        for (FakeUblk.Io io : left) {
            assertEquals(4096, result(io));
        }
        assertEquals(1, kernel.devices.size());
        assertEquals(identity, device().identity);
        onLoop(again::remove);
        assertTrue(kernel.devices.isEmpty());
    }

    @Test
    void aReplacedBundleLeavesItsDeviceToTheNext() throws Exception {
        DeviceNode node = started(context());
        port.open = false;
        byte[] data = new byte[4096];
        Arrays.fill(data, (byte) 3);
        List<FakeUblk.Io> waiting = new ArrayList<>();
        for (int i = 0; i < 20; i++) {
            waiting.add(device().submit(Ublk.OP_WRITE, i * 8L, 8, data));
        }
        onLoop(node::close);
        provider = new UblkNodeProvider(kernel, FakeUblk.FEATURES);
        int before = kernel.commands.size();
        DeviceNode next = open(context().withReopened(true));
        assertEquals(before, kernel.commands.size(), "no command was needed");
        onLoop(() -> {
            port.open = true;
            next.resumed();
        });
        for (FakeUblk.Io io : waiting) {
            assertEquals(4096, result(io));
        }
        onLoop(next::remove);
        assertEquals(0, kernel.openFiles());
    }

    @Test
    void requestsThatAPredecessorHasTakenAreTakenAgain() throws Exception {
        DeviceNode node = started(context());
        port.hold = true;
        FakeUblk.Io io = device().submit(Ublk.OP_WRITE, 0, 8, new byte[4096]);
        Eventually.holds("it is in flight", () -> port.pending() == 1);
        onLoop(() -> {
            port.take();
            node.close();
            port.hold = false;
        });
        open(context().withReopened(true));
        assertEquals(4096, result(io));
    }

    @Test
    void afterAStopOfTheLoopTheDeviceIsRecoveredByAnotherThread() throws Exception {
        DeviceNode node = started(context());
        onLoop(node::close);
        newProcess();
        // descriptors of the last thread are the kernel's own here, and what closes them does not know that
        kernel.kill();
        open(context().withReopened(true));
        assertEquals(4096, result(device().submit(Ublk.OP_READ, 0, 8, new byte[4096])));
        assertTrue(kernel.commands.contains(Ublk.CMD_END_USER_RECOVERY));
    }

    @Test
    void aDeviceThatIsNotOursIsNeverServed() throws Exception {
        started(context());
        kernel.kill();
        // another program has got the number
        device().identity ^= 1;
        newProcess();
        DeviceNode other = open(context().withReopened(true));
        assertEquals("ublk:/dev/ublkb1", other.address());
        assertFalse(kernel.commands.contains(Ublk.CMD_START_USER_RECOVERY));
        assertEquals(Ublk.STATE_QUIESCED, device().state);
    }

    @Test
    void aDeviceOfAnotherShapeIsRefused() throws Exception {
        started(context());
        kernel.kill();
        device().bufferBytes = 1 << 30;
        newProcess();
        assertThrows(DiskException.class, () -> open(context().withReopened(true)));
        assertEquals(1, kernel.devices.size());
    }

    @Test
    void whatIsLeftOfAnEarlierAttachmentIsReplacedUnlessItIsInUse() throws Exception {
        started(context());
        kernel.kill();
        long first = device().identity;
        newProcess();
        kernel.holder = "it is mounted on /mnt";
        DiskException busy = assertThrows(DiskException.class, () -> open(context()));
        assertTrue(busy.getMessage().contains("mounted on /mnt"), busy.getMessage());
        assertEquals(first, device().identity);
        kernel.holder = null;
        started(context());
        assertNotEquals(first, device().identity);
        assertEquals(1, kernel.devices.size());
    }

    @Test
    void detachNamesWhoUsesTheDevice() throws Exception {
        DeviceNode node = started(context());
        kernel.holder = "process 7 (dd) has it open";
        ExecutionException refused = assertThrows(
                ExecutionException.class,
                () -> loop.call(() -> node.unplug().toCompletableFuture()).get(PATIENCE_SECONDS, TimeUnit.SECONDS));
        assertTrue(refused.getMessage().contains("process 7 (dd)"), refused.getMessage());
        kernel.holder = null;
        loop.call(() -> node.unplug().toCompletableFuture()).get(PATIENCE_SECONDS, TimeUnit.SECONDS);
    }

    @Test
    void aForcedDetachAnswersWhatTheDiskDoesNot() throws Exception {
        DeviceNode node = started(context());
        port.hold = true;
        List<FakeUblk.Io> stuck = new ArrayList<>();
        for (int i = 0; i < 12; i++) {
            stuck.add(device().submit(Ublk.OP_READ, 0, 8, new byte[4096]));
        }
        Eventually.holds("they are in flight", () -> port.pending() == 8);
        onLoop(node::disconnect);
        for (FakeUblk.Io io : stuck) {
            assertEquals(-Errno.EIO, result(io));
        }
        // late ends have no effect
        onLoop(() -> {
            port.release();
            node.remove();
        });
        assertTrue(kernel.devices.isEmpty());
        assertEquals(0, kernel.openFiles());
    }

    @Test
    void aFailureLeavesNothing() throws Exception {
        for (int command : new int[] {Ublk.CMD_ADD_DEV, Ublk.CMD_SET_PARAMS}) {
            kernel.fails.put(command, Errno.EPERM);
            DiskException refused = assertThrows(DiskException.class, () -> open(context()));
            assertEquals(DiskException.Reason.PERMISSION, refused.reason());
            kernel.fails.clear();
            assertTrue(kernel.devices.isEmpty());
            assertEquals(0, kernel.openFiles());
            assertFalse(Files.exists(directory.resolve("ublk-a")));
        }
        DeviceNode node = open(context());
        kernel.fails.put(Ublk.CMD_START_DEV, Errno.EBUSY);
        assertThrows(
                ExecutionException.class,
                () -> loop.call(() -> node.started().toCompletableFuture()).get(PATIENCE_SECONDS, TimeUnit.SECONDS));
        onLoop(node::remove);
        assertTrue(kernel.devices.isEmpty());
        assertEquals(0, kernel.openFiles());
    }

    @Test
    void aDriverThatCannotDeleteInTheBackground() throws Exception {
        DeviceNode node = started(context());
        kernel.fails.put(Ublk.CMD_DEL_DEV_ASYNC, Errno.EOPNOTSUPP);
        onLoop(node::remove);
        assertTrue(kernel.devices.isEmpty());
    }

    @Test
    void optionsAreChecked() throws Exception {
        for (Map<String, String> bad : List.of(
                Map.of("queues", "17"), Map.of("depth", "0"), Map.of("largest", "5000"), Map.of("colour", "red"))) {
            assertThrows(DiskException.class, () -> open(context().withOptions(bad)), bad::toString);
        }
        for (String target : List.of("x", "-1", "/dev/sda", "99999999", "1048576")) {
            assertThrows(DiskException.class, () -> open(context().withTarget(target)), target);
        }
        assertEquals(
                "ublk:/dev/ublkb5", open(context().withTarget("/dev/ublkb5")).address());
        assertThrows(DiskException.class, () -> open(context()), "a second node");
    }

    @Test
    void aRecordThatIsDamagedIsReported() throws Exception {
        Files.writeString(directory.resolve("ublk-a"), "\u0000garbage");
        assertThrows(DiskException.class, () -> open(context().withReopened(true)));
        assertTrue(kernel.devices.isEmpty());
        assertEquals(0, kernel.openFiles());
    }

    @Test
    void aDeviceThatAnotherProgramStopsIsShown() throws Exception {
        DeviceNode node = started(context());
        onLoop(() -> {
            synchronized (kernel) {
                device().state = Ublk.STATE_DEAD;
                device().ring.complete(0, -Errno.ENODEV);
            }
        });
        Eventually.holds(
                "it shows",
                () -> loop.call(
                        () -> "stopped by another program".equals(node.status().get("state"))));
    }
}
