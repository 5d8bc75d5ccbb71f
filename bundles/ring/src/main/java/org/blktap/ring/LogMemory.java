package org.blktap.ring;

import java.lang.invoke.VarHandle;
import org.blktap.api.memory.Memory;

/**
 * The layout of a {@link RequestLog} in memory, and its stores. Each store that the log relies on is a method of its
 * own and a release store, so that their order survives the process. Not final, so that a test can end the process
 * after each of them.
 */
class LogMemory {
    /** "blktapXr" as bytes. */
    static final long MAGIC = 0x72587061746b6c62L;

    static final int VERSION = 1;

    // header: u64 magic, u32 version, u32 entries, u32 bytes of a request (which identifies the ABI), u32 unused, u64
    // identity, u32 consumer,
    // u32 response producer; then u32 owner[entries], then the slots
    private static final int MAGIC_AT = 0;
    private static final int VERSION_AT = 8;
    private static final int ENTRIES_AT = 12;
    private static final int REQUEST_BYTES_AT = 16;
    private static final int IDENTITY_AT = 24;
    private static final int CONSUMER_AT = 32;
    private static final int RESPONSE_PRODUCER_AT = 36;
    private static final int HEADER_BYTES = 64;
    // slot: u32 state, u32 ring index, u64 unused, then the copy
    private static final int STATE_AT = 0;
    private static final int INDEX_AT = 4;
    private static final int REQUEST_AT = 16;
    private static final int SLOT_BYTES = REQUEST_AT + Abi.COPY_BYTES;

    static final int FREE = 0;
    static final int TAKEN = 1;

    private final long address;
    private final long slots;

    LogMemory(long address, int entries) {
        this.address = address;
        this.slots = address + HEADER_BYTES + (long) Integer.BYTES * entries;
    }

    static long bytes(int entries) {
        return HEADER_BYTES + (long) entries * (Integer.BYTES + SLOT_BYTES);
    }

    // ---- reads; at recovery nothing read is trusted

    final long magic() {
        return Memory.getLong(address + MAGIC_AT);
    }

    final int version() {
        return Memory.getInt(address + VERSION_AT);
    }

    final int entries() {
        return Memory.getInt(address + ENTRIES_AT);
    }

    final int requestBytes() {
        return Memory.getInt(address + REQUEST_BYTES_AT);
    }

    final long identity() {
        return Memory.getLong(address + IDENTITY_AT);
    }

    final int consumer() {
        return Memory.getInt(address + CONSUMER_AT);
    }

    final int responseProducer() {
        return Memory.getInt(address + RESPONSE_PRODUCER_AT);
    }

    final int owner(int entry) {
        return Memory.getInt(address + HEADER_BYTES + (long) Integer.BYTES * entry);
    }

    final int state(int slot) {
        return Memory.getInt(slot(slot) + STATE_AT);
    }

    final int index(int slot) {
        return Memory.getInt(slot(slot) + INDEX_AT);
    }

    /** The address of a slot's copy of a request. */
    final long request(int slot) {
        return slot(slot) + REQUEST_AT;
    }

    private long slot(int slot) {
        return slots + (long) SLOT_BYTES * slot;
    }

    // ---- stores

    void magic(long value) {
        // this store makes all the rest valid or invalid
        VarHandle.releaseFence();
        Memory.putLong(address + MAGIC_AT, value);
        VarHandle.releaseFence();
    }

    /** Called while there is no magic, so that the order of the stores does not matter. */
    void describe(int entries, int requestBytes, long identity) {
        Memory.putInt(address + VERSION_AT, VERSION);
        Memory.putInt(address + ENTRIES_AT, entries);
        Memory.putInt(address + REQUEST_BYTES_AT, requestBytes);
        Memory.putLong(address + IDENTITY_AT, identity);
    }

    void consumer(int value) {
        Memory.putIntRelease(address + CONSUMER_AT, value);
    }

    void responseProducer(int value) {
        Memory.putIntRelease(address + RESPONSE_PRODUCER_AT, value);
    }

    void owner(int entry, int slot) {
        Memory.putIntRelease(address + HEADER_BYTES + (long) Integer.BYTES * entry, slot);
    }

    void state(int slot, int value) {
        Memory.putIntRelease(slot(slot) + STATE_AT, value);
    }

    /** Sets the index of a free slot, before its state. */
    void index(int slot, int value) {
        Memory.putInt(slot(slot) + INDEX_AT, value);
    }
}
