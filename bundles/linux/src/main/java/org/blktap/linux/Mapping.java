package org.blktap.linux;

import static org.blktap.api.memory.Alignment.PAGE;

import com.sun.jna.Pointer;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import org.blktap.api.engine.Errno;
import org.blktap.api.memory.Alignment;
import org.blktap.api.memory.Memory;
import org.blktap.api.memory.NativeBuffer;

/** Memory mapped into this process: anonymous, or a file's. Unmapped by {@link #close}. */
public final class Mapping implements NativeBuffer {
    private final long address;
    private final long size;
    private final boolean anonymous;
    private boolean closed;

    private Mapping(long address, long size, boolean anonymous) {
        this.address = address;
        this.size = size;
        this.anonymous = anonymous;
    }

    /** {@code bytes} rounded up to whole pages. */
    static long wholePages(long bytes) {
        return Math.max(PAGE, Alignment.upExact(bytes, PAGE));
    }

    /**
     * Maps new private zeroed memory, rounded up to whole pages.
     *
     * @throws OutOfMemoryError when the kernel refuses
     */
    public static Mapping anonymous(long bytes) {
        long size = wholePages(bytes);
        long address = Libc.mmap(
                0,
                size,
                Libc.PROT_READ | Libc.PROT_WRITE,
                Libc.MAP_PRIVATE | Libc.MAP_ANONYMOUS | Libc.MAP_NORESERVE,
                -1,
                0);
        if (address == -1) {
            throw new OutOfMemoryError("mmap of " + size + " bytes: " + Errno.text(Libc.errno()));
        }
        return new Mapping(address, size, true);
    }

    /**
     * Maps a file for reading and writing, shared with all others that map it. The descriptor may be closed afterwards.
     *
     * @param offset a multiple of the page size
     * @return null when the kernel refuses; {@link Libc#errno} says why
     */
    public static Mapping ofFile(int fd, long offset, long bytes) {
        long address = Libc.mmap(0, bytes, Libc.PROT_READ | Libc.PROT_WRITE, Libc.MAP_SHARED, fd, offset);
        return address == -1 ? null : new Mapping(address, bytes, false);
    }

    /**
     * Maps what a driver offers through a descriptor, for reading. The descriptor may be closed afterwards.
     *
     * @param offset a multiple of the page size
     * @return null when the kernel refuses; {@link Libc#errno} says why
     */
    public static Mapping ofDevice(int fd, long offset, long bytes) {
        long address = Libc.mmap(0, bytes, Libc.PROT_READ, Libc.MAP_SHARED | Libc.MAP_POPULATE, fd, offset);
        return address == -1 ? null : new Mapping(address, bytes, false);
    }

    @Override
    public long address() {
        return address;
    }

    @Override
    public long size() {
        return size;
    }

    @Override
    public ByteBuffer bytes(long offset, int length) {
        java.util.Objects.checkFromIndexSize(offset, length, size);
        return new Pointer(address + offset).getByteBuffer(0, length).order(ByteOrder.BIG_ENDIAN);
    }

    @Override
    public void discard(long offset, long bytes) {
        java.util.Objects.checkFromIndexSize(offset, bytes, size);
        long firstPage = Alignment.up(offset, PAGE);
        long lastPage = Alignment.down(offset + bytes, PAGE);
        if (anonymous
                && firstPage < lastPage
                && Libc.madvise(address + firstPage, lastPage - firstPage, Libc.MADV_DONTNEED) == 0) {
            Memory.fill(address + offset, firstPage - offset, (byte) 0);
            Memory.fill(address + lastPage, offset + bytes - lastPage, (byte) 0);
        } else {
            Memory.fill(address + offset, bytes, (byte) 0);
        }
    }

    @Override
    public synchronized void close() {
        if (!closed) {
            closed = true;
            Libc.munmap(address, size);
        }
    }
}
