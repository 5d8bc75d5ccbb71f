package org.blktap.client.rbd;

import java.io.IOException;
import java.lang.System.Logger;
import java.lang.System.Logger.Level;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.function.IntSupplier;
import org.blktap.api.disk.DiskException;
import org.blktap.api.disk.DiskException.Reason;
import org.blktap.api.engine.CloseOnFailure;
import org.blktap.api.engine.Errno;
import org.blktap.api.memory.Memory;
import org.blktap.linux.LibRbd;
import org.blktap.linux.Mapping;

/** An open image with its connection. Control threads and helper threads; the methods may wait for the cluster. */
final class RbdImage implements AutoCloseable {
    /** The most snapshots, and programs that have the image open, that are listed. */
    private static final int MOST_LISTED = 512;
    /** Number of texts that describe the owners of a lock: its tag, clients, cookies, addresses. */
    private static final int LOCKER_TEXTS = 4;

    private static final int LOCKERS_BYTES = 1 << 16;
    private static final int METADATA_BYTES = 1024;
    private static final Logger LOG = System.getLogger("org.blktap.client.rbd");

    private final RbdName name;
    private final Cluster cluster;
    private final long handle;
    /** Number of calls in progress on helper threads. */
    private int calls;

    private boolean closed;

    private RbdImage(RbdName name, Cluster cluster, long handle) {
        this.name = name;
        this.cluster = cluster;
        this.handle = handle;
    }

    /** Connects and opens. A snapshot is read-only. */
    static RbdImage open(RbdName name, ClusterOptions options, boolean readOnly) throws DiskException {
        Cluster cluster = Cluster.connect(name, options);
        try (CloseOnFailure opened = new CloseOnFailure(cluster::close);
                Mapping memory = Mapping.anonymous(Long.BYTES)) {
            byte[] image = Native.text(name.image());
            byte[] snapshot = name.snapshot() == null ? null : Native.text(name.snapshot());
            int result = readOnly
                    ? LibRbd.rbd_open_read_only(cluster.pool(), image, memory.address(), snapshot)
                    : LibRbd.rbd_open(cluster.pool(), image, memory.address(), snapshot);
            if (result == -Errno.ENOENT) {
                throw new DiskException(
                        Reason.NOT_FOUND,
                        name + ": there is no such image" + (snapshot == null ? "" : ", or no such snapshot of it"));
            }
            RbdErrors.check(name, "cannot be opened", result);
            return opened.keep(new RbdImage(name, cluster, Memory.getLong(memory.address())));
        }
    }

    RbdName name() {
        return name;
    }

    /** Returns the handle for {@link LibRbd}. */
    long handle() {
        return handle;
    }

    /** Returns the cluster's id. */
    String fsid() {
        return cluster.fsid();
    }

    private interface Getter {
        int get(long address);
    }

    private long number(String what, Getter getter) throws DiskException {
        try (Mapping memory = Mapping.anonymous(LibRbd.INFO_BYTES)) {
            RbdErrors.check(name, "its " + what + " cannot be read", getter.get(memory.address()));
            return Memory.getLong(memory.address());
        }
    }

    long sizeBytes() throws DiskException {
        return number("size", at -> LibRbd.rbd_stat(handle, at, LibRbd.INFO_BYTES));
    }

    long objectBytes() throws DiskException {
        try (Mapping memory = Mapping.anonymous(LibRbd.INFO_BYTES)) {
            RbdErrors.check(
                    name,
                    "its object size cannot be read",
                    LibRbd.rbd_stat(handle, memory.address(), LibRbd.INFO_BYTES));
            return Memory.getLong(memory.address() + LibRbd.INFO_OBJECT_BYTES);
        }
    }

    long features() throws DiskException {
        return number("features", at -> LibRbd.rbd_get_features(handle, at));
    }

    long flags() throws DiskException {
        return number("flags", at -> LibRbd.rbd_get_flags(handle, at));
    }

    long stripeUnit() throws DiskException {
        return number("stripe unit", at -> LibRbd.rbd_get_stripe_unit(handle, at));
    }

    long stripeCount() throws DiskException {
        return number("stripe count", at -> LibRbd.rbd_get_stripe_count(handle, at));
    }

    /** Returns what distinguishes the image from all others that have had its name. */
    String id() throws DiskException {
        try (Mapping memory = Mapping.anonymous(LibRbd.INFO_BYTES)) {
            int result = LibRbd.rbd_get_id(handle, memory.address(), LibRbd.INFO_BYTES);
            RbdErrors.check(name, "its id cannot be read", result);
            return Native.textAt(memory.address());
        }
    }

    /** Returns the snapshot that the image overlays, as a path of a spec; null if there is none. */
    String parent() throws DiskException {
        try (Mapping memory = Mapping.anonymous(LibRbd.LINKED_BYTES + LibRbd.SNAPSHOT_SPEC_BYTES)) {
            long linked = memory.address();
            long snapshot = linked + LibRbd.LINKED_BYTES;
            int result = LibRbd.rbd_get_parent(handle, linked, snapshot);
            if (result == -Errno.ENOENT) {
                return null;
            }
            RbdErrors.check(name, "its parent cannot be read", result);
            String namespace = Native.textAt(Memory.getLong(linked + LibRbd.LINKED_NAMESPACE));
            String path = Native.textAt(Memory.getLong(linked + LibRbd.LINKED_POOL)) + "/"
                    + (namespace.isEmpty() ? "" : namespace + "/")
                    + Native.textAt(Memory.getLong(linked + LibRbd.LINKED_IMAGE))
                    + "@" + Native.textAt(Memory.getLong(snapshot + LibRbd.SNAPSHOT_NAME));
            LibRbd.rbd_linked_image_spec_cleanup(linked);
            LibRbd.rbd_snap_spec_cleanup(snapshot);
            return path;
        }
    }

    List<String> snapshots() throws DiskException {
        List<String> names = new ArrayList<>();
        try (Mapping memory = Mapping.anonymous(Long.BYTES + (long) MOST_LISTED * LibRbd.SNAPSHOT_BYTES)) {
            long list = memory.address() + Long.BYTES;
            Memory.putInt(memory.address(), MOST_LISTED);
            int count = LibRbd.rbd_snap_list(handle, list, memory.address());
            if (count == -Errno.ERANGE) {
                return List.of("more than " + MOST_LISTED);
            }
            RbdErrors.check(name, "its snapshots cannot be listed", count);
            for (int i = 0; i < count; i++) {
                names.add(
                        Native.textAt(Memory.getLong(list + (long) i * LibRbd.SNAPSHOT_BYTES + LibRbd.SNAPSHOT_NAME)));
            }
            if (count > 0) {
                LibRbd.rbd_snap_list_end(list);
            }
        }
        return names;
    }

    // ---- the lock

    /**
     * Takes the lock until the close.
     *
     * @throws DiskException BUSY if another client has it
     */
    void lock() throws DiskException {
        breakLockOfDead();
        int result = LibRbd.rbd_lock_acquire(handle, LibRbd.LOCK_MODE_EXCLUSIVE);
        if (result == -Errno.EROFS || result == -Errno.EBUSY || result == -Errno.EAGAIN) {
            throw inUse();
        }
        RbdErrors.check(name, "its lock cannot be taken", result);
        signLock();
    }

    /** Takes the lock from a process of this host that has died; the cluster shuts out its connection. */
    private void breakLockOfDead() throws DiskException {
        Set<String> owners = lockOwners();
        if (owners.isEmpty()) {
            return;
        }
        LockOwner owner = LockOwner.parse(metadata(LockOwner.KEY));
        if (owner != null && owners.contains(owner.address()) && owner.isDead()) {
            int result = LibRbd.rbd_lock_break(handle, LibRbd.LOCK_MODE_EXCLUSIVE, Native.text(owner.address()));
            LOG.log(
                    Level.INFO,
                    name + ": the lock is that of a process of this host that has ended"
                            + (result < 0 ? ", and cannot be broken: " + Errno.text(-result) : "; broken"));
        }
    }

    /** Writes the owner of the lock to the image's metadata. If that fails, the lock is still valid. */
    private void signLock() {
        try (Mapping memory = Mapping.anonymous(3 * Long.BYTES)) {
            long owners = memory.address() + 2 * Long.BYTES;
            Memory.putLong(memory.address(), 1);
            int found = LibRbd.rbd_lock_get_owners(handle, memory.address() + Long.BYTES, owners, memory.address());
            if (found < 0) {
                return;
            }
            String text = LockOwner.self(Native.textAt(Memory.getLong(owners))).text();
            LibRbd.rbd_lock_get_owners_cleanup(owners, 1);
            LibRbd.rbd_metadata_set(handle, Native.text(LockOwner.KEY), Native.text(text));
        } catch (IOException e) {
            LOG.log(Level.DEBUG, name + ": " + e);
        }
    }

    /** Returns a value of the image's metadata; empty if it is not set. */
    private String metadata(String key) {
        try (Mapping memory = Mapping.anonymous(Long.BYTES + METADATA_BYTES)) {
            Memory.putLong(memory.address(), METADATA_BYTES);
            int result =
                    LibRbd.rbd_metadata_get(handle, Native.text(key), memory.address() + Long.BYTES, memory.address());
            return result < 0 ? "" : Native.textAt(memory.address() + Long.BYTES);
        }
    }

    /**
     * Refuses an image that another client writes. An owner of the lock that no longer has the image open has died.
     *
     * @throws DiskException BUSY
     */
    void checkNotLocked() throws DiskException {
        Set<String> owners = lockOwners();
        if (!owners.isEmpty() && watchers().stream().anyMatch(owners::contains)) {
            throw inUse();
        }
    }

    /** Returns the addresses of the clients that have the lock. */
    private Set<String> lockOwners() throws DiskException {
        Set<String> owners = new HashSet<>();
        try (Mapping memory = Mapping.anonymous(LOCKERS_BYTES)) {
            long lengths = memory.address();
            long text = lengths + LOCKER_TEXTS * Long.BYTES + Long.BYTES;
            int each = (int) ((memory.address() + memory.size() - text) / LOCKER_TEXTS);
            for (int i = 0; i < LOCKER_TEXTS; i++) {
                Memory.putLong(lengths + (long) i * Long.BYTES, each);
            }
            long count = LibRbd.rbd_list_lockers(
                    handle,
                    lengths + LOCKER_TEXTS * Long.BYTES,
                    text,
                    lengths,
                    text + each,
                    lengths + Long.BYTES,
                    text + 2L * each,
                    lengths + 2 * Long.BYTES,
                    text + 3L * each,
                    lengths + 3 * Long.BYTES);
            if (count == -Errno.ENOENT) {
                return owners;
            }
            RbdErrors.check(name, "its lock cannot be read", (int) count);
            long at = text + 3L * each;
            for (long i = 0; i < count; i++) {
                String owner = Native.textAt(at);
                owners.add(owner);
                at += Native.text(owner).length;
            }
        }
        return owners;
    }

    /** Returns the addresses of the clients that have the image open for writing. */
    private Set<String> watchers() throws DiskException {
        Set<String> watchers = new HashSet<>();
        try (Mapping memory = Mapping.anonymous(Long.BYTES + (long) MOST_LISTED * LibRbd.WATCHER_BYTES)) {
            long list = memory.address() + Long.BYTES;
            Memory.putLong(memory.address(), MOST_LISTED);
            RbdErrors.check(
                    name, "its watchers cannot be listed", LibRbd.rbd_watchers_list(handle, list, memory.address()));
            long count = Memory.getLong(memory.address());
            for (long i = 0; i < count; i++) {
                watchers.add(Native.textAt(Memory.getLong(list + i * LibRbd.WATCHER_BYTES)));
            }
            LibRbd.rbd_watchers_list_cleanup(list, count);
        }
        return watchers;
    }

    private DiskException inUse() {
        return new DiskException(Reason.BUSY, name + ": in use by another host, attachment or process");
    }

    /** Asks the cluster whether the lock is still held. Returns 1 or 0, or a negative errno. */
    int ownsLock() {
        return call(() -> {
            try (Mapping memory = Mapping.anonymous(Integer.BYTES)) {
                int result = LibRbd.rbd_is_exclusive_lock_owner(handle, memory.address());
                return result < 0 ? result : Memory.getInt(memory.address());
            }
        });
    }

    /**
     * Makes a call that waits for the cluster. The image is not closed before it returns.
     *
     * @return what the call returns, or -ESHUTDOWN if the image has been closed
     */
    int call(IntSupplier call) {
        synchronized (this) {
            if (closed) {
                return -Errno.ESHUTDOWN;
            }
            calls++;
        }
        try {
            return call.getAsInt();
        } finally {
            synchronized (this) {
                calls--;
                notifyAll();
            }
        }
    }

    private synchronized void awaitCalls() {
        closed = true;
        boolean interrupted = false;
        while (calls > 0) {
            try {
                wait();
            } catch (InterruptedException e) {
                interrupted = true;
            }
        }
        if (interrupted) {
            Thread.currentThread().interrupt();
        }
    }

    /** Closes the image when the calls in progress have returned, releases its lock, and ends the connection. */
    @Override
    public void close() {
        awaitCalls();
        LibRbd.rbd_close(handle);
        cluster.close();
    }
}
