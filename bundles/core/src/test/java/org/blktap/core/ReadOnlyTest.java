package org.blktap.core;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.TimeUnit;
import org.blktap.api.control.AttachRequest;
import org.blktap.api.control.AttachmentStatus.State;
import org.blktap.api.disk.DiskContext;
import org.blktap.api.disk.DiskException;
import org.blktap.api.disk.DiskException.Reason;
import org.blktap.api.disk.DiskInfo;
import org.blktap.api.disk.Operation;
import org.blktap.api.disk.Options;
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

/** Disks that become read-only, and disks that are so from the beginning because all their VMs only read. */
class ReadOnlyTest {
    @TempDir
    Path directory;

    private CoreKit kit;
    private final List<Boolean> opened = new CopyOnWriteArrayList<>();
    private volatile boolean opensReadOnly = true;

    @BeforeEach
    void start() throws Exception {
        kit = new CoreKit(directory);
        bring();
    }

    private void bring() {
        kit.installed.addDriver(this::open, CoreKit.driver("fake"));
    }

    private VirtualDisk open(String path, DiskContext context) throws DiskException {
        opened.add(context.readOnly());
        if (context.readOnly() && !opensReadOnly) {
            throw new DiskException(Reason.IO, "cannot be opened read-only");
        }
        DiskInfo shown = DiskInfo.ofSize(1 << 20).withReadOnly(context.readOnly());
        return new VirtualDisk() {
            @Override
            public DiskInfo info() {
                return shown;
            }

            @Override
            public void submit(Request request) {
                request.complete(0);
            }

            @Override
            public void close() {
                // nothing is open
            }
        };
    }

    /** A node of which the test says whether its VM writes. */
    private static DeviceNode reader(NodeContext context) {
        return new DeviceNode() {
            @Override
            public String address() {
                return "reader:" + context.id();
            }

            @Override
            public boolean mayWrite() {
                return false;
            }

            @Override
            public Map<String, ?> status() {
                return Map.of();
            }

            @Override
            public void resumed() {
                // its VM asks for nothing
            }

            @Override
            public void resized() {
                // its VM does not look
            }

            @Override
            public void close() {
                // nothing is open
            }
        };
    }

    private void bringReaders() {
        kit.nodeKinds.addNodeProvider(
                new NodeProvider() {
                    @Override
                    public DeviceNode open(NodeContext context) throws DiskException {
                        onlyReads(context.options());
                        return reader(context);
                    }

                    @Override
                    public boolean onlyReads(Options options) throws DiskException {
                        return options.flag("only-reads", false);
                    }
                },
                new FakeReference<>(Map.of("node.kind", "reader")));
    }

    private void attach(String id, String... nodes) throws DiskException {
        kit.manager.attach(new AttachRequest(TapSpec.parse("tap:fake:/" + id), id, List.of(nodes), false, Map.of()));
    }

    @AfterEach
    void stop() {
        kit.close();
    }

    @Test
    void aDiskThatNoVmWritesBecomesReadOnlyAndStaysSo() throws Exception {
        bringReaders();
        attach("a", "reader");
        kit.manager.makeReadOnly("a");
        assertEquals(List.of(false, true), opened);
        assertTrue(kit.manager.status("a").readOnly());
        assertEquals(State.RUNNING, kit.manager.status("a").state());
        kit.manager.makeReadOnly("a");
        assertEquals(2, opened.size(), "it is so already");
        kit.manager.deactivate();
        kit.start();
        bring();
        bringReaders();
        kit.await("a", State.RUNNING);
        assertEquals(List.of(false, true, true), opened);
    }

    @Test
    void aDiskThatAVmMayWriteStaysWritable() throws Exception {
        attach("a", "fake");
        DiskException refused = assertThrows(DiskException.class, () -> kit.manager.makeReadOnly("a"));
        assertEquals(Reason.BUSY, refused.reason());
        assertTrue(refused.getMessage().contains("fake:a"), refused.getMessage());
        assertFalse(kit.manager.status("a").readOnly());
        assertEquals(0, kit.send("a", Operation.WRITE).get(1, TimeUnit.MINUTES));
    }

    @Test
    void aParkedDiskIsReadOnlyWhenItIsResumed() throws Exception {
        bringReaders();
        attach("a", "reader");
        kit.manager.park("a");
        kit.manager.makeReadOnly("a");
        assertEquals(State.PARKED, kit.manager.status("a").state());
        kit.manager.resume("a");
        assertEquals(List.of(false, true), opened);
    }

    @Test
    void oneThatCannotBeOpenedReadOnlyIsParked() throws Exception {
        bringReaders();
        attach("a", "reader");
        opensReadOnly = false;
        assertThrows(DiskException.class, () -> kit.manager.makeReadOnly("a"));
        assertEquals(State.PARKED, kit.manager.status("a").state());
        assertTrue(kit.manager.status("a").readOnly());
    }

    @Test
    void whereAllVmsOnlyReadTheDiskIsOpenedReadOnly() throws Exception {
        bringReaders();
        attach("a", "reader,only-reads=yes");
        attach("b", "reader,only-reads=yes", "fake");
        attach("c");
        assertEquals(List.of(true, false, false), opened);
    }
}
