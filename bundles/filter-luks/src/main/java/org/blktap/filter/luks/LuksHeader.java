package org.blktap.filter.luks;

import java.util.List;

/**
 * The checked contents of a header of either version, in one form for both.
 *
 * @param version 1 or 2
 * @param uuid safe to be shown
 * @param label of version 2, safe to be shown; or empty
 * @param data where the disk's data is
 * @param slots the slots that have the key of {@code data}, in the order in which they are tried
 * @param damage what is wrong with the copy of the header that was not used, or null
 */
record LuksHeader(int version, String uuid, String label, DataSegment data, List<KeySlot> slots, String damage) {

    LuksHeader {
        slots = List.copyOf(slots);
    }

    /** Bits of the volume key, which is two keys of AES. */
    int keyBits() {
        return slots.isEmpty() ? 0 : slots.get(0).keyBytes() * 8;
    }

    LuksHeader withDamage(String found) {
        return new LuksHeader(version, uuid, label, data, slots, found);
    }

    /**
     * The encrypted data.
     *
     * @param offset in bytes, a multiple of the sector size
     * @param bytes -1 for all that follows
     * @param firstNumber the number of the first sector for the cipher, in units of 512 bytes
     */
    record DataSegment(long offset, long bytes, int sectorSize, long firstNumber) {}

    /**
     * A place for a volume key that a password opens.
     *
     * @param keyBytes of the volume key
     * @param areaKeyBytes of the key that encrypts the area
     * @param areaOffset of the stripes, in bytes
     * @param stripesHash of the anti-forensic splitter
     * @param digest tells whether a volume key is right
     * @param priority 2: tried first, 1: tried, 0: only if asked for (LUKS2 1.1, section 3.2)
     */
    record KeySlot(
            int number,
            int keyBytes,
            int areaKeyBytes,
            long areaOffset,
            KeyDerivation derivation,
            HashSpec stripesHash,
            KeyDigest digest,
            int priority) {

        /** Bytes of the stripes, in whole sectors. */
        int areaBytes() {
            return areaBytes(keyBytes);
        }

        static int areaBytes(int keyBytes) {
            // 4000 stripes of 32 or 64 bytes are whole sectors
            return keyBytes * AntiForensic.STRIPES;
        }
    }
}
