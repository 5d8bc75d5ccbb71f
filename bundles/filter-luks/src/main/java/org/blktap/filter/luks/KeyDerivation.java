package org.blktap.filter.luks;

import org.blktap.api.disk.DiskException;
import org.blktap.api.memory.NativeMemory;

/** How a key is computed from a password. The parameters have been checked. */
sealed interface KeyDerivation permits Pbkdf2, Argon2 {
    /**
     * Computes a key, which may take seconds.
     *
     * @param what names the image and key slot, for messages
     * @param limits its limits
     * @param key all of it is filled
     */
    void derive(String what, Secret password, DerivationLimits limits, Secret key, NativeMemory memory)
            throws DiskException;
}
