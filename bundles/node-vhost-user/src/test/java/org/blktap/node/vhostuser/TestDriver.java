package org.blktap.node.vhostuser;

import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Queue;
import org.blktap.api.memory.Memory;
import org.blktap.linux.Libc;

/**
 * The driver's side of one queue, in the guest's memory: its ring at the beginning of a window, then one slot of 64 KiB
 * for each of eight requests (header, status, indirect table, data).
 */
final class TestDriver implements AutoCloseable {
    static final int SLOT = 0x10000;
    static final int SLOTS = 8;
    static final int WINDOW = SLOT * (SLOTS + 1);
    static final int DATA = 0x1000;

    /** A descriptor: guest address, length, whether the device writes. */
    record Piece(long address, int length, boolean writable) {}

    final TestMemory memory;
    final long window;
    final long guestBase;
    final int size;
    final boolean eventIdx;
    final int index;
    final int kick = Libc.eventfd(0, Libc.EFD_CLOEXEC);
    final int call = Libc.eventfd(0, Libc.EFD_CLOEXEC | Libc.EFD_NONBLOCK);
    final int err = Libc.eventfd(0, Libc.EFD_CLOEXEC | Libc.EFD_NONBLOCK);
    private Map<Integer, List<Integer>> inUse = new HashMap<>();
    private Queue<Integer> free = new ArrayDeque<>();
    private final TestMemory eight = new TestMemory(4096);
    int availIdx;
    int usedSeen;
    int kicks;

    /**
     * @param window the offset in the memory where this queue's ring and slots are
     * @param guestBase the guest address of the memory's beginning
     */
    TestDriver(TestMemory memory, long window, long guestBase, int index, int size, boolean eventIdx) {
        this.memory = memory;
        this.window = window;
        this.guestBase = guestBase;
        this.index = index;
        this.size = size;
        this.eventIdx = eventIdx;
        resetRing();
    }

    void resetRing() {
        Memory.fill(memory.address() + window, SLOT, (byte) 0);
        availIdx = 0;
        usedSeen = 0;
        free.clear();
        inUse.clear();
        for (int i = 0; i < size; i++) {
            free.add(i);
        }
    }

    int freeDescriptors() {
        return free.size();
    }

    /**
     * Gives all descriptors back, whatever the device does with them, and however these lists were left by an error.
     */
    void forgetAll() {
        free = new ArrayDeque<>();
        inUse = new HashMap<>();
        for (int i = 0; i < size; i++) {
            free.add(i);
        }
    }

    // ring layout inside the window
    long descriptorTable() {
        return window;
    }

    long avail() {
        return window + 0x4000;
    }

    long used() {
        return window + 0x5000;
    }

    long at(long offset) {
        return memory.address() + offset;
    }

    long guest(long offset) {
        return guestBase + offset;
    }

    long slot(int i) {
        return window + SLOT * (1L + i);
    }

    long data(int i) {
        return at(slot(i) + DATA);
    }

    /** Sets the ring up and starts it. */
    void start(VhostUserTestClient client, int base) {
        client.set(Protocol.SET_VRING_CALL, VhostUserTestClient.u64(index), call);
        client.set(Protocol.SET_VRING_ERR, VhostUserTestClient.u64(index), err);
        client.set(Protocol.SET_VRING_NUM, VhostUserTestClient.state(index, size));
        client.set(Protocol.SET_VRING_BASE, VhostUserTestClient.state(index, base));
        client.set(Protocol.SET_VRING_ADDR, address());
        client.set(Protocol.SET_VRING_KICK, VhostUserTestClient.u64(index), kick);
        client.set(Protocol.SET_VRING_ENABLE, VhostUserTestClient.state(index, 1));
    }

    java.nio.ByteBuffer address() {
        long user = VhostUserTestClient.USER;
        return VhostUserTestClient.bytes(40)
                .putInt(index)
                .putInt(0)
                .putLong(user + descriptorTable())
                .putLong(user + used())
                .putLong(user + avail())
                .putLong(0)
                .flip();
    }

    void descriptor(long table, int i, long address, int length, int flags, int next) {
        long d = table + 16L * i;
        Memory.putLong(d, address);
        Memory.putInt(d + 8, length);
        Memory.putShort(d + 12, (short) flags);
        Memory.putShort(d + 14, (short) next);
    }

    /** Makes a chain of pieces and puts it into the available ring; the head. */
    int add(int slot, boolean indirect, Piece... pieces) {
        List<Integer> taken = new ArrayList<>();
        int head;
        if (indirect) {
            long table = slot(slot) + 0x800;
            for (int i = 0; i < pieces.length; i++) {
                boolean last = i == pieces.length - 1;
                descriptor(
                        at(table),
                        i,
                        pieces[i].address,
                        pieces[i].length,
                        (pieces[i].writable ? 2 : 0) | (last ? 0 : 1),
                        i + 1);
            }
            head = free.remove();
            taken.add(head);
            descriptor(at(descriptorTable()), head, guest(table), pieces.length * 16, 4, 0);
        } else {
            for (int i = 0; i < pieces.length; i++) {
                taken.add(free.remove());
            }
            for (int i = 0; i < pieces.length; i++) {
                boolean last = i == pieces.length - 1;
                descriptor(
                        at(descriptorTable()),
                        taken.get(i),
                        pieces[i].address,
                        pieces[i].length,
                        (pieces[i].writable ? 2 : 0) | (last ? 0 : 1),
                        last ? 0 : taken.get(i + 1));
            }
            head = taken.get(0);
        }
        inUse.put(head, taken);
        expose(head);
        return head;
    }

    void expose(int head) {
        Memory.putShort(at(avail()) + 4 + 2L * (availIdx & size - 1), (short) head);
        availIdx = availIdx + 1 & 0xffff;
        Memory.putShortRelease(at(avail()) + 2, (short) availIdx);
    }

    /** A read or write of a slot's data, as Linux lays it out: header, data, status. */
    int io(int slot, int type, long sector, int length, boolean indirect) {
        header(slot, type, sector);
        boolean read = type == VirtioBlk.T_IN || type == VirtioBlk.T_GET_ID;
        Piece header = new Piece(guest(slot(slot)), 16, false);
        Piece status = new Piece(guest(slot(slot) + 64), 1, true);
        return length == 0
                ? add(slot, indirect, header, status)
                : add(slot, indirect, header, new Piece(guest(slot(slot) + DATA), length, read), status);
    }

    void header(int slot, int type, long sector) {
        long header = at(slot(slot));
        Memory.putInt(header, type);
        Memory.putInt(header + 4, 0);
        Memory.putLong(header + 8, sector);
        Memory.putByte(header + 64, (byte) 0x55);
    }

    int status(int slot) {
        return Memory.getByte(at(slot(slot) + 64)) & 0xff;
    }

    /** Kicks as a driver does: only if the device has asked for it. */
    void kick() {
        Memory.fullFence();
        boolean wanted;
        if (eventIdx) {
            int event = Memory.getShort(at(used()) + 4 + 8L * size) & 0xffff;
            // at most a queue's worth is added between two kicks
            wanted = (availIdx - event - 1 & 0xffff) < size;
        } else {
            wanted = (Memory.getShort(at(used())) & 1) == 0;
        }
        if (wanted) {
            kickAlways();
        }
    }

    void kickAlways() {
        kicks++;
        Memory.putLong(eight.address(), 1);
        Libc.write(kick, eight.address(), 8);
    }

    boolean readEvent(int fd) {
        return Libc.read(fd, eight.address() + 8, 8) == 8;
    }

    int usedIdx() {
        return Memory.getShortAcquire(at(used()) + 2) & 0xffff;
    }

    /** Takes the next used entry within a minute: head and written length. */
    int[] next() throws InterruptedException {
        long end = System.nanoTime() + 60_000_000_000L;
        while (usedIdx() == usedSeen) {
            if (System.nanoTime() > end) {
                throw new AssertionError("queue " + index + ": no answer within a minute");
            }
            Thread.sleep(0, 50_000);
        }
        long entry = at(used()) + 4 + 8L * (usedSeen & size - 1);
        int[] used = {Memory.getInt(entry), Memory.getInt(entry + 4)};
        usedSeen = usedSeen + 1 & 0xffff;
        if (eventIdx) {
            Memory.putShort(at(avail()) + 4 + 2L * size, (short) usedSeen);
            Memory.fullFence();
        }
        List<Integer> taken = inUse.remove(used[0]);
        if (taken == null) {
            throw new AssertionError("answered " + used[0] + ", which is not in flight");
        }
        free.addAll(taken);
        return used;
    }

    /** One request from beginning to end; its status. */
    int run(int slot, int type, long sector, int length, boolean indirect) throws InterruptedException {
        int head = io(slot, type, sector, length, indirect);
        kick();
        int[] used = next();
        if (used[0] != head) {
            throw new AssertionError("answered " + used[0] + ", expected " + head);
        }
        return status(slot);
    }

    byte[] read(long address, int length) {
        byte[] bytes = new byte[length];
        for (int i = 0; i < length; i++) {
            bytes[i] = Memory.getByte(address + i);
        }
        return bytes;
    }

    void fill(int slot, int length, int seed) {
        for (int i = 0; i < length; i++) {
            Memory.putByte(data(slot) + i, (byte) (seed + i * 31));
        }
    }

    boolean filled(byte[] bytes, int seed) {
        byte[] expected = new byte[bytes.length];
        for (int i = 0; i < bytes.length; i++) {
            expected[i] = (byte) (seed + i * 31);
        }
        return Arrays.equals(expected, bytes);
    }

    @Override
    public void close() {
        Libc.close(kick);
        Libc.close(call);
        Libc.close(err);
        eight.close();
    }
}
