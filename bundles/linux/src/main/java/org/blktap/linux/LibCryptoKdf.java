package org.blktap.linux;

/**
 * Argon2 of OpenSSL's libcrypto, which has it since 3.2, by JNA direct mapping: kdf.h, params.h and thread.h,
 * primitives and addresses only.
 */
public final class LibCryptoKdf {
    /**
     * {@code OSSL_PARAM} (openssl/core.h): key@0 data_type u32@8 data@16 data_size@24 return_size@32. A list ends with
     * one whose key is 0.
     */
    public static final int PARAM_BYTES = 40;

    public static final int PARAM_KEY = 0;
    public static final int PARAM_TYPE = 8;
    public static final int PARAM_DATA = 16;
    public static final int PARAM_SIZE = 24;
    public static final int PARAM_RETURNED = 32;
    public static final int UNSIGNED_INTEGER = 2;
    public static final int OCTET_STRING = 5;

    private static final String MISSING = load();

    private LibCryptoKdf() {}

    private static String load() {
        String missing = OptionalLibrary.load(LibCryptoKdf.class, "libcrypto.so.3");
        if (missing == null) {
            long argon2 = EVP_KDF_fetch(0, "ARGON2ID", null);
            if (argon2 == 0) {
                return "libcrypto.so.3 was built without Argon2";
            }
            EVP_KDF_free(argon2);
        }
        return missing;
    }

    /** Why Argon2 is missing; null if it is present. Nothing else of this class may be called if it is missing. */
    public static String missing() {
        return MISSING;
    }

    /** @return 0 on failure */
    public static native long EVP_KDF_fetch(long library, String algorithm, String properties);

    public static native void EVP_KDF_free(long kdf);

    /** @return 0 on failure */
    public static native long EVP_KDF_CTX_new(long kdf);

    public static native void EVP_KDF_CTX_free(long context);

    /** @return more than 0 on success */
    public static native int EVP_KDF_derive(long context, long key, long bytes, long parameters);

    /** Allows the library threads of its own, for all in this process that use it. @return 1 on success */
    public static native int OSSL_set_max_threads(long library, long threads);
}
