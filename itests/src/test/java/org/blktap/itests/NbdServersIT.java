package org.blktap.itests;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * Exports of nbdkit as disks: block sizes that it insists on, sizes that are no multiple of a sector, and what it says
 * when it refuses.
 */
class NbdServersIT {
    private static final int ODD = 1_000_001;

    @TempDir
    static Path directory;

    private static Daemon daemon;
    private static int servers;

    @BeforeAll
    static void start() throws Exception {
        daemon = Daemon.started(directory);
    }

    @AfterAll
    static void stop() throws Exception {
        daemon.close();
    }

    private static Path noise(String name, int bytes) throws Exception {
        byte[] data = new byte[bytes];
        new Random(bytes).nextBytes(data);
        return Files.write(directory.resolve(name), data);
    }

    /** A server, and the URI of its export {@code x}. */
    private record Server(Process process, String uri) implements AutoCloseable {
        static Server of(String... arguments) throws Exception {
            Path socket = directory.resolve("server" + servers++ + ".sock");
            List<String> command = new ArrayList<>(List.of("nbdkit", "-f", "-U", socket.toString()));
            command.addAll(List.of(arguments));
            Process process = new ProcessBuilder(command)
                    .redirectErrorStream(true)
                    .redirectOutput(directory.resolve("nbdkit.log").toFile())
                    .start();
            Wait.until("nbdkit listens", () -> {
                assertTrue(process.isAlive(), () -> "nbdkit has ended: " + command);
                return Files.exists(socket);
            });
            return new Server(process, "nbd+unix:///x?socket=" + socket);
        }

        @Override
        public void close() {
            process.destroy();
        }
    }

    private static String refusal(Server server) throws Exception {
        Run info = daemon.blktap("info", "tap:nbd:" + server.uri());
        assertNotEquals(0, info.status(), info::toString);
        return info.err();
    }

    @Test
    void theLastBytesOfAnExportAreCopied() throws Exception {
        Path source = noise("odd.img", ODD);
        try (Server server = Server.of("file", source.toString())) {
            Path raw = directory.resolve("odd.raw");
            assertEquals(
                    "",
                    daemon.blktap("convert", server.uri(), "tap:raw:" + raw)
                            .ok()
                            .err());
            assertEquals(-1, Files.mismatch(source, raw));
            Run named = daemon.blktap("convert", server.uri(), "tap:qcow2:" + directory.resolve("odd.qcow2"))
                    .ok();
            assertTrue(named.err().contains("has 447 bytes of zeros after the 1000001 bytes of"), named::toString);
            daemon.attach("tap:nbd:" + server.uri(), "odd", "--node", "nbd");
            Run.of(
                            "qemu-io",
                            "-f",
                            "raw",
                            "-c",
                            "write -P 9 999936 65",
                            "-c",
                            "read -P 9 999936 65",
                            "-c",
                            "read -P 0 1000001 447",
                            "-c",
                            "flush",
                            daemon.nbd("odd"))
                    .ok();
            Run beyond = Run.of("qemu-io", "-f", "raw", "-c", "write -P 9 999936 66", daemon.nbd("odd"));
            assertEquals(1, beyond.status(), "a byte that cannot be stored");
            daemon.detach("odd");
        }
        byte[] found = Files.readAllBytes(source);
        assertEquals(ODD, found.length);
        assertEquals(-1, Arrays.mismatch("\t".repeat(65).getBytes(), Arrays.copyOfRange(found, 999_936, ODD)));
    }

    /** From each type to each: a raw file of any size, too. */
    @Test
    void noBytesOfAnOddFileAreLost() throws Exception {
        Path source = noise("file.img", ODD);
        for (String type : new String[] {"raw", "qcow", "qcow2", "vmdk", "vhd", "vhdx"}) {
            Path image = directory.resolve("file." + type);
            Path back = directory.resolve("back." + type);
            Run there = daemon.blktap("convert", "tap:raw:" + source, "tap:" + type + ":" + image)
                    .ok();
            assertEquals(!type.equals("raw"), there.err().contains("447 bytes of zeros"), there::toString);
            daemon.blktap("convert", "tap:" + type + ":" + image, "tap:raw:" + back)
                    .ok();
            byte[] found = Files.readAllBytes(back);
            assertEquals(-1, Arrays.mismatch(Files.readAllBytes(source), Arrays.copyOf(found, ODD)), type);
        }
    }

    @Test
    void sectorsOf4096AreKeptOrNamed() throws Exception {
        Path source = directory.resolve("4k.vhdx");
        daemon.blktap("create", "tap:vhdx:" + source, "64M", "-o", "sector-size=4096")
                .ok();
        Path same = directory.resolve("4k-2.vhdx");
        assertEquals(
                "",
                daemon.blktap("convert", "tap:vhdx:" + source, "tap:vhdx:" + same)
                        .ok()
                        .err());
        Run info = daemon.blktap("info", "tap:vhdx:" + same).ok();
        assertTrue(info.out().contains("sectors of 4096"), info::toString);
        for (String type : new String[] {"raw", "qcow", "qcow2", "vmdk", "vhd"}) {
            Run named = daemon.blktap(
                            "convert", "tap:vhdx:" + source, "tap:" + type + ":" + directory.resolve("4k." + type))
                    .ok();
            assertTrue(named.err().contains("has sectors of 512 bytes"), named::toString);
        }
    }

    @Test
    void blockSizesAreHonoured() throws Exception {
        Path source = noise("sizes.img", 4 << 20);
        String[][] sizes = {{"1", "4096", "64K"}, {"4096", "4096", "64K"}, {"64K", "64K", "64K"}, {"512", "4096", "1M"}
        };
        for (String[] each : sizes) {
            try (Server server = Server.of(
                    "--filter=blocksize-policy",
                    "file",
                    source.toString(),
                    "blocksize-minimum=" + each[0],
                    "blocksize-preferred=" + each[1],
                    "blocksize-maximum=" + each[2],
                    "blocksize-error-policy=error")) {
                Path copy = directory.resolve("sizes-" + each[0] + ".raw");
                daemon.blktap("convert", server.uri(), "tap:raw:" + copy).ok();
                assertEquals(-1, Files.mismatch(source, copy));
                daemon.attach("tap:nbd:" + server.uri(), "sizes", "--node", "nbd");
                Run.of(
                                "qemu-io",
                                "-f",
                                "raw",
                                "-c",
                                "write -P 7 512 1536",
                                "-c",
                                "write -P 8 100k 700k",
                                "-c",
                                "write -z 5632 90k",
                                "-c",
                                "discard 1M 1000k",
                                "-c",
                                "read -P 7 512 1536",
                                "-c",
                                "read -P 0 5632 90k",
                                "-c",
                                "read -P 8 100k 700k",
                                "-c",
                                "flush",
                                daemon.nbd("sizes"))
                        .ok();
                daemon.detach("sizes");
            }
        }
    }

    @Test
    void whatAServerSaysIsReported() throws Exception {
        Path source = noise("refused.img", 1 << 20);
        Path keys = Files.writeString(directory.resolve("keys"), "user:" + "0123456789abcdef".repeat(4) + "\n");
        try (Server server = Server.of("--tls=require", "--tls-psk=" + keys, "file", source.toString())) {
            String err = refusal(server);
            assertTrue(err.contains("requires TLS (NBD_REP_ERR_TLS_REQD)"), err);
        }
        try (Server server = Server.of(
                "--filter=exportname",
                "file",
                source.toString(),
                "exportname=one",
                "exportname=two",
                "exportname-strict=true",
                "exportname-list=explicit")) {
            String err = refusal(server);
            assertTrue(err.contains("no such export (NBD_REP_ERR_UNKNOWN)") && err.contains("'one', 'two'"), err);
        }
        try (Server server =
                Server.of("--filter=error", "file", source.toString(), "error-pread-rate=100%", "error=ENOSPC")) {
            Run copy = daemon.blktap("convert", server.uri(), "tap:raw:" + directory.resolve("never.raw"));
            assertTrue(copy.status() != 0 && copy.err().contains("ENOSPC"), copy::toString);
        }
        try (Server server = Server.of("--oldstyle", "file", source.toString())) {
            String err = refusal(server);
            assertTrue(err.contains("oldstyle negotiation"), err);
        }
    }
}
