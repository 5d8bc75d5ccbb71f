package org.blktap.api.disk;

import java.io.IOException;
import java.nio.ByteBuffer;
import org.osgi.annotation.versioning.ConsumerType;

/**
 * The short way to write a driver: blocking methods, called on a small pool of threads. The core does the rest:
 * alignment, splitting, FUA, zeroing, statistics. A service with the property {@code tap.type} ({@link TapType}).
 */
@ConsumerType
public interface SimpleDriver {
    /**
     * Opens a disk. If the path as a whole is that of a regular file or block device, the core locks that one as all
     * images are locked, for reading before this call, and for writing after it if the disk is
     * {@link SimpleDisk#writable writable}: a second writer is refused as busy. Whatever else the driver opens, it
     * locks itself. The locks are QEMU's, on bytes 100 to 203; a driver that locks its file by itself leaves these out.
     *
     * @param path the path of the tap spec; of a backing file, one under {@code /proc/self/fd} that leads to the file
     *     that was found
     * @param options the attach's {@code -o key=value}; those not asked for are refused
     */
    SimpleDisk open(String path, Options options, boolean readOnly) throws DiskException, IOException;

    /** A disk with blocking methods. Several threads may read and write at once, never overlapping a write. */
    @ConsumerType
    interface SimpleDisk extends AutoCloseable {
        /** Bytes. A disk that ends inside its last sector of 512 reads as zeros after its end. */
        long size();

        /** Fills the rest of the buffer from {@code offset}. Whole sectors, except at the end of the disk. */
        void read(ByteBuffer into, long offset) throws IOException;

        /**
         * Writes the rest of the buffer at {@code offset}. Whole sectors, except at the end of the disk. A disk that
         * cannot leaves it as it is.
         */
        default void write(ByteBuffer from, long offset) throws IOException {
            throw new java.nio.channels.NonWritableChannelException();
        }

        /** Whether {@link #write} works. */
        default boolean writable() {
            return false;
        }

        /** Makes all writes that have returned survive power loss. */
        default void flush() throws IOException {}

        @Override
        default void close() throws IOException {}
    }
}
