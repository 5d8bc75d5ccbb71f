package org.blktap.filter.luks;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.CodingErrorAction;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.Map;
import org.blktap.api.disk.DiskException;
import org.blktap.api.disk.DiskException.Reason;
import org.blktap.api.disk.Printable;
import org.blktap.api.memory.NativeMemory;

/**
 * The binary header of version 2, of which there are two, each followed by a JSON area: "LUKS2 On-Disk Format
 * Specification" 1.1, chapter 2. Numbers are big-endian. Headers are not written here: a damaged one stays as it is,
 * and is reported.
 */
final class Luks2Header {
    /** Bytes of a binary header. */
    static final int BYTES = 4096;

    // section 2.1, figure 2
    static final int MAGIC = 0;
    static final int VERSION = 6;
    static final int HDR_SIZE = 8;
    static final int SEQID = 16;
    static final int LABEL = 24;
    static final int CSUM_ALG = 72;
    static final int SALT = 104;
    static final int UUID = 168;
    static final int SUBSYSTEM = 208;
    static final int HDR_OFFSET = 256;
    static final int CSUM = 448;
    static final int LABEL_BYTES = 48;
    static final int CSUM_ALG_BYTES = 32;
    static final int SALT_BYTES = 64;
    static final int UUID_BYTES = 40;
    static final int CSUM_BYTES = 64;
    /** The sizes that a header with its JSON area may have, and so the offsets of a second one: 16 KiB to 4 MiB. */
    static final int SIZE_MIN = 0x4000;

    static final int SIZE_MAX = 0x400000;

    private static final HexFormat HEX = HexFormat.of();

    private final HeaderStore store;
    private final NativeMemory memory;

    private Luks2Header(HeaderStore store, NativeMemory memory) {
        this.store = store;
        this.memory = memory;
    }

    /** An undamaged header. */
    private record Found(long seqid, long size, LuksHeader header) {}

    /** Whether an exception says that a header is damaged, and not that it needs something unsupported. */
    private static boolean damaged(DiskException e) {
        return e.reason() == Reason.CORRUPT;
    }

    /**
     * Reads the newer of two headers, or the one that is undamaged (section 2.3).
     *
     * @return null if neither is there
     */
    static LuksHeader read(HeaderStore store, NativeMemory memory) throws DiskException {
        return new Luks2Header(store, memory).read();
    }

    private LuksHeader read() throws DiskException {
        DiskException damage = null;
        Found first = null;
        try {
            first = at(0, Magic.FIRST);
        } catch (DiskException e) {
            if (!damaged(e)) {
                throw e;
            }
            damage = e;
        }
        if (first == null) {
            Found second = search();
            if (second == null && damage != null) {
                throw new DiskException(
                        damage.reason(), damage.getMessage() + "; there is no second header that is whole", damage);
            }
            String what = damage == null ? store.name() + ": there is no first header" : damage.getMessage();
            return second == null ? null : second.header().withDamage(what);
        }
        return newer(first);
    }

    private LuksHeader newer(Found first) throws DiskException {
        long offset = first.size();
        try {
            Found second = at(offset, Magic.SECOND);
            if (second == null) {
                return first.header().withDamage(store.name() + ": there is no second header at offset " + offset);
            }
            // unsigned, since it is a counter
            return Long.compareUnsigned(second.seqid(), first.seqid()) > 0 ? second.header() : first.header();
        } catch (DiskException e) {
            if (!damaged(e)) {
                throw e;
            }
            return first.header().withDamage(e.getMessage());
        }
    }

    /** Looks for a second header at the possible offsets; returns null if none is undamaged. */
    private Found search() throws DiskException {
        for (long offset = SIZE_MIN; offset <= SIZE_MAX; offset *= 2) {
            try {
                Found found = at(offset, Magic.SECOND);
                if (found != null) {
                    return found;
                }
            } catch (DiskException e) {
                if (!damaged(e)) {
                    throw e;
                }
                // the next offset may have another
            }
        }
        return null;
    }

    /** Reads the header at an offset; returns null if it has no magic. */
    private Found at(long offset, Magic magic) throws DiskException {
        if (offset > store.size() - BYTES) {
            return null;
        }
        ByteBuffer binary = store.copy("LUKS2 header", offset, BYTES, memory);
        if (!magic.begins(binary)) {
            return null;
        }
        int version = binary.getShort(VERSION) & 0xffff;
        if (version != 2) {
            throw corrupt(offset, VERSION, "version", version, "1 or 2");
        }
        long size = binary.getLong(HDR_SIZE);
        if (size < SIZE_MIN || size > SIZE_MAX || Long.bitCount(size) != 1 || magic == Magic.SECOND && size != offset) {
            throw corrupt(
                    offset,
                    HDR_SIZE,
                    "hdr_size",
                    Long.toUnsignedString(size),
                    magic == Magic.SECOND ? offset : "a power of two from " + SIZE_MIN + " to " + SIZE_MAX);
        }
        if (binary.getLong(HDR_OFFSET) != offset) {
            throw corrupt(offset, HDR_OFFSET, "hdr_offset", Long.toUnsignedString(binary.getLong(HDR_OFFSET)), offset);
        }
        ByteBuffer whole = store.copy("LUKS2 header", offset, (int) size, memory);
        // from here on only this copy is used, which the checksum covers
        checksum(offset, whole);
        JsonPart root = new JsonPart(store.name(), offset + BYTES, "", json(offset, whole));
        LuksHeader header = Luks2Metadata.read(
                root,
                2 * size,
                Printable.of(Luks1Header.text(whole, UUID, UUID_BYTES)),
                Printable.of(Luks1Header.text(whole, LABEL, LABEL_BYTES)));
        for (LuksHeader.KeySlot slot : header.slots()) {
            store.check("LUKS2 area of key slot " + slot.number(), slot.areaOffset(), slot.areaBytes());
        }
        return new Found(whole.getLong(SEQID), size, header);
    }

    private void checksum(long offset, ByteBuffer whole) throws DiskException {
        String algorithm = Luks1Header.text(whole, CSUM_ALG, CSUM_ALG_BYTES);
        HashSpec hash = HashSpec.named(algorithm);
        if (hash == null) {
            throw corrupt(offset, CSUM_ALG, "csum_alg", "'" + Printable.of(algorithm) + "'", HashSpec.names());
        }
        byte[] stored = new byte[hash.bytes()];
        whole.get(CSUM, stored);
        byte[] computed = checksum(hash, whole);
        if (!Arrays.equals(stored, computed)) {
            throw corrupt(offset, CSUM, "csum", HEX.formatHex(stored), HEX.formatHex(computed));
        }
    }

    /** Returns the checksum of a header and its JSON area, with zeros in place of the checksum (section 2.2). */
    static byte[] checksum(HashSpec hash, ByteBuffer whole) {
        try {
            MessageDigest digest = MessageDigest.getInstance(hash.toString().replace("sha", "SHA-"));
            digest.update(whole.duplicate().position(0).limit(CSUM));
            digest.update(new byte[CSUM_BYTES]);
            digest.update(whole.duplicate().position(CSUM + CSUM_BYTES));
            return digest.digest();
        } catch (NoSuchAlgorithmException e) {
            throw new IllegalStateException("each JDK has these", e);
        }
    }

    private Map<String, Object> json(long offset, ByteBuffer whole) throws DiskException {
        int end = BYTES;
        while (end < whole.limit() && whole.get(end) != 0) {
            end++;
        }
        ByteBuffer area = whole.duplicate().position(BYTES).limit(end);
        try {
            String text = StandardCharsets.UTF_8
                    .newDecoder()
                    .onMalformedInput(CodingErrorAction.REPORT)
                    .decode(area)
                    .toString();
            return BoundedJson.parse(text);
        } catch (CharacterCodingException e) {
            throw jsonWrong(offset, "bytes that are not UTF-8");
        } catch (IOException e) {
            throw jsonWrong(
                    offset,
                    Printable.of(
                            String.valueOf(e.getMessage()).lines().findFirst().orElse(""), 200));
        }
    }

    private DiskException jsonWrong(long offset, String found) {
        return DiskException.corrupt(
                store.name(), "LUKS2 JSON area", offset + BYTES, found, "an object of JSON that ends with a zero byte");
    }

    private DiskException corrupt(long offset, int field, String name, Object found, Object expected) {
        return DiskException.corrupt(store.name(), "LUKS2 header field " + name, offset + field, found, expected);
    }

    /** The marks at the beginning of a header (LUKS1 1.2.3, table 1; LUKS2 1.1, section 2.1). */
    enum Magic {
        FIRST('L', 'U', 'K', 'S'),
        SECOND('S', 'K', 'U', 'L');

        /** Bytes of a mark. */
        static final int BYTES = 6;

        private final byte[] bytes;

        Magic(char... letters) {
            bytes = new byte[] {
                (byte) letters[0], (byte) letters[1], (byte) letters[2], (byte) letters[3], (byte) 0xba, (byte) 0xbe
            };
        }

        boolean begins(ByteBuffer header) {
            return header.slice(0, BYTES).equals(ByteBuffer.wrap(bytes));
        }

        byte[] bytes() {
            return bytes.clone();
        }
    }
}
