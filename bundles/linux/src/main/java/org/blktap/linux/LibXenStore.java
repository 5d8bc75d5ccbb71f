package org.blktap.linux;

/**
 * libxenstore by JNA direct mapping: xenstore.h of Xen 4.17, primitives and addresses only. A handle may be used by
 * several threads; each call waits for the answer of xenstored. A call that fails returns 0 (false, NULL) and leaves
 * its reason in {@link Libc#errno}. Paths are ASCII. Results said to be allocated are freed by {@link Libc#free}.
 */
public final class LibXenStore {
    /** {@code xs_transaction_t} of none. */
    public static final int XBT_NULL = 0;
    /** {@link #xs_open}: after {@link #xs_unwatch} no event of that watch is delivered. */
    public static final long XS_UNWATCH_FILTER = 1 << 2;
    /** {@code struct xs_permissions}: id@0 perms@4. The first of several names the owner, and what all others may. */
    public static final int PERMISSIONS_BYTES = 8;

    public static final int PERMISSIONS_ID = 0;
    public static final int PERMISSIONS_PERMS = 4;
    public static final int XS_PERM_NONE = 0;
    public static final int XS_PERM_READ = 1;
    public static final int XS_PERM_WRITE = 2;
    /**
     * Indexes in the result of {@link #xs_read_watch}, addresses of two strings: the path that changed and the watch's
     * token.
     */
    public static final int WATCH_PATH = 0;

    public static final int WATCH_TOKEN = 8;
    /**
     * The longest message, and so the longest value (XENSTORE_PAYLOAD_MAX, XENSTORE_ABS_PATH_MAX of xen/io/xs_wire.h).
     */
    public static final int PAYLOAD_MAX = 4096;

    public static final int ABS_PATH_MAX = 3072;
    /** The Debian package that has the library. */
    public static final String PACKAGE = "libxenstore4";

    private static final String MISSING = OptionalLibrary.load(LibXenStore.class, "libxenstore.so.4");

    private LibXenStore() {}

    /** Why libxenstore is missing; null if it is present. Nothing else of this class may be called if it is missing. */
    public static String missing() {
        return MISSING;
    }

    /** Connects to $XENSTORED_PATH or $XENSTORED_RUNDIR/socket (/var/run/xenstored/socket), else to /dev/xen/xenbus. */
    public static native long xs_open(long flags);

    /** Closes the handle. No other call may be under way on it, nor be made afterwards. */
    public static native void xs_close(long handle);

    /**
     * Allocates an array of addresses of the children's names; names and array are one piece of memory.
     *
     * @param count where to store how many there are, 4 bytes
     */
    public static native long xs_directory(long handle, int transaction, String path, long count);

    /**
     * Allocates the value, followed by a NUL.
     *
     * @param length where to store its length in bytes, 4 bytes
     */
    public static native long xs_read(long handle, int transaction, String path, long length);

    public static native byte xs_write(long handle, int transaction, String path, long data, int length);

    public static native byte xs_mkdir(long handle, int transaction, String path);

    /** Removes a node and all below it. */
    public static native byte xs_rm(long handle, int transaction, String path);

    /** Allocates {@code struct xs_permissions}; their number is stored at {@code count}, 4 bytes. */
    public static native long xs_get_permissions(long handle, int transaction, String path, long count);

    public static native byte xs_set_permissions(
            long handle, int transaction, String path, long permissions, int count);

    /**
     * Sets a watch, which fires at once and at each change of the node or of a node below it. The first watch starts a
     * thread of the library, which queues events until {@link #xs_read_watch} takes them.
     */
    public static native byte xs_watch(long handle, String path, String token);

    public static native byte xs_unwatch(long handle, String path, String token);

    /** A descriptor that is readable while events are queued; it does not report a lost connection. */
    public static native int xs_fileno(long handle);

    /** Reads as {@link #xs_read_watch} does, but fails with EAGAIN when no event is queued. */
    public static native long xs_check_watch(long handle);

    /**
     * Waits for an event and allocates {@link #WATCH_PATH} and {@link #WATCH_TOKEN}; 0 when the connection has been
     * lost.
     *
     * @param count where to store the number of strings, 4 bytes
     */
    public static native long xs_read_watch(long handle, long count);

    /** Starts a transaction; {@link #XBT_NULL} on failure. */
    public static native int xs_transaction_start(long handle);

    /** Ends a transaction. Fails with EAGAIN if others changed nodes that it used: it must then be repeated. */
    public static native byte xs_transaction_end(long handle, int transaction, int abort);
}
