package org.blktap.itests;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.google.gson.JsonObject;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.Map;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The daemon as a program: start, end, restart, what it prints, and what it says to bad input. */
class DaemonIT {
    @TempDir
    Path directory;

    @Test
    void startRestartAndEnd() throws Exception {
        Path image = directory.resolve("a.img");
        try (Daemon daemon = Daemon.started(directory)) {
            assertTrue(daemon.log().contains("ready in "), daemon.log());
            assertFalse(
                    Pattern.compile("WARNING: |Unrecognized|restricted method|SLF4J")
                            .matcher(daemon.log())
                            .find(),
                    daemon.log());
            Run first =
                    daemon.blktap("attach", "tap:aio:" + image, "--id", "a", "--node", "nbd", "--node", "vhost-user");
            assertEquals(1, first.status());
            daemon.blktap("create", "tap:aio:" + image, "8M").ok();
            String[] lines = daemon.attach("tap:aio:" + image, "a", "--node", "vhost-user", "--node", "nbd")
                    .out()
                    .split("\n");
            assertEquals("a", lines[0]);
            assertEquals("vhost-user:" + daemon.runDir.resolve("a.sock"), lines[1]);
            assertEquals("nbd+unix:///a?socket=" + daemon.runDir.resolve("nbd.sock"), lines[2]);
            assertEquals("rw-------", mode(daemon.runDir.resolve("a.sock")));
            assertEquals("rw-------", mode(daemon.runDir.resolve("nbd.sock")));
            assertEquals("rw-------", mode(daemon.runDir.resolve("control.sock")));
            Run.of("qemu-io", "-f", "raw", daemon.nbd("a"), "-c", "write -P 7 1M 1M")
                    .ok();
            double seconds = daemon.stop();
            System.out.println("the daemon ended in " + seconds + " s");
            assertEquals(1, daemon.blktap("status").status());
            assertEquals(2, daemon.blktap("status", "--frobnicate").status());
            assertFalse(Files.exists(daemon.runDir.resolve("a.sock")));

            daemon.start();
            Wait.until("the attachment is back", () -> daemon.state("a").equals("running"));
            Run.of("qemu-io", "-f", "raw", daemon.nbd("a"), "-c", "read -P 7 1M 1M")
                    .ok();

            daemon.kill();
            daemon.start();
            Wait.until(
                    "the attachment is back after a kill",
                    () -> daemon.state("a").equals("running"));
            JsonObject a = daemon.attachment("a");
            assertEquals("tap:aio:" + image, a.get("spec").getAsString());
            assertEquals(8 << 20, a.get("sizeBytes").getAsLong());
            assertFalse(a.get("readOnly").getAsBoolean());
            assertEquals(2, a.get("nodes").getAsJsonArray().size());
            daemon.detach("a");
            assertEquals(0, daemon.list().size());
            try (Stream<Path> records = Files.list(daemon.dataDir.resolve("attachments"))) {
                assertEquals(0, records.count());
            }
        }
    }

    private static String mode(Path path) throws Exception {
        return PosixFilePermissions.toString(Files.getPosixFilePermissions(path));
    }

    @Test
    void idleItTakesLittleMemory() throws Exception {
        try (Daemon daemon = Daemon.started(directory)) {
            String status = Files.readString(Path.of("/proc/" + daemon.pid() + "/status"));
            long kib = Long.parseLong(status.replaceAll("(?s).*VmRSS:\\s+(\\d+) kB.*", "$1"));
            System.out.println("resident " + kib / 1024 + " MiB");
            assertTrue(kib < 150 * 1024, kib + " KiB");
        }
    }

    @Test
    void aSecondDaemonOnTheSameDirectoryIsRefused() throws Exception {
        try (Daemon daemon = Daemon.started(directory)) {
            Run second = Run.of(
                    Map.of("BLKTAP_RUN_DIR", daemon.runDir.toString(), "BLKTAP_DATA_DIR", directory + "/other"),
                    daemon.home.resolve("bin/blktapd").toString());
            assertEquals(1, second.status(), second::toString);
            daemon.blktap("status").ok();
        }
    }

    @Test
    void badInputGetsOneLineAndLeavesNothing() throws Exception {
        try (Daemon daemon = Daemon.started(directory)) {
            Path image = directory.resolve("ok.img");
            daemon.blktap("create", "tap:aio:" + image, "1M").ok();
            Path corrupt = Files.write(directory.resolve("corrupt.qcow"), new byte[4096]);
            Path odd = Files.write(directory.resolve("odd.img"), new byte[1000]);
            Path socket = Files.createFile(daemon.runDir.resolve("taken.sock"));
            Path outside = Files.createDirectory(directory.resolve("elsewhere")).resolve("escape.qcow");
            Run.of("qemu-img", "create", "-f", "qcow", "-b", "/etc/passwd", "-F", "raw", outside.toString())
                    .ok();
            daemon.attach("tap:aio:" + image, "busy", "--node", "nbd");
            refused(daemon, "no such file", "attach", "tap:aio:/nowhere/x.img", "--node", "nbd");
            refused(daemon, "no driver for tap:nonsense", "attach", "tap:nonsense:/x", "--node", "nbd");
            refused(daemon, "no node of kind nonsense", "attach", "tap:ram:r,size=1M", "--node", "nonsense");
            wrongUsage(daemon, "expected tap:<type>:<path>", "attach", "/x.img");
            refused(daemon, "corrupt.qcow", "attach", "tap:qcow:" + corrupt, "--node", "vhost-user");
            refused(daemon, "not a multiple of 512", "attach", "tap:aio:" + odd);
            refused(daemon, "in use", "attach", "tap:aio:" + image, "--node", "vhost-user");
            wrongUsage(
                    daemon,
                    "unknown option 'colour'",
                    "attach",
                    "tap:aio:" + directory.resolve("odd.img"),
                    "-o",
                    "round=up",
                    "-o",
                    "colour=red");
            refused(daemon, "exists", "attach", "tap:ram:r,size=1M", "--id", "taken", "--node", "vhost-user");
            refused(daemon, "outside", "attach", "tap:qcow:" + outside);
            Path below = directory.resolve("below.qcow");
            Path above = directory.resolve("above.qcow");
            daemon.blktap("create", "tap:qcow:" + below, "1M").ok();
            daemon.blktap("create", "tap:qcow:" + above, "--backing", "tap:qcow:" + below)
                    .ok();
            wrongUsage(daemon, "-o backing-type=qcow", "attach", "tap:qcow:" + above);
            wrongUsage(
                    daemon,
                    "the chain has 1 backing files",
                    "attach",
                    "tap:qcow:" + above,
                    "-o",
                    "backing-type=qcow:aio");
            daemon.attach("tap:qcow:" + above, "chain", "--node", "nbd", "-o", "backing-type=qcow");
            daemon.detach("chain");
            refused(daemon, "busy", "attach", "tap:ram:r,size=1M", "--id", "busy");
            refused(daemon, "exists", "create", "tap:aio:" + image, "1M");
            refused(daemon, "no attachment 'x'", "detach", "x");
            refused(daemon, "a directory", "attach", "tap:aio:" + directory);
            refused(daemon, "neither a regular file nor a block device", "attach", "tap:aio:/dev/zero");
            wrongUsage(daemon, "bad option round=sideways", "attach", "tap:aio:" + odd, "-o", "round=sideways");
            assertEquals(2, daemon.blktap("attach").status());
            assertEquals(2, daemon.blktap("frobnicate").status());
            assertEquals(1, daemon.list().size());
            assertEquals(0, Files.size(socket), "what is not ours stays");
            try (Stream<Path> files = Files.list(daemon.runDir)) {
                assertEquals(
                        3, files.filter(f -> f.toString().endsWith(".sock")).count());
            }
            daemon.attach("tap:aio:" + odd, "odd", "-o", "round=down");
            assertEquals(512, daemon.attachment("odd").get("sizeBytes").getAsLong());
        }
    }

    private static void refused(Daemon daemon, String says, String... command) throws Exception {
        fails(daemon, 1, says, command);
    }

    private static void wrongUsage(Daemon daemon, String says, String... command) throws Exception {
        fails(daemon, 2, says, command);
    }

    private static void fails(Daemon daemon, int status, String says, String... command) throws Exception {
        Run run = daemon.blktap(command);
        assertEquals(status, run.status(), run::toString);
        assertTrue(run.err().contains(says), run::toString);
        assertEquals(1, run.err().strip().lines().count(), run::toString);
        assertEquals("", run.out(), run::toString);
    }

    @Test
    void anotherWritersLockIsRespected() throws Exception {
        Path image = directory.resolve("locked.img");
        Files.write(image, new byte[1 << 20]);
        try (Daemon daemon = Daemon.started(directory)) {
            daemon.attach("tap:aio:" + image, "locked");
            Run qemu = Run.of("qemu-io", "-f", "raw", "-c", "write 0 512", image.toString());
            assertEquals(1, qemu.status(), "qemu-io writes what we write: " + qemu);
            assertTrue(qemu.err().contains("lock"), qemu::toString);
            daemon.detach("locked");
            Run.of("qemu-io", "-f", "raw", "-c", "write 0 512", image.toString())
                    .ok();
        }
    }

    @Test
    void withoutLibaioThePortableEngineServes() throws Exception {
        Path image = directory.resolve("p.qcow");
        try (Daemon daemon = new Daemon(directory, Map.of())) {
            daemon.configure("{\"org.blktap.aio\": {\"portable\": true}}");
            daemon.start();
            assertTrue(daemon.log().contains("portable engine does the I/O"), daemon.log());
            String engines = daemon.blktap("engines").ok().out();
            assertTrue(
                    engines.matches(
                            "(?s)ENGINE +STATE +BUNDLE +WHAT IT IS +WHY ABSENT\nportable +default +org\\.blktap\\.aio .*\nlibaio +absent +org\\.blktap\\.aio .* left out by .*"),
                    engines);
            String json = daemon.blktap("engines", "--json").ok().out();
            assertTrue(json.contains("\"state\": \"absent\"") && json.contains("\"reason\": \"left out by "), json);
            String diag = daemon.blktap("diag").ok().out();
            assertTrue(
                    diag.matches(
                            "(?s).*engine libaio of org\\.blktap\\.aio \\S+ is absent: left out by .*\nall else is active\n"),
                    diag);
            String aio = daemon.blktap("diag", "aio").ok().out();
            assertTrue(
                    aio.contains("  brings engine libaio, which is absent: left out by ")
                            && aio.contains("  brings engine portable\n")
                            && aio.contains("  brings types aio, raw, sync\n"),
                    aio);
            daemon.blktap("create", "tap:qcow:" + image, "16M").ok();
            daemon.attach("tap:qcow:" + image, "p", "--node", "nbd");
            Run.of(
                            "fio",
                            "--name=v",
                            "--ioengine=nbd",
                            "--uri=" + daemon.nbd("p"),
                            "--rw=randwrite",
                            "--bs=4k",
                            "--iodepth=16",
                            "--size=16M",
                            "--verify=crc32c",
                            "--verify_state_save=0",
                            "--fsync=50")
                    .ok();
            daemon.detach("p");
            daemon.blktap("check", "tap:qcow:" + image).ok();
        }
    }
}
