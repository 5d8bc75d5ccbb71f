package org.blktap.node.vhostuser;

import org.blktap.api.memory.Memory;
import org.blktap.api.memory.Segments;

/** Finds the memory of one request: follows its descriptors, each read once and checked before it is used. */
final class DescriptorChain {
    private static final int INDIRECT_BYTES_MAX = VirtioBlk.QUEUE_MAX * Virtqueue.DESCRIPTOR_BYTES;
    /** Most descriptors of a request: those for data that are offered, one for the header and one for the status. */
    static final int DESCRIPTORS_MAX = VirtioBlk.SEG_MAX + 2;
    /** Most pieces of this process's memory: each descriptor may cross one border between regions. */
    static final int PIECES_MAX = 2 * DESCRIPTORS_MAX;

    private final Segments readable = foreign();
    private final Segments writable = foreign();

    private static Segments foreign() {
        Segments list = new Segments(DESCRIPTORS_MAX);
        list.foreign(MemoryGuard::settle);
        return list;
    }

    /** Memory that the driver has filled: the header, and the data of a write. */
    Segments readable() {
        return readable;
    }

    /** Memory that the device fills: the data of a read, and the status byte. */
    Segments writable() {
        return writable;
    }

    /**
     * Follows a chain (virtio 1.2 section 2.7.5 and 2.7.5.3).
     *
     * @throws BrokenRingException if it is longer than its table or than {@link #DESCRIPTORS_MAX}, leaves the table or
     *     the guest's memory, has a readable descriptor after a writable one, or an indirect table where none may be
     */
    void walk(Virtqueue ring, GuestMemory memory, int head) throws BrokenRingException {
        readable.clear();
        writable.clear();
        long table = ring.descriptors();
        int limit = ring.size();
        boolean insideIndirect = false;
        boolean seenWritable = false;
        int index = head;
        int descriptors = 0;
        for (int steps = 1; ; steps++) {
            if (steps > limit) {
                throw new BrokenRingException("descriptor chain " + head + " is a loop");
            }
            if (++descriptors > DESCRIPTORS_MAX) {
                throw new BrokenRingException("descriptor chain " + head + " has more than " + DESCRIPTORS_MAX
                        + " descriptors, which are " + VirtioBlk.SEG_MAX + " (seg_max) and two");
            }
            long at = table + (long) Virtqueue.DESCRIPTOR_BYTES * index;
            long address = Memory.getLong(at);
            long length = Memory.getInt(at + Virtqueue.DESC_LEN) & 0xffffffffL;
            int flags = Memory.getShort(at + Virtqueue.DESC_FLAGS);
            int next = Memory.getShort(at + Virtqueue.DESC_NEXT) & 0xffff;
            if ((flags & Virtqueue.DESC_F_INDIRECT) != 0) {
                if (insideIndirect || !ring.indirect() || (flags & Virtqueue.DESC_F_NEXT) != 0) {
                    throw new BrokenRingException("descriptor chain " + head + " has an indirect table "
                            + (insideIndirect
                                    ? "inside another"
                                    : ring.indirect() ? "that is not its end" : "though that was not negotiated"));
                }
                if (length == 0 || length % Virtqueue.DESCRIPTOR_BYTES != 0 || length > INDIRECT_BYTES_MAX) {
                    throw new BrokenRingException("descriptor chain " + head + " has an indirect table of " + length
                            + " bytes, expected a multiple of 16 up to " + INDIRECT_BYTES_MAX);
                }
                table = memory.contiguous(address, length);
                if (table == 0) {
                    throw outside(head, address, length);
                }
                insideIndirect = true;
                limit = (int) length / Virtqueue.DESCRIPTOR_BYTES;
                index = 0;
                steps = 0;
                descriptors--;
                continue;
            }
            if ((flags & Virtqueue.DESC_F_WRITE) != 0) {
                seenWritable = true;
            } else if (seenWritable) {
                throw new BrokenRingException("descriptor chain " + head + " has readable memory after writable");
            }
            Segments list = seenWritable ? writable : readable;
            if (!memory.append(address, length, list, PIECES_MAX - readable.count() - writable.count())) {
                throw readable.count() + writable.count() < PIECES_MAX
                        ? outside(head, address, length)
                        : new BrokenRingException("descriptor chain " + head
                                + " crosses too many borders of memory regions: more than " + PIECES_MAX + " pieces");
            }
            if ((flags & Virtqueue.DESC_F_NEXT) == 0) {
                return;
            }
            if (next >= limit) {
                throw new BrokenRingException("descriptor chain " + head + " goes on at " + next + " of " + limit);
            }
            index = next;
        }
    }

    private static BrokenRingException outside(int head, long address, long length) {
        return new BrokenRingException("descriptor chain " + head + " names memory that the guest has not: 0x"
                + Long.toHexString(address) + "+" + length);
    }
}
