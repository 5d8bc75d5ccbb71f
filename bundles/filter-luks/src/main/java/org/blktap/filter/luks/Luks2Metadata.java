package org.blktap.filter.luks;

import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import org.blktap.api.disk.DiskException;
import org.blktap.api.disk.DiskException.Reason;
import org.blktap.api.disk.Printable;
import org.blktap.api.memory.Alignment;
import org.blktap.filter.luks.LuksHeader.DataSegment;
import org.blktap.filter.luks.LuksHeader.KeySlot;

/** The metadata of version 2, in JSON: "LUKS2 On-Disk Format Specification" 1.1, chapter 3. */
final class Luks2Metadata {
    /** Most key slots, segments and digests, as in cryptsetup (LUKS2_KEYSLOTS_MAX and others). */
    private static final int OBJECTS_MAX = 32;

    private static final int SALT_MIN = 8;
    private static final int SALT_MAX = 64;
    private static final int DIGEST_MIN = 20;
    /** The only sector size besides 512 bytes. */
    private static final int LARGE_SECTOR = 4096;
    /** Fewest KiB for each lane of Argon2 (RFC 9106, section 3.1). */
    private static final int KIB_PER_LANE = 8;

    private final JsonPart root;
    private final long areasFrom;

    private Luks2Metadata(JsonPart root, long areasFrom) {
        this.root = root;
        this.areasFrom = areasFrom;
    }

    /**
     * Checks and reads the metadata.
     *
     * @param areasFrom the end of the two headers, before which no key slot has its area
     */
    static LuksHeader read(JsonPart root, long areasFrom, String uuid, String label) throws DiskException {
        return new Luks2Metadata(root, areasFrom).read(uuid, label);
    }

    private LuksHeader read(String uuid, String label) throws DiskException {
        requirements();
        JsonPart segments = objects("segments");
        if (segments.names().size() != 1) {
            throw new DiskException(
                    Reason.UNSUPPORTED,
                    root.file() + ": LUKS2 metadata segments at offset " + root.offset() + ": found "
                            + segments.names().size() + " segments, supported: one");
        }
        String segment = segments.names().iterator().next();
        DataSegment data = data(segments.part(segment));
        return new LuksHeader(2, uuid, label, data, slots(segment), null);
    }

    /**
     * Refuses volumes with requirements, which a reader must know to use the disk (section 3.6), such as a reencryption
     * in progress.
     */
    private void requirements() throws DiskException {
        JsonPart config = root.part("config");
        if (config.has("requirements")) {
            JsonPart requirements = config.part("requirements");
            if (requirements.has("mandatory")
                    && !(requirements.members().get("mandatory") instanceof List<?> list && list.isEmpty())) {
                Object found = requirements.members().get("mandatory");
                throw new DiskException(
                        Reason.UNSUPPORTED,
                        root.file() + ": LUKS2 metadata config/requirements/mandatory at offset " + root.offset()
                                + ": found " + Printable.of(String.valueOf(found), 200)
                                + ", supported: none; let cryptsetup finish what it has begun");
            }
        }
    }

    /** Returns an object of numbered objects. */
    private JsonPart objects(String member) throws DiskException {
        JsonPart objects = root.part(member);
        if (objects.names().size() > OBJECTS_MAX) {
            throw DiskException.corrupt(
                    root.file(),
                    "LUKS2 metadata " + member,
                    root.offset(),
                    objects.names().size() + " objects",
                    "at most " + OBJECTS_MAX);
        }
        for (String name : objects.names()) {
            if (!name.matches("[0-9]{1,2}")) {
                throw objects.wrong(name, "names that are numbers");
            }
        }
        return objects;
    }

    /** Reads a segment (section 3.3). */
    private static DataSegment data(JsonPart segment) throws DiskException {
        segment.supported("type", "crypt");
        segment.supported("encryption", SectorCipher.ENCRYPTION);
        if (segment.has("integrity")) {
            throw segment.unsupported("integrity", "none");
        }
        if (segment.has("flags") && !(segment.members().get("flags") instanceof List<?> list && list.isEmpty())) {
            throw segment.unsupported("flags", "none");
        }
        int sectorSize = (int) segment.number("sector_size", Alignment.SECTOR, LARGE_SECTOR);
        if (sectorSize != Alignment.SECTOR && sectorSize != LARGE_SECTOR) {
            throw segment.unsupported("sector_size", Alignment.SECTOR + " or " + LARGE_SECTOR);
        }
        long offset = segment.numberInText("offset", Long.MAX_VALUE);
        if (offset % sectorSize != 0) {
            throw segment.wrong("offset", "a multiple of the sector size " + sectorSize);
        }
        long bytes = -1;
        if (!"dynamic".equals(segment.members().get("size"))) {
            bytes = segment.numberInText("size", Long.MAX_VALUE);
            if (bytes == 0 || bytes % sectorSize != 0) {
                throw segment.wrong("size", "'dynamic' or a multiple of the sector size " + sectorSize);
            }
        }
        return new DataSegment(offset, bytes, sectorSize, segment.numberInText("iv_tweak", Long.MAX_VALUE));
    }

    private List<KeySlot> slots(String segment) throws DiskException {
        JsonPart keyslots = objects("keyslots");
        JsonPart digests = objects("digests");
        List<KeySlot> slots = new ArrayList<>();
        for (String number : keyslots.names()) {
            JsonPart digest = digestOf(number, segment, digests);
            // a slot without a digest of the segment has another key
            if (digest != null) {
                slots.add(slot(number, keyslots.part(number), digest));
            }
        }
        // stable: otherwise as stored
        slots.sort(Comparator.comparing(KeySlot::priority).reversed());
        return slots;
    }

    private static JsonPart digestOf(String keyslot, String segment, JsonPart digests) throws DiskException {
        for (String number : digests.names()) {
            JsonPart digest = digests.part(number);
            if (digest.lists("segments", segment) && digest.lists("keyslots", keyslot)) {
                return digest;
            }
        }
        return null;
    }

    /** Reads a key slot (section 3.2). */
    private KeySlot slot(String number, JsonPart slot, JsonPart digest) throws DiskException {
        slot.supported("type", "luks2");
        int priority = slot.has("priority") ? (int) slot.number("priority", 0, 2) : 1;
        int keyBytes = keyBytes(slot);
        JsonPart af = slot.part("af");
        af.supported("type", "luks1");
        af.number("stripes", AntiForensic.STRIPES, AntiForensic.STRIPES);
        JsonPart area = slot.part("area");
        area.supported("type", "raw");
        area.supported("encryption", SectorCipher.ENCRYPTION);
        long offset = area.numberInText("offset", Long.MAX_VALUE);
        if (offset < areasFrom || offset % Alignment.SECTOR != 0) {
            throw area.wrong("offset", "a multiple of 512 from " + areasFrom + " on, after the headers");
        }
        long bytes = area.numberInText("size", Long.MAX_VALUE);
        if (bytes < KeySlot.areaBytes(keyBytes)) {
            throw area.wrong("size", KeySlot.areaBytes(keyBytes) + " or more, for the stripes");
        }
        return new KeySlot(
                Integer.parseInt(number),
                keyBytes,
                keyBytes(area),
                offset,
                derivation(slot.part("kdf")),
                af.hash("hash"),
                digest(digest),
                priority);
    }

    private static int keyBytes(JsonPart part) throws DiskException {
        long bytes = part.number("key_size", 1, Integer.MAX_VALUE);
        if (!SectorCipher.takes((int) bytes)) {
            throw part.unsupported("key_size", "32 or 64, two keys of AES");
        }
        return (int) bytes;
    }

    /** Reads the parameters of a derivation (section 3.2.3). */
    private static KeyDerivation derivation(JsonPart kdf) throws DiskException {
        byte[] salt = kdf.bytes("salt", SALT_MIN, SALT_MAX);
        switch (kdf.text("type")) {
            case "pbkdf2":
                int iterations = (int) kdf.number("iterations", 1, DerivationLimits.SLOT_ITERATIONS_MAX);
                return new Pbkdf2(kdf.hash("hash"), iterations, salt);
            case "argon2i":
            case "argon2id":
                int lanes = (int) kdf.number("cpus", 1, DerivationLimits.ARGON2_LANES_MAX);
                long kib = kdf.number("memory", (long) KIB_PER_LANE * lanes, DerivationLimits.ARGON2_KIB_MAX);
                long passes = kdf.number("time", 1, DerivationLimits.passesMax(kib, lanes));
                return new Argon2(kdf.text("type").equals("argon2id"), (int) passes, (int) kib, lanes, salt);
            default:
                throw kdf.unsupported("type", "pbkdf2, argon2i, argon2id");
        }
    }

    /** Reads a digest (section 3.5). */
    private static KeyDigest digest(JsonPart digest) throws DiskException {
        digest.supported("type", "pbkdf2");
        int iterations = (int) digest.number("iterations", 1, DerivationLimits.DIGEST_ITERATIONS_MAX);
        return new KeyDigest(
                new Pbkdf2(digest.hash("hash"), iterations, digest.bytes("salt", SALT_MIN, SALT_MAX)),
                digest.bytes("digest", DIGEST_MIN, HashSpec.BYTES_MAX));
    }
}
