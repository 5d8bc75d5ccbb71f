package org.blktap.filter.luks;

import org.blktap.api.engine.CloseOnFailure;
import org.blktap.api.memory.Memory;
import org.blktap.api.memory.NativeBuffer;
import org.blktap.api.memory.NativeMemory;
import org.blktap.linux.LibCrypto;

/**
 * XTS of many sectors of 512 bytes by two calls of libcrypto, which has no single call for that: one encrypts all
 * tweaks, the other all blocks, as ECB. In between, each block is combined with its tweak (IEEE 1619-2007, section
 * 5.3): C = E(P ⊕ T) ⊕ T, where T of a sector's first block is its encrypted tweak, and that of each further block the
 * one before it multiplied by α. Keys and data are used only in XOR and shifts, so that the time does not depend on
 * them.
 */
final class BatchedXts extends SectorCipher {
    private static final int BLOCK = 16;
    private static final int SECTOR = IV_BYTES;
    /** Most sectors a batch. */
    private static final int BATCH = 256;
    /** α^128 in the field of XTS: x^7 + x^2 + x + 1. */
    private static final long REDUCTION = 0x87;

    private static final int OUT_BYTES_AT = BATCH * TWEAK_BYTES;

    private final AesContext encrypting;
    private final AesContext decrypting;
    private final AesContext tweaking;
    /** The tweaks of a batch, and the length that libcrypto returns. */
    private final NativeBuffer scratch;

    BatchedXts(Secret key, NativeMemory memory) {
        int half = key.bytes() / 2;
        long cipher = half == BLOCK ? LibCrypto.EVP_aes_128_ecb() : LibCrypto.EVP_aes_256_ecb();
        try (CloseOnFailure opened = new CloseOnFailure()) {
            scratch = Secret.undumped(memory, OUT_BYTES_AT + Integer.BYTES);
            opened.add(scratch::close);
            encrypting = new AesContext(cipher, key.address(), LibCrypto.ENCRYPT);
            opened.add(encrypting::close);
            decrypting = new AesContext(cipher, key.address(), LibCrypto.DECRYPT);
            opened.add(decrypting::close);
            tweaking = new AesContext(cipher, key.address() + half, LibCrypto.ENCRYPT);
            opened.keep();
        }
    }

    @Override
    boolean encrypt(long address, int bytes, long number) {
        return run(encrypting, address, bytes, number);
    }

    @Override
    boolean decrypt(long address, int bytes, long number) {
        return run(decrypting, address, bytes, number);
    }

    private boolean run(AesContext aes, long address, int bytes, long number) {
        for (int at = 0; at < bytes; at += BATCH * SECTOR) {
            if (!batch(aes, address + at, Math.min(bytes - at, BATCH * SECTOR), number + at / SECTOR)) {
                return false;
            }
        }
        return true;
    }

    private boolean batch(AesContext aes, long address, int bytes, long number) {
        long tweaks = scratch.address();
        long outBytes = tweaks + OUT_BYTES_AT;
        int sectors = bytes / SECTOR;
        for (int i = 0; i < sectors; i++) {
            Memory.putLong(tweaks + (long) i * TWEAK_BYTES, number + i);
            Memory.putLong(tweaks + (long) i * TWEAK_BYTES + Long.BYTES, 0);
        }
        if (!tweaking.update(tweaks, tweaks, sectors * TWEAK_BYTES, outBytes)) {
            return false;
        }
        combine(address, tweaks, sectors);
        boolean done = aes.update(address, address, bytes, outBytes);
        combine(address, tweaks, sectors);
        return done;
    }

    /** Combines each block of the sectors with its T. */
    private static void combine(long address, long tweaks, int sectors) {
        long block = address;
        for (int i = 0; i < sectors; i++) {
            long low = Memory.getLong(tweaks + (long) i * TWEAK_BYTES);
            long high = Memory.getLong(tweaks + (long) i * TWEAK_BYTES + Long.BYTES);
            for (long end = block + SECTOR; block < end; block += BLOCK) {
                Memory.putLong(block, Memory.getLong(block) ^ low);
                Memory.putLong(block + Long.BYTES, Memory.getLong(block + Long.BYTES) ^ high);
                long carry = high >> Long.SIZE - 1 & REDUCTION;
                high = high << 1 | low >>> Long.SIZE - 1;
                low = low << 1 ^ carry;
            }
        }
    }

    @Override
    public void close() {
        encrypting.close();
        decrypting.close();
        tweaking.close();
        scratch.close();
    }
}
