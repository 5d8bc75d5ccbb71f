package org.blktap.filter.luks;

import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.UUID;
import org.blktap.api.disk.DiskException;
import org.blktap.api.memory.Alignment;
import org.blktap.filter.luks.LuksFormat.Part;
import org.blktap.filter.luks.LuksHeader.KeySlot;

/** Makes a volume of version 1, laid out as cryptsetup does (LUKS1 1.2.3, section 4.1). */
final class Luks1Writer {
    /** LUKS_ALIGN_KEYSLOTS. */
    private static final int SLOT_ALIGNMENT = 4096;
    /** DEFAULT_DISK_ALIGNMENT of cryptsetup. */
    private static final int DATA_ALIGNMENT = 1 << 20;

    private final FormatOptions options;
    private final LuksFormat format;

    Luks1Writer(FormatOptions options, LuksFormat format) {
        this.options = options;
        this.format = format;
    }

    /** Where the data begins. */
    static long dataOffset(int keyBytes) {
        return Alignment.up(areaOffset(Luks1Header.SLOTS, keyBytes), DATA_ALIGNMENT);
    }

    private static long areaOffset(int slot, int keyBytes) {
        return SLOT_ALIGNMENT + (long) slot * Alignment.up(KeySlot.areaBytes(keyBytes), SLOT_ALIGNMENT);
    }

    List<Part> parts(Secret password) throws DiskException {
        try (Secret key = format.volumeKey()) {
            Pbkdf2 derivation = new Pbkdf2(
                    options.hash(),
                    Calibration.iterations(options.hash(), options.milliseconds(), key.bytes(), format.memory()),
                    format.salt(Luks1Header.SALT_BYTES));
            int iterations = Calibration.digestIterations(options.hash(), options.milliseconds(), format.memory());
            KeyDigest digest = KeyDigest.make(
                    new Pbkdf2(options.hash(), iterations, format.salt(Luks1Header.SALT_BYTES)),
                    key,
                    Luks1Header.DIGEST_BYTES,
                    format.memory());
            return List.of(
                    new Part(areaOffset(0, key.bytes()), format.keyMaterial(key, password, derivation)),
                    new Part(0, header(derivation, digest)));
        }
    }

    private byte[] header(Pbkdf2 derivation, KeyDigest digest) {
        ByteBuffer header = ByteBuffer.allocate(Luks1Header.BYTES);
        header.put(0, Luks2Header.Magic.FIRST.bytes());
        header.putShort(Luks1Header.VERSION, (short) 1);
        text(header, Luks1Header.CIPHER_NAME, SectorCipher.CIPHER);
        text(header, Luks1Header.CIPHER_MODE, SectorCipher.MODE);
        text(header, Luks1Header.HASH_SPEC, options.hash().toString());
        header.putInt(Luks1Header.PAYLOAD_OFFSET, (int) (options.dataOffset() / Luks1Header.SECTOR));
        header.putInt(Luks1Header.KEY_BYTES, options.keyBytes());
        header.put(Luks1Header.MK_DIGEST, digest.value());
        header.put(Luks1Header.MK_DIGEST_SALT, digest.derivation().salt());
        header.putInt(Luks1Header.MK_DIGEST_ITERATIONS, digest.derivation().iterations());
        text(header, Luks1Header.UUID, UUID.randomUUID().toString());
        for (int slot = 0; slot < Luks1Header.SLOTS; slot++) {
            int at = Luks1Header.KEY_SLOTS + slot * Luks1Header.SLOT_BYTES;
            header.putInt(at + Luks1Header.ACTIVE, slot == 0 ? Luks1Header.ENABLED : Luks1Header.DISABLED);
            header.putInt(at + Luks1Header.KEY_MATERIAL_OFFSET, (int)
                    (areaOffset(slot, options.keyBytes()) / Luks1Header.SECTOR));
            header.putInt(at + Luks1Header.STRIPES, AntiForensic.STRIPES);
        }
        header.putInt(Luks1Header.KEY_SLOTS + Luks1Header.ITERATIONS, derivation.iterations());
        header.put(Luks1Header.KEY_SLOTS + Luks1Header.SALT, derivation.salt());
        return header.array();
    }

    private static void text(ByteBuffer header, int at, String text) {
        header.put(at, text.getBytes(StandardCharsets.US_ASCII));
    }
}
