package org.blktap.api.memory;

import java.nio.ByteBuffer;
import org.osgi.annotation.versioning.ProviderType;

/**
 * A run of native memory, page aligned and zeroed when handed out. Its owner closes it once; addresses and views taken
 * from it must not be used afterwards.
 */
@ProviderType
public interface NativeBuffer extends AutoCloseable {
    /** The address of the first byte; a multiple of 4096. */
    long address();

    /** The length in bytes. */
    long size();

    /**
     * A view of a part, bounds-checked, big-endian as a new ByteBuffer is. For tables and headers.
     *
     * @param offset bytes from the beginning
     * @param length bytes
     */
    ByteBuffer bytes(long offset, int length);

    /** A view of the whole, which must be smaller than 2 GiB. */
    default ByteBuffer bytes() {
        return bytes(0, Math.toIntExact(size()));
    }

    /** Sets a range to zero, and returns whole pages to the system where possible. */
    default void discard(long offset, long bytes) {
        java.util.Objects.checkFromIndexSize(offset, bytes, size());
        Memory.fill(address() + offset, bytes, (byte) 0);
    }

    /** Frees the memory. */
    @Override
    void close();
}
