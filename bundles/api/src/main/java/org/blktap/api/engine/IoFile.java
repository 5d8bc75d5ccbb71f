package org.blktap.api.engine;

import static org.blktap.api.memory.Alignment.PAGE;
import static org.blktap.api.memory.Alignment.SECTOR;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.Path;
import org.blktap.api.memory.Segments;
import org.osgi.annotation.versioning.ConsumerType;

/**
 * An open file or block device, asynchronous on its loop. Offsets and lengths are in bytes and may have any alignment:
 * what the device does not take as it is goes through a bounce buffer, ordered with the rest.
 *
 * <p>Asynchronous methods are called on the loop only, and call back on the loop, never before the call returns. The
 * memory named by a scatter list stays valid until then; the list itself may be reused as soon as the method returns.
 * The blocking methods are for opening, creating and checking, on any other thread, and never while asynchronous
 * operations are in flight on the same range.
 */
@ConsumerType
public interface IoFile extends AutoCloseable {
    /** The path by which it was opened. */
    Path path();

    boolean writable();

    /** Whether this is a block device (which cannot grow). */
    boolean blockDevice();

    /** The present size in bytes, counting what writes and truncates through this object have done to it. */
    long size();

    /** Bytes to which requests should be aligned so that they go straight to the device: 1, 512 or 4096. */
    int alignment();

    /** The logical sector of a block device in bytes, 512 or 4096; 512 for a file. */
    default int sectorSize() {
        return SECTOR;
    }

    /** The physical sector of the device in bytes. */
    default int physicalSectorSize() {
        return PAGE;
    }

    /**
     * Reads {@code length} bytes at {@code offset} into bytes {@code [skip, skip + length)} of the list; past the end
     * of the file, zeros.
     */
    void read(long offset, Segments into, long skip, long length, IoCallback done);

    /**
     * Writes bytes {@code [skip, skip + length)} of the list at {@code offset}; a regular file grows as needed.
     * Volatile until {@link #flush}.
     */
    void write(long offset, Segments from, long skip, long length, IoCallback done);

    /** Makes all writes, truncates and zeroings completed before this call survive power loss (fdatasync). */
    void flush(IoCallback done);

    /**
     * Frees the space of a range; it reads as zeros afterwards where {@link #zeroesOnDiscard}, else its contents are
     * undefined. The size stays.
     */
    void discard(long offset, long length, IoCallback done);

    /** Whether discarded ranges read as zeros: true for regular files. */
    boolean zeroesOnDiscard();

    /**
     * Makes a range read as zeros, fast where the file system or device can, by writing zeros otherwise. A regular file
     * grows if the range ends past its end.
     *
     * @param unmap whether its space may be freed
     */
    void zero(long offset, long length, boolean unmap, IoCallback done);

    /** Sets the size of a regular file; what is new reads as zeros. */
    void truncate(long size, IoCallback done);

    /**
     * Adds to the list how the range is stored (holes as zero extents): at least one extent, perhaps not the whole
     * range.
     */
    void map(long offset, long length, ExtentList into, IoCallback done);

    /** Fills the rest of the buffer from {@code offset}, blocking; past the end of the file, zeros. */
    void readFully(ByteBuffer into, long offset) throws IOException;

    /** Writes the rest of the buffer at {@code offset}, blocking. */
    void writeFully(ByteBuffer from, long offset) throws IOException;

    /** {@link #truncate}, blocking. */
    void truncateNow(long size) throws IOException;

    /** {@link #flush}, blocking. */
    void flushNow() throws IOException;

    /** Closes; nothing is in flight. Any thread. Idempotent. */
    @Override
    void close();
}
