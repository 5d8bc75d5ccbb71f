package org.blktap.filter.luks;

import java.util.Objects;
import org.blktap.api.engine.CloseOnFailure;
import org.blktap.api.memory.NativeBuffer;
import org.blktap.api.memory.NativeMemory;
import org.blktap.linux.LibCrypto;
import org.blktap.linux.Libc;

/**
 * A key, a password or what they are computed from, in native memory that core dumps leave out; in the heap, the JVM
 * would make copies. Closing overwrites it. One thread at a time.
 */
final class Secret implements AutoCloseable {
    private final NativeBuffer memory;
    private int bytes;
    private boolean closed;

    private Secret(NativeBuffer memory, int bytes) {
        this.memory = memory;
        this.bytes = bytes;
    }

    /** Makes a secret of zeros, to be filled. */
    static Secret ofZeros(NativeMemory memory, int bytes) {
        return new Secret(undumped(memory, bytes), bytes);
    }

    /** Makes a secret of random bytes. */
    static Secret random(NativeMemory memory, int bytes) {
        Secret secret = ofZeros(memory, bytes);
        try (CloseOnFailure made = new CloseOnFailure(secret::close)) {
            Crypto.check(LibCrypto.RAND_priv_bytes(secret.address(), bytes), "RAND_priv_bytes");
            return made.keep(secret);
        }
    }

    /** Allocates memory that core dumps leave out. */
    static NativeBuffer undumped(NativeMemory memory, long bytes) {
        NativeBuffer buffer = memory.allocate(bytes);
        // a kernel that refuses this dumps the memory: no reason not to serve the disk
        Libc.madvise(buffer.address(), buffer.size(), Libc.MADV_DONTDUMP);
        return buffer;
    }

    long address() {
        if (closed) {
            throw new IllegalStateException("used after its close");
        }
        return memory.address();
    }

    /** The memory, for reads into it. */
    NativeBuffer memory() {
        return memory;
    }

    int bytes() {
        return bytes;
    }

    /** Makes the secret shorter; the rest was not used. */
    void shorten(int length) {
        Objects.checkFromToIndex(0, length, bytes);
        bytes = length;
    }

    @Override
    public void close() {
        if (!closed) {
            LibCrypto.OPENSSL_cleanse(memory.address(), bytes);
            closed = true;
            memory.close();
        }
    }

    /** {@inheritDoc} Never the contents. */
    @Override
    public String toString() {
        return "secret of " + bytes + " bytes";
    }
}
