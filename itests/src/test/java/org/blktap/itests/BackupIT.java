package org.blktap.itests;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.google.gson.JsonObject;
import com.google.gson.JsonParser;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Backups of disks that are being written, and points in time that others read. */
class BackupIT extends DaemonUser {
    @TempDir
    Path directory;

    private Process load;

    @BeforeEach
    void start() throws Exception {
        daemon = Daemon.started(directory);
    }

    @AfterEach
    void stop() throws Exception {
        endLoad();
        daemon.close();
    }

    private String spec(String name) {
        String type = name.substring(name.lastIndexOf('.') + 1);
        return "tap:" + (type.equals("img") ? "aio" : type) + ":" + directory.resolve(name);
    }

    /** Makes a disk of 128 MiB of which three quarters are written, attaches it as a, and returns a copy of it. */
    private Path attach(String name) throws Exception {
        daemon.blktap("create", spec(name), "128M").ok();
        daemon.attach(spec(name), "a", "--node", "nbd");
        Run.of(
                        "fio",
                        "--name=fill",
                        "--ioengine=nbd",
                        "--uri=" + daemon.nbd("a"),
                        "--rw=write",
                        "--bs=256k",
                        "--iodepth=8",
                        "--size=96m",
                        "--randseed=7")
                .ok();
        return copy("a", "then.raw");
    }

    private Path copy(String id, String name) throws Exception {
        Path copy = directory.resolve(name);
        Run.of("qemu-img", "convert", "-f", "raw", "-O", "raw", daemon.nbd(id), copy.toString())
                .ok();
        return copy;
    }

    private void startLoad(String... more) throws Exception {
        List<String> all = new ArrayList<>(List.of(
                "fio",
                "--name=load",
                "--ioengine=nbd",
                "--uri=" + daemon.nbd("a"),
                "--rw=randwrite",
                "--bs=4k",
                "--iodepth=32",
                "--size=128m",
                "--time_based",
                "--runtime=3600"));
        all.addAll(List.of(more));
        load = new ProcessBuilder(all)
                .redirectErrorStream(true)
                .redirectOutput(directory.resolve("load.log").toFile())
                .start();
        long before = writes();
        Wait.until("the VM writes", () -> writes() > before + 200);
    }

    private long writes() throws Exception {
        JsonObject operations = daemon.stats("a").getAsJsonObject("operations");
        return operations.has("write")
                ? operations.getAsJsonObject("write").get("count").getAsLong()
                : 0;
    }

    private void endLoad() throws Exception {
        if (load != null) {
            load.descendants().forEach(ProcessHandle::destroyForcibly);
            load.destroyForcibly().waitFor();
            load = null;
        }
    }

    private static void assertSame(Path raw, String format, Path other) throws Exception {
        Qemu.equal("raw", raw, format, other);
    }

    private long scratchFiles() throws Exception {
        try (Stream<Path> files = Files.list(daemon.dataDir.resolve("fleece"))) {
            return files.count();
        }
    }

    @Test
    void clientsCopyAPointInTimeWhileTheVmWrites() throws Exception {
        Path then = attach("disk.qcow2");
        daemon.blktap("expose", "a", "--as", "a-now").ok();
        startLoad();
        assertSame(then, "raw", copy("a-now", "convert.raw"));
        Path copied = directory.resolve("nbdcopy.raw");
        Run.of("nbdcopy", daemon.nbd("a-now"), copied.toString()).ok();
        assertSame(then, "raw", copied);
        refused("has the point in time 'a-now', and only one at a time", "expose", "a", "--as", "b");
        refused("which would be lost: end it with expose --end", "detach", "a");

        // it outlives the daemon
        endLoad();
        daemon.kill();
        daemon.start();
        Wait.until(
                "both run",
                () -> daemon.state("a").equals("running")
                        && daemon.state("a-now").equals("running"));
        startLoad();
        assertSame(then, "raw", copy("a-now", "again.raw"));
        daemon.blktap("park", "a").ok();
        daemon.blktap("resume", "a").ok();
        assertSame(then, "raw", copy("a-now", "parked.raw"));

        daemon.blktap("expose", "--end", "a-now").ok();
        assertEquals("absent", daemon.state("a-now"));
        assertEquals(0, scratchFiles());
        refused("nothing is exposed as 'a-now'", "expose", "--end", "a-now");
        assertTrue(load.isAlive(), () -> "the load has failed");
        endLoad();
        daemon.detach("a");
        // clusters that were allocated at the kill may be leaked
        Run check = daemon.blktap("check", spec("disk.qcow2"));
        assertTrue(check.out().contains("no errors"), check::toString);
    }

    @Test
    void aFullBackupIsOfOneMoment() throws Exception {
        Path then = attach("disk.img");
        String full = directory.resolve("full.qcow2").toString();
        startLoad("--rate_iops=2000");
        endLoad();
        then = copy("a", "later.raw");
        // slow enough that the VM overtakes it
        daemon.blktap("backup", "a", "tap:qcow2:" + full, "--speed", "24M").ok();
        startLoad();
        refused("has job", "backup", "a", spec("other.qcow2"));
        JsonObject job = JsonParser.parseString(
                        daemon.blktap("jobs", "--json").ok().out())
                .getAsJsonArray()
                .get(0)
                .getAsJsonObject();
        assertEquals("backup", job.get("kind").getAsString());
        daemon.blktap("job", "wait", job.get("id").getAsString()).ok();
        assertSame(then, "qcow2", Path.of(full));
        Run.of("qemu-img", "check", full).ok();
        assertEquals(0, scratchFiles());
        assertTrue(load.isAlive(), "the load has failed");
    }

    @Test
    void aBackupThatFailsLeavesTheVmAndNothingElse() throws Exception {
        attach("disk.qcow2");
        daemon.blktap("backup", "a", spec("full.vhd"), "--speed", "1M", "--buffer", "1M")
                .ok();
        startLoad();
        refused("its buffer of 1M is full", "job", "wait", "1");
        assertFalse(Files.exists(directory.resolve("full.vhd")));
        assertEquals(0, scratchFiles());
        long count = writes();
        Wait.until("the VM goes on", () -> writes() > count + 200);
        endLoad();

        daemon.blktap("backup", "a", spec("full.vhd"), "--speed", "1M").ok();
        daemon.blktap("job", "cancel", "2").ok();
        assertFalse(Files.exists(directory.resolve("full.vhd")));
        assertEquals(0, scratchFiles());
        assertEquals(
                "[]", daemon.blktap("filter", "list", "a", "--json").ok().out().strip());

        // with a VM that waits for the backup
        Path then = copy("a", "later.raw");
        daemon.blktap("backup", "a", spec("full.vhd"), "--buffer", "1M", "--vm-waits", "--speed", "24M")
                .ok();
        startLoad();
        daemon.blktap("job", "wait", "3").ok();
        endLoad();
        assertSame(then, "vpc", directory.resolve("full.vhd"));
    }

    @Test
    void aBackupThatWasKilledBeginsAnew() throws Exception {
        attach("disk.qcow2");
        daemon.blktap("backup", "a", spec("full.qcow2"), "--speed", "8M").ok();
        io("a", "write -P 7 0 1M", "flush");
        daemon.kill();
        daemon.start();
        Wait.until("it runs", () -> daemon.state("a").equals("running"));
        daemon.blktap("job", "set", "1", "speed=0").ok();
        daemon.blktap("job", "wait", "1").ok();
        assertSame(copy("a", "now.raw"), "qcow2", directory.resolve("full.qcow2"));
        assertEquals(0, scratchFiles());
        try (Stream<Path> files = Files.list(directory)) {
            assertFalse(files.anyMatch(each -> each.toString().endsWith(".new")), "unfinished images are gone");
        }
    }

    @Test
    void anIncrementalBackupHasWhatHasChanged() throws Exception {
        attach("disk.qcow2");
        daemon.blktap("bitmap", "add", "a", "daily").ok();
        io("a", "write -P 1 0 1M", "flush");
        daemon.blktap("backup", "a", spec("full.qcow2"), "--clear", "daily", "--wait")
                .ok();
        io("a", "write -P 2 8M 256k", "write -z 16M 1M", "discard 32M 1M", "write -P 3 100M 64k", "flush");
        Path monday = copy("a", "monday.raw");
        daemon.blktap(
                        "backup",
                        "a",
                        spec("mon.qcow2"),
                        "--since",
                        "daily",
                        "--onto",
                        spec("full.qcow2"),
                        "--speed",
                        "1M")
                .ok();
        startLoad("--rate_iops=300");
        daemon.blktap("job", "wait", "2").ok();
        endLoad();
        assertSame(monday, "qcow2", directory.resolve("mon.qcow2"));
        assertTrue(Files.size(directory.resolve("mon.qcow2")) < 4 << 20, "only changes are copied");

        // one that fails leaves the bits
        daemon.blktap(
                        "backup",
                        "a",
                        spec("tue.qcow2"),
                        "--since",
                        "daily",
                        "--onto",
                        spec("mon.qcow2"),
                        "--speed",
                        "1M")
                .ok();
        io("a", "write -P 4 40M 64k", "flush");
        daemon.blktap("job", "cancel", "3").ok();
        assertFalse(Files.exists(directory.resolve("tue.qcow2")));
        io("a", "write -P 5 50M 64k", "flush");
        Path tuesday = copy("a", "tuesday.raw");
        daemon.blktap(
                        "backup",
                        "a",
                        spec("tue.qcow2"),
                        "--since",
                        "daily",
                        "--onto",
                        spec("mon.qcow2"),
                        "--speed",
                        "4M")
                .ok();
        // nor does a kill lose them
        daemon.kill();
        daemon.start();
        Wait.until("it runs", () -> daemon.state("a").equals("running"));
        daemon.blktap("job", "set", "4", "speed=0").ok();
        daemon.blktap("job", "wait", "4").ok();
        assertSame(tuesday, "qcow2", directory.resolve("tue.qcow2"));
        Run.of("qemu-img", "check", directory.resolve("tue.qcow2").toString()).ok();

        // only the changes, without a backing
        io("a", "write -P 6 60M 64k", "flush");
        daemon.blktap("backup", "a", spec("changes.img"), "--since", "daily", "--wait")
                .ok();
        try (var file = Files.newByteChannel(directory.resolve("changes.img"))) {
            assertEquals(128 << 20, file.size());
            var bytes = java.nio.ByteBuffer.allocate(1);
            file.position(60 << 20).read(bytes);
            assertEquals(6, bytes.get(0));
            file.position(0).read(bytes.clear());
            assertEquals(0, bytes.get(0));
        }
        refused("has no bitmap 'weekly'", "backup", "a", spec("x.qcow2"), "--since", "weekly", "--wait");
        refused("give --since as well", "backup", "a", spec("x.qcow2"), "--onto", spec("full.qcow2"));
    }

    @Test
    void clientsSeeWhatHasChanged() throws Exception {
        attach("disk.qcow2");
        daemon.blktap("bitmap", "add", "a", "daily").ok();
        io("a", "write -P 2 8M 256k", "discard 32M 1M", "flush");
        daemon.blktap("expose", "a", "--as", "a-now", "--since", "daily").ok();
        io("a", "write -P 3 64M 64k", "flush");
        Run map = Run.of("nbdinfo", "--map=qemu:dirty-bitmap:daily", daemon.nbd("a-now"))
                .ok();
        List<String> dirty =
                map.out().lines().filter(each -> each.matches(".* 1( .*)?")).toList();
        assertEquals(2, dirty.size(), map::toString);
        assertTrue(dirty.get(0).strip().matches("8388608 +262144 +1.*"), map::toString);
        assertTrue(dirty.get(1).strip().matches("33554432 +1048576 +1.*"), map::toString);
        daemon.blktap("expose", "--end", "a-now", "--failed").ok();
        daemon.blktap("expose", "a", "--as", "a-then", "--since", "daily").ok();
        map = Run.of("nbdinfo", "--map=qemu:dirty-bitmap:daily", daemon.nbd("a-then"))
                .ok();
        assertEquals(
                3, map.out().lines().filter(each -> each.matches(".* 1( .*)?")).count(), map::toString);
        daemon.blktap("expose", "--end", "a-then").ok();
        JsonObject bitmap = JsonParser.parseString(
                        daemon.blktap("bitmap", "list", "a", "--json").ok().out())
                .getAsJsonArray()
                .get(0)
                .getAsJsonObject();
        assertEquals(0, bitmap.get("dirtyBytes").getAsLong(), bitmap::toString);
    }
}
