package org.blktap.node.xen;

import java.io.IOException;
import java.lang.System.Logger.Level;
import java.util.List;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.blktap.api.control.AttachRequest;
import org.blktap.api.control.AttachmentStatus;
import org.blktap.api.control.Attachments;
import org.blktap.api.disk.DiskException;
import org.blktap.api.disk.Printable;
import org.blktap.api.disk.TapSpec;

/**
 * The attachments of toolstacks' disks: made as XenStore says, ended when the domain has let its device go, and what
 * goes wrong reported to the toolstack. Any thread; all that waits is done by the worker.
 */
final class ToolstackAttachments {
    private static final System.Logger LOG = System.getLogger("org.blktap.node.xen");
    /** The NBD socket of a minor, which ends with the pid and the minor. */
    private static final Pattern TAPDISK_SOCKET = Pattern.compile("/.*/nbd[0-9]+\\.([0-9]+)");
    /** A longer text does not fit XenStore with its path. */
    private static final int ERROR_MAX = 1000;

    private final Attachments attachments;
    private final SharedWork worker;
    /** Devices for which an attach is under way. */
    private final Set<DevicePaths> working = ConcurrentHashMap.newKeySet();

    ToolstackAttachments(Attachments attachments, SharedWork worker) {
        this.attachments = attachments;
        this.worker = worker;
    }

    /** Whether an attach for this device is under way. */
    boolean worksFor(DevicePaths paths) {
        return working.contains(paths);
    }

    /** The attachment that tap-ctl has made, by the NBD socket that it has named; null if it is no such socket. */
    static String ofSocket(String socket) {
        Matcher minor = TAPDISK_SOCKET.matcher(socket == null ? "" : socket);
        return minor.matches() ? "tap-" + minor.group(1) : null;
    }

    private interface Work {
        void run() throws DiskException, IOException;
    }

    private void work(XenStore store, DevicePaths paths, Runnable then, Work work) {
        working.add(paths);
        worker.execute(paths.domain(), () -> {
            try {
                work.run();
            } catch (DiskException | IOException e) {
                report(store, paths, e.getMessage());
            } catch (RuntimeException | Error e) {
                report(store, paths, "internal error: " + e);
                throw e;
            } finally {
                working.remove(paths);
                then.run();
            }
        });
    }

    /**
     * Attaches a device as its node {@code params} says. Of a domain that comes from another host the image is waited
     * for, which does not hold up this: the device is announced meanwhile, so that the toolstack goes on, and its guest
     * knows all features.
     *
     * @param then runs when that has ended one way or the other
     */
    void attach(XenStore store, DevicePaths paths, String params, Runnable then) {
        work(store, paths, then, () -> {
            DeviceAccess access = DeviceAccess.read(store, paths.backend());
            AttachmentStatus status = attachments.attach(new AttachRequest(
                    TapSpec.parse(params.startsWith("tap:") ? params : "tap:" + params),
                    idOf(paths),
                    List.of(node(paths)),
                    !access.writable(),
                    Incoming.options(store, paths)));
            if (status.state() == AttachmentStatus.State.OPENING) {
                DeviceNodes.announce(store, paths);
            }
        });
    }

    /**
     * Adds a device to an attachment that tap-ctl has made. Xen's block-tap does not tell tap-ctl that the guest may
     * only read: then the disk becomes read-only.
     *
     * @param then as for attach
     */
    void plug(XenStore store, DevicePaths paths, String id, Runnable then) {
        work(store, paths, then, () -> {
            if (!DeviceAccess.read(store, paths.backend()).writable()) {
                attachments.makeReadOnly(id);
            }
            attachments.plug(id, node(paths));
        });
    }

    private static String idOf(DevicePaths paths) {
        return "xen-" + paths.domain() + "-" + paths.device();
    }

    private static String node(DevicePaths paths) {
        return "xen:" + paths.domain() + "/" + paths.device() + ",backend=" + paths.type();
    }

    /**
     * Has libxl say why a device does not come: it shows {@code hotplug-error}, and a device that is closed need not be
     * waited for. Of a domain that has ended meanwhile nobody asks, and nobody would remove the nodes.
     */
    private static void report(XenStore store, DevicePaths paths, String why) {
        String text = Printable.of(String.valueOf(why), ERROR_MAX);
        LOG.log(Level.WARNING, paths.backend() + ": " + text);
        try {
            store.transaction(tx -> {
                if (tx.read(paths.backend() + "/frontend") != null && paths.hasDomain(tx)) {
                    tx.write(paths.backend() + "/hotplug-error", text);
                    tx.write(paths.backend() + "/hotplug-status", "error");
                    XenbusState.CLOSED.write(tx, paths.backend());
                }
            });
        } catch (IOException lost) {
            LOG.log(Level.WARNING, lost.getMessage());
        }
    }

    /**
     * A domain has released its device, or has ended: see {@link DeviceGone}. The attachment ends if it was the
     * toolstack's, else it loses that node.
     */
    void letGo(String id, String node, boolean noDomain) {
        worker.execute(id, () -> {
            try {
                end(id, node, noDomain);
            } catch (DiskException e) {
                // NOT_FOUND: it is being detached
                LOG.log(
                        e.reason() == DiskException.Reason.NOT_FOUND ? Level.DEBUG : Level.WARNING,
                        id + ": " + e.getMessage());
            }
        });
    }

    private void end(String id, String node, boolean noDomain) throws DiskException {
        DomainDevice device = DomainDevice.ofNode(node);
        List<AttachmentStatus.Node> nodes = attachments.status(id).nodes();
        boolean toolstacks = id.equals("xen-" + device.domain() + "-" + device.device());
        // what tap-ctl has made tap-ctl ends, unless the toolstack has lost it
        boolean lost = noDomain
                && !device.type().equals(DomainDevice.TYPE)
                && nodes.stream()
                        .allMatch(each -> isSame(each, device) || each.kind().equals("nbd"));
        if (nodes.size() <= 1 || toolstacks || lost) {
            attachments.detach(id, true);
            return;
        }
        for (AttachmentStatus.Node each : nodes) {
            if (isSame(each, device)) {
                attachments.unplug(id, each.address(), true);
                return;
            }
        }
    }

    private static boolean isSame(AttachmentStatus.Node node, DomainDevice device) {
        try {
            DomainDevice its = DomainDevice.ofNode(node.address());
            return its != null && its.isSame(device);
        } catch (DiskException e) {
            return false;
        }
    }
}
