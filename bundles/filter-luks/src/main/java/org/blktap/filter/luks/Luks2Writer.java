package org.blktap.filter.luks;

import com.google.gson.Gson;
import com.google.gson.GsonBuilder;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.Base64;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.UUID;
import org.blktap.api.disk.DiskException;
import org.blktap.api.memory.Alignment;
import org.blktap.filter.luks.LuksFormat.Part;
import org.blktap.filter.luks.LuksHeader.KeySlot;

/**
 * Makes a volume of version 2, laid out as cryptsetup does: two headers of 16 KiB, key slots, and data from 16 MiB on.
 */
final class Luks2Writer {
    /** Where the data begins. */
    static final int DATA_OFFSET = 16 << 20;

    private static final int HEADER_BYTES = Luks2Header.SIZE_MIN;
    private static final int AREAS_OFFSET = 2 * HEADER_BYTES;
    private static final int AREA_ALIGNMENT = 4096;
    private static final int SALT_BYTES = 32;
    private static final Gson GSON = new GsonBuilder().disableHtmlEscaping().create();

    private final FormatOptions options;
    private final LuksFormat format;

    Luks2Writer(FormatOptions options, LuksFormat format) {
        this.options = options;
        this.format = format;
    }

    List<Part> parts(Secret password) throws DiskException {
        try (Secret key = format.volumeKey()) {
            KeyDerivation derivation = derivation(key);
            int iterations = Calibration.digestIterations(options.hash(), options.milliseconds(), format.memory());
            KeyDigest digest = KeyDigest.make(
                    new Pbkdf2(options.hash(), iterations, format.salt(SALT_BYTES)),
                    key,
                    options.hash().bytes(),
                    format.memory());
            byte[] material = format.keyMaterial(key, password, derivation);
            byte[] json = GSON.toJson(metadata(derivation, digest)).getBytes(StandardCharsets.UTF_8);
            String uuid = UUID.randomUUID().toString();
            return List.of(
                    new Part(AREAS_OFFSET, material),
                    new Part(HEADER_BYTES, header(Luks2Header.Magic.SECOND, HEADER_BYTES, uuid, json)),
                    new Part(0, header(Luks2Header.Magic.FIRST, 0, uuid, json)));
        }
    }

    private KeyDerivation derivation(Secret key) throws DiskException {
        byte[] salt = format.salt(SALT_BYTES);
        if (options.pbkdf().equals(FormatOptions.PBKDF2)) {
            int iterations =
                    Calibration.iterations(options.hash(), options.milliseconds(), key.bytes(), format.memory());
            return new Pbkdf2(options.hash(), iterations, salt);
        }
        return Calibration.argon2(options, salt, format.memory());
    }

    /** Returns the metadata (chapter 3), in which 64-bit numbers are strings. */
    private Map<String, Object> metadata(KeyDerivation derivation, KeyDigest digest) {
        Map<String, Object> slot = map(
                "type", "luks2",
                "key_size", options.keyBytes(),
                "af",
                        map(
                                "type",
                                "luks1",
                                "stripes",
                                AntiForensic.STRIPES,
                                "hash",
                                options.hash().toString()),
                "area",
                        map(
                                "type", "raw",
                                "offset", Integer.toString(AREAS_OFFSET),
                                "size",
                                        Integer.toString(
                                                Alignment.up(KeySlot.areaBytes(options.keyBytes()), AREA_ALIGNMENT)),
                                "encryption", SectorCipher.ENCRYPTION,
                                "key_size", options.keyBytes()),
                "kdf", derivation(derivation));
        Map<String, Object> segment = map(
                "type",
                "crypt",
                "offset",
                Long.toString(options.dataOffset()),
                "size",
                "dynamic",
                "iv_tweak",
                "0",
                "encryption",
                SectorCipher.ENCRYPTION,
                "sector_size",
                options.sectorSize());
        Map<String, Object> digests = map(
                "type", "pbkdf2",
                "keyslots", List.of("0"),
                "segments", List.of("0"),
                "hash", digest.derivation().hash().toString(),
                "iterations", digest.derivation().iterations(),
                "salt", base64(digest.derivation().salt()),
                "digest", base64(digest.value()));
        return map(
                "keyslots", map("0", slot),
                "tokens", map(),
                "segments", map("0", segment),
                "digests", map("0", digests),
                "config",
                        map(
                                "json_size", Integer.toString(HEADER_BYTES - Luks2Header.BYTES),
                                "keyslots_size", Integer.toString(DATA_OFFSET - AREAS_OFFSET)));
    }

    private static Map<String, Object> derivation(KeyDerivation derivation) {
        if (derivation instanceof Argon2 argon2) {
            return map(
                    "type", argon2.id() ? FormatOptions.ARGON2ID : FormatOptions.ARGON2I,
                    "time", argon2.passes(),
                    "memory", argon2.kib(),
                    "cpus", argon2.lanes(),
                    "salt", base64(argon2.salt()));
        }
        Pbkdf2 pbkdf2 = (Pbkdf2) derivation;
        return map(
                "type", FormatOptions.PBKDF2,
                "hash", pbkdf2.hash().toString(),
                "iterations", pbkdf2.iterations(),
                "salt", base64(pbkdf2.salt()));
    }

    /** Returns a binary header with its JSON area, which ends with zeros. */
    private byte[] header(Luks2Header.Magic magic, long offset, String uuid, byte[] json) {
        ByteBuffer header = ByteBuffer.allocate(HEADER_BYTES);
        header.put(Luks2Header.MAGIC, magic.bytes());
        header.putShort(Luks2Header.VERSION, (short) 2);
        header.putLong(Luks2Header.HDR_SIZE, HEADER_BYTES);
        header.putLong(Luks2Header.SEQID, 1);
        header.put(Luks2Header.LABEL, options.label().getBytes(StandardCharsets.US_ASCII));
        header.put(Luks2Header.CSUM_ALG, HashSpec.SHA256.toString().getBytes(StandardCharsets.US_ASCII));
        header.put(Luks2Header.SALT, format.salt(Luks2Header.SALT_BYTES));
        header.put(Luks2Header.UUID, uuid.getBytes(StandardCharsets.US_ASCII));
        header.putLong(Luks2Header.HDR_OFFSET, offset);
        header.put(Luks2Header.BYTES, json);
        header.put(Luks2Header.CSUM, Luks2Header.checksum(HashSpec.SHA256, header));
        return header.array();
    }

    private static String base64(byte[] bytes) {
        return Base64.getEncoder().encodeToString(bytes);
    }

    /** Returns a map that keeps the order, which is that of cryptsetup. */
    private static Map<String, Object> map(Object... keysAndValues) {
        Map<String, Object> map = new LinkedHashMap<>();
        for (int i = 0; i < keysAndValues.length; i += 2) {
            map.put((String) keysAndValues[i], keysAndValues[i + 1]);
        }
        return map;
    }
}
