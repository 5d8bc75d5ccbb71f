package org.blktap.image;

import org.blktap.api.engine.IoCallback;
import org.blktap.api.engine.IoFile;
import org.blktap.api.memory.Alignment;
import org.blktap.api.memory.Segments;

/**
 * A write into new clusters. First the file is made long enough. If the clusters had contents, the parts of the first
 * and the last cluster that the write leaves are then copied up. Then the data is written, with a new table if there is
 * one, and {@link Commits} makes the tables point at it. Other writes to the same clusters wait until the end. Pooled.
 */
final class AllocatingWrite implements IoCallback, FileSpace.Waiter, BufferPool.Waiter, Commits.Member {
    private static final long NO_BUFFER = 0;

    private final ClusterMap map;
    private final long diskSize;
    private final BusyRanges busy;
    private final BufferPool buffers;
    private final Commits commits;
    private final Pool<ReadOperation> reads;
    private final Pool<AllocatingWrite> pool;
    private final Allocation allocation = new Allocation();
    private final Segments buffer = new Segments(1);
    private final Segments pieces = new Segments(18);
    private final IoCallback copiedUp = this::copiedUp;
    private IoCallback whenDone;
    private Segments data;
    private long dataSkip;
    private boolean reserveSpace;
    private long bufferAddress;
    /** Bytes to copy up before the data, in the first cluster. */
    private int head;
    /** Bytes to copy up after the data, in the last cluster. */
    private int tail;

    private int pending;
    private int error;

    /** @param diskSize bytes */
    AllocatingWrite(
            ClusterMap map,
            long diskSize,
            BusyRanges busy,
            BufferPool buffers,
            Commits commits,
            Pool<ReadOperation> reads,
            Pool<AllocatingWrite> pool) {
        this.map = map;
        this.diskSize = diskSize;
        this.busy = busy;
        this.buffers = buffers;
        this.commits = commits;
        this.reads = reads;
        this.pool = pool;
    }

    /** Returns the cleared allocation, for the map to fill in. */
    Allocation cleared() {
        allocation.clear();
        return allocation;
    }

    @Override
    public Allocation allocation() {
        return allocation;
    }

    /**
     * Begins a write of data; the allocation has been filled in.
     *
     * @param from the data, from byte {@code skip} on
     * @param contents whether the clusters may have held anything but zeros
     */
    void start(Segments from, long skip, boolean contents, IoCallback done) {
        data = from;
        dataSkip = skip;
        begin(contents, false, done);
    }

    /**
     * Begins a write of zeros; the allocation has been filled in.
     *
     * @param takeSpace whether they must take space in the file
     */
    void startZeros(boolean contents, boolean takeSpace, IoCallback done) {
        data = null;
        begin(contents, takeSpace, done);
    }

    /** Begins a change of entries without data; the allocation has been filled in. */
    void startEntries(IoCallback done) {
        data = null;
        begin(false, false, done);
    }

    private void begin(boolean contents, boolean takeSpace, IoCallback done) {
        whenDone = done;
        reserveSpace = takeSpace;
        bufferAddress = NO_BUFFER;
        head = 0;
        tail = 0;
        pending = 0;
        error = 0;
        busy.add(allocation);
        if (allocation.hasData() && (contents || allocation.target().isUsed())) {
            int unit = allocation.target().unit();
            // the last cluster may extend past the end of the disk
            long unitEnd = Math.min(Alignment.up(end(), unit), diskSize);
            head = (int) (offset() & unit - 1);
            tail = (int) Math.max(0, unitEnd - end());
            allocation.needsBarrier();
        }
        if (allocation.space() == null) {
            roomReady(0);
        } else {
            allocation.space().ensure(this);
        }
    }

    /** The first byte on the disk. */
    private long offset() {
        return allocation.change().offset();
    }

    private long end() {
        return offset() + allocation.change().length();
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
            buffers.take(this);
        } else {
            write();
        }
    }

    /** Copies up the bytes around the data. They go to the same place in the buffer as in their unit. */
    @Override
    public void bufferReady(long address) {
        int unit = allocation.target().unit();
        bufferAddress = address;
        buffer.clear();
        buffer.add(address, unit);
        pending = 1;
        if (head > 0) {
            pending++;
            reads.take().start(offset() - head, head, buffer, 0, copiedUp);
        }
        if (tail > 0) {
            pending++;
            reads.take().start(end(), tail, buffer, end() & unit - 1, copiedUp);
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
        if (allocation.change().newTable()) {
            pending += allocation.change().table().writeWhole(this);
        }
        if (allocation.hasData()) {
            writeData();
        }
        done(0);
    }

    private void writeData() {
        Target target = allocation.target();
        IoFile file = target.file();
        long length = allocation.change().length();
        long at = target.fileOffset() + (offset() & target.unit() - 1);
        long afterData = end() & target.unit() - 1;
        if (data != null) {
            pieces.clear();
            pieces.add(bufferAddress, head);
            pieces.addSlice(data, dataSkip, length);
            pieces.add(bufferAddress + afterData, tail);
            pending++;
            file.write(at - head, pieces, 0, head + length + tail, this);
        } else {
            // new space reads as zeros
            if (reserveSpace || target.isUsed()) {
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

    /** Called when a part of the write has ended. */
    @Override
    public void done(int e) {
        note(e);
        if (--pending == 0) {
            giveBuffer();
            if (error != 0) {
                fail(error);
            } else {
                commits.join(this);
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
            buffers.give(address);
        }
    }

    private void fail(int e) {
        giveBuffer();
        ended(e);
    }

    /** Called when the write is committed or has failed. */
    @Override
    public void ended(int e) {
        map.settled(allocation.change(), e == 0);
        busy.remove(allocation);
        IoCallback done = whenDone;
        whenDone = null;
        data = null;
        // the waiters look up again; what they start now does not belong to this write
        allocation.resumeWaiters();
        pool.give(this);
        done.done(e);
    }
}
