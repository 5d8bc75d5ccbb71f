package org.blktap.itests;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.RandomAccessFile;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * What is done with a disk while its VM uses it: it grows, gives space back, gets another medium, moves to another
 * daemon.
 */
class LiveDiskIT {
    private static final int ROUNDS = Integer.getInteger("moves", 4);
    /**
     * Writes numbered blocks until the server goes, and notes how many were answered; one more may have reached the
     * image.
     */
    private static final String LOAD = """
            import nbd, os, struct, sys
            uri, first, note = sys.argv[1], int(sys.argv[2]), sys.argv[3]
            h = nbd.NBD()
            h.connect_uri(uri)
            n = first
            try:
                while True:
                    h.pwrite(struct.pack('<Q', n) * 512, n * 7919 % 4096 * 4096)
                    n += 1
                    with open(note + '.new', 'w') as f:
                        f.write(str(n))
                    os.rename(note + '.new', note)
            except nbd.Error:
                pass
            """;
    /** Reads all blocks: each holds the last number that was written to it. */
    private static final String VERIFY = """
            import nbd, struct, sys
            uri, end = sys.argv[1], int(sys.argv[2])
            h = nbd.NBD()
            h.connect_uri(uri)
            wanted = {}
            for n in range(end):
                wanted[n * 7919 % 4096] = n
            for block in range(4096):
                found = struct.unpack('<512Q', h.pread(4096, block * 4096))
                expected = wanted.get(block, 0)
                late = end * 7919 % 4096 == block and found[0] == end
                if len(set(found)) != 1 or found[0] != expected and not late:
                    sys.exit('block %d has %s, expected %d' % (block, sorted(set(found)), expected))
            """;

    @TempDir
    Path directory;

    private final List<Daemon> daemons = new ArrayList<>();

    private Daemon daemon(String name) throws Exception {
        Daemon daemon = Daemon.started(Files.createDirectory(directory.resolve(name)));
        daemons.add(daemon);
        return daemon;
    }

    @AfterEach
    void stop() throws Exception {
        for (Daemon daemon : daemons) {
            daemon.close();
        }
    }

    private Path script(String name, String text) throws Exception {
        return Files.writeString(directory.resolve(name), text);
    }

    private static String[] python(Path script, Object... arguments) {
        List<String> command = new ArrayList<>(List.of("/usr/bin/python3", script.toString()));
        for (Object argument : arguments) {
            command.add(argument.toString());
        }
        return command.toArray(String[]::new);
    }

    private static void refused(Daemon daemon, int status, String says, String... command) throws Exception {
        Run run = daemon.blktap(command);
        assertEquals(status, run.status(), run::toString);
        assertTrue(run.err().contains(says), run::toString);
    }

    @Test
    void disksGrowUnderTheirClients() throws Exception {
        Daemon daemon = daemon("d");
        for (String type : List.of("aio", "qcow", "qcow2", "vhd", "vhdx")) {
            Path image = directory.resolve("grows." + type);
            String spec = "tap:" + type + ":" + image;
            daemon.blktap("create", spec, "64M").ok();
            daemon.attach(spec, "g", "--node", "nbd");
            Process fio = new ProcessBuilder(
                            "fio",
                            "--name=v",
                            "--ioengine=nbd",
                            "--uri=" + daemon.nbd("g"),
                            "--rw=randwrite",
                            "--bs=4k",
                            "--iodepth=16",
                            "--size=32m",
                            "--verify=crc32c",
                            "--verify_state_save=0",
                            "--verify_fatal=1",
                            "--rate_iops=3000")
                    .redirectErrorStream(true)
                    .redirectOutput(directory.resolve("fio." + type).toFile())
                    .start();
            Wait.until(
                    "fio writes",
                    () -> daemon.stats("g").getAsJsonObject("operations").has("write"));
            assertEquals(
                    "128.0 MiB (134217728 bytes)",
                    daemon.blktap("resize", "g", "128M").ok().out().strip(),
                    type);
            assertTrue(
                    daemon.blktap("resize", "g", "192M", "--json").ok().out().contains("\"sizeBytes\": 201326592"),
                    type);
            assertTrue(fio.waitFor(Run.LIMIT_SECONDS, TimeUnit.SECONDS));
            assertEquals(0, fio.exitValue(), Files.readString(directory.resolve("fio." + type)));
            assertEquals(
                    "201326592",
                    Run.of("nbdinfo", "--size", daemon.nbd("g")).ok().out().strip(),
                    type);
            Qemu.io("raw", daemon.nbd("g"), "write -P 7 190M 2M", "flush", "read -P 7 190M 2M", "read -P 0 64M 126M");
            refused(daemon, 2, "does not shrink", "resize", "g", "64M");
            refused(daemon, 1, "attached as 'g'", "resize", spec, "256M");
            assertTrue(daemon.stats("g").get("parks").getAsInt() >= 2, type);
            daemon.detach("g");
            if (!type.equals("aio")) {
                daemon.blktap("check", spec).ok();
            }
            assertTrue(daemon.blktap("info", spec).ok().out().contains("(201326592 bytes)"), type);
        }
        Path raw = directory.resolve("grows.aio");
        daemon.attach("tap:aio:" + raw, "g", "--node", "nbd", "--read-only");
        try (RandomAccessFile file = new RandomAccessFile(raw.toFile(), "rw")) {
            file.setLength(256 << 20);
        }
        refused(daemon, 2, "read-only", "resize", "g", "1G");
        assertEquals(
                "256.0 MiB (268435456 bytes)",
                daemon.blktap("resize", "g").ok().out().strip());
        daemon.detach("g");
        String vmdk = "tap:vmdk:" + directory.resolve("keeps.vmdk");
        daemon.blktap("create", vmdk, "64M", "-o", "subformat=twoGbMaxExtentSparse")
                .ok();
        daemon.attach(vmdk, "g", "--node", "nbd");
        // its last file may not have more than 2 GiB
        refused(daemon, 1, "continues with the size that it had", "resize", "g", "4G");
        Qemu.io("raw", daemon.nbd("g"), "write -P 7 0 1M", "read -P 7 0 1M");
    }

    private static long blocks(Path file) throws Exception {
        return Long.parseLong(
                Run.of("stat", "-c", "%b", file.toString()).ok().out().strip());
    }

    /** A client that trims and stays connected, without a flush. */
    @Test
    void discardsGiveSpaceBackAtOnce() throws Exception {
        Daemon daemon = daemon("d");
        Path trim = script("trim.py", """
                import nbd, sys, time
                h = nbd.NBD()
                h.connect_uri(sys.argv[1])
                # in pieces that are aligned to no format's clusters
                for at in range(4096, 32 << 20, 3 << 19):
                    h.trim(min(3 << 19, (32 << 20) - at), at)
                sys.stdin.read()
                """);
        for (String type : List.of("aio", "qcow", "qcow2", "vhd", "vhdx", "vmdk")) {
            Path image = directory.resolve("trims." + type);
            daemon.blktap("create", "tap:" + type + ":" + image, "64M").ok();
            daemon.attach("tap:" + type + ":" + image, "t", "--node", "nbd");
            Qemu.io("raw", daemon.nbd("t"), "write -P 7 0 48M", "flush");
            long full = blocks(image);
            Process client = new ProcessBuilder(python(trim, daemon.nbd("t")))
                    .redirectErrorStream(true)
                    .redirectOutput(directory.resolve("trim.out").toFile())
                    .start();
            long kept = full - ((32 << 20) - 4096) / 512;
            // the cluster of the first 4 KiB stays as a whole at most, and some tables come
            Wait.until(type + ": " + full + " blocks have become " + (kept + 256), () -> blocks(image) <= kept + 256);
            assertTrue(client.isAlive(), () -> type + ": the client has ended");
            client.getOutputStream().close();
            assertTrue(client.waitFor(Run.LIMIT_SECONDS, TimeUnit.SECONDS));
            assertEquals(0, client.exitValue(), Files.readString(directory.resolve("trim.out")));
            Qemu.io(
                    "raw",
                    daemon.nbd("t"),
                    "read -P 7 0 4k",
                    "read -P 0 4k " + ((32 << 20) - 4096),
                    "read -P 7 32M 16M");
            daemon.kill();
            daemon.start();
            Wait.until(type + " runs again", () -> daemon.state("t").equals("running"));
            Qemu.io(
                    "raw",
                    daemon.nbd("t"),
                    "read -P 7 0 4k",
                    "read -P 0 4k " + ((32 << 20) - 4096),
                    "read -P 7 32M 16M");
            daemon.detach("t");
        }
    }

    @Test
    void mediaAreChanged() throws Exception {
        Daemon daemon = daemon("d");
        Path[] media = {directory.resolve("1.iso"), directory.resolve("2.iso")};
        Run.of("qemu-io", "-f", "raw", sized(media[0], 4 << 20), "-c", "write -P 1 0 4M")
                .ok();
        Run.of("qemu-io", "-f", "raw", sized(media[1], 6 << 20), "-c", "write -P 2 0 6M")
                .ok();
        daemon.attach("tap:aio:" + media[0], "cd", "--read-only", "--node", "nbd");
        Run.of("qemu-io", "-r", "-f", "raw", daemon.nbd("cd"), "-c", "read -P 1 0 4M")
                .ok();
        daemon.blktap("eject", "cd").ok();
        assertEquals(
                "0", Run.of("nbdinfo", "--size", daemon.nbd("cd")).ok().out().strip());
        assertTrue(daemon.blktap("info", "cd").ok().out().contains("tap:empty:drive"));
        Files.delete(media[0]);
        daemon.stop();
        daemon.start();
        Wait.until("the empty drive runs again", () -> daemon.state("cd").equals("running"));
        refused(daemon, 1, "no such file", "insert", "cd", "tap:aio:" + media[0]);
        daemon.blktap("insert", "cd", "tap:aio:" + media[1]).ok();
        Run.of("qemu-io", "-r", "-f", "raw", daemon.nbd("cd"), "-c", "read -P 2 0 6M")
                .ok();
        daemon.detach("cd");
    }

    private static String sized(Path file, long bytes) throws Exception {
        try (RandomAccessFile made = new RandomAccessFile(file.toFile(), "rw")) {
            made.setLength(bytes);
        }
        return file.toString();
    }

    /**
     * As with two hosts: the target attaches while the source still serves; the source releases the image when its
     * domain is destroyed or its daemon killed.
     */
    @ParameterizedTest
    @ValueSource(strings = {"aio", "qcow", "qcow2", "vmdk", "vhd", "vhdx"})
    void anImageMovesBackAndForthAndNothingIsLost(String type) throws Exception {
        Daemon source = daemon("a");
        Daemon target = daemon("b");
        Path load = script("load.py", LOAD);
        Path verify = script("verify.py", VERIFY);
        Path note = directory.resolve("note");
        String spec = "tap:" + type + ":" + directory.resolve("moves." + type);
        source.blktap("create", spec, "64M").ok();
        source.attach(spec, "m", "--node", "nbd");
        long end = 1;
        for (int round = 0; round < ROUNDS; round++) {
            String uri = source.nbd("m");
            Process client = new ProcessBuilder(python(load, uri, end, note))
                    .redirectErrorStream(true)
                    .redirectOutput(directory.resolve("load.out").toFile())
                    .start();
            long before = end;
            Wait.until(
                    "there is load", () -> Files.exists(note) && Long.parseLong(Files.readString(note)) > before + 50);
            refused(target, 1, "in use by", "attach", spec, "--id", "m", "--node", "nbd");
            target.attach(spec, "m", "--node", "nbd", "--wait-for-lock", "600");
            assertEquals("opening", target.state("m"));
            boolean killed = round == ROUNDS - 1;
            if (killed) {
                source.kill();
            } else {
                source.detach("m");
            }
            assertTrue(client.waitFor(Run.LIMIT_SECONDS, TimeUnit.SECONDS));
            assertEquals(0, client.exitValue(), Files.readString(directory.resolve("load.out")));
            end = Long.parseLong(Files.readString(note));
            Daemon arriving = target;
            Wait.until("the target runs", () -> arriving.state("m").equals("running"));
            Run.of(python(verify, target.nbd("m"), end)).ok();
            if (killed) {
                source.start();
                assertEquals("parked", source.state("m"));
                assertTrue(source.blktap("list").ok().out().contains("in use"), source.blktap("list")::toString);
                source.detach("m");
            }
            // what was written and not answered is not known: written again
            Run.of("qemu-io", "-f", "raw", target.nbd("m"), "-c", "write -P 0 " + end * 7919 % 4096 * 4096 + " 4k")
                    .ok();
            Daemon other = source;
            source = target;
            target = other;
        }
        source.detach("m");
        Run check = source.blktap("check", spec);
        assertTrue(check.status() == 0 || check.status() == 3 || type.equals("aio"), check::toString);
    }
}
