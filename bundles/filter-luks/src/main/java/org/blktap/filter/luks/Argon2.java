package org.blktap.filter.luks;

import org.blktap.api.disk.DiskException;
import org.blktap.api.disk.DiskException.Reason;
import org.blktap.api.disk.Options;
import org.blktap.api.memory.NativeBuffer;
import org.blktap.api.memory.NativeMemory;
import org.blktap.linux.LibArgon2;
import org.blktap.linux.LibCryptoKdf;

/**
 * Argon2 of RFC 9106, version 1.3: by libargon2, or by a libcrypto that has it.
 *
 * @param id whether it is argon2id; argon2i otherwise
 * @param passes over the memory
 * @param kib memory in KiB
 * @param lanes computed in parallel
 * @param salt never modified
 */
record Argon2(boolean id, int passes, int kib, int lanes, byte[] salt) implements KeyDerivation {
    /**
     * Lock for one derivation at a time in this process: many attachments may open at once, each with a gigabyte to
     * fill.
     */
    private static final Object ONE_AT_A_TIME = new Object();

    private static final int KIB = 1024;

    @Override
    public void derive(String what, Secret password, DerivationLimits limits, Secret key, NativeMemory memory)
            throws DiskException {
        long bytes = (long) kib * KIB;
        if (bytes > limits.memoryBytes()) {
            throw new DiskException(
                    Reason.UNSUPPORTED,
                    what + ": " + this + " needs more memory than the option key-memory="
                            + Options.sizeText(limits.memoryBytes()) + " allows");
        }
        synchronized (ONE_AT_A_TIME) {
            long available = AvailableMemory.bytes();
            if (bytes > available) {
                throw new DiskException(
                        Reason.IO,
                        what + ": " + this + " needs more memory than this machine has free: " + available / KIB
                                + " KiB");
            }
            try (NativeBuffer publicBytes = memory.allocate(salt.length)) {
                publicBytes.bytes().put(salt);
                compute(what, password, publicBytes.address(), key, memory);
            }
        }
    }

    private void compute(String what, Secret password, long saltAddress, Secret key, NativeMemory memory)
            throws DiskException {
        if (LibArgon2.missing() == null) {
            byLibArgon2(what, password, saltAddress, key);
        } else if (LibCryptoKdf.missing() == null) {
            byLibCrypto(what, password, saltAddress, key, memory);
        } else {
            throw new DiskException(
                    Reason.UNSUPPORTED,
                    what + ": nothing on this machine computes argon2 (" + LibArgon2.missing()
                            + "). Debian has it in the package " + LibArgon2.PACKAGE);
        }
    }

    void byLibArgon2(String what, Secret password, long saltAddress, Secret key) throws DiskException {
        int result = id
                ? LibArgon2.argon2id_hash_raw(
                        passes,
                        kib,
                        lanes,
                        password.address(),
                        password.bytes(),
                        saltAddress,
                        salt.length,
                        key.address(),
                        key.bytes())
                : LibArgon2.argon2i_hash_raw(
                        passes,
                        kib,
                        lanes,
                        password.address(),
                        password.bytes(),
                        saltAddress,
                        salt.length,
                        key.address(),
                        key.bytes());
        if (result != 0) {
            String why = result == LibArgon2.OUT_OF_MEMORY ? "out of memory" : "error " + result + " of libargon2";
            throw new DiskException(Reason.IO, what + ": " + this + ": " + why);
        }
    }

    void byLibCrypto(String what, Secret password, long saltAddress, Secret key, NativeMemory memory)
            throws DiskException {
        // for the whole process; if it is refused, the lanes are computed one after the other
        boolean parallel = LibCryptoKdf.OSSL_set_max_threads(0, lanes) == 1;
        long kdf = LibCryptoKdf.EVP_KDF_fetch(0, id ? "ARGON2ID" : "ARGON2I", null);
        long context = kdf == 0 ? 0 : LibCryptoKdf.EVP_KDF_CTX_new(kdf);
        try (KdfParameters parameters = new KdfParameters(memory)) {
            parameters.bytes("pass", password.address(), password.bytes());
            parameters.bytes("salt", saltAddress, salt.length);
            parameters.number("iter", passes);
            parameters.number("memcost", kib);
            parameters.number("lanes", lanes);
            parameters.number("threads", parallel ? lanes : 1);
            if (context == 0
                    || LibCryptoKdf.EVP_KDF_derive(context, key.address(), key.bytes(), parameters.address()) <= 0) {
                throw new DiskException(Reason.IO, what + ": " + this + ": libcrypto cannot compute it");
            }
        } finally {
            LibCryptoKdf.EVP_KDF_CTX_free(context);
            LibCryptoKdf.EVP_KDF_free(kdf);
        }
    }

    @Override
    public String toString() {
        return (id ? "argon2id" : "argon2i") + " of " + kib + " KiB, " + passes + " passes, " + lanes + " lanes";
    }
}
