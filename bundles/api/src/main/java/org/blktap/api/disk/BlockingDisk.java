package org.blktap.api.disk;

import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import org.blktap.api.disk.DiskException.Reason;
import org.blktap.api.engine.Errno;
import org.blktap.api.engine.ExtentList;
import org.blktap.api.engine.IoLoop;

/**
 * Submits requests to a disk, one at a time, and waits for each. For control threads, one at a time, never the loop's.
 * Ranges are multiples of 512 bytes inside the disk.
 */
public final class BlockingDisk {
    /** The longest range of one MAP or WRITE_ZEROES. */
    public static final long STRIDE = 256 << 20;

    private final VirtualDisk disk;
    private final IoLoop loop;
    private final String name;
    private CompletableFuture<Integer> ended;
    private final Request request = new Request(done -> ended.complete(done.error()), 1);

    /**
     * @param loop the disk's
     * @param name of the disk, for errors
     */
    public BlockingDisk(VirtualDisk disk, IoLoop loop, Object name) {
        this.disk = disk;
        this.loop = loop;
        this.name = name.toString();
    }

    /** Reads into native memory. */
    public void read(long offset, long address, int length) throws DiskException {
        move(Operation.READ, offset, address, length);
    }

    /** Writes from native memory. */
    public void write(long offset, long address, int length) throws DiskException {
        move(Operation.WRITE, offset, address, length);
    }

    private void move(Operation operation, long offset, long address, int length) throws DiskException {
        request.data().clear();
        request.data().add(address, length);
        run(request.set(operation, offset, length, 0));
    }

    /** Makes a range of any length read as zeros; its space stays allocated, or is allocated. */
    public void zero(long offset, long length) throws DiskException {
        for (long at = 0; at < length; at += STRIDE) {
            run(request.set(Operation.WRITE_ZEROES, offset + at, Math.min(STRIDE, length - at), Request.NO_UNMAP));
        }
    }

    /** Makes all that was written survive power loss. */
    public void flush() throws DiskException {
        run(request.set(Operation.FLUSH, 0, 0, 0));
    }

    /**
     * Asks how a range is stored.
     *
     * @return bytes that the answer covers, from the offset on; fewer than asked for if the range is longer than
     *     {@link #STRIDE}, or if the disk says so
     */
    public long map(long offset, long length, ExtentList into) throws DiskException {
        into.clear();
        long asked = Math.min(length, STRIDE);
        run(request.setMap(offset, asked, into));
        if (into.count() == 0 || into.total() > asked) {
            throw new DiskException(
                    Reason.IO, name + ": its map at offset " + offset + " has " + into.total() + " bytes, of " + asked);
        }
        return into.total();
    }

    private void run(Request next) throws DiskException {
        CompletableFuture<Integer> end = new CompletableFuture<>();
        ended = end;
        loop.execute(() -> {
            try {
                disk.submit(next);
            } catch (RuntimeException | Error e) {
                end.completeExceptionally(e);
            }
        });
        int error;
        try {
            error = end.get();
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new DiskException(Reason.IO, name + ": interrupted", e);
        } catch (ExecutionException e) {
            throw internal(name, e.getCause());
        }
        if (error != 0) {
            throw failed(name, next.operation(), next.offset(), error);
        }
    }

    /** Makes the exception for a disk that threw. */
    public static DiskException internal(String name, Throwable e) {
        return new DiskException(Reason.IO, name + ": internal error: " + e, e);
    }

    /** Makes the exception for a request that has failed. */
    public static DiskException failed(String name, Operation operation, long offset, int error) {
        return new DiskException(
                error == Errno.ENOSPC ? Reason.NO_SPACE : Reason.IO,
                name + ": "
                        + operation.name().toLowerCase(java.util.Locale.ROOT).replace('_', ' ') + " at offset " + offset
                        + ": " + Errno.text(error));
    }
}
