package org.blktap.filter.luks;

import org.blktap.api.memory.NativeBuffer;
import org.blktap.api.memory.NativeMemory;
import org.blktap.linux.LibCrypto;

/**
 * The digest of a volume key (LUKS1 1.2.3, section 2.2 mk-digest; LUKS2 1.1, section 3.5).
 *
 * @param value never modified
 */
record KeyDigest(Pbkdf2 derivation, byte[] value) {
    /** Whether this is the key's digest. */
    boolean of(Secret key, NativeMemory memory) {
        try (NativeBuffer expected = memory.allocate(value.length);
                Secret found = compute(derivation, key, value.length, memory)) {
            expected.bytes().put(value);
            return LibCrypto.CRYPTO_memcmp(expected.address(), found.address(), value.length) == 0;
        }
    }

    /** Makes the digest of a key. */
    static KeyDigest make(Pbkdf2 derivation, Secret key, int bytes, NativeMemory memory) {
        try (Secret digest = compute(derivation, key, bytes, memory)) {
            byte[] value = new byte[bytes];
            digest.memory().bytes(0, bytes).get(value);
            return new KeyDigest(derivation, value);
        }
    }

    private static Secret compute(Pbkdf2 derivation, Secret key, int bytes, NativeMemory memory) {
        Secret digest = Secret.ofZeros(memory, bytes);
        derivation.derive(key, digest, memory);
        return digest;
    }
}
