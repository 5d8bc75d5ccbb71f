package org.blktap.filter.luks;

import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import org.blktap.api.disk.DiskException;
import org.blktap.api.disk.DiskException.Reason;
import org.blktap.api.disk.Printable;
import org.blktap.api.memory.Alignment;
import org.blktap.filter.luks.LuksHeader.DataSegment;
import org.blktap.filter.luks.LuksHeader.KeySlot;

/**
 * The header of version 1: "LUKS On-Disk Format Specification" 1.2.3, section 2.1 and figures 1 to 4. Numbers are
 * big-endian.
 */
final class Luks1Header {
    /** Bytes of the header and its key slots, without key material. */
    static final int BYTES = 592;

    // figure 1
    static final int VERSION = 6;
    static final int CIPHER_NAME = 8;
    static final int CIPHER_MODE = 40;
    static final int HASH_SPEC = 72;
    static final int PAYLOAD_OFFSET = 104;
    static final int KEY_BYTES = 108;
    static final int MK_DIGEST = 112;
    static final int MK_DIGEST_SALT = 132;
    static final int MK_DIGEST_ITERATIONS = 164;
    static final int UUID = 168;
    static final int KEY_SLOTS = 208;
    static final int NAME_BYTES = 32;
    static final int UUID_BYTES = 40;
    /** LUKS_DIGESTSIZE. */
    static final int DIGEST_BYTES = 20;
    /** LUKS_SALTSIZE. */
    static final int SALT_BYTES = 32;
    // figure 2, from the beginning of a key slot
    static final int SLOT_BYTES = 48;
    static final int ACTIVE = 0;
    static final int ITERATIONS = 4;
    static final int SALT = 8;
    static final int KEY_MATERIAL_OFFSET = 40;
    static final int STRIPES = 44;
    /** LUKS_NUMKEYS. */
    static final int SLOTS = 8;
    /** LUKS_KEY_ENABLED. */
    static final int ENABLED = 0x00AC71F3;
    /** LUKS_KEY_DISABLED. */
    static final int DISABLED = 0x0000DEAD;
    /** Unit of the offsets of payload and key material. */
    static final int SECTOR = Alignment.SECTOR;

    private final String name;
    private final ByteBuffer header;

    private Luks1Header(String name, ByteBuffer header) {
        this.name = name;
        this.header = header;
    }

    /**
     * Reads a header whose magic and version are right.
     *
     * @param header at least the first {@link #BYTES}
     * @param detached whether the header is not on the disk whose data it describes
     */
    static LuksHeader read(HeaderStore store, ByteBuffer header, boolean detached) throws DiskException {
        return new Luks1Header(store.name(), header).read(store, detached);
    }

    private LuksHeader read(HeaderStore store, boolean detached) throws DiskException {
        supported(CIPHER_NAME, "cipher-name", SectorCipher.CIPHER);
        supported(CIPHER_MODE, "cipher-mode", SectorCipher.MODE);
        HashSpec hash = HashSpec.named(text(HASH_SPEC, NAME_BYTES));
        if (hash == null) {
            throw unsupported(HASH_SPEC, "hash-spec", text(HASH_SPEC, NAME_BYTES), HashSpec.names());
        }
        int keyBytes = header.getInt(KEY_BYTES);
        if (!SectorCipher.takes(keyBytes)) {
            throw corrupt(KEY_BYTES, "key-bytes", Integer.toUnsignedString(keyBytes), "32 or 64, two keys of AES");
        }
        long payload = Integer.toUnsignedLong(header.getInt(PAYLOAD_OFFSET)) * SECTOR;
        int iterations =
                iterations(MK_DIGEST_ITERATIONS, "mk-digest-iterations", DerivationLimits.DIGEST_ITERATIONS_MAX);
        KeyDigest digest = new KeyDigest(
                new Pbkdf2(hash, iterations, bytes(MK_DIGEST_SALT, SALT_BYTES)), bytes(MK_DIGEST, DIGEST_BYTES));
        List<KeySlot> slots = new ArrayList<>();
        for (int number = 0; number < SLOTS; number++) {
            KeySlot slot = slot(number, hash, keyBytes, digest, store);
            if (slot != null) {
                slots.add(slot);
                long end = slot.areaOffset() + slot.areaBytes();
                if (!detached && payload < end) {
                    throw corrupt(
                            PAYLOAD_OFFSET,
                            "payload-offset",
                            payload / SECTOR,
                            end / SECTOR + " or more, the end of key slot " + number);
                }
            }
        }
        return new LuksHeader(
                1, Printable.of(text(UUID, UUID_BYTES)), "", new DataSegment(payload, -1, SECTOR, 0), slots, null);
    }

    private KeySlot slot(int number, HashSpec hash, int keyBytes, KeyDigest digest, HeaderStore store)
            throws DiskException {
        int at = KEY_SLOTS + number * SLOT_BYTES;
        String field = "key-slot-" + number + " ";
        int active = header.getInt(at + ACTIVE);
        if (active == DISABLED) {
            return null;
        }
        if (active != ENABLED) {
            throw corrupt(at + ACTIVE, field + "active", hex(active), hex(ENABLED) + " or " + hex(DISABLED));
        }
        int iterations = iterations(at + ITERATIONS, field + "iterations", DerivationLimits.SLOT_ITERATIONS_MAX);
        int stripes = header.getInt(at + STRIPES);
        if (stripes != AntiForensic.STRIPES) {
            throw corrupt(at + STRIPES, field + "stripes", Integer.toUnsignedString(stripes), AntiForensic.STRIPES);
        }
        long area = Integer.toUnsignedLong(header.getInt(at + KEY_MATERIAL_OFFSET)) * SECTOR;
        if (area < BYTES) {
            throw corrupt(
                    at + KEY_MATERIAL_OFFSET,
                    field + "key-material-offset",
                    area / SECTOR,
                    "2 or more, after the header");
        }
        store.check(field + "key material", area, KeySlot.areaBytes(keyBytes));
        Pbkdf2 derivation = new Pbkdf2(hash, iterations, bytes(at + SALT, SALT_BYTES));
        return new KeySlot(number, keyBytes, keyBytes, area, derivation, hash, digest, 1);
    }

    private int iterations(int at, String field, int most) throws DiskException {
        long iterations = Integer.toUnsignedLong(header.getInt(at));
        if (iterations < 1 || iterations > most) {
            throw corrupt(at, field, iterations, "1 to " + most);
        }
        return (int) iterations;
    }

    private void supported(int at, String field, String expected) throws DiskException {
        String found = text(at, NAME_BYTES);
        if (!found.equals(expected)) {
            throw unsupported(at, field, found, expected);
        }
    }

    /** Returns a text that ends with a zero byte or at the end of its field. */
    private String text(int at, int length) {
        return text(header, at, length);
    }

    static String text(ByteBuffer header, int at, int length) {
        int end = 0;
        while (end < length && header.get(at + end) != 0) {
            end++;
        }
        byte[] bytes = new byte[end];
        header.get(at, bytes);
        return new String(bytes, StandardCharsets.ISO_8859_1);
    }

    private byte[] bytes(int at, int length) {
        byte[] bytes = new byte[length];
        header.get(at, bytes);
        return bytes;
    }

    private static String hex(int value) {
        return String.format("0x%08x", value);
    }

    private DiskException corrupt(int at, String field, Object found, Object expected) {
        return DiskException.corrupt(name, "LUKS1 header field " + field, at, found, expected);
    }

    private DiskException unsupported(int at, String field, String found, String expected) {
        return new DiskException(
                Reason.UNSUPPORTED,
                name + ": LUKS1 header field " + field + " at offset " + at + ": found '" + Printable.of(found)
                        + "', supported: " + expected);
    }
}
