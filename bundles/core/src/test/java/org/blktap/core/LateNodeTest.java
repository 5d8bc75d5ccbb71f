package org.blktap.core;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;
import org.blktap.api.control.AttachRequest;
import org.blktap.api.control.AttachmentStatus.State;
import org.blktap.api.disk.DiskException;
import org.blktap.api.disk.DiskInfo;
import org.blktap.api.disk.Request;
import org.blktap.api.disk.TapSpec;
import org.blktap.api.disk.VirtualDisk;
import org.blktap.api.node.DeviceNode;
import org.blktap.api.node.NodeContext;
import org.blktap.api.node.NodeProvider;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** A node that opens when nobody waits for it any more. */
class LateNodeTest {
    @TempDir
    Path directory;

    private CoreKit kit;
    /** What the provider answers; null for at once. */
    private volatile CompletableFuture<DeviceNode> answer;

    private volatile CoreKit.Node node;
    private volatile boolean asked;

    @BeforeEach
    void start() throws Exception {
        kit = new CoreKit(directory);
        bring();
        kit.manager.attach(new AttachRequest(TapSpec.parse("tap:plain:/a"), "a", List.of("late"), false, Map.of()));
        answer = new CompletableFuture<>();
        kit.manager.deactivate();
        assertEquals("closed", node.end);
        kit.start();
        bring();
        kit.until("the node is being opened", () -> asked);
    }

    @AfterEach
    void stop() {
        kit.close();
    }

    private void bring() {
        kit.installed.addDriver(
                (path, context) -> new VirtualDisk() {
                    @Override
                    public DiskInfo info() {
                        return DiskInfo.ofSize(1 << 20);
                    }

                    @Override
                    public void submit(Request request) {
                        request.complete(0);
                    }

                    @Override
                    public void close() {
                        // nothing is open
                    }
                },
                CoreKit.driver("plain"));
        kit.nodeKinds.addNodeProvider(
                new NodeProvider() {
                    @Override
                    public DeviceNode open(NodeContext context) {
                        node = new CoreKit.Node(context, id -> {});
                        return node;
                    }

                    @Override
                    public CompletionStage<DeviceNode> openLater(NodeContext context) throws DiskException {
                        DeviceNode opened = open(context);
                        asked = answer != null;
                        return asked ? answer : CompletableFuture.completedFuture(opened);
                    }
                },
                new FakeReference<>(Map.of("node.kind", "late")));
    }

    @Test
    void itsVmFindsItAgainWhenTheDaemonHasStopped() {
        kit.manager.deactivate();
        answer.complete(node);
        assertEquals("closed", node.end);
    }

    @Test
    void itIsRemovedAfterAForcedDetach() throws Exception {
        kit.manager.detach("a", true);
        kit.awaitGone("a");
        answer.complete(node);
        assertEquals("removed", node.end);
    }

    @Test
    void itIsOpenIfTheAttachmentContinues() throws Exception {
        answer.complete(node);
        kit.await("a", State.RUNNING);
        assertEquals("", node.end);
    }
}
