package org.blktap.filter.luks;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.PrintWriter;
import java.io.StringWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.stream.Stream;
import org.blktap.api.disk.DiskException;
import org.blktap.api.disk.DiskException.Reason;
import org.blktap.api.disk.Operation;
import org.blktap.api.disk.Options;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Volumes that are made, opened, and damaged. */
@Timeout(600)
class LuksFilterTest {
    @TempDir
    Path directory;

    private final List<AutoCloseable> opened = new ArrayList<>();
    private Volumes volumes;

    @BeforeEach
    void start() throws Exception {
        volumes = new Volumes(directory);
    }

    @AfterEach
    void nothingIsLeft() throws Exception {
        for (AutoCloseable each : opened) {
            each.close();
        }
        assertEquals(0, volumes.memory.inUse(), "native memory was left behind");
    }

    private <T extends AutoCloseable> T later(T closed) {
        opened.add(closed);
        return closed;
    }

    private static Stream<List<String>> kinds() {
        return Stream.of(
                List.of("version=1", "key-bits=256"),
                List.of("version=1", "key-bits=512", "hash=sha1"),
                List.of("version=1", "key-bits=512", "hash=sha512"),
                List.of("version=2", "key-bits=256"),
                List.of("version=2", "key-bits=512", "sector-size=4096"),
                List.of("version=2", "pbkdf=argon2i", "label=a label"),
                List.of("version=2", "pbkdf=pbkdf2", "hash=sha512", "sector-size=4096"));
    }

    @ParameterizedTest
    @MethodSource("kinds")
    void aNewVolumeKeepsItsData(List<String> kind) throws Exception {
        MemoryDisk below = later(volumes.make(kind.toArray(String[]::new)));
        byte[] data = new byte[Volumes.DATA];
        new Random(1).nextBytes(data);
        try (LuksDisk disk = volumes.open(below)) {
            assertEquals(Volumes.DATA, disk.info().sizeBytes());
            volumes.write(disk, 0, data);
        }
        try (LuksDisk disk = volumes.open(below)) {
            assertArrayEquals(data, volumes.read(disk, 0, Volumes.DATA));
            assertEquals(kind.contains("version=1") ? 1 : 2, disk.stats().get("version"));
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"version=1", "version=2"})
    void aWrongKeyIsReported(String version) throws Exception {
        MemoryDisk below = later(volumes.make(version));
        Path other = Files.writeString(directory.resolve("other"), "other key");
        DiskException e = assertThrows(DiskException.class, () -> volumes.open(below, "key-file=" + other));
        assertEquals(Reason.PERMISSION, e.reason());
        assertEquals("vm1: wrong key: it opens none of the key slots [0]", e.getMessage());
    }

    /** Neither the password nor the volume key appears in what is thrown, shown or recorded. */
    @Test
    void theKeyIsShownNowhere() throws Exception {
        MemoryDisk below = later(volumes.make("version=2"));
        LuksDisk disk = later(volumes.open(below));
        StringWriter all = new StringWriter();
        all.append(disk.info().details().toString())
                .append(disk.stats().toString())
                .append(disk.toString())
                .append(LuksOptions.of(new Options(volumes.options())).toString());
        Path wrong = Files.writeString(directory.resolve("wrong"), Volumes.PASSWORD + "!");
        assertThrows(DiskException.class, () -> volumes.open(below, "key-file=" + wrong))
                .printStackTrace(new PrintWriter(all, true));
        assertFalse(all.toString().contains(Volumes.PASSWORD), all.toString());
    }

    @ParameterizedTest
    @ValueSource(strings = {"version=1", "version=2"})
    void aHeaderOfItsOwn(String version) throws Exception {
        Path header = directory.resolve("header");
        MemoryDisk below = later(volumes.make(version, "header=" + header));
        assertEquals(Volumes.DATA, below.info().sizeBytes(), "all of the disk is data");
        assertArrayEquals(new byte[Volumes.DATA], below.bytes(0, Volumes.DATA), "nothing is written to the disk");
        assertEquals("rw-------", PosixFilePermissions.toString(Files.getPosixFilePermissions(header)));
        byte[] data = new byte[4096];
        new Random(1).nextBytes(data);
        try (LuksDisk disk = volumes.open(below, "header=" + header)) {
            assertEquals(Volumes.DATA, disk.info().sizeBytes());
            volumes.write(disk, 0, data);
        }
        try (LuksDisk disk = volumes.open(below, "header=" + header)) {
            assertArrayEquals(data, volumes.read(disk, 0, data.length));
        }
        DiskException exists =
                assertThrows(DiskException.class, () -> later(volumes.make(version, "header=" + header)));
        assertEquals(Reason.EXISTS, exists.reason());
        opened.add(volumes.memory::closeAll);
        DiskException none = assertThrows(DiskException.class, () -> volumes.open(below));
        assertTrue(none.getMessage().startsWith("vm1: not a LUKS disk: magic at offset 0: found"), none.getMessage());
    }

    @Test
    void eitherHeaderOfVersion2IsEnough() throws Exception {
        MemoryDisk below = later(volumes.make("version=2"));
        byte[] first = below.bytes(0, Luks2Header.SIZE_MIN);
        byte[] second = below.bytes(Luks2Header.SIZE_MIN, Luks2Header.SIZE_MIN);
        for (int at : new int[] {Luks2Header.HDR_SIZE, Luks2Header.SEQID, Luks2Header.CSUM, 5000, 0}) {
            below.put(at, new byte[] {(byte) 0xff});
            try (LuksDisk disk = volumes.open(below)) {
                assertTrue(
                        disk.stats().get("header").toString().contains("damaged"),
                        disk.stats().toString());
            }
            below.put(0, first);
            below.put(Luks2Header.SIZE_MIN + at, new byte[] {(byte) 0xff});
            try (LuksDisk disk = volumes.open(below)) {
                assertTrue(
                        disk.stats().get("header").toString().contains("damaged"),
                        disk.stats().toString());
            }
            below.put(Luks2Header.SIZE_MIN, second);
        }
        try (LuksDisk disk = volumes.open(below)) {
            assertEquals("whole", disk.stats().get("header"));
        }
        below.put(Luks2Header.CSUM, new byte[64]);
        below.put(Luks2Header.SIZE_MIN + Luks2Header.CSUM, new byte[64]);
        DiskException e = assertThrows(DiskException.class, () -> volumes.open(below));
        assertEquals(Reason.CORRUPT, e.reason());
        assertTrue(e.getMessage().startsWith("vm1: LUKS2 header field csum at offset 448: found 00"), e.getMessage());
        assertTrue(e.getMessage().contains("no second header"), e.getMessage());
    }

    /** A crash between the writes of both leaves the older one first. */
    @Test
    void theNewerHeaderOfTwoIsUsed() throws Exception {
        MemoryDisk below = later(volumes.make("version=2", "label=old"));
        java.nio.ByteBuffer second = java.nio.ByteBuffer.wrap(below.bytes(Luks2Header.SIZE_MIN, Luks2Header.SIZE_MIN));
        second.putLong(Luks2Header.SEQID, 2);
        second.put(Luks2Header.LABEL, "new".getBytes());
        second.put(Luks2Header.CSUM, Luks2Header.checksum(HashSpec.SHA256, second));
        below.put(Luks2Header.SIZE_MIN, second.array());
        LuksHeader header = Headers.read(new DiskStore(below, volumes.context(Map.of())), false, volumes.memory);
        assertEquals("new", header.label());
    }

    private static Stream<List<String>> damagesOfVersion1() {
        return Stream.of(
                List.of("7", "0 3", "CORRUPT", "LUKS2 header field version at offset 6: found 3, expected 1 or 2"),
                List.of("8", "99 97", "UNSUPPORTED", "cipher-name at offset 8: found 'cas', supported: aes"),
                List.of("40", "99 98 99", "UNSUPPORTED", "cipher-mode at offset 40"),
                List.of("72", "114", "UNSUPPORTED", "hash-spec at offset 72: found 'rha256'"),
                List.of("108", "255 255 255 255", "CORRUPT", "key-bytes at offset 108: found 4294967295"),
                List.of("104", "0 0 0 8", "CORRUPT", "payload-offset at offset 104: found 8"),
                List.of("104", "255 255 255 255", "CORRUPT", "vm1: data of at least one sector at offset"),
                List.of("164", "0 0 0 0", "CORRUPT", "mk-digest-iterations at offset 164: found 0"),
                List.of("208", "1", "CORRUPT", "key-slot-0 active at offset 208"),
                List.of("212", "255", "CORRUPT", "key-slot-0 iterations at offset 212: found 42"),
                List.of("248", "255 255 255 255", "CORRUPT", "key-slot-0 key material of 256000 bytes at offset"),
                List.of("248", "0 0 0 1", "CORRUPT", "key-slot-0 key-material-offset at offset 248: found 1"),
                List.of("252", "0 0 0 1", "CORRUPT", "key-slot-0 stripes at offset 252: found 1, expected 4000"),
                List.of("208", "0 0 222 173", "PERMISSION", "no key slot is in use"));
    }

    @ParameterizedTest
    @MethodSource("damagesOfVersion1")
    void aDamagedHeaderOfVersion1IsRefused(List<String> damage) throws Exception {
        MemoryDisk below = later(volumes.make("version=1"));
        int[] bytes =
                Stream.of(damage.get(1).split(" ")).mapToInt(Integer::parseInt).toArray();
        if (damage.get(0).equals("7")) {
            Volumes.poke(below, 6, bytes);
        } else {
            Volumes.poke(below, Integer.parseInt(damage.get(0)), bytes);
        }
        DiskException e = assertThrows(DiskException.class, () -> volumes.open(below));
        assertEquals(damage.get(2), e.reason().toString(), e.getMessage());
        assertTrue(e.getMessage().contains(damage.get(3)), e.getMessage());
    }

    private static Stream<List<String>> damagesOfVersion2() {
        return Stream.of(
                List.of("\"keyslots\":\\{\"0\"", "\"keyslots\":{\"999\"", "CORRUPT", "keyslots/999"),
                List.of("\"stripes\":4000", "\"stripes\":4001", "CORRUPT", "keyslots/0/af/stripes"),
                List.of("\"stripes\":4000", "\"stripes\":1e400", "CORRUPT", "keyslots/0/af/stripes"),
                List.of("\"key_size\":64", "\"key_size\":48", "UNSUPPORTED", "keyslots/0/key_size"),
                List.of("\"key_size\":64", "\"key_size\":-1", "CORRUPT", "keyslots/0/key_size"),
                List.of("\"offset\":\"32768\"", "\"offset\":\"512\"", "CORRUPT", "keyslots/0/area/offset"),
                List.of(
                        "\"offset\":\"32768\"",
                        "\"offset\":\"9223372036854775807\"",
                        "CORRUPT",
                        "keyslots/0/area/offset"),
                List.of("\"offset\":\"32768\"", "\"offset\":\"9223372036854775296\"", "CORRUPT", "area of key slot 0"),
                List.of("\"size\":\"258048\"", "\"size\":\"4096\"", "CORRUPT", "keyslots/0/area/size"),
                List.of("\"type\":\"argon2id\"", "\"type\":\"scrypt\"", "UNSUPPORTED", "keyslots/0/kdf/type"),
                List.of("\"memory\":[0-9]+", "\"memory\":4194304", "UNSUPPORTED", "needs more memory than the option"),
                List.of("\"memory\":[0-9]+", "\"memory\":4294967295", "CORRUPT", "keyslots/0/kdf/memory"),
                List.of("\"time\":[0-9]+", "\"time\":99999999", "CORRUPT", "keyslots/0/kdf/time"),
                List.of(
                        "\"time\":[0-9]+,\"memory\":[0-9]+,\"cpus\":[0-9]+",
                        "\"time\":100001,\"memory\":16,\"cpus\":2",
                        "CORRUPT",
                        "keyslots/0/kdf/time"),
                List.of("\"cpus\":[0-9]+", "\"cpus\":100", "CORRUPT", "keyslots/0/kdf/cpus"),
                List.of("\"iterations\":[0-9]+", "\"iterations\":2147483647", "CORRUPT", "digests/0/iterations"),
                List.of("\"salt\":\"[^\"]+\"", "\"salt\":\"!\"", "CORRUPT", "keyslots/0/kdf/salt"),
                List.of("\"digest\":\"[^\"]+\"", "\"digest\":\"AAAA\"", "CORRUPT", "digests/0/digest"),
                List.of("\"segments\":\\[\"0\"\\]", "\"segments\":[]", "PERMISSION", "no key slot is in use"),
                List.of("\"sector_size\":512", "\"sector_size\":1024", "UNSUPPORTED", "segments/0/sector_size"),
                List.of("\"offset\":\"16777216\"", "\"offset\":\"16777217\"", "CORRUPT", "segments/0/offset"),
                List.of("\"size\":\"dynamic\"", "\"size\":\"1073741824\"", "CORRUPT", "data of 1073741824 bytes"),
                List.of("\"size\":\"dynamic\"", "\"size\":\"0\"", "CORRUPT", "segments/0/size"),
                List.of(
                        "\"iv_tweak\"",
                        "\"integrity\":{\"type\":\"hmac(sha256)\"},\"iv_tweak\"",
                        "UNSUPPORTED",
                        "segments/0/integrity"),
                List.of(
                        "\"json_size\"",
                        "\"requirements\":{\"mandatory\":[\"online-reencrypt-v2\"]},\"json_size\"",
                        "UNSUPPORTED",
                        "let cryptsetup finish"),
                List.of("aes-xts-plain64", "aes-cbc-essiv:sha256", "UNSUPPORTED", "encryption"),
                List.of("\"tokens\"", "\"config\":1,\"tokens\"", "CORRUPT", "two members of one name"),
                List.of("\"tokens\":\\{\\}", "\"tokens\":" + "[".repeat(40), "CORRUPT", "JSON area"),
                List.of("\\}$", "} x", "CORRUPT", "JSON area"),
                List.of("^.*$", "", "CORRUPT", "JSON area"));
    }

    @ParameterizedTest
    @MethodSource("damagesOfVersion2")
    void badMetadataOfVersion2IsRefused(List<String> damage) throws Exception {
        MemoryDisk below = later(volumes.make("version=2"));
        Volumes.json(below, json -> {
            String changed = json.replaceFirst(damage.get(0), damage.get(1));
            assertFalse(changed.equals(json), "nothing was changed in " + json);
            return changed;
        });
        DiskException e = assertThrows(DiskException.class, () -> volumes.open(below));
        assertEquals(damage.get(2), e.reason().toString(), e.getMessage());
        assertTrue(e.getMessage().contains(damage.get(3)), e.getMessage());
        assertTrue(e.getMessage().length() < 600, e.getMessage());
    }

    @Test
    void aShorterDiskIsRefused() throws Exception {
        for (String version : List.of("version=1", "version=2")) {
            MemoryDisk whole = later(volumes.make(version));
            long[] sizes = {512, 4096, 8192, 65536, 1 << 20, whole.info().sizeBytes() - Volumes.DATA};
            for (long bytes : sizes) {
                MemoryDisk cut = later(volumes.disk(whole.bytes(0, (int) bytes)));
                DiskException e = assertThrows(DiskException.class, () -> volumes.open(cut), version + " " + bytes);
                assertEquals(Reason.CORRUPT, e.reason(), e.getMessage());
            }
        }
    }

    @Test
    void aSegmentOfItsOwnSizeEndsThere() throws Exception {
        MemoryDisk below = later(volumes.make("version=2", "sector-size=4096"));
        Volumes.json(below, json -> json.replace("\"dynamic\"", "\"8192\""));
        try (LuksDisk disk = volumes.open(below)) {
            assertEquals(8192, disk.info().sizeBytes());
        }
    }

    @Test
    void slotsAreTriedByPriorityOrAsAsked() throws Exception {
        MemoryDisk below = later(volumes.make("version=2"));
        Volumes.json(below, json -> json.replaceFirst("\"key_size\":64", "\"key_size\":64,\"priority\":0"));
        DiskException e = assertThrows(DiskException.class, () -> volumes.open(below));
        assertTrue(e.getMessage().contains("no key slot is in use"), e.getMessage());
        volumes.open(below, "key-slot=0").close();
        e = assertThrows(DiskException.class, () -> volumes.open(below, "key-slot=3"));
        assertEquals("vm1: key slot 3 is not in use; used: [0]", e.getMessage());
    }

    @Test
    void theOperatorBoundsTheMemoryOfADerivation() throws Exception {
        MemoryDisk below = later(volumes.make("version=2", "iter-time=400", "pbkdf-memory=8M"));
        DiskException e = assertThrows(DiskException.class, () -> volumes.open(below, "key-memory=1M"));
        assertEquals(Reason.UNSUPPORTED, e.reason());
        assertTrue(e.getMessage().contains("key-memory=1M"), e.getMessage());
        volumes.open(below, "key-memory=8M").close();
    }

    @Test
    void optionsThatDoNotGoTogetherAreRefused() throws Exception {
        for (List<String> options : List.of(
                List.of("version=1", "pbkdf=argon2id"),
                List.of("version=1", "sector-size=4096"),
                List.of("version=3"),
                List.of("key-bits=384"),
                List.of("hash=md5"),
                List.of("label=" + "x".repeat(48)),
                List.of("header=relative"))) {
            Map<String, String> values = volumes.options(options.toArray(String[]::new));
            DiskException e = assertThrows(
                    DiskException.class,
                    () -> volumes.filter.sizeBelow(Volumes.DATA, new Options(values)),
                    options.toString());
            assertEquals(Reason.BAD_OPTION, e.reason(), e.getMessage());
        }
        MemoryDisk small = later(volumes.disk(1 << 20));
        DiskException e = assertThrows(
                DiskException.class, () -> volumes.filter.format(small, volumes.context(volumes.options())));
        assertTrue(e.getMessage().contains("too few"), e.getMessage());
    }

    @Test
    void errorsOfTheDiskBelowAreReported() throws Exception {
        MemoryDisk below = later(volumes.make("version=2"));
        below.fails = request -> request.operation() == Operation.READ && request.offset() >= 32768 ? 5 : 0;
        DiskException e = assertThrows(DiskException.class, () -> volumes.open(below));
        assertEquals(Reason.IO, e.reason());
    }

    /**
     * Headers damaged at random, in any field, with right checksums: no exception but the right one, and no numbers
     * beyond limits.
     */
    @Test
    void damagedHeadersHarmNobody() throws Exception {
        long seed = Long.getLong("seed", System.nanoTime());
        int count = Integer.getInteger("fuzz", 4000);
        System.out.println("headers: seed " + seed + ", " + count + " each");
        for (String version : List.of("version=1", "version=2")) {
            MemoryDisk below = later(volumes.make(version));
            HeaderFuzz fuzz = new HeaderFuzz(volumes, below, new Random(seed));
            for (int i = 0; i < count; i++) {
                fuzz.tryOne();
            }
            System.out.println(version + ": " + fuzz);
            assertTrue(fuzz.accepted > 0 && fuzz.refused > 0, fuzz.toString());
        }
    }
}
