package org.blktap.filter.luks;

import org.blktap.api.engine.CloseOnFailure;
import org.blktap.api.memory.Memory;
import org.blktap.api.memory.NativeBuffer;
import org.blktap.api.memory.NativeMemory;
import org.blktap.linux.LibCrypto;

/** XTS by libcrypto, which takes one sector a call: for large sectors. */
final class SectorwiseXts extends SectorCipher {
    private static final int OUT_BYTES_AT = TWEAK_BYTES;

    private final int sectorSize;
    private final AesContext encrypting;
    private final AesContext decrypting;
    /** The tweak, and the length that libcrypto returns. */
    private final NativeBuffer scratch;

    SectorwiseXts(Secret key, int sectorSize, NativeMemory memory) {
        this.sectorSize = sectorSize;
        long cipher = key.bytes() == Long.BYTES * 8 ? LibCrypto.EVP_aes_256_xts() : LibCrypto.EVP_aes_128_xts();
        try (CloseOnFailure opened = new CloseOnFailure()) {
            scratch = memory.allocate(OUT_BYTES_AT + Integer.BYTES);
            opened.add(scratch::close);
            encrypting = new AesContext(cipher, key.address(), LibCrypto.ENCRYPT);
            opened.add(encrypting::close);
            decrypting = new AesContext(cipher, key.address(), LibCrypto.DECRYPT);
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
        long tweak = scratch.address();
        for (int at = 0; at < bytes; at += sectorSize) {
            Memory.putLong(tweak, number + at / IV_BYTES);
            if (!aes.tweak(tweak) || !aes.update(address + at, address + at, sectorSize, tweak + OUT_BYTES_AT)) {
                return false;
            }
        }
        return true;
    }

    @Override
    public void close() {
        encrypting.close();
        decrypting.close();
        scratch.close();
    }
}
