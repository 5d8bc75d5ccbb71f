package org.blktap.node.xen;

import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import org.blktap.api.disk.DiskException;
import org.blktap.api.disk.DiskException.Reason;

/**
 * The nodes of a device in XenStore as a toolstack writes them: those of both sides with their permissions, and libxl's
 * own copy, by which {@code xl} lists, detaches and, with the domain, removes it (libxl's device_generic_add and
 * xenstore-paths.pandoc). A node of our own names the attachment that serves it.
 */
final class DeviceNodes {
    /** Under the backend's directory: the attachment, as {@link Claimant} names it. */
    private static final String ATTACHMENT = "/blktap-attachment";
    /** Under the backend's directory, if we have written it all, and remove it. */
    private static final String OURS = "/blktap-created";

    /** Most devices of one kind of backend. */
    static final int DEVICES_MAX = 16_384;

    private DeviceNodes() {}

    /**
     * What an attachment wants of a device.
     *
     * @param attachment what {@link Claimant} calls it
     * @param name the device's name in the guest
     * @param queues rings that the guest may use
     * @param access what the guest may do, where no toolstack says it
     * @param diskWritable whether the disk is
     */
    record Claim(String attachment, String name, int queues, DeviceAccess access, boolean diskWritable) {}

    /**
     * Gives a domain a device, or takes over one that a toolstack has given it, also from the kernel's backend.
     *
     * @throws DiskException EXISTS if it has such a device already; PERMISSION if the toolstack does not let the guest
     *     write, and the disk may be written
     * @throws IOException also if the kernel's backend keeps the device
     */
    static void claim(XenStore store, DevicePaths paths, Claim claim, Blkback blkback)
            throws IOException, DiskException {
        String backend = paths.backend();
        String servedBy = store.read(backend + ATTACHMENT);
        boolean there = store.read(backend + "/frontend") != null;
        if (there && servedBy == null) {
            checkFrontend(store, paths);
            checkAccess(store, paths, claim);
            if (store.read(backend + "/physical-device") != null) {
                throw new DiskException(
                        Reason.EXISTS,
                        "domain " + paths.domain() + " has a device " + claim.name + " (" + paths.device()
                                + ") already, served by the kernel's backend");
            }
            blkback.release(paths);
            store.write(backend + ATTACHMENT, claim.attachment);
            return;
        }
        if (there || store.read(paths.frontend() + "/backend") != null) {
            throw new DiskException(
                    Reason.EXISTS,
                    "domain " + paths.domain() + " has a device " + claim.name + " (" + paths.device() + ") already"
                            + (servedBy == null ? "" : ", served by the attachment " + servedBy));
        }
        create(store, paths, claim);
    }

    private static void checkAccess(XenStore store, DevicePaths paths, Claim claim) throws IOException, DiskException {
        DeviceAccess access = DeviceAccess.read(store, paths.backend());
        if (!access.writable() && claim.diskWritable) {
            throw new DiskException(
                    Reason.PERMISSION,
                    "domain " + paths.domain() + " may not write its " + claim.name + " ("
                            + (access.cdrom() ? "device-type is cdrom" : "mode is not w") + " in " + paths.backend()
                            + "), but the attachment " + claim.attachment
                            + " writes: attach the disk with --read-only");
        }
    }

    /**
     * The device of a kind of backend that an attachment serves, even if its domain has been renamed and another has
     * its name; null if it has none.
     *
     * @param device the device's number
     */
    static DevicePaths servedBy(XenStore store, String type, int device, String attachment) throws IOException {
        for (DevicePaths paths : all(store, type)) {
            if (paths.device() == device && attachment.equals(store.read(paths.backend() + ATTACHMENT))) {
                return paths;
            }
        }
        return null;
    }

    /** Announces a device that a toolstack has written and nobody has announced. */
    static void announce(XenStore store, DevicePaths paths) throws IOException {
        store.transaction(tx -> {
            if (tx.read(paths.backend() + "/frontend") != null
                    && XenbusState.of(tx, paths.backend()) == XenbusState.INITIALISING) {
                BackendNodes.announce(tx, paths.backend(), NodeOpener.QUEUES);
            }
        });
    }

    /** All devices of a kind of backend; the directories are ours and the toolstack's. */
    static List<DevicePaths> all(XenStore store, String type) throws IOException {
        List<DevicePaths> found = new ArrayList<>();
        String directory = "/local/domain/" + store.domainId() + "/backend/" + type;
        for (String domain : store.list(directory)) {
            for (String device : store.list(directory + "/" + domain)) {
                DevicePaths paths = DevicePaths.of(store.domainId(), type, domain + "/" + device);
                if (paths != null && found.size() == DEVICES_MAX) {
                    throw new IOException("XenStore: " + directory + ": more than " + DEVICES_MAX + " devices");
                } else if (paths != null) {
                    found.add(paths);
                }
            }
        }
        return found;
    }

    /** Whether an attachment serves this device of a domain, in any kind of backend. */
    static boolean isServed(XenStore store, int domain, int device) throws IOException {
        for (String type : DomainDevice.TYPES) {
            if (attachment(store, new DevicePaths(store.domainId(), type, domain, device)) != null) {
                return true;
            }
        }
        return false;
    }

    /** The attachment that serves a device, or null. */
    static String attachment(XenStore store, DevicePaths paths) throws IOException {
        return store.read(paths.backend() + ATTACHMENT);
    }

    /** The backend's directory is the toolstack's word; the frontend's must be the domain's own. */
    private static void checkFrontend(XenStore store, DevicePaths paths) throws IOException, DiskException {
        String frontend = store.read(paths.backend() + "/frontend");
        String domain = store.read(paths.backend() + "/frontend-id");
        if (!paths.frontend().equals(frontend)
                || !Integer.toString(paths.domain()).equals(domain)) {
            throw new DiskException(
                    Reason.CORRUPT,
                    paths.backend() + ": frontend is " + frontend + " of domain " + domain + ", expected "
                            + paths.frontend());
        }
    }

    /**
     * The state is InitWait from the beginning: one that the kernel never sees as Initialising is not given to its own
     * backend.
     */
    private static void create(XenStore store, DevicePaths paths, Claim claim) throws IOException {
        DeviceAccess access = claim.diskWritable ? claim.access : claim.access.readOnly();
        store.transaction(tx -> {
            directory(tx, paths.frontend(), paths.domain(), paths.backendDomain());
            directory(tx, paths.backend(), paths.backendDomain(), paths.domain());
            directory(tx, paths.libxl(), paths.backendDomain(), paths.backendDomain());
            String device = Integer.toString(paths.device());
            tx.write(paths.frontend() + "/backend", paths.backend());
            tx.write(paths.frontend() + "/backend-id", Integer.toString(paths.backendDomain()));
            tx.write(paths.frontend() + "/virtual-device", device);
            tx.write(paths.frontend() + "/device-type", access.deviceType());
            tx.write(paths.frontend() + "/trusted", "1");
            XenbusState.INITIALISING.write(tx, paths.frontend());
            for (String directory : new String[] {paths.backend(), paths.libxl()}) {
                tx.write(directory + "/frontend", paths.frontend());
                tx.write(directory + "/frontend-id", Integer.toString(paths.domain()));
                tx.write(directory + "/online", "1");
                tx.write(directory + "/bootable", "1");
                tx.write(directory + "/dev", claim.name);
                tx.write(directory + "/type", paths.type());
                tx.write(directory + "/params", "blktap:" + claim.attachment);
                tx.write(directory + "/specification", "xen");
                access.write(tx, directory);
                XenbusState.INITIALISING.write(tx, directory);
            }
            tx.write(paths.libxl() + "/backend", paths.backend());
            tx.write(paths.backend() + "/hotplug-status", "connected");
            tx.write(paths.backend() + ATTACHMENT, claim.attachment);
            tx.write(paths.backend() + OURS, "1");
            BackendNodes.announce(tx, paths.backend(), claim.queues);
        });
    }

    private static void directory(XenStore tx, String path, int owner, int reader) throws IOException {
        // libxl removes what an earlier device may have left
        tx.remove(path);
        tx.write(path, "");
        tx.permissions(path, owner, reader);
    }

    /** Whether an attachment serves this device. */
    static boolean servedBy(XenStore store, DevicePaths paths, String attachment) throws IOException {
        return attachment.equals(store.read(paths.backend() + ATTACHMENT));
    }

    /**
     * Takes the device away from the domain, with what it leaves empty. What a toolstack has written it removes itself,
     * when it sees that we have closed.
     */
    static void remove(XenStore store, DevicePaths paths) throws IOException {
        store.transaction(tx -> {
            if (tx.read(paths.backend() + OURS) != null) {
                for (String directory : new String[] {paths.frontend(), paths.libxl()}) {
                    String of = tx.read(directory + "/backend");
                    // another domain may have the number by now, and such a device of another backend
                    if (of == null || of.equals(paths.backend())) {
                        tx.remove(directory);
                    }
                }
                tx.remove(paths.backend());
                // not the parent of the frontend's, which is not listed: a guest may be able to write there
                removeIfEmpty(tx, parent(paths.libxl()));
                removeIfEmpty(tx, parent(paths.backend()));
                removeIfEmpty(tx, parent(parent(paths.backend())));
            } else if (tx.read(paths.backend() + "/frontend") != null) {
                tx.remove(paths.backend() + ATTACHMENT);
                XenbusState.CLOSED.write(tx, paths.backend());
            }
        });
    }

    /**
     * Releases the device of an attachment that has ended, or removes it if we made it. Its state stays, so that
     * whoever serves it next can continue.
     */
    static void forget(XenStore store, DevicePaths paths) throws IOException {
        if (store.read(paths.backend() + OURS) != null) {
            remove(store, paths);
        } else {
            store.remove(paths.backend() + ATTACHMENT);
        }
    }

    private static void removeIfEmpty(XenStore tx, String directory) throws IOException {
        if (tx.read(directory) != null && tx.list(directory).isEmpty()) {
            tx.remove(directory);
        }
    }

    private static String parent(String path) {
        return path.substring(0, path.lastIndexOf('/'));
    }
}
