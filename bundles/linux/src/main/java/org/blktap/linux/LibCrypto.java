package org.blktap.linux;

/**
 * OpenSSL's libcrypto by JNA direct mapping: evp.h, rand.h and crypto.h of OpenSSL 3.0, primitives and addresses only.
 * Functions return 1 on success and 0 on failure, where nothing else is said. A context is used by one thread at a
 * time.
 */
public final class LibCrypto {
    /** The Debian packages that have the library: of Debian 12, and of Debian 13. */
    public static final String PACKAGE = "libssl3 or libssl3t64";
    /** Argument of {@link #EVP_CipherInit_ex}. */
    public static final int ENCRYPT = 1;

    public static final int DECRYPT = 0;
    /** Argument of {@link #EVP_CipherInit_ex}: the direction of the context stays. */
    public static final int SAME_DIRECTION = -1;

    private static final String MISSING = OptionalLibrary.load(LibCrypto.class, "libcrypto.so.3");

    private LibCrypto() {}

    /** Why libcrypto is missing; null if it is present. Nothing else of this class may be called if it is missing. */
    public static String missing() {
        return MISSING;
    }

    public static native long EVP_aes_128_ecb();

    public static native long EVP_aes_256_ecb();

    public static native long EVP_aes_128_xts();

    public static native long EVP_aes_256_xts();

    /** @return 0 on failure */
    public static native long EVP_CIPHER_CTX_new();

    /** Frees a context, and overwrites the key in it; does nothing with 0. */
    public static native void EVP_CIPHER_CTX_free(long context);

    /** Sets what the arguments that are not 0 name; the rest stays. */
    public static native int EVP_CipherInit_ex(
            long context, long cipher, long engine, long key, long iv, int direction);

    public static native int EVP_CIPHER_CTX_set_padding(long context, int padding);

    /**
     * Encrypts or decrypts whole blocks, in place too.
     *
     * @param outBytes address of an {@code int} that receives the length of the output
     */
    public static native int EVP_CipherUpdate(long context, long out, long outBytes, long in, int bytes);

    public static native long EVP_sha1();

    public static native long EVP_sha256();

    public static native long EVP_sha384();

    public static native long EVP_sha512();

    /** @param digestBytes address of an {@code unsigned int} that receives the length, or 0 */
    public static native int EVP_Digest(long data, long bytes, long digest, long digestBytes, long type, long engine);

    public static native int PKCS5_PBKDF2_HMAC(
            long password,
            int passwordBytes,
            long salt,
            int saltBytes,
            int iterations,
            long digest,
            int bytes,
            long out);

    /** Fills memory with random bytes that are fit for keys. */
    public static native int RAND_priv_bytes(long address, int bytes);

    /** Fills memory with random bytes that may become public, such as salts. */
    public static native int RAND_bytes(long address, int bytes);

    /** Overwrites memory. */
    public static native void OPENSSL_cleanse(long address, long bytes);

    /** Returns 0 if both memories are equal, in a time that depends only on their length. */
    public static native int CRYPTO_memcmp(long one, long other, long bytes);
}
