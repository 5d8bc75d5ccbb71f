package org.blktap.linux;

/**
 * librados by JNA direct mapping: rados/librados.h of Ceph 16.2, primitives and addresses only. Functions return a
 * negative errno on failure. Names are UTF-8 and end with a NUL. All of these may block, except where noted.
 */
public final class LibRados {
    /** The library's file, and the Debian package that has it. */
    static final String NAME = "librados.so.2";

    /** Bytes of the text of a cluster's id, with its NUL. */
    public static final int FSID_BYTES = 37;

    private static final String MISSING = OptionalLibrary.loadOnDeepStack(LibRados.class, NAME);

    private LibRados() {}

    /** Loads the library. Returns why it is missing, or null; nothing else of this class may be called if it is. */
    public static String missing() {
        return MISSING;
    }

    /**
     * Makes a handle of a cluster.
     *
     * @param cluster where to store it, 8 bytes
     * @param user without {@code client.}; null for {@code admin}
     */
    public static native int rados_create(long cluster, byte[] user);

    /** Reads a file of settings; null for those that Ceph's own programs read. */
    public static native int rados_conf_read_file(long cluster, byte[] path);

    public static native int rados_conf_set(long cluster, byte[] option, byte[] value);

    /** Stores the value of a setting as text with a NUL. Does not block. */
    public static native int rados_conf_get(long cluster, byte[] option, long buffer, long bytes);

    public static native int rados_connect(long cluster);

    /** Ends the connection, and frees the handle; also of one that is not connected. */
    public static native void rados_shutdown(long cluster);

    /** Stores the cluster's id as text. Returns its length. */
    public static native int rados_cluster_fsid(long cluster, long buffer, long bytes);

    /** @param context where to store the handle of a pool, 8 bytes */
    public static native int rados_ioctx_create(long cluster, byte[] pool, long context);

    public static native void rados_ioctx_set_namespace(long context, byte[] name);

    public static native void rados_ioctx_destroy(long context);
}
