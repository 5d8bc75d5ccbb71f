package org.blktap.image;

import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import org.blktap.api.disk.DiskException;
import org.blktap.api.disk.DiskException.Reason;
import org.blktap.api.disk.Operation;
import org.blktap.api.disk.Request;
import org.blktap.api.disk.VirtualDisk;
import org.blktap.api.engine.Errno;
import org.blktap.api.engine.IoLoop;
import org.blktap.api.memory.Alignment;

/**
 * Zeroes the new part of a disk that grows: otherwise bytes of a backing disk that is longer than the overlay was, or
 * the rest of the last cluster, would appear there. The disk has been opened with its new size, which is written to the
 * file afterwards, when the zeros survive power loss. Waits; not for the loop's thread.
 */
public final class LargerDisk {
    /** The longest range of one request. */
    private static final long STRIDE = 256 << 20;

    private LargerDisk() {}

    /**
     * Writes the zeros, and closes the disk.
     *
     * @param before bytes of the disk before it grows
     */
    public static void zeroNew(ClusterDisk disk, long before, IoLoop loop, Object name) throws DiskException {
        try {
            zero(disk, before, loop, name);
        } finally {
            close(disk, loop, name);
        }
    }

    private static void close(VirtualDisk disk, IoLoop loop, Object name) throws DiskException {
        try {
            loop.call(() -> {
                disk.close();
                return null;
            });
        } catch (Exception e) {
            throw new DiskException(Reason.IO, name + ": closing: " + e, e);
        }
    }

    private static void zero(ClusterDisk disk, long before, IoLoop loop, Object name) throws DiskException {
        long cluster = disk.clusterSize();
        long end = Math.min(disk.info().sizeBytes(), Math.max(disk.backingSize(), Alignment.up(before, cluster)));
        for (long at = before; at < end; at += STRIDE) {
            run(disk, Operation.WRITE_ZEROES, at, Math.min(STRIDE, end - at), loop, name);
        }
        run(disk, Operation.FLUSH, 0, 0, loop, name);
    }

    private static void run(VirtualDisk disk, Operation operation, long offset, long length, IoLoop loop, Object name)
            throws DiskException {
        CompletableFuture<Integer> ended = new CompletableFuture<>();
        Request request = new Request(done -> ended.complete(done.error()), 1).set(operation, offset, length, 0);
        loop.execute(() -> disk.submit(request));
        try {
            int error = ended.get();
            if (error != 0) {
                throw new DiskException(
                        error == Errno.ENOSPC ? Reason.NO_SPACE : Reason.IO,
                        name + ": cannot make zeros of what is new: " + Errno.text(error));
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new DiskException(Reason.IO, name + ": interrupted while it was made larger", e);
        } catch (ExecutionException e) {
            throw new DiskException(Reason.IO, name + ": " + e.getCause(), e);
        }
    }
}
