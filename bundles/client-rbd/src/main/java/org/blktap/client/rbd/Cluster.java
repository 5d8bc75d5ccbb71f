package org.blktap.client.rbd;

import java.nio.file.Files;
import org.blktap.api.disk.DiskException;
import org.blktap.api.disk.DiskException.Reason;
import org.blktap.api.disk.FileNames;
import org.blktap.api.engine.CloseOnFailure;
import org.blktap.api.engine.Errno;
import org.blktap.api.memory.Memory;
import org.blktap.linux.LibRados;
import org.blktap.linux.LibRbd;
import org.blktap.linux.Mapping;

/**
 * A connection to a cluster, with one pool. Each disk has a connection of its own, since a client that takes the lock
 * of an image has the cluster shut out the owner's whole connection. Control threads; the methods wait for the cluster.
 */
final class Cluster implements AutoCloseable {
    /** Ceph's time limit for answers of monitors, in seconds, unless a configuration has another. */
    private static final String DEFAULT_TIMEOUT = "300";

    private static final String TIMEOUT = "client_mount_timeout";
    private static final int VALUE_BYTES = 64;

    private final long handle;
    private final long pool;
    private final String fsid;

    private Cluster(long handle, long pool, String fsid) {
        this.handle = handle;
        this.pool = pool;
        this.fsid = fsid;
    }

    /** Connects to the cluster and the pool of a name. */
    static Cluster connect(RbdName name, ClusterOptions options) throws DiskException {
        String missing = LibRbd.missing();
        if (missing != null) {
            throw new DiskException(Reason.UNSUPPORTED, name + ": librbd cannot be used: " + missing);
        }
        try (Mapping memory = Mapping.anonymous(VALUE_BYTES)) {
            long out = memory.address();
            RbdErrors.check(name, "no handle of a cluster", LibRados.rados_create(out, Native.text(options.user())));
            long cluster = Memory.getLong(out);
            try (CloseOnFailure opened = new CloseOnFailure(() -> LibRados.rados_shutdown(cluster))) {
                configure(cluster, name, options, out);
                connect(cluster, name, options);
                int found = LibRados.rados_ioctx_create(cluster, Native.text(name.pool()), out);
                RbdErrors.check(name, "the pool " + name.pool() + " cannot be used", found);
                long pool = Memory.getLong(out);
                if (!name.namespace().isEmpty()) {
                    LibRados.rados_ioctx_set_namespace(pool, Native.text(name.namespace()));
                }
                LibRados.rados_cluster_fsid(cluster, out, VALUE_BYTES);
                return opened.keep(new Cluster(cluster, pool, Native.textAt(out)));
            }
        }
    }

    private static void configure(long cluster, RbdName name, ClusterOptions options, long out) throws DiskException {
        boolean named = !options.conf().isEmpty();
        if (named && !Files.isReadable(FileNames.path(options.conf()))) {
            throw new DiskException(
                    Reason.NOT_FOUND, name + ": the cluster's configuration " + options.conf() + " cannot be read");
        }
        int read = LibRados.rados_conf_read_file(cluster, named ? Native.text(options.conf()) : null);
        if (read == -Errno.ENOENT) {
            throw new DiskException(
                    Reason.NOT_FOUND,
                    name + ": there is no configuration of a cluster; expected /etc/ceph/ceph.conf, or -o conf=FILE");
        }
        RbdErrors.check(name, "the configuration " + options.conf() + " is not understood", read);
        if (!options.keyring().isEmpty()) {
            set(cluster, name, "keyring", options.keyring());
        }
        // a completed write must not be only in the memory of this process
        set(cluster, name, "rbd_cache", "false");
        LibRados.rados_conf_get(cluster, Native.text(TIMEOUT), out, VALUE_BYTES);
        if (Native.textAt(out).equals(DEFAULT_TIMEOUT)) {
            set(cluster, name, TIMEOUT, Integer.toString(options.connectSeconds()));
        }
    }

    private static void set(long cluster, RbdName name, String option, String value) throws DiskException {
        int result = LibRados.rados_conf_set(cluster, Native.text(option), Native.text(value));
        RbdErrors.check(name, "librados refuses " + option + "=" + value, result);
    }

    private static void connect(long cluster, RbdName name, ClusterOptions options) throws DiskException {
        int result = LibRados.rados_connect(cluster);
        String user = "client." + options.user();
        switch (-result) {
            case Errno.ENOENT ->
                throw new DiskException(
                        Reason.PERMISSION, name + ": there is no key of " + user + "; -o keyring=FILE names one");
            case Errno.EPERM, Errno.EACCES, Errno.EINVAL ->
                throw new DiskException(
                        Reason.PERMISSION, name + ": the cluster refuses " + user + ": " + Errno.text(-result));
            case Errno.ETIMEDOUT ->
                throw new DiskException(
                        Reason.IO,
                        name + ": the monitors of the cluster have not answered within " + options.connectSeconds()
                                + " s");
            default -> RbdErrors.check(name, "the cluster cannot be reached", result);
        }
    }

    /** Returns the pool's handle. */
    long pool() {
        return pool;
    }

    /** Returns the cluster's id. */
    String fsid() {
        return fsid;
    }

    /** Ends the connection. Called when its images are closed. */
    @Override
    public void close() {
        LibRados.rados_ioctx_destroy(pool);
        LibRados.rados_shutdown(handle);
    }
}
