package org.blktap.image;

import java.util.ArrayDeque;
import org.blktap.api.engine.IoCallback;
import org.blktap.api.engine.IoFile;
import org.blktap.api.memory.Segments;

/**
 * A write into new clusters. First the file is long enough; then, where the clusters had contents, what the write
 * leaves of the first and the last is copied up; then the data is written, together with a new table if there is one; then
 * {@link Commits} lets tables point at it. Other writes to the same clusters wait until the end. Pooled.
 */
final class AllocatingWrite implements IoCallback, FileSpace.Waiter, BufferPool.Waiter {
    private static final long NO_BUFFER = 0;

    final Allocation allocation = new Allocation();
    final ArrayDeque<DiskOperation> waiters = new ArrayDeque<>();
    private final ClusterDisk disk;
    private final Segments buffer = new Segments(1);
    private final Segments pieces = new Segments(18);
    private final IoCallback copiedUp = this::copiedUp;
    private ChangeOperation owner;
    private Segments data;
    private long dataSkip;
    private long offset;
    private boolean reserveSpace;
    private int unit;
    private long bufferAddress;
    /** Bytes to copy up before the data, in the first cluster. */
    private int head;
    /** Bytes to copy up after the data, in the last cluster. */
    private int tail;
    private int pending;
    private int error;

    AllocatingWrite(ClusterDisk disk) {
        this.disk = disk;
    }

    /**
     * Begins; the allocation has been filled in.
     *
     * @param offset of the first byte on the disk
     * @param data what is written, from {@code dataSkip} on; null for zeros
     * @param contents whether the clusters may have held anything but zeros
     * @param reserveSpace for zeros: whether they must take space in the file
     */
    void start(ChangeOperation whose, long offset, Segments data, long dataSkip, boolean contents, boolean reserveSpace) {
        owner = whose;
        this.offset = offset;
        this.data = data;
        this.dataSkip = dataSkip;
        this.reserveSpace = reserveSpace;
        bufferAddress = NO_BUFFER;
        head = 0;
        tail = 0;
        pending = 0;
        error = 0;
        unit = allocation.unitOr(disk.map.clusterSize());
        disk.busy.add(this);
        if (allocation.hasData() && (contents || allocation.isDirtySpace())) {
            long end = offset + allocation.length();
            // the last cluster may run past the end of the disk
            long unitEnd = Math.min((end + unit - 1) & -unit, disk.info().sizeBytes());
            head = (int) (offset & unit - 1);
            tail = (int) Math.max(0, unitEnd - end);
            allocation.needsBarrier();
        }
        if (allocation.space() == null) {
            roomReady(0);
        } else {
            allocation.space().ensure(this);
        }
    }

    @Override
    public long roomEnd() {
        return allocation.endOfFile();
    }

    @Override
    public void roomReady(int e) {
        if (e != 0) {
            fail(e);
        } else if (head + tail > 0) {
            disk.buffers.take(this);
        } else {
            write();
        }
    }

    /** The bytes around the data go to the same place in the buffer as in their unit. */
    @Override
    public void bufferReady(long address) {
        bufferAddress = address;
        buffer.clear();
        buffer.add(address, unit);
        pending = 1;
        if (head > 0) {
            pending++;
            disk.readOperation().start(offset - head, head, buffer, 0, copiedUp);
        }
        if (tail > 0) {
            pending++;
            long end = offset + allocation.length();
            disk.readOperation().start(end, tail, buffer, end & unit - 1, copiedUp);
        }
        copiedUp(0);
    }

    private void copiedUp(int e) {
        note(e);
        if (--pending == 0) {
            if (error != 0) {
                fail(error);
            } else {
                write();
            }
        }
    }

    private void write() {
        pending = 1;
        if (allocation.newTable()) {
            pending += allocation.table().writeWhole(this);
        }
        if (allocation.hasData()) {
            writeData();
        }
        done(0);
    }

    private void writeData() {
        IoFile file = allocation.file();
        long length = allocation.length();
        long at = allocation.fileOffset() + (offset & unit - 1);
        long afterData = (offset + length) & unit - 1;
        if (data != null) {
            pieces.clear();
            pieces.add(bufferAddress, head);
            pieces.addSlice(data, dataSkip, length);
            pieces.add(bufferAddress + afterData, tail);
            pending++;
            file.write(at - head, pieces, 0, head + length + tail, this);
        } else {
            // new space reads as zeros
            if (reserveSpace || allocation.isDirtySpace()) {
                pending++;
                file.zero(at, length, !reserveSpace, this);
            }
            if (head > 0) {
                pending++;
                file.write(at - head, buffer, 0, head, this);
            }
            if (tail > 0) {
                pending++;
                file.write(at + length, buffer, afterData, tail, this);
            }
        }
    }

    /** A part of the writing has ended. */
    @Override
    public void done(int e) {
        note(e);
        if (--pending == 0) {
            giveBuffer();
            if (error != 0) {
                fail(error);
            } else {
                disk.commits.join(this);
            }
        }
    }

    private void note(int e) {
        if (error == 0) {
            error = e;
        }
    }

    private void giveBuffer() {
        if (bufferAddress != NO_BUFFER) {
            long address = bufferAddress;
            bufferAddress = NO_BUFFER;
            disk.buffers.give(address);
        }
    }

    private void fail(int e) {
        giveBuffer();
        ended(e);
    }

    /** Called when it is committed or has failed. */
    void ended(int e) {
        disk.map.settled(allocation, e == 0);
        disk.busy.remove(this);
        ChangeOperation told = owner;
        owner = null;
        data = null;
        // those who wait look again; what they start now is not this write any more
        for (int n = waiters.size(); n > 0; n--) {
            waiters.poll().resume(0);
        }
        disk.recycle(this);
        told.allocated(e);
    }
}
