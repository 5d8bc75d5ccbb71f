package org.blktap.node.xen;

import java.io.IOException;
import java.lang.System.Logger.Level;
import java.nio.file.InvalidPathException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.IntSupplier;
import org.blktap.api.control.Attachments;
import org.blktap.api.disk.LimitedLog;
import org.blktap.api.engine.Pace;
import org.osgi.service.component.annotations.Activate;
import org.osgi.service.component.annotations.Component;
import org.osgi.service.component.annotations.Deactivate;
import org.osgi.service.component.annotations.Reference;

/**
 * What blktapctrl was: finds the disks that toolstacks write into XenStore, and which of them are ours, by the kind of
 * backend: {@code tap} and {@code vbd3}, {@code vbd} of a script {@code block-blktap}, {@code qdisk} where
 * {@link Qdisks} says so. Those without a script are attached at once, as {@link ToolstackAttachments} does it; those
 * of a script are announced, for which libxl waits before it runs the script. All on the XenBus thread.
 */
@Component(service = ToolstackDisks.class, immediate = true)
public final class ToolstackDisks {
    private static final System.Logger LOG = System.getLogger("org.blktap.node.xen");
    /** The hotplug script by which a toolstack names our disks in {@code backend/vbd}. */
    private static final String SCRIPT = "block-blktap";
    /** Scans of all devices allowed at once, and the interval of later ones. */
    private static final int LOOKS_AT_ONCE = 50;

    private static final long LOOK_MILLISECONDS = 100;
    /** What the kernel has not announced after so long it does not know; libxl waits 10 seconds. */
    private static final long KERNEL_MILLISECONDS = 2_000;

    private final XenBus bus;
    private final Gone nodes;
    private final Blkback blkback;
    private final XenBus.Registration registration;
    private final DeviceGone gone;
    /** Opening a disk takes its time, and must not keep the XenBus thread from others. */
    private final SharedWork worker;
    /** Logs what may be repeated at each event. */
    private final LimitedLog troubles = GuestLimits.log("toolstacks' disks");

    private final ToolstackAttachments attachments;
    private final Leftovers leftovers;
    private final List<XenStore.Watch> watches = new ArrayList<>();
    private final boolean answers;
    private volatile boolean stopped;
    /** Devices that have been tried. XenBus thread only, as all that follows. */
    private final Set<DevicePaths> tried = new HashSet<>();
    /** Devices with which the code here has failed. */
    private final Set<DevicePaths> threw = new HashSet<>();
    /** The devices of a script that wait for the kernel's backend, and until when ({@link System#nanoTime}). */
    private final Map<DevicePaths, Long> announcing = new HashMap<>();
    /** The devices that were there at the last look, by kind. */
    private final Map<String, Set<DevicePaths>> present = new HashMap<>();
    /** Kinds of backends that are looked at soon. */
    private final Set<String> soon = new HashSet<>();

    private final Pace looks = new Pace(LOOKS_AT_ONCE, LOOK_MILLISECONDS);

    /** Receives the devices that domains have released, also by ending. */
    interface Gone {
        void onGone(DeviceGone listener);

        void noMore(DeviceGone listener);
    }

    @Activate
    public ToolstackDisks(
            @Reference Attachments attachments,
            @Reference XenStoreConnection connection,
            @Reference XenNodes nodes,
            @Reference XenConfiguration configuration,
            @Reference ToolstackRole role) {
        this(attachments, connection, nodes, nodes.blkback(), configuration::opening, role.answers(), role.claimant());
    }

    /** Those of the default instance. */
    ToolstackDisks(Attachments attachments, XenBus bus, Gone nodes, Blkback blkback, IntSupplier opening) {
        this(attachments, bus, nodes, blkback, opening, true, Claimant.DEFAULT);
    }

    /**
     * @param opening most disks that are opened at the same time
     * @param answers whether disks of toolstacks are attached; devices that nodes have taken by command end in any case
     */
    ToolstackDisks(
            Attachments attachments,
            XenBus bus,
            Gone nodes,
            Blkback blkback,
            IntSupplier opening,
            boolean answers,
            Claimant claimant) {
        this.answers = answers;
        worker = new SharedWork(opening);
        this.bus = bus;
        this.nodes = nodes;
        this.blkback = blkback;
        this.attachments = new ToolstackAttachments(attachments, worker);
        leftovers = new Leftovers(attachments, this.attachments, bus, worker, claimant);
        gone = this.attachments::letGo;
        nodes.onGone(gone);
        registration = bus.listen(new XenStoreListener() {
            private boolean reconnected;

            @Override
            public void onConnected(XenStore store) {
                begin(store, reconnected);
                reconnected = true;
            }

            @Override
            public void onLost() {
                watches.clear();
                tried.clear();
                threw.clear();
                announcing.clear();
                present.clear();
            }
        });
    }

    @Deactivate
    public void stop() {
        stopped = true;
        leftovers.stop();
        registration.close();
        nodes.noMore(gone);
        XenNode.onBus(bus, () -> watches.forEach(XenStore.Watch::close));
        worker.close();
    }

    private void begin(XenStore store, boolean reconnected) {
        try {
            for (String type : DomainDevice.TYPES) {
                watches.add(store.watch(
                        "/local/domain/" + store.domainId() + "/backend/" + type, () -> lookSoon(store, type)));
            }
            if (answers) {
                watches.add(store.watch(Qdisks.directory(store), () -> lookSoon(store, Qdisks.TYPE)));
            }
            leftovers.begin(store, reconnected);
        } catch (IOException e) {
            troubles.log(Level.WARNING, "they are not seen: " + e.getMessage());
        }
    }

    /**
     * Something has changed below a kind of backends: perhaps only the state of one device, which its guest may change
     * all the time, while a look goes through all devices.
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
        Set<DevicePaths> now;
        try {
            now = Set.copyOf(DeviceNodes.all(store, type));
        } catch (IOException e) {
            troubles.log(Level.WARNING, e.getMessage());
            return;
        }
        for (DevicePaths paths : answers ? now : Set.<DevicePaths>of()) {
            try {
                consider(store, paths);
            } catch (IOException e) {
                troubles.log(Level.WARNING, e.getMessage());
            } catch (RuntimeException | Error e) {
                // the others are looked at all the same, and this one never again
                threw.add(paths);
                troubles.log(Level.ERROR, paths.backend() + ": " + e, e);
            }
        }
        tried.removeIf(paths -> paths.type().equals(type) && !now.contains(paths));
        threw.removeIf(paths -> paths.type().equals(type) && !now.contains(paths));
        announcing.keySet().removeIf(paths -> paths.type().equals(type) && !now.contains(paths));
        Set<DevicePaths> before = present.put(type, now);
        if (before != null && !now.containsAll(before)) {
            leftovers.look(store);
        }
    }

    private void consider(XenStore store, DevicePaths paths) throws IOException {
        String backend = paths.backend();
        if (store.read(backend + "/frontend") == null
                || DeviceNodes.attachment(store, paths) != null
                || attachments.worksFor(paths)) {
            return;
        }
        if ("0".equals(store.read(backend + "/online"))) {
            letRemove(store, paths);
            return;
        }
        String params = store.read(backend + "/params");
        boolean initialising = XenbusState.of(store, backend) == XenbusState.INITIALISING;
        if (initialising) {
            // removed and written anew since the last look, or new: what was tried has another state
            tried.remove(paths);
        }
        if (tried.contains(paths) || threw.contains(paths) || params == null) {
            return;
        }
        String script = store.read(backend + "/script");
        boolean scripted = script != null && !script.isEmpty();
        if (!paths.hasDomain(store)) {
            // left by a toolstack that has ended before it removed the device; not tried, as the number may be another
            // domain's later
            return;
        }
        if (paths.type().equals(Blkback.TYPE) && !(scripted && initialising) || !isOurs(store, paths, script)) {
            return;
        }
        if (scripted) {
            if (initialising) {
                announce(store, paths);
            }
            if (!paths.type().equals(Blkback.TYPE) && "connected".equals(store.read(backend + "/hotplug-status"))) {
                plug(store, paths);
            }
        } else {
            tried.add(paths);
            attachments.attach(store, paths, params, () -> again(store, paths));
        }
    }

    /**
     * Xen's own script block-tap has opened the disk by our tap-ctl, and says by which socket, as tapback expects it of
     * tapdisk: the ring is one more node of it.
     */
    private void plug(XenStore store, DevicePaths paths) throws IOException {
        String attachment = ToolstackAttachments.ofSocket(store.read(paths.backend() + "/physical-device-path"));
        if (attachment != null) {
            tried.add(paths);
            attachments.plug(store, paths, attachment, () -> again(store, paths));
        }
    }

    /** An attach has ended one way or the other: the toolstack may wait for the device to close meanwhile. */
    private void again(XenStore store, DevicePaths paths) {
        XenNode.onBus(bus, () -> lookSoon(store, paths.type()));
    }

    /** Whether a device is ours; of some kinds of backends others serve devices as well. */
    private static boolean isOurs(XenStore store, DevicePaths paths, String script) throws IOException {
        return switch (paths.type()) {
            case Blkback.TYPE -> isOurScript(script);
            case Qdisks.TYPE -> Qdisks.isOurs(store, paths);
            default -> true;
        };
    }

    /** Whether a script is called as ours, or is a link that leads to it. */
    static boolean isOurScript(String script) {
        if (script == null || !script.startsWith("/")) {
            return false;
        }
        try {
            Path path = Path.of(script);
            return path.endsWith(SCRIPT) || path.toRealPath().endsWith(SCRIPT);
        } catch (IOException | InvalidPathException e) {
            return false;
        }
    }

    // ---- devices of a script

    /**
     * Announces a device, so that libxl runs its script, unless the kernel's backend does. In {@code backend/vbd} that
     * is loaded first, if this machine has it: loaded later it would take the device while it is served.
     */
    private void announce(XenStore store, DevicePaths paths) throws IOException {
        if (paths.type().equals(Blkback.TYPE)) {
            Long until = announcing.get(paths);
            if (until == null) {
                announcing.put(paths, Long.MAX_VALUE);
                worker.execute(blkback, () -> {
                    blkback.load();
                    XenNode.onBus(bus, () -> kernelMayAnnounce(store, paths));
                });
                return;
            }
            if (until == Long.MAX_VALUE || until - System.nanoTime() > 0) {
                return;
            }
        }
        DeviceNodes.announce(store, paths);
    }

    private void kernelMayAnnounce(XenStore store, DevicePaths paths) {
        long wait = blkback.isLoaded() ? KERNEL_MILLISECONDS : 0;
        if (announcing.replace(paths, System.nanoTime() + wait * 1_000_000) != null) {
            bus.after(wait, () -> lookSoon(store, paths.type()));
        }
    }

    /**
     * The toolstack removes a device that nobody serves, since its script or its attach has failed, and waits until it
     * has closed. One of the kernel's backend is closed by that, and one whose frontend is connected is another's.
     */
    private void letRemove(XenStore store, DevicePaths paths) throws IOException {
        String backend = paths.backend();
        if (XenbusState.of(store, backend) != XenbusState.CLOSING
                || blkback.has(paths)
                || !isOurs(store, paths, store.read(backend + "/script"))) {
            return;
        }
        XenbusState frontend = XenbusState.of(store, paths.frontend());
        if (frontend == XenbusState.INITIALISED || frontend == XenbusState.CONNECTED) {
            return;
        }
        store.transaction(tx -> {
            if (DeviceNodes.attachment(tx, paths) == null && XenbusState.of(tx, backend) == XenbusState.CLOSING) {
                XenbusState.CLOSED.write(tx, backend);
            }
        });
        LOG.log(Level.DEBUG, backend + ": closed, nobody has served it");
    }
}
