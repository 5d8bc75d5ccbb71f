package org.blktap.node.xen;

import java.io.IOException;
import java.lang.System.Logger.Level;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.BiConsumer;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.blktap.api.control.AttachRequest;
import org.blktap.api.control.AttachmentStatus;
import org.blktap.api.control.Attachments;
import org.blktap.api.disk.DiskException;
import org.blktap.api.disk.TapSpec;
import org.osgi.service.component.annotations.Activate;
import org.osgi.service.component.annotations.Component;
import org.osgi.service.component.annotations.Deactivate;
import org.osgi.service.component.annotations.Reference;

/**
 * What blktapctrl was: disks that a toolstack writes into XenStore, under {@code backend/tap} and {@code backend/vbd3}, are attached as their node
 * {@code params} says, {@code <type>:<path>}; and attachments whose domain has released its disk, or has ended, are detached.
 */
@Component(service = ToolstackDisks.class, immediate = true)
public final class ToolstackDisks {
    private static final System.Logger LOG = System.getLogger("org.blktap.node.xen");
    /** Exists while Linux's own backend is loaded, which takes all of {@code backend/vbd}. */
    static final Path BLKBACK = Path.of("/sys/bus/xen-backend/drivers/vbd");
    private static final List<String> TYPES = List.of("tap", "vbd3", "vbd");
    /** The hotplug script by which a toolstack names our disks in {@code backend/vbd}. */
    private static final String SCRIPT = "block-blktap";
    /** Scans of all devices allowed at once, and the interval of later ones. */
    private static final int LOOKS_AT_ONCE = 50;
    private static final long LOOK_MILLISECONDS = 100;
    /** The NBD socket of a minor, which ends with the pid and the minor. */
    private static final Pattern TAPDISK_SOCKET = Pattern.compile("/.*/nbd[0-9]+\\.([0-9]+)");

    private final Attachments attachments;
    private final XenBus bus;
    private final Gone nodes;
    private final Path blkback;
    private final XenBus.Registration registration;
    private final BiConsumer<String, String> gone;
    /** Opening a disk takes its time, and must not keep the XenBus thread from others. */
    private final SharedWork worker = new SharedWork();
    /** Logs what may be repeated at each event. */
    private final GuestLog troubles = new GuestLog("toolstacks' disks");
    private final List<XenStore.Watch> watches = new ArrayList<>();
    private volatile boolean stopped;
    /** Devices that have been tried. XenBus thread only, as all that follows. */
    private final Set<DevicePaths> tried = new HashSet<>();
    /** Kinds of backends that are looked at soon. */
    private final Set<String> soon = new HashSet<>();
    private final Pace looks = new Pace(LOOKS_AT_ONCE, LOOK_MILLISECONDS);

    /** Receives the devices that domains have released, also by ending. */
    interface Gone {
        /** Called on the XenBus thread with the id of the attachment and the address of its node. */
        void onGone(BiConsumer<String, String> listener);

        void noMore(BiConsumer<String, String> listener);
    }

    @Activate
    public ToolstackDisks(@Reference Attachments attachments, @Reference XenStoreConnection connection, @Reference XenNodes nodes) {
        this(attachments, connection, nodes, BLKBACK);
    }

    ToolstackDisks(Attachments attachments, XenBus bus, Gone nodes, Path blkback) {
        this.attachments = attachments;
        this.bus = bus;
        this.nodes = nodes;
        this.blkback = blkback;
        gone = (id, node) -> worker.execute(id, () -> letGo(id, node));
        nodes.onGone(gone);
        registration = bus.listen(new XenStoreListener() {
            @Override
            public void onConnected(XenStore store) {
                begin(store);
            }

            @Override
            public void onLost() {
                watches.clear();
                tried.clear();
            }
        });
    }

    @Deactivate
    public void stop() {
        stopped = true;
        registration.close();
        nodes.noMore(gone);
        XenNode.onBus(bus, () -> watches.forEach(XenStore.Watch::close));
        worker.close();
    }

    private void begin(XenStore store) {
        try {
            for (String type : TYPES) {
                watches.add(store.watch("/local/domain/" + store.domainId() + "/backend/" + type, () -> lookSoon(store, type)));
                for (DevicePaths paths : DeviceNodes.all(store, type)) {
                    worker.execute(paths.domain(), () -> forgetUnknown(store, paths));
                }
            }
        } catch (IOException e) {
            troubles.say(Level.WARNING, "they are not seen: " + e.getMessage());
        }
    }

    /** A daemon that was killed while it attached has left the name of an attachment that is on no record: the device is nobody's. */
    private void forgetUnknown(XenStore store, DevicePaths paths) {
        try {
            String id = DeviceNodes.attachment(store, paths);
            if (id != null && !known(id)) {
                DeviceNodes.forget(store, paths);
            }
        } catch (IOException e) {
            LOG.log(Level.WARNING, e.getMessage());
        }
    }

    private boolean known(String id) {
        try {
            attachments.status(id);
            return true;
        } catch (DiskException e) {
            return e.reason() != DiskException.Reason.NOT_FOUND;
        }
    }

    /**
     * Something has changed below a kind of backends: perhaps only the state of one device, which its guest may change all the time, while a look goes
     * through all devices.
     */
    private void lookSoon(XenStore store, String type) {
        if (looks.now()) {
            look(store, type);
        } else if (soon.add(type)) {
            bus.after(LOOK_MILLISECONDS, () -> {
                soon.remove(type);
                lookSoon(store, type);
            });
        }
    }

    private void look(XenStore store, String type) {
        if (stopped) {
            return;
        }
        List<DevicePaths> present;
        try {
            present = DeviceNodes.all(store, type);
        } catch (IOException e) {
            troubles.say(Level.WARNING, e.getMessage());
            return;
        }
        for (DevicePaths paths : present) {
            try {
                consider(store, paths);
            } catch (IOException e) {
                troubles.say(Level.WARNING, e.getMessage());
            } catch (RuntimeException | Error e) {
                // the others are looked at all the same, and this one never again
                tried.add(paths);
                troubles.say(Level.ERROR, paths.backend() + ": " + e, e);
            }
        }
        tried.removeIf(paths -> paths.type().equals(type) && !present.contains(paths));
    }

    private void consider(XenStore store, DevicePaths paths) throws IOException {
        String backend = paths.backend();
        String params = store.read(backend + "/params");
        if (tried.contains(paths) || params == null || store.read(backend + "/frontend") == null || DeviceNodes.attachment(store, paths) != null
                || "0".equals(store.read(backend + "/online"))) {
            return;
        }
        String script = store.read(backend + "/script");
        if (script != null && !script.isEmpty()) {
            // it names us when it is run, for which libxl waits until a backend is there
            boolean ours = !paths.type().equals("vbd") || script.endsWith("/" + SCRIPT) && !Files.exists(blkback);
            if (ours && XenbusState.of(store, backend) == XenbusState.INITIALISING) {
                XenbusState.INIT_WAIT.write(store, backend);
            }
            if (!paths.type().equals("vbd") && "connected".equals(store.read(backend + "/hotplug-status"))) {
                plug(paths, store.read(backend + "/physical-device-path"));
            }
            return;
        }
        if (!paths.type().equals("vbd")) {
            tried.add(paths);
            boolean readOnly = !String.valueOf(store.read(backend + "/mode")).startsWith("w");
            worker.execute(paths.domain(), () -> attach(store, paths, params, readOnly));
        }
    }

    /** Xen's own script block-tap has opened the disk by our tap-ctl, and says by which socket, as tapback expects it of tapdisk: the ring is one more node of it. */
    private void plug(DevicePaths paths, String socket) {
        Matcher minor = TAPDISK_SOCKET.matcher(socket == null ? "" : socket);
        if (!minor.matches()) {
            return;
        }
        tried.add(paths);
        String id = "tap-" + minor.group(1);
        worker.execute(paths.domain(), () -> {
            try {
                attachments.plug(id, node(paths));
            } catch (DiskException e) {
                LOG.log(Level.WARNING, paths.backend() + ": " + e.getMessage());
            }
        });
    }

    private static String node(DevicePaths paths) {
        return "xen:" + paths.domain() + "/" + paths.device() + ",backend=" + paths.type();
    }

    private void attach(XenStore store, DevicePaths paths, String params, boolean readOnly) {
        String id = "xen-" + paths.domain() + "-" + paths.device();
        try {
            attachments.attach(new AttachRequest(TapSpec.parse(params.startsWith("tap:") ? params : "tap:" + params), id, List.of(node(paths)), readOnly,
                    Map.of()));
        } catch (DiskException e) {
            LOG.log(Level.WARNING, paths.backend() + ": " + e.getMessage());
            try {
                store.transaction(tx -> {
                    if (tx.read(paths.backend() + "/frontend") != null) {
                        tx.write(paths.backend() + "/hotplug-error", e.getMessage());
                        tx.write(paths.backend() + "/hotplug-status", "error");
                        XenbusState.CLOSED.write(tx, paths.backend());
                    }
                });
            } catch (IOException lost) {
                LOG.log(Level.WARNING, lost.getMessage());
            }
        }
    }

    /** Called when a domain has released its device, or has ended: the attachment ends, or loses that node if it has others. */
    private void letGo(String id, String node) {
        try {
            if (attachments.status(id).nodes().size() > 1) {
                attachments.unplug(id, node, true);
            } else {
                attachments.detach(id, true);
            }
        } catch (DiskException e) {
            // NOT_FOUND: it is being detached
            LOG.log(e.reason() == DiskException.Reason.NOT_FOUND ? Level.DEBUG : Level.WARNING, id + ": " + e.getMessage());
        }
    }
}
