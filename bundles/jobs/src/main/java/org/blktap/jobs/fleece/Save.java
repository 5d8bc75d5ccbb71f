package org.blktap.jobs.fleece;

import org.blktap.api.disk.Operation;
import org.blktap.api.disk.Request;
import org.blktap.api.engine.IoCallback;
import org.blktap.api.engine.IoLoop;

/**
 * Saves the old data of one run of ranges at a time: reads it from the disk below, and writes it to the scratch file.
 * Loop only.
 */
final class Save {
    /** The most bytes that are saved at once, unless a range is larger. */
    static final int BYTES = 256 << 10;

    private final FleeceDisk disk;
    private final long address;
    private final int room;
    private final Request read = new Request(this::wasRead, 1);
    private final IoLoop.BlockingCall write = this::write;
    private final IoCallback written = this::written;
    private long from;
    private long end;
    private boolean idle = true;
    private boolean zeros;
    /** Whether the save only waits for readers that read the ranges from the disk. */
    private boolean waits;

    Save(FleeceDisk disk, long address, int room) {
        this.disk = disk;
        this.address = address;
        this.room = room;
    }

    boolean isIdle() {
        return idle;
    }

    /** Returns how many ranges fit in a save. */
    long ranges() {
        return room / disk.file().range();
    }

    long from() {
        return from;
    }

    long end() {
        return end;
    }

    boolean has(long range) {
        return !idle && range >= from && range < end;
    }

    /** Begins to save the ranges {@code [first, stop)}, for which there is room in the buffer. */
    void start(long first, long stop) {
        idle = false;
        from = first;
        end = stop;
        zeros = false;
        waits = false;
        int bytes = (int) disk.bytes(first, stop);
        read.data().clear();
        read.data().add(address, bytes);
        try {
            disk.below().submit(read.set(Operation.READ, first * disk.file().range(), bytes, Request.SPARSE));
        } catch (RuntimeException | Error e) {
            // the attachment is parked because of it
            idle = true;
            disk.unreserve(bytes);
            throw e;
        }
    }

    private void wasRead(Request request) {
        if (idle) {
            // the disk has thrown, but completes the request all the same
            return;
        }
        if (request.error() != 0) {
            fail(FleeceDisk.error("old data cannot be read", request.error()));
        } else if (disk.isLost()) {
            release();
        } else if (request.zeros()) {
            zeros = true;
            disk.unreserve(request.length());
            settle();
        } else {
            disk.loop().offload(write, written);
        }
    }

    private int write() {
        return disk.file().write(address, read.length(), read.offset());
    }

    private void written(int error) {
        if (error != 0) {
            fail(FleeceDisk.error("old data cannot be saved", error));
        } else if (disk.isLost()) {
            release();
        } else {
            settle();
        }
    }

    /** Lets the VM change the ranges once no reader reads them from the disk. */
    void settle() {
        waits = disk.readers().reads(from, end);
        if (waits) {
            return;
        }
        PointFile file = disk.file();
        for (long at = from; at < end; at++) {
            if (!file.settled.get(at)) {
                file.stored.put(at, at + 1, !zeros);
                file.saved.put(at, at + 1, true);
                file.settled.put(at, at + 1, true);
            } else if (!zeros) {
                // a reader has read it meanwhile
                disk.free(at, at + 1);
            }
        }
        release();
    }

    /** Called when a reader's request has ended. */
    void readerEnded() {
        if (!idle && waits) {
            if (disk.isLost()) {
                release();
            } else {
                settle();
            }
        }
    }

    private void fail(String reason) {
        idle = true;
        disk.lose(reason);
        disk.readers().wake();
    }

    private void release() {
        idle = true;
        disk.readers().wake();
        disk.pump();
    }
}
