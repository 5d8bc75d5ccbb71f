package org.blktap.filter.luks;

import java.nio.charset.StandardCharsets;
import org.blktap.api.memory.Memory;
import org.blktap.api.memory.NativeBuffer;
import org.blktap.api.memory.NativeMemory;
import org.blktap.linux.LibCryptoKdf;

/** A list of {@code OSSL_PARAM}, with the names and numbers that it refers to. */
final class KdfParameters implements AutoCloseable {
    private static final int MOST = 8;
    private static final int NAME_BYTES = 16;
    private static final int LIST_BYTES = (MOST + 1) * LibCryptoKdf.PARAM_BYTES;

    private final NativeBuffer memory;
    private int count;

    KdfParameters(NativeMemory nativeMemory) {
        // zeros: a list ends with a null name, and a name with a zero byte
        memory = nativeMemory.allocate(LIST_BYTES + MOST * (NAME_BYTES + Long.BYTES));
    }

    long address() {
        return memory.address();
    }

    void bytes(String name, long address, long bytes) {
        add(name, LibCryptoKdf.OCTET_STRING, address, bytes);
    }

    void number(String name, int value) {
        long place = memory.address() + LIST_BYTES + MOST * NAME_BYTES + (long) count * Long.BYTES;
        Memory.putInt(place, value);
        add(name, LibCryptoKdf.UNSIGNED_INTEGER, place, Integer.BYTES);
    }

    private void add(String name, int type, long address, long bytes) {
        int nameAt = LIST_BYTES + count * NAME_BYTES;
        memory.bytes(nameAt, NAME_BYTES - 1).put(name.getBytes(StandardCharsets.US_ASCII));
        long param = memory.address() + (long) count * LibCryptoKdf.PARAM_BYTES;
        Memory.putLong(param + LibCryptoKdf.PARAM_KEY, memory.address() + nameAt);
        Memory.putInt(param + LibCryptoKdf.PARAM_TYPE, type);
        Memory.putLong(param + LibCryptoKdf.PARAM_DATA, address);
        Memory.putLong(param + LibCryptoKdf.PARAM_SIZE, bytes);
        count++;
    }

    @Override
    public void close() {
        memory.close();
    }
}
