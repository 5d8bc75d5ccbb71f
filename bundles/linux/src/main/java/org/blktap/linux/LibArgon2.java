package org.blktap.linux;

/**
 * The reference implementation of Argon2 (argon2.h), by JNA direct mapping, primitives and addresses only. Both
 * functions compute version 1.3, with one thread for each lane, and overwrite their memory afterwards. They return 0 or
 * one of its negative error codes.
 */
public final class LibArgon2 {
    /** The Debian package that has the library. */
    public static final String PACKAGE = "libargon2-1";
    /** {@code ARGON2_MEMORY_ALLOCATION_ERROR}. */
    public static final int OUT_OF_MEMORY = -22;

    private static final String MISSING = OptionalLibrary.load(LibArgon2.class, "libargon2.so.1");

    private LibArgon2() {}

    /** Why libargon2 is missing; null if it is present. Nothing else of this class may be called if it is missing. */
    public static String missing() {
        return MISSING;
    }

    /** @param memory in KiB */
    public static native int argon2id_hash_raw(
            int passes,
            int memory,
            int lanes,
            long password,
            long passwordBytes,
            long salt,
            long saltBytes,
            long hash,
            long hashBytes);

    /** @param memory in KiB */
    public static native int argon2i_hash_raw(
            int passes,
            int memory,
            int lanes,
            long password,
            long passwordBytes,
            long salt,
            long saltBytes,
            long hash,
            long hashBytes);
}
