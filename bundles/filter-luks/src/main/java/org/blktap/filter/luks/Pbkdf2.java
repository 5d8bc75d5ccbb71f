package org.blktap.filter.luks;

import org.blktap.api.memory.NativeBuffer;
import org.blktap.api.memory.NativeMemory;
import org.blktap.linux.LibCrypto;

/**
 * PBKDF2 of RFC 8018 with HMAC.
 *
 * @param salt never modified
 */
record Pbkdf2(HashSpec hash, int iterations, byte[] salt) implements KeyDerivation {
    @Override
    public void derive(String what, Secret password, DerivationLimits limits, Secret key, NativeMemory memory) {
        derive(password, key, memory);
    }

    void derive(Secret password, Secret key, NativeMemory memory) {
        try (NativeBuffer publicBytes = memory.allocate(salt.length)) {
            publicBytes.bytes().put(salt);
            Crypto.check(
                    LibCrypto.PKCS5_PBKDF2_HMAC(
                            password.address(),
                            password.bytes(),
                            publicBytes.address(),
                            salt.length,
                            iterations,
                            hash.evp(),
                            key.bytes(),
                            key.address()),
                    "PKCS5_PBKDF2_HMAC");
        }
    }

    @Override
    public String toString() {
        return "pbkdf2 of " + hash + ", " + iterations + " iterations";
    }
}
