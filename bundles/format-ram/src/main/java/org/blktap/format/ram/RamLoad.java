package org.blktap.format.ram;

import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import org.blktap.api.disk.DiskContext;
import org.blktap.api.disk.DiskException;
import org.blktap.api.disk.DiskException.Reason;
import org.blktap.api.disk.FileNames;
import org.blktap.api.disk.Operation;
import org.blktap.api.disk.Request;
import org.blktap.api.disk.TapSpec;
import org.blktap.api.disk.VirtualDisk;
import org.blktap.api.engine.Errno;
import org.blktap.api.engine.ExtentList;
import org.blktap.api.memory.NativeBuffer;

/** Loads an image of any type into a new RAM disk. Waits; not for the loop's thread. */
final class RamLoad implements AutoCloseable {
    private static final int PIECE = 1 << 20;

    private final TapSpec spec;
    private final DiskContext context;
    private final VirtualDisk disk;
    private CompletableFuture<Integer> end;

    RamLoad(String image, DiskContext context) throws DiskException {
        spec = TapSpec.parse(image);
        if (spec.path().contains("://")) {
            throw new DiskException(
                    Reason.BAD_OPTION,
                    "bad option load=" + image + ": expected an image in a file; convert it to one first");
        }
        this.context = context;
        disk = context.openBacking(spec.type(), FileNames.path(spec.path()));
    }

    long sizeBytes() {
        return disk.info().sizeBytes();
    }

    /** Copies the image into memory. Holes are not read: the memory is zeros already, and takes no space there. */
    void into(NativeBuffer memory) throws DiskException {
        ExtentList extents = new ExtentList();
        long size = sizeBytes();
        for (long at = 0; at < size; ) {
            extents.clear();
            run(new Request(this::ended, 0).setMap(at, size - at, extents));
            if (extents.count() == 0 || extents.total() > size - at) {
                throw new DiskException(
                        Reason.IO,
                        spec + ": its map at offset " + at + " has " + extents.total() + " bytes, of " + (size - at));
            }
            for (int i = 0; i < extents.count(); i++) {
                long end = at + extents.length(i);
                while ((extents.state(i) & ExtentList.ZERO) == 0 && at < end) {
                    int length = (int) Math.min(PIECE, end - at);
                    Request read = new Request(this::ended, 1);
                    read.data().add(memory.address() + at, length);
                    run(read.set(Operation.READ, at, length, 0));
                    at += length;
                }
                at = end;
            }
        }
    }

    private void ended(Request request) {
        end.complete(request.error());
    }

    private void run(Request request) throws DiskException {
        end = new CompletableFuture<>();
        context.loop().execute(() -> disk.submit(request));
        try {
            int error = end.get();
            if (error != 0) {
                throw new DiskException(
                        Reason.IO,
                        spec + ": cannot be loaded, at offset " + request.offset() + ": " + Errno.text(error));
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new DiskException(Reason.IO, spec + ": interrupted while it was loaded", e);
        } catch (ExecutionException e) {
            throw new DiskException(Reason.IO, spec + ": " + e.getCause(), e);
        }
    }

    @Override
    public void close() {
        disk.close();
    }
}
