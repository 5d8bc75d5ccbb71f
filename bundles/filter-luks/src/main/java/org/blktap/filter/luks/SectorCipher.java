package org.blktap.filter.luks;

import org.blktap.api.memory.NativeMemory;

/**
 * AES-XTS (IEEE 1619) of whole sectors, in place, with the number of the sector as the tweak ({@code plain64}). The
 * memory is the daemon's own: native code that reached into a guest's would end the process when the guest truncates
 * it. One thread at a time. Calls allocate nothing.
 */
abstract sealed class SectorCipher implements AutoCloseable permits BatchedXts, SectorwiseXts {
    /** Unit of the numbers of sectors, whatever the sector size is (dm-crypt without iv_large_sectors). */
    static final int IV_BYTES = 512;
    /** The name of this cipher in LUKS, in two parts (LUKS1 1.2.3, tables 1 and 2). */
    static final String CIPHER = "aes";

    static final String MODE = "xts-plain64";
    /** Both parts, as LUKS2 writes them. */
    static final String ENCRYPTION = CIPHER + "-" + MODE;
    /** A tweak: the number of the sector, little-endian, and zeros. */
    static final int TWEAK_BYTES = 16;

    private static final int AES_128 = 32;
    private static final int AES_256 = 64;

    /**
     * Makes a cipher.
     *
     * @param key two keys of AES, of 128 or of 256 bits each, which may be closed afterwards
     * @param sectorSize 512 or 4096
     */
    static SectorCipher of(Secret key, int sectorSize, NativeMemory memory) {
        // measured: a call costs as much as some 500 bytes of AES, so that small sectors are given over in batches
        return sectorSize == IV_BYTES ? new BatchedXts(key, memory) : new SectorwiseXts(key, sectorSize, memory);
    }

    /** Whether a key may have this length. */
    static boolean takes(int keyBytes) {
        return keyBytes == AES_128 || keyBytes == AES_256;
    }

    /**
     * Encrypts sectors.
     *
     * @param bytes a multiple of the sector size
     * @param number of the first sector, in units of {@link #IV_BYTES}
     * @return false if libcrypto has failed; the contents are then undefined
     */
    abstract boolean encrypt(long address, int bytes, long number);

    /** Decrypts as {@link #encrypt} encrypts. */
    abstract boolean decrypt(long address, int bytes, long number);

    /** Frees what holds the key, and overwrites the key there. */
    @Override
    public abstract void close();
}
