package org.blktap.node.vhostuser;

import static org.blktap.api.memory.Alignment.PAGE;

import org.blktap.api.engine.CloseOnFailure;
import org.blktap.api.engine.Errno;
import org.blktap.api.memory.Alignment;
import org.blktap.api.memory.Memory;
import org.blktap.linux.Libc;
import org.blktap.linux.Mapping;

/**
 * The record of what is in flight, in memory that the client keeps while this side is restarted ("Inflight I/O
 * tracking" of the vhost-user text): for each queue a {@link InflightQueue}. At its end this daemon adds a note of its
 * own: whether writes may be cached, which the client does not send again; and the size of queue that the region was
 * made for, since QEMU sends only the size that it asked for.
 */
final class InflightRegion implements AutoCloseable {
    /** The alignment of each queue's part. */
    private static final int QUEUE_ALIGNMENT = 64;
    /** The note, at the end of the region: u64 magic, u8 writeback, u8 reserved, u16 queue size. */
    private static final int NOTE_BYTES = 64;

    private static final long NOTE_MAGIC = 0x32307061746b6c62L;
    private static final int NOTE_WRITEBACK = 8;
    private static final int NOTE_QUEUE_SIZE = 10;

    private final Runnable unmap;
    private final long address;
    private final long size;
    private final int queues;
    private final int queueSize;

    private InflightRegion(Runnable unmap, long address, long size, int queues, int queueSize) {
        this.unmap = unmap;
        this.address = address;
        this.size = size;
        this.queues = queues;
        this.queueSize = queueSize;
    }

    /** A new region and the memfd that holds it; the client gets the descriptor, the region keeps its own mapping. */
    record Made(InflightRegion region, int fd) {}

    private static long queueBytes(int queueSize) {
        return Alignment.up(InflightQueue.bytes(queueSize), QUEUE_ALIGNMENT);
    }

    private static void check(int queues, int queuesMost, int queueSize) throws ProtocolException {
        if (queues < 1 || queues > queuesMost || queueSize < 1 || queueSize > VirtioBlk.QUEUE_MAX) {
            throw new ProtocolException("in-flight region for " + queues + " queues of " + queueSize
                    + ": expected up to " + queuesMost + " of up to " + VirtioBlk.QUEUE_MAX);
        }
    }

    /**
     * Makes a zeroed region for the largest queues, whatever size the client names: QEMU names its default, and the
     * guest's firmware may then set up a larger queue.
     *
     * @param queuesMost the device's queues
     */
    static Made make(int queues, int queuesMost, int namedSize) throws ProtocolException {
        check(queues, queuesMost, namedSize);
        int queueSize = VirtioBlk.QUEUE_MAX;
        long size = Alignment.up(queueBytes(queueSize) * queues + NOTE_BYTES, PAGE);
        int fd = Libc.memfd_create("vhost-user-inflight", Libc.MFD_CLOEXEC);
        Mapping mapping = fd >= 0 && Libc.ftruncate(fd, size) == 0 ? Mapping.ofFile(fd, 0, size) : null;
        if (mapping == null) {
            String reason = Errno.text(Libc.errno());
            if (fd >= 0) {
                Libc.close(fd);
            }
            throw new ProtocolException("cannot make an in-flight region of " + size + " bytes: " + reason);
        }
        long note = mapping.address() + size - NOTE_BYTES;
        Memory.putShort(note + NOTE_QUEUE_SIZE, (short) queueSize);
        Memory.putLong(note, NOTE_MAGIC);
        return new Made(new InflightRegion(mapping::close, mapping.address(), size, queues, queueSize), fd);
    }

    /**
     * Maps the region that a client returns; none of its contents is trusted. The descriptor may be closed afterwards.
     */
    static InflightRegion given(
            int fd,
            long size,
            long offset,
            int queues,
            int queuesMost,
            int queueSize,
            VhostUserLimits.MemoryShare share)
            throws ProtocolException {
        check(queues, queuesMost, queueSize);
        long needed = queueBytes(queueSize) * queues;
        if (size < needed) {
            throw new ProtocolException("in-flight region of " + size + " bytes, expected at least " + needed + " for "
                    + queues + " queues of " + queueSize);
        }
        // anything more in a foreign region is not needed
        long most = queueBytes(VirtioBlk.QUEUE_MAX) * queues + NOTE_BYTES + PAGE;
        long mapped = size > most ? needed : size;
        SharedFile.Part part = SharedFile.map(fd, offset, mapped, "in-flight region", share);
        try (CloseOnFailure opened = new CloseOnFailure(part::close)) {
            if (part.address() % QUEUE_ALIGNMENT != 0) {
                throw new ProtocolException("in-flight region at offset " + offset + ", expected a multiple of 64");
            }
            // the note may be truncated already
            return opened.keep(new InflightRegion(
                    part::close,
                    part.address(),
                    mapped,
                    queues,
                    Math.max(queueSize, notedSize(part.address(), mapped, queues))));
        }
    }

    /**
     * Returns the size of queue that the region was made for; 0 if this daemon has not made it, or its note does not
     * fit its size.
     */
    private static int notedSize(long address, long size, int queues) {
        long note = address + size - NOTE_BYTES;
        if (size < NOTE_BYTES || Memory.getLong(note) != NOTE_MAGIC) {
            return 0;
        }
        int noted = Memory.getShort(note + NOTE_QUEUE_SIZE) & 0xffff;
        boolean fits = noted >= 1 && noted <= VirtioBlk.QUEUE_MAX && queueBytes(noted) * queues <= size - NOTE_BYTES;
        return fits ? noted : 0;
    }

    /** Bytes of the region. */
    long size() {
        return size;
    }

    int queues() {
        return queues;
    }

    int queueSize() {
        return queueSize;
    }

    /** One queue's part, or null if the region has none for it. */
    InflightQueue queue(int index) {
        return index < queues ? new InflightQueue(address + queueBytes(queueSize) * index, queueSize) : null;
    }

    /** Whether writes may be cached, by this daemon's note; false without a note. */
    boolean writeback() {
        long note = note();
        return note != 0 && Memory.getLong(note) == NOTE_MAGIC && Memory.getByte(note + NOTE_WRITEBACK) == 1;
    }

    /** Notes whether writes may be cached. */
    void writeback(boolean on) {
        long note = note();
        if (note != 0) {
            Memory.putByte(note + NOTE_WRITEBACK, (byte) (on ? 1 : 0));
        }
    }

    private long note() {
        long at = size - NOTE_BYTES;
        return at >= queueBytes(queueSize) * queues && Memory.getLong(address + at) == NOTE_MAGIC ? address + at : 0;
    }

    @Override
    public void close() {
        unmap.run();
    }
}
