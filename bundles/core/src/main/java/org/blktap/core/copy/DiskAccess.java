package org.blktap.core.copy;

import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import org.blktap.api.disk.DiskException;
import org.blktap.api.disk.DiskException.Reason;
import org.blktap.api.disk.Operation;
import org.blktap.api.disk.Request;
import org.blktap.api.disk.VirtualDisk;
import org.blktap.api.engine.Errno;
import org.blktap.api.engine.ExtentList;
import org.blktap.api.engine.IoLoop;

/** Submits requests to a disk that is not attached, one at a time, and waits for each. Not on the loop's thread. */
public final class DiskAccess {
    /** The longest range of one MAP or WRITE_ZEROES. */
    static final long STRIDE = 256 << 20;

    private final VirtualDisk disk;
    private final IoLoop loop;
    private final String name;
    private CompletableFuture<Integer> ended;
    private final Request request = new Request(done -> ended.complete(done.error()), 1);

    /** @param name of the disk, for errors */
    public DiskAccess(VirtualDisk disk, IoLoop loop, Object name) {
        this.disk = disk;
        this.loop = loop;
        this.name = name.toString();
    }

    void read(long offset, long address, int length) throws DiskException {
        request.data().clear();
        request.data().add(address, length);
        run(request.set(Operation.READ, offset, length, 0));
    }

    /** Zeroes the whole disk and allocates its space. */
    public void reserve() throws DiskException {
        long size = disk.info().sizeBytes();
        for (long at = 0; at < size; at += STRIDE) {
            run(request.set(Operation.WRITE_ZEROES, at, Math.min(STRIDE, size - at), Request.NO_UNMAP));
        }
        flush();
    }

    void flush() throws DiskException {
        run(request.set(Operation.FLUSH, 0, 0, 0));
    }

    /** @return bytes that the answer covers, from the offset on */
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
        ended = new CompletableFuture<>();
        loop.execute(() -> {
            try {
                disk.submit(next);
            } catch (RuntimeException | Error e) {
                ended.completeExceptionally(e);
            }
        });
        int error;
        try {
            error = ended.get();
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

    /** Reports a bug of a disk. */
    static DiskException internal(String name, Throwable e) {
        return new DiskException(Reason.IO, name + ": internal error: " + e, e);
    }

    /** Makes the exception for a failed request. */
    static DiskException failed(String name, Operation operation, long offset, int error) {
        return new DiskException(
                error == Errno.ENOSPC ? Reason.NO_SPACE : Reason.IO,
                name + ": "
                        + operation.name().toLowerCase(java.util.Locale.ROOT).replace('_', ' ') + " at offset " + offset
                        + ": " + Errno.text(error));
    }
}
