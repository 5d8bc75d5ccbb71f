package org.blktap.filter.luks;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** Volumes of cryptsetup and of QEMU, and ours for them. What is not installed is not compared with. */
@Timeout(900)
class ToolsTest {
    private static final int DATA = 2 << 20;
    private static final int ATTEMPTS = 20;

    @TempDir
    Path directory;

    private Volumes volumes;
    private Path image;
    private final byte[] data = new byte[DATA];

    @BeforeEach
    void start() throws Exception {
        volumes = new Volumes(directory);
        image = directory.resolve("image");
        new Random(1).nextBytes(data);
    }

    @AfterEach
    void nothingIsLeft() {
        assertEquals(0, volumes.memory.inUse(), "native memory was left behind");
    }

    private static void needs(String tool) {
        Assumptions.assumeTrue(
                Stream.of("/usr/bin", "/usr/sbin", "/sbin").anyMatch(in -> Files.exists(Path.of(in, tool))),
                tool + " is not installed");
    }

    /**
     * Runs a program until it is done: qemu-img gives up when the kernel has accounted it no CPU time (its
     * crypto/pbkdf.c).
     */
    private String run(String... command) throws IOException, InterruptedException {
        Path output = Files.createTempFile(directory, "out", "");
        for (int attempt = 1; ; attempt++) {
            boolean succeeded = succeeds(output, command);
            String text = Files.readString(output);
            if (succeeded || attempt == ATTEMPTS || !text.contains("Unable to get accurate CPU usage")) {
                assertTrue(succeeded, String.join(" ", command) + ": " + text);
                return text;
            }
        }
    }

    private static boolean succeeds(Path output, String... command) throws IOException, InterruptedException {
        Process process = new ProcessBuilder(command)
                .redirectErrorStream(true)
                .redirectOutput(output.toFile())
                .start();
        boolean ended = process.waitFor(5, TimeUnit.MINUTES);
        process.destroyForcibly();
        return ended && process.exitValue() == 0;
    }

    private String cryptsetup(String... arguments) throws Exception {
        List<String> command = new ArrayList<>(List.of("cryptsetup", "--batch-mode"));
        command.addAll(List.of(arguments));
        return run(command.toArray(String[]::new));
    }

    private void emptyImage(long bytes) throws IOException {
        try (var file = new java.io.RandomAccessFile(image.toFile(), "rw")) {
            file.setLength(bytes);
        }
    }

    private static Stream<List<String>> cryptsetupKinds() {
        return Stream.of(
                List.of("luks1", "--key-size", "256", "--hash", "sha1"),
                List.of("luks1", "--key-size", "512", "--hash", "sha256"),
                List.of("luks1", "--key-size", "512", "--hash", "sha512"),
                List.of("luks2", "--key-size", "256", "--sector-size", "512"),
                List.of("luks2", "--key-size", "512", "--sector-size", "4096", "--label", "a label"),
                List.of("luks2", "--pbkdf", "argon2i", "--sector-size", "512"),
                List.of("luks2", "--pbkdf", "pbkdf2", "--hash", "sha512", "--sector-size", "4096"),
                List.of("luks2", "--luks2-metadata-size", "64k", "--luks2-keyslots-size", "1m"));
    }

    @ParameterizedTest
    @MethodSource("cryptsetupKinds")
    void cryptsetupMakesItAndWeOpenIt(List<String> kind) throws Exception {
        needs("cryptsetup");
        emptyImage(20 << 20);
        List<String> format = new ArrayList<>(List.of("luksFormat", "--type"));
        format.addAll(kind);
        format.addAll(List.of("--iter-time", "20"));
        if (kind.get(0).equals("luks2") && !kind.contains("pbkdf2")) {
            format.addAll(List.of("--pbkdf-memory", "32768"));
        }
        format.addAll(List.of(image.toString(), volumes.key.toString()));
        cryptsetup(format.toArray(String[]::new));
        Path other = Files.write(directory.resolve("other"), new byte[] {0, 1, 2, (byte) 0xff, '\n'});
        cryptsetup(
                "luksAddKey",
                "--iter-time",
                "20",
                "--key-file",
                volumes.key.toString(),
                image.toString(),
                other.toString());
        Path volumeKey = directory.resolve("volume-key");
        cryptsetup(
                "luksDump",
                "--dump-volume-key",
                "--volume-key-file",
                volumeKey.toString(),
                "--key-file",
                volumes.key.toString(),
                image.toString());
        try (MemoryDisk below = volumes.disk(Files.readAllBytes(image))) {
            for (Path key : List.of(volumes.key, other)) {
                try (LuksDisk disk = volumes.open(below, "key-file=" + key)) {
                    assertEquals("whole", disk.stats().get("header"));
                    volumes.write(disk, 8192, java.util.Arrays.copyOf(data, 12288));
                    assertArrayEquals(java.util.Arrays.copyOf(data, 12288), volumes.read(disk, 8192, 12288));
                    int sectorSize = (int) disk.stats().get("sector size");
                    long offset = below.info().sizeBytes() - disk.info().sizeBytes() + 8192;
                    byte[] key2 = Files.readAllBytes(volumeKey);
                    assertArrayEquals(
                            java.util.Arrays.copyOf(data, 12288),
                            decrypted(below.bytes(offset, 12288), key2, sectorSize, 16));
                }
            }
        }
    }

    /** Python's cryptography package would do as well: OpenSSL's XTS, sector by sector, with cryptsetup's key. */
    private byte[] decrypted(byte[] encrypted, byte[] key, int sectorSize, long number) {
        try (Secret secret = Secret.ofZeros(volumes.memory, key.length);
                Secret text = Secret.ofZeros(volumes.memory, encrypted.length)) {
            secret.memory().bytes(0, key.length).put(key);
            text.memory().bytes(0, encrypted.length).put(encrypted);
            try (SectorCipher cipher = new SectorwiseXts(secret, sectorSize, volumes.memory)) {
                assertTrue(cipher.decrypt(text.address(), encrypted.length, number));
            }
            byte[] plain = new byte[encrypted.length];
            text.memory().bytes(0, plain.length).get(plain);
            return plain;
        }
    }

    private static Stream<List<String>> ourKinds() {
        return Stream.of(
                List.of("version=1", "key-bits=256", "hash=sha1"),
                List.of("version=1", "key-bits=512", "hash=sha512"),
                List.of("version=2", "key-bits=256"),
                List.of("version=2", "key-bits=512", "sector-size=4096", "label=a label"),
                List.of("version=2", "pbkdf=argon2i", "hash=sha512"),
                List.of("version=2", "pbkdf=pbkdf2", "hash=sha384"));
    }

    @ParameterizedTest
    @MethodSource("ourKinds")
    void weMakeItAndCryptsetupOpensIt(List<String> kind) throws Exception {
        needs("cryptsetup");
        try (MemoryDisk below = volumes.make(kind.toArray(String[]::new))) {
            Files.write(image, below.bytes(0, (int) below.info().sizeBytes()));
            String dump = cryptsetup("luksDump", image.toString());
            assertTrue(dump.contains("aes"), dump);
            cryptsetup("isLuks", image.toString());
            cryptsetup("luksOpen", "--test-passphrase", "--key-file", volumes.key.toString(), image.toString());
            // it finds nothing to repair, and writes its own version of the header, which we read
            cryptsetup("repair", image.toString());
            Path other = Files.writeString(directory.resolve("other"), "another key");
            cryptsetup(
                    "luksAddKey",
                    "--iter-time",
                    "20",
                    "--key-file",
                    volumes.key.toString(),
                    image.toString(),
                    other.toString());
            cryptsetup("luksKillSlot", "--key-file", other.toString(), image.toString(), "0");
            try (MemoryDisk changed = volumes.disk(Files.readAllBytes(image))) {
                volumes.open(changed, "key-file=" + other).close();
            }
        }
    }

    @ParameterizedTest
    @MethodSource("versions")
    void detachedHeaders(String version) throws Exception {
        needs("cryptsetup");
        Path header = directory.resolve("header");
        emptyImage(DATA);
        cryptsetup(
                "luksFormat",
                "--type",
                "luks" + version,
                "--pbkdf",
                "pbkdf2",
                "--iter-time",
                "20",
                "--header",
                header.toString(),
                image.toString(),
                volumes.key.toString());
        try (MemoryDisk below = volumes.disk(Files.readAllBytes(image))) {
            try (LuksDisk disk = volumes.open(below, "header=" + header)) {
                assertEquals(DATA, disk.info().sizeBytes());
            }
            Path ours = directory.resolve("ours");
            volumes.filter.format(
                    below,
                    volumes.context(
                            volumes.options("version=" + version, "header=" + ours, "iter-time=1", "pbkdf-memory=1M")));
            cryptsetup(
                    "luksOpen",
                    "--test-passphrase",
                    "--key-file",
                    volumes.key.toString(),
                    "--header",
                    ours.toString(),
                    image.toString());
        }
    }

    private static Stream<String> versions() {
        return Stream.of("1", "2");
    }

    private static Stream<List<String>> qemuKinds() {
        return Stream.of(List.of("aes-256", "sha256"), List.of("aes-128", "sha1"), List.of("aes-256", "sha512"));
    }

    @ParameterizedTest
    @MethodSource("qemuKinds")
    void qemuMakesItAndWeReadAndWriteIt(List<String> kind) throws Exception {
        needs("qemu-img");
        Path raw = Files.write(directory.resolve("raw"), data);
        run(
                "qemu-img",
                "convert",
                "--object",
                secret(),
                "-O",
                "luks",
                "-o",
                "key-secret=s,iter-time=20,cipher-alg=" + kind.get(0) + ",hash-alg=" + kind.get(1),
                raw.toString(),
                image.toString());
        try (MemoryDisk below = volumes.disk(Files.readAllBytes(image));
                LuksDisk disk = volumes.open(below)) {
            assertArrayEquals(data, volumes.read(disk, 0, DATA));
            new Random(2).nextBytes(data);
            volumes.write(disk, 0, data);
            Files.write(image, below.bytes(0, (int) below.info().sizeBytes()));
        }
        assertArrayEquals(data, readByQemu());
    }

    @Test
    void weMakeItAndQemuReadsIt() throws Exception {
        needs("qemu-img");
        for (String bits : List.of("256", "512")) {
            try (MemoryDisk below = volumes.make("version=1", "key-bits=" + bits, "hash=sha256");
                    LuksDisk disk = volumes.open(below)) {
                byte[] contents = java.util.Arrays.copyOf(data, Volumes.DATA);
                volumes.write(disk, 0, contents);
                Files.write(image, below.bytes(0, (int) below.info().sizeBytes()));
                assertArrayEquals(contents, readByQemu());
            }
        }
    }

    private String secret() {
        return "secret,id=s,file=" + volumes.key;
    }

    private byte[] readByQemu() throws Exception {
        Path raw = directory.resolve("read");
        Files.deleteIfExists(raw);
        run(
                "qemu-img",
                "convert",
                "--object",
                secret(),
                "--image-opts",
                "driver=luks,key-secret=s,file.driver=file,file.filename=" + image,
                "-O",
                "raw",
                raw.toString());
        return Files.readAllBytes(raw);
    }

    /** A LUKS2 header that cryptsetup has written differs from ours in its JSON; this one shows how. */
    @Test
    void theMetadataIsThatOfCryptsetup() throws Exception {
        needs("cryptsetup");
        try (MemoryDisk below = volumes.make("version=2")) {
            Files.write(image, below.bytes(0, (int) below.info().sizeBytes()));
            String dumped = cryptsetup("luksDump", "--dump-json-metadata", image.toString());
            assertEquals(
                    com.google.gson.JsonParser.parseString(Volumes.json(below)),
                    com.google.gson.JsonParser.parseString(dumped));
            assertTrue(new String(below.bytes(0, 4), StandardCharsets.US_ASCII).equals("LUKS"));
        }
    }
}
