package org.blktap.filter.luks;

import org.blktap.api.memory.NativeBuffer;
import org.blktap.api.memory.NativeMemory;
import org.blktap.linux.LibCrypto;

/** Helpers for calls of libcrypto. */
final class Crypto {
    private Crypto() {}

    /** Throws if a function of libcrypto has failed, which, apart from bugs, happens only when memory runs out. */
    static void check(int result, String function) {
        if (result <= 0) {
            throw failed(function);
        }
    }

    static IllegalStateException failed(String function) {
        return new IllegalStateException("libcrypto: " + function + " failed");
    }

    /** Returns random bytes that may become public. */
    static byte[] salt(NativeMemory memory, int bytes) {
        try (NativeBuffer buffer = memory.allocate(bytes)) {
            check(LibCrypto.RAND_bytes(buffer.address(), bytes), "RAND_bytes");
            byte[] salt = new byte[bytes];
            buffer.bytes(0, bytes).get(salt);
            return salt;
        }
    }
}
