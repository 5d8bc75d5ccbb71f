package org.blktap.linux;

import com.sun.jna.Callback;

/**
 * librbd by JNA direct mapping: rbd/librbd.h of Ceph 16.2 (the same in later releases), primitives and addresses only.
 * Functions return a negative errno on failure. Names are UTF-8 and end with a NUL. The {@code aio} functions and
 * {@link #rbd_poll_io_events} do not block; the others wait for the cluster.
 *
 * <p>No thread of the library calls into Java: completions have no callback, and are taken by
 * {@link #rbd_poll_io_events} when an eventfd says so.
 */
public final class LibRbd {
    /** The Debian package that has the library, and brings librados. */
    public static final String PACKAGE = "librbd1";

    /** The library's file. */
    static final String NAME = "librbd.so.1";
    /** Features of an image (rbd/features.h). */
    public static final long FEATURE_STRIPING = 1 << 1;

    public static final long FEATURE_EXCLUSIVE_LOCK = 1 << 2;
    public static final long FEATURE_FAST_DIFF = 1 << 4;
    public static final long FEATURE_NON_PRIMARY = 1 << 10;
    /** Flag of an image: its object map must be rebuilt before it can be used. */
    public static final long FLAG_FAST_DIFF_INVALID = 1 << 1;

    /** {@link #rbd_lock_acquire}: the lock is kept until it is released, whoever asks for it. */
    public static final int LOCK_MODE_EXCLUSIVE = 0;
    /** {@link #rbd_set_image_notification}. */
    public static final int EVENT_TYPE_EVENTFD = 2;
    /** {@link #rbd_aio_write_zeroes}: the space stays allocated. */
    public static final int WRITE_ZEROES_THICK_PROVISION = 1;
    /** Options of a new image. */
    public static final int OPTION_ORDER = 2;

    public static final int OPTION_DATA_POOL = 10;
    /** {@code rbd_image_info_t}: size@0 obj_size@8 num_objs@16 order@24, and what is obsolete. */
    public static final int INFO_BYTES = 256;

    public static final int INFO_SIZE = 0;
    public static final int INFO_OBJECT_BYTES = 8;
    /** {@code rbd_snap_info_t}: id@0 size@8 name@16. */
    public static final int SNAPSHOT_BYTES = 24;

    public static final int SNAPSHOT_NAME = 16;
    /** {@code rbd_linked_image_spec_t}: pool_id@0 pool_name@8 pool_namespace@16 image_id@24 image_name@32 trash@40. */
    public static final int LINKED_BYTES = 48;

    public static final int LINKED_POOL = 8;
    public static final int LINKED_NAMESPACE = 16;
    public static final int LINKED_IMAGE = 32;
    /** {@code rbd_snap_spec_t}: id@0 namespace_type@8 name@16. */
    public static final int SNAPSHOT_SPEC_BYTES = 24;
    /** {@code rbd_image_watcher_t}: addr@0 id@8 cookie@16. */
    public static final int WATCHER_BYTES = 24;

    private static final String MISSING =
            LibRados.missing() != null ? LibRados.missing() : OptionalLibrary.loadOnDeepStack(LibRbd.class, NAME);

    private LibRbd() {}

    /**
     * Loads the library and librados. Returns why one of them is missing, or null; nothing else of this class may be
     * called if it is. {@link CephLibraries#missing} looks without loading them.
     */
    public static String missing() {
        return MISSING;
    }

    // ---- images

    /** @param options where to store new options of an image, 8 bytes */
    public static native void rbd_image_options_create(long options);

    public static native void rbd_image_options_destroy(long options);

    public static native int rbd_image_options_set_string(long options, int option, byte[] value);

    public static native int rbd_image_options_set_uint64(long options, int option, long value);

    public static native int rbd_create4(long context, byte[] name, long bytes, long options);

    /** Makes an image that overlays a snapshot of another. */
    public static native int rbd_clone3(
            long parentContext, byte[] parent, byte[] snapshot, long context, byte[] name, long options);

    public static native int rbd_remove(long context, byte[] name);

    /**
     * Opens an image for writing.
     *
     * @param image where to store its handle, 8 bytes
     * @param snapshot null for none
     */
    public static native int rbd_open(long context, byte[] name, long image, byte[] snapshot);

    /** Opens an image without a watch of it, which needs a permission to write. */
    public static native int rbd_open_read_only(long context, byte[] name, long image, byte[] snapshot);

    /** Closes an image, and releases its lock; waits for requests that are under way. */
    public static native int rbd_close(long image);

    public static native int rbd_resize(long image, long bytes);

    // ---- what an image is; these do not wait once it is open, except where noted

    public static native int rbd_stat(long image, long info, long bytes);

    /** @param features where to store them, 8 bytes */
    public static native int rbd_get_features(long image, long features);

    /** @param flags where to store them, 8 bytes */
    public static native int rbd_get_flags(long image, long flags);

    /** @param unit where to store bytes, 8 bytes */
    public static native int rbd_get_stripe_unit(long image, long unit);

    /** @param count where to store it, 8 bytes */
    public static native int rbd_get_stripe_count(long image, long count);

    /** Stores the image's own id as text with a NUL. */
    public static native int rbd_get_id(long image, long buffer, long bytes);

    /** Stores the image that this one overlays; fails with ENOENT if there is none. */
    public static native int rbd_get_parent(long image, long linkedImage, long snapshot);

    public static native void rbd_linked_image_spec_cleanup(long linkedImage);

    public static native void rbd_snap_spec_cleanup(long snapshot);

    /**
     * Stores the snapshots. Returns how many; fails with ERANGE, and the number in {@code most}, if there are more.
     *
     * @param most how many there is room for, 4 bytes
     */
    public static native int rbd_snap_list(long image, long snapshots, long most);

    public static native void rbd_snap_list_end(long snapshots);

    // ---- the lock

    /**
     * Takes the lock of an image for writing, and keeps it. Waits while the owner is asked, and until one that has died
     * is given up; fails with EROFS if the owner keeps it.
     */
    public static native int rbd_lock_acquire(long image, int mode);

    /**
     * Asks the cluster whether the image has its lock.
     *
     * @param owner where to store 1 or 0, 4 bytes
     */
    public static native int rbd_is_exclusive_lock_owner(long image, long owner);

    /**
     * Asks the cluster for the owner of the lock of an image that is open for writing; fails with ENOENT if there is
     * none.
     *
     * @param mode 4 bytes
     * @param owners an array of addresses of text, each the address of a client
     * @param most in and out, 8 bytes
     */
    public static native int rbd_lock_get_owners(long image, long mode, long owners, long most);

    public static native void rbd_lock_get_owners_cleanup(long owners, long count);

    /**
     * Returns the owners of the lock as they were when the image was opened, also of one that {@link #rbd_lock_acquire}
     * takes. The last eight arguments are buffers of texts that end with a NUL each, and addresses of their lengths, in
     * and out. Returns how many owners there are; fails with ERANGE if a buffer is too small.
     */
    public static native long rbd_list_lockers(
            long image,
            long exclusive,
            long tag,
            long tagBytes,
            long clients,
            long clientsBytes,
            long cookies,
            long cookiesBytes,
            long addresses,
            long addressesBytes);

    /**
     * Takes the lock from its owner, and has the cluster shut out the owner's connection.
     *
     * @param owner its address; fails with EBUSY if another is the owner
     */
    public static native int rbd_lock_break(long image, int mode, byte[] owner);

    /** Stores a value that was set on the image, as text with a NUL. {@code length} is in and out, 8 bytes. */
    public static native int rbd_metadata_get(long image, byte[] key, long value, long length);

    public static native int rbd_metadata_set(long image, byte[] key, byte[] value);

    /** Asks the cluster who has the image open for writing. {@code most} is in and out, 8 bytes. */
    public static native int rbd_watchers_list(long image, long watchers, long most);

    public static native void rbd_watchers_list_cleanup(long watchers, long count);

    // ---- requests

    /** Has completions written to a descriptor, as a number that is added to it. Before the first request. */
    public static native int rbd_set_image_notification(long image, int fd, int type);

    /**
     * Makes a completion.
     *
     * @param argument what {@link #rbd_aio_get_arg} returns
     * @param callback 0
     * @param completion where to store it, 8 bytes
     */
    public static native int rbd_aio_create_completion(long argument, long callback, long completion);

    public static native long rbd_aio_get_return_value(long completion);

    public static native long rbd_aio_get_arg(long completion);

    public static native void rbd_aio_release(long completion);

    /**
     * Starts to read. The iovecs stay until the end of the request, as the memory does. If a function that starts a
     * request fails, its completion is not used.
     */
    public static native int rbd_aio_readv(long image, long iovecs, int count, long offset, long completion);

    public static native int rbd_aio_writev(long image, long iovecs, int count, long offset, long completion);

    public static native int rbd_aio_discard(long image, long offset, long bytes, long completion);

    public static native int rbd_aio_write_zeroes(
            long image, long offset, long bytes, long completion, int zeroFlags, int flags);

    public static native int rbd_aio_flush(long image, long completion);

    /** Stores the addresses of completions that have ended. Returns how many. */
    public static native int rbd_poll_io_events(long image, long completions, int most);

    // ---- what is stored where

    /** Receives the ranges that an image has; called by the thread that asks. */
    @FunctionalInterface
    public interface Ranges {
        /** @param exists false for a range that reads as zeros, and hides what the parent has */
        void range(long offset, long bytes, boolean exists);
    }

    /** {@code int (*cb)(uint64_t, size_t, int, void *)}. */
    private interface DiffCallback extends Callback {
        int range(long offset, long bytes, int exists, long argument);
    }

    private static native int rbd_diff_iterate2(
            long image,
            byte[] fromSnapshot,
            long offset,
            long bytes,
            byte includeParent,
            byte wholeObject,
            DiffCallback callback,
            long argument);

    /**
     * Reports the ranges that the image or its parents have, in ascending order. Waits for the cluster.
     *
     * @param wholeObjects whether objects are reported as a whole, which the object map knows if there is one
     * @return 0 or a negative errno
     */
    public static int ranges(long image, long offset, long bytes, boolean wholeObjects, Ranges to) {
        DiffCallback each = (at, length, exists, argument) -> {
            to.range(at, length, exists != 0);
            return 0;
        };
        return rbd_diff_iterate2(image, null, offset, bytes, (byte) 1, (byte) (wholeObjects ? 1 : 0), each, 0);
    }
}
