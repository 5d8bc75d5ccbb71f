package org.blktap.filter.luks;

/**
 * Limits of the derivation of a key, whose cost a header decides. Slots that exceed the constants are refused when the
 * header is read.
 *
 * @param memoryBytes most memory of one derivation, as the operator has set it
 */
record DerivationLimits(long memoryBytes) {
    /** Most iterations of PBKDF2 for a key slot: half a minute of SHA-512 on a processor of 2020. */
    static final int SLOT_ITERATIONS_MAX = 50_000_000;
    /** Most iterations of PBKDF2 for the digest of a volume key, for which cryptsetup takes an eighth of a second. */
    static final int DIGEST_ITERATIONS_MAX = 10_000_000;
    /** Most memory of Argon2 in KiB, and so the largest value of the option: the maximum of cryptsetup. */
    static final int ARGON2_KIB_MAX = 4 << 20;
    /** Most KiB that Argon2 passes over in all: 64 GiB, some twenty seconds with four lanes. */
    static final long ARGON2_PASSED_KIB_MAX = 64L << 20;
    /** Most lanes of Argon2, each of which has a thread; cryptsetup takes at most 4. */
    static final int ARGON2_LANES_MAX = 16;
    /** Most passes of Argon2 times lanes: a pass starts four threads for each lane, however little memory there is. */
    static final int ARGON2_PASSES_LANES_MAX = 200_000;
    /** The default of {@code memoryBytes}, as in cryptsetup. */
    static final long MEMORY_DEFAULT = 1L << 30;
    /** Time after which no further slot is tried. */
    static final long SECONDS = 60;

    /** Returns the most passes of Argon2 over so much memory. */
    static long passesMax(long kib, int lanes) {
        return Math.min(ARGON2_PASSED_KIB_MAX / kib, ARGON2_PASSES_LANES_MAX / lanes);
    }
}
