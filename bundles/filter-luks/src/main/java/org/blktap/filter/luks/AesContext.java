package org.blktap.filter.luks;

import org.blktap.linux.LibCrypto;

/** A cipher of libcrypto with a key, for one direction. One thread at a time. */
final class AesContext implements AutoCloseable {
    private long context;

    /**
     * @param cipher libcrypto's
     * @param key address of a key of the cipher's length, which is copied
     * @param direction ENCRYPT or DECRYPT of {@link LibCrypto}
     */
    AesContext(long cipher, long key, int direction) {
        context = LibCrypto.EVP_CIPHER_CTX_new();
        if (context == 0
                || LibCrypto.EVP_CipherInit_ex(context, cipher, 0, key, 0, direction) != 1
                || LibCrypto.EVP_CIPHER_CTX_set_padding(context, 0) != 1) {
            close();
            throw Crypto.failed("EVP_CipherInit_ex");
        }
    }

    /** Sets the tweak at an address for the next {@link #update}. */
    boolean tweak(long address) {
        return LibCrypto.EVP_CipherInit_ex(context, 0, 0, 0, address, LibCrypto.SAME_DIRECTION) == 1;
    }

    /** Encrypts or decrypts whole blocks; {@code out} is {@code in}, or does not overlap it. */
    boolean update(long out, long in, int bytes, long outBytes) {
        return LibCrypto.EVP_CipherUpdate(context, out, outBytes, in, bytes) == 1;
    }

    @Override
    public void close() {
        LibCrypto.EVP_CIPHER_CTX_free(context);
        context = 0;
    }
}
