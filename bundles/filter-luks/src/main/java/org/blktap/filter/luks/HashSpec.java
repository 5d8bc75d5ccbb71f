package org.blktap.filter.luks;

import java.util.Arrays;
import java.util.stream.Collectors;
import org.blktap.linux.LibCrypto;

/** The hash functions, by the names that headers give them (LUKS1 1.2.3, table 3). */
enum HashSpec {
    SHA1("sha1", 20),
    SHA256("sha256", 32),
    SHA384("sha384", 48),
    SHA512("sha512", 64);

    /** The longest digest. */
    static final int BYTES_MAX = 64;

    private final String text;
    private final int bytes;

    HashSpec(String text, int bytes) {
        this.text = text;
        this.bytes = bytes;
    }

    /** Returns the hash function of a name, or null. */
    static HashSpec named(String name) {
        for (HashSpec hash : values()) {
            if (hash.text.equals(name)) {
                return hash;
            }
        }
        return null;
    }

    /** All names, for messages. */
    static String names() {
        return Arrays.stream(values()).map(HashSpec::toString).collect(Collectors.joining(", "));
    }

    /** Bytes of a digest. */
    int bytes() {
        return bytes;
    }

    /** Returns libcrypto's {@code EVP_MD}, which is not freed. */
    long evp() {
        return switch (this) {
            case SHA1 -> LibCrypto.EVP_sha1();
            case SHA256 -> LibCrypto.EVP_sha256();
            case SHA384 -> LibCrypto.EVP_sha384();
            case SHA512 -> LibCrypto.EVP_sha512();
        };
    }

    @Override
    public String toString() {
        return text;
    }
}
