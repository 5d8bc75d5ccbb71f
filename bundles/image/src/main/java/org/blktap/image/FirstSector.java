package org.blktap.image;

import static org.blktap.api.memory.Alignment.SECTOR;

import java.nio.ByteBuffer;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import org.blktap.api.disk.DiskException;
import org.blktap.api.disk.DiskException.Reason;
import org.blktap.api.disk.Operation;
import org.blktap.api.disk.Request;
import org.blktap.api.disk.VirtualDisk;
import org.blktap.api.engine.Errno;
import org.blktap.api.engine.IoLoop;
import org.blktap.api.memory.NativeBuffer;
import org.blktap.api.memory.NativeMemory;

/** Reads the first 512 bytes of a disk during its opening. Waits; not for the loop's thread. */
public final class FirstSector {
    private FirstSector() {}

    /**
     * @param name of the disk, for errors
     * @return big-endian; empty for a disk without a sector
     */
    public static ByteBuffer of(VirtualDisk disk, IoLoop loop, NativeMemory memory, Object name) throws DiskException {
        if (disk.info().sizeBytes() == 0) {
            return ByteBuffer.allocate(0);
        }
        try (NativeBuffer buffer = memory.allocate(SECTOR)) {
            CompletableFuture<Integer> ended = new CompletableFuture<>();
            Request request = new Request(done -> ended.complete(done.error()), 1);
            request.data().add(buffer.address(), SECTOR);
            loop.execute(() -> disk.submit(request.set(Operation.READ, 0, SECTOR, 0)));
            int error = ended.get();
            if (error != 0) {
                throw new DiskException(Reason.IO, name + ": cannot read its first sector: " + Errno.text(error));
            }
            return ByteBuffer.allocate(SECTOR).put(buffer.bytes(0, SECTOR)).flip();
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new DiskException(Reason.IO, name + ": interrupted while its first sector was read", e);
        } catch (ExecutionException e) {
            throw new DiskException(Reason.IO, name + ": " + e.getCause(), e);
        }
    }
}
