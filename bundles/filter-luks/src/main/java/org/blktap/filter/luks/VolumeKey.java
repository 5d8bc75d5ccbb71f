package org.blktap.filter.luks;

import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.blktap.api.disk.DiskException;
import org.blktap.api.disk.DiskException.Reason;
import org.blktap.api.memory.NativeMemory;
import org.blktap.filter.luks.LuksHeader.KeySlot;

/** Opens the key slots of a header. */
final class VolumeKey {
    /** Any slot. */
    static final int ANY = -1;

    private final LuksHeader header;
    private final HeaderStore store;
    private final NativeMemory memory;

    VolumeKey(LuksHeader header, HeaderStore store, NativeMemory memory) {
        this.header = header;
        this.store = store;
        this.memory = memory;
    }

    /**
     * Tries the slots one after the other, which takes seconds for each.
     *
     * @param number of the only slot to try, or {@link #ANY}
     * @return the volume key, which the caller closes
     * @throws DiskException PERMISSION if the password opens none
     */
    Secret open(Secret password, int number, DerivationLimits limits) throws DiskException {
        List<KeySlot> candidates = candidates(number);
        long start = System.nanoTime();
        List<Integer> tried = new ArrayList<>();
        for (KeySlot slot : candidates) {
            if (System.nanoTime() - start > TimeUnit.SECONDS.toNanos(DerivationLimits.SECONDS)) {
                throw new DiskException(
                        Reason.PERMISSION,
                        store.name() + ": the key opens none of the key slots " + tried + ", for which "
                                + DerivationLimits.SECONDS + " seconds were spent; "
                                + (candidates.size() - tried.size())
                                + " were not tried: name the slot by the option key-slot");
            }
            Secret key = open(slot, password, limits);
            if (key != null) {
                return key;
            }
            tried.add(slot.number());
        }
        throw new DiskException(
                Reason.PERMISSION,
                store.name() + ": wrong key: it opens none of the key slots " + tried
                        + (number == ANY ? "" : ", and no other was asked for"));
    }

    private List<KeySlot> candidates(int number) throws DiskException {
        List<KeySlot> candidates = header.slots().stream()
                .filter(slot -> number == ANY ? slot.priority() > 0 : slot.number() == number)
                .toList();
        if (candidates.isEmpty()) {
            List<Integer> used = header.slots().stream().map(KeySlot::number).toList();
            throw new DiskException(
                    Reason.PERMISSION,
                    number == ANY
                            ? store.name() + ": no key slot is in use: nobody can open this disk"
                            : store.name() + ": key slot " + number + " is not in use; used: " + used);
        }
        return candidates;
    }

    /** Returns the volume key, or null if the password is not the slot's. */
    private Secret open(KeySlot slot, Secret password, DerivationLimits limits) throws DiskException {
        String what = store.name() + ": key slot " + slot.number();
        Secret key = Secret.ofZeros(memory, slot.keyBytes());
        boolean right = false;
        try (Secret areaKey = Secret.ofZeros(memory, slot.areaKeyBytes());
                Secret material = Secret.ofZeros(memory, slot.areaBytes())) {
            slot.derivation().derive(what, password, limits, areaKey, memory);
            store.read(slot.areaOffset(), material.memory(), slot.areaBytes());
            // numbered from the beginning of the area (LUKS1 1.2.3, section 2.4; LUKS2 1.1, section 3.2.1)
            try (SectorCipher cipher = SectorCipher.of(areaKey, SectorCipher.IV_BYTES, memory)) {
                if (!cipher.decrypt(material.address(), slot.areaBytes(), 0)) {
                    throw Crypto.failed("EVP_CipherUpdate");
                }
            }
            AntiForensic.merge(material.address(), key, slot.stripesHash(), memory);
            right = slot.digest().of(key, memory);
        } finally {
            if (!right) {
                key.close();
            }
        }
        return right ? key : null;
    }
}
