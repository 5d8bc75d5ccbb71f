package org.blktap.filter.luks;

import org.blktap.api.memory.Memory;
import org.blktap.api.memory.NativeMemory;
import org.blktap.linux.LibCrypto;

/**
 * The anti-forensic splitter (LUKS1 1.2.3, section 2.4): a key is stored as many stripes, all of which are needed to
 * recover it, so that overwriting any part of them destroys it.
 */
final class AntiForensic {
    /** The number of stripes, the only one in use (LUKS1 1.2.3, table 1 LUKS_STRIPES; LUKS2 1.1, section 3.2.2). */
    static final int STRIPES = 4000;

    private static final int COUNTER_BYTES = 4;
    /** Offset of a digest in the scratch memory. */
    private static final int DIGEST_AT = 2 * HashSpec.BYTES_MAX;

    private AntiForensic() {}

    /** Makes {@link #STRIPES} stripes of a key, at {@code material}. The key's length is a multiple of 8. */
    static void split(Secret key, long material, HashSpec hash, NativeMemory memory) {
        int bytes = key.bytes();
        long last = material + (long) (STRIPES - 1) * bytes;
        Crypto.check(LibCrypto.RAND_priv_bytes(material, (STRIPES - 1) * bytes), "RAND_priv_bytes");
        try (Secret sum = Secret.ofZeros(memory, bytes)) {
            accumulate(material, sum, hash, memory);
            for (int at = 0; at < bytes; at += Long.BYTES) {
                Memory.putLong(last + at, Memory.getLong(sum.address() + at) ^ Memory.getLong(key.address() + at));
            }
        }
    }

    /** Recovers a key from its stripes. */
    static void merge(long material, Secret key, HashSpec hash, NativeMemory memory) {
        Memory.zero(key.address(), key.bytes());
        accumulate(material, key, hash, memory);
        xor(material + (long) (STRIPES - 1) * key.bytes(), key);
    }

    /** Adds all stripes but the last one to a sum of zeros, which is diffused after each. */
    private static void accumulate(long material, Secret sum, HashSpec hash, NativeMemory memory) {
        long evp = hash.evp();
        try (Secret scratch = Secret.ofZeros(memory, DIGEST_AT + HashSpec.BYTES_MAX)) {
            for (int stripe = 0; stripe < STRIPES - 1; stripe++) {
                xor(material + (long) stripe * sum.bytes(), sum);
                diffuse(sum, hash.bytes(), evp, scratch.address());
            }
        }
    }

    private static void xor(long stripe, Secret sum) {
        for (int at = 0; at < sum.bytes(); at += Long.BYTES) {
            long address = sum.address() + at;
            Memory.putLong(address, Memory.getLong(address) ^ Memory.getLong(stripe + at));
        }
    }

    /**
     * Replaces each piece of a digest's length by the digest of its number (32 bits, big-endian) and the piece; the
     * last piece may be shorter, and gets the beginning of a digest.
     */
    private static void diffuse(Secret sum, int digestBytes, long evp, long scratch) {
        for (int at = 0, number = 0; at < sum.bytes(); at += digestBytes, number++) {
            int piece = Math.min(digestBytes, sum.bytes() - at);
            Memory.putInt(scratch, Integer.reverseBytes(number));
            Memory.copy(sum.address() + at, scratch + COUNTER_BYTES, piece);
            Crypto.check(
                    LibCrypto.EVP_Digest(scratch, COUNTER_BYTES + piece, scratch + DIGEST_AT, 0, evp, 0), "EVP_Digest");
            Memory.copy(scratch + DIGEST_AT, sum.address() + at, piece);
        }
    }
}
