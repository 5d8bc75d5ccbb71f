package org.blktap.filter.luks;

import java.util.concurrent.TimeUnit;
import org.blktap.api.disk.DiskException;
import org.blktap.api.memory.NativeMemory;

/** Finds the parameters with which a derivation takes about a given time on this machine, as cryptsetup does. */
final class Calibration {
    /** The fewest iterations that the specification recommends (LUKS1 1.2.3, section 4.1). */
    private static final int ITERATIONS_MIN = 1000;

    private static final int ITERATIONS_FIRST = 20_000;
    /** A shorter measurement is too inaccurate. */
    private static final long NANOS_MIN = TimeUnit.MILLISECONDS.toNanos(50);
    /** A digest takes a sixteenth of the time of a slot: one of 2 seconds, 125 milliseconds. */
    private static final int DIGEST_PART = 16;

    private static final int PASSES_MIN = 4;
    private static final int LANES_MAX = 4;
    private static final int KIB = 1024;
    private static final int KIB_FIRST = 64 * KIB;
    private static final int KIB_MIN = KIB;

    private Calibration() {}

    /** Returns iterations of PBKDF2 for a key of so many bytes. */
    static int iterations(HashSpec hash, int milliseconds, int keyBytes, NativeMemory memory) {
        return iterations(hash, milliseconds, keyBytes, DerivationLimits.SLOT_ITERATIONS_MAX, memory);
    }

    /** Returns iterations for the digest of a volume key. */
    static int digestIterations(HashSpec hash, int milliseconds, NativeMemory memory) {
        int part = Math.max(1, milliseconds / DIGEST_PART);
        return iterations(hash, part, hash.bytes(), DerivationLimits.DIGEST_ITERATIONS_MAX, memory);
    }

    private static int iterations(HashSpec hash, int milliseconds, int keyBytes, int most, NativeMemory memory) {
        long nanos;
        int iterations = ITERATIONS_FIRST;
        try (Secret password = Secret.random(memory, HashSpec.BYTES_MAX);
                Secret key = Secret.ofZeros(memory, keyBytes)) {
            while (true) {
                long start = System.nanoTime();
                new Pbkdf2(hash, iterations, new byte[HashSpec.BYTES_MAX]).derive(password, key, memory);
                nanos = System.nanoTime() - start;
                if (nanos >= NANOS_MIN || iterations >= most / 2) {
                    break;
                }
                iterations *= 2;
            }
        }
        double wanted = (double) iterations * TimeUnit.MILLISECONDS.toNanos(milliseconds) / nanos;
        return (int) Math.max(ITERATIONS_MIN, Math.min(most, wanted));
    }

    /** Returns Argon2 with as much memory as fits into the time, and then with more passes. */
    static Argon2 argon2(FormatOptions options, byte[] salt, NativeMemory memory) throws DiskException {
        boolean id = options.pbkdf().equals(FormatOptions.ARGON2ID);
        int lanes = Math.min(LANES_MAX, Runtime.getRuntime().availableProcessors());
        // half of what is free: the machine serves other disks meanwhile
        long most = Math.max(KIB_MIN, Math.min(options.pbkdfBytes(), AvailableMemory.bytes() / 2) / KIB);
        int kib = (int) Math.min(KIB_FIRST, most);
        long nanos = measure(new Argon2(id, PASSES_MIN, kib, lanes, salt), options, memory);
        double factor = (double) TimeUnit.MILLISECONDS.toNanos(options.milliseconds()) / nanos;
        long wanted = (long) Math.max(KIB_MIN, Math.min(most, kib * factor));
        long passes = (long) Math.max(PASSES_MIN, PASSES_MIN * factor * kib / wanted);
        return new Argon2(
                id, (int) Math.min(passes, DerivationLimits.passesMax(wanted, lanes)), (int) wanted, lanes, salt);
    }

    private static long measure(Argon2 argon2, FormatOptions options, NativeMemory memory) throws DiskException {
        try (Secret password = Secret.random(memory, HashSpec.BYTES_MAX);
                Secret key = Secret.ofZeros(memory, options.keyBytes())) {
            long start = System.nanoTime();
            argon2.derive("luks", password, options.opening().limits(), key, memory);
            return Math.max(1, System.nanoTime() - start);
        }
    }
}
