package org.blktap.node.xen;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import org.blktap.api.disk.DiskException;
import org.blktap.api.node.DeviceNode;
import org.blktap.api.testkit.Eventually;
import org.blktap.linux.Mapping;
import org.blktap.node.xen.SimFrontend.Shape;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** A xenstored that hangs: the XenBus thread waits for it, and nothing else does. */
@Timeout(300)
class SilentXenStoreTest {
    @TempDir
    Path runDir;

    private final Mapping content = Mapping.anonymous(1 << 20);
    private SilentXenStore silent;
    private TestHost host;
    private SimFrontend frontend;
    private XenTestDisk disk;

    @BeforeEach
    void boot() throws Exception {
        host = new TestHost(runDir);
        host.between = store -> silent = new SilentXenStore(store);
        frontend = new SimFrontend(host, host.newGuest(5));
        host.newGuest(7);
        disk = new XenTestDisk(host, 5, content);
        frontend.connect(Shape.PLAIN);
        frontend.assertServed(0x100);
    }

    @AfterEach
    void shutDown() throws Exception {
        silent.answer();
        disk.close();
        host.assertNothingLeft();
        host.close();
        content.close();
    }

    private static void onTime(long started, long milliseconds) {
        long took = (System.nanoTime() - started) / 1_000_000;
        assertTrue(took < milliseconds, took + " ms");
    }

    private static DiskException failure(CompletableFuture<?> future) {
        return (DiskException) assertThrows(ExecutionException.class, () -> future.get(60, TimeUnit.SECONDS))
                .getCause();
    }

    @Test
    void aDiskThatIsConnectedIsServedAndStillDetached() throws Exception {
        silent.hang();
        disk.onLoop(disk.node::resized);
        frontend.assertServed(0x200);
        Eventually.holds("it is shown", () -> disk.call(() -> disk.node.status().containsKey("XenStore")));
        frontend.assertServed(0x300);
        // asking the guest needs XenStore, and says so; the disk goes on
        DiskException refused = failure(disk.unplug().toCompletableFuture());
        assertEquals(DiskException.Reason.IO, refused.reason());
        assertTrue(refused.getMessage().contains("XenStore does not answer"), refused.getMessage());
        frontend.assertServed(0x400);
        // --force needs nobody
        long started = System.nanoTime();
        disk.onLoop(() -> {
            disk.node.remove();
        });
        onTime(started, 5_000);
        assertEquals("", host.xen.held());
        silent.answer();
        disk.settle();
        assertEquals(List.of(), host.store.list(disk.backend()), "and its nodes go when they can");
    }

    @Test
    void anotherNodeFailsInTimeAndItsLoopServesMeanwhile() throws Exception {
        silent.hang();
        NodeOpener.Patience patience = new NodeOpener.Patience(700, 300);
        long started = System.nanoTime();
        CompletableFuture<DeviceNode> opening = disk.openAnother("7/xvda", patience);
        onTime(started, 500);
        // on the very loop that opens
        frontend.assertServed(0x500);
        DiskException refused = failure(opening);
        assertEquals(DiskException.Reason.IO, refused.reason());
        assertTrue(refused.getMessage().contains("XenStore has not answered"), refused.getMessage());
        frontend.assertServed(0x600);
        silent.answer();
        disk.settle();
        assertEquals(List.of(), host.store.list("/local/domain/0/backend/tap/7"), "what came too late is undone");
        DeviceNode another = disk.openAnother("7/xvda", XenTestDisk.PATIENCE).get(60, TimeUnit.SECONDS);
        disk.onLoop(() -> {
            another.remove();
        });
        disk.settle();
        assertEquals(List.of(), host.store.list("/local/domain/0/backend/tap/7/51712"));
    }

    @Test
    void whoeverWaitsNoLongerLeavesNothing() throws Exception {
        silent.hang();
        CompletableFuture<DeviceNode> opening = disk.openAnother("7/xvda", XenTestDisk.PATIENCE);
        opening.completeExceptionally(new DiskException(DiskException.Reason.IO, "it took too long"));
        silent.answer();
        disk.settle();
        Eventually.holds(
                "nothing is left",
                () -> host.store.list("/local/domain/0/backend/tap/7/51712").isEmpty());
        assertFalse(disk.call(() -> disk.node.status().containsKey("XenStore")));
    }
}
