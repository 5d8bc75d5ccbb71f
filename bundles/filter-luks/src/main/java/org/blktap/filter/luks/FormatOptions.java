package org.blktap.filter.luks;

import java.nio.file.Path;
import org.blktap.api.disk.DiskException;
import org.blktap.api.disk.DiskException.Reason;
import org.blktap.api.disk.Options;
import org.blktap.api.memory.Alignment;

/**
 * The options of a creation.
 *
 * @param opening the options that an attach has as well
 * @param version 1 or 2
 * @param keyBytes of the volume key
 * @param hash of key derivation by PBKDF2, digest and splitter
 * @param pbkdf how the password becomes a key: {@code argon2id}, {@code argon2i} or {@code pbkdf2}
 * @param milliseconds that the opening of a key slot takes on this machine, about
 * @param pbkdfBytes most memory of Argon2
 * @param label of version 2, or empty
 */
record FormatOptions(
        LuksOptions opening,
        int version,
        int keyBytes,
        int sectorSize,
        HashSpec hash,
        String pbkdf,
        int milliseconds,
        long pbkdfBytes,
        String label) {
    static final String PBKDF2 = "pbkdf2";
    static final String ARGON2ID = "argon2id";
    static final String ARGON2I = "argon2i";

    /** The default of cryptsetup (DEFAULT_LUKS1_ITER_TIME, DEFAULT_LUKS2_ITER_TIME). */
    private static final int MILLISECONDS = 2000;

    private static final int MILLISECONDS_MAX = 20_000;
    private static final long PBKDF_BYTES_MIN = 1 << 20;

    static FormatOptions of(Options options) throws DiskException {
        int version = options.number("version", 2, 1, 2);
        String pbkdf = options.oneOf("pbkdf", version == 1 ? PBKDF2 : ARGON2ID, ARGON2ID, ARGON2I, PBKDF2);
        int sectorSize = Integer.parseInt(options.oneOf("sector-size", "512", "512", "4096"));
        String label = options.text("label", "");
        LuksOptions opening = LuksOptions.of(options);
        if (version == 1 && (!pbkdf.equals(PBKDF2) || sectorSize != Luks1Header.SECTOR || !label.isEmpty())) {
            throw new DiskException(
                    Reason.BAD_OPTION,
                    "luks: version 1 has only pbkdf=" + PBKDF2 + " and sector-size=512, and no label");
        }
        if (!label.matches("[\\x20-\\x7e]{0," + (Luks2Header.LABEL_BYTES - 1) + "}")) {
            throw Options.bad("label", label, "up to " + (Luks2Header.LABEL_BYTES - 1) + " characters of ASCII");
        }
        return new FormatOptions(
                opening,
                version,
                Integer.parseInt(options.oneOf("key-bits", "512", "256", "512")) / 8,
                sectorSize,
                HashSpec.named(options.oneOf("hash", "sha256", "sha1", "sha256", "sha384", "sha512")),
                pbkdf,
                options.number("iter-time", MILLISECONDS, 1, MILLISECONDS_MAX),
                options.size(
                        "pbkdf-memory",
                        Math.min(
                                DerivationLimits.MEMORY_DEFAULT,
                                opening.limits().memoryBytes()),
                        PBKDF_BYTES_MIN,
                        opening.limits().memoryBytes()),
                label);
    }

    /** The file of a detached header, or null. */
    Path header() {
        return opening.header();
    }

    /** Where the data begins on the disk. */
    long dataOffset() {
        if (header() != null) {
            return 0;
        }
        return version == 1 ? Luks1Writer.dataOffset(keyBytes) : Luks2Writer.DATA_OFFSET;
    }

    /** The size of the disk that holds {@code sizeBytes} of data. */
    long sizeBelow(long sizeBytes) {
        return dataOffset() + Alignment.up(sizeBytes, sectorSize);
    }
}
