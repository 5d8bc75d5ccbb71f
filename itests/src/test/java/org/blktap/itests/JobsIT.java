package org.blktap.itests;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;

/** Jobs of the built distribution, under clients at work. */
class JobsIT extends SharedDaemon {
    @Test
    void aDiskMovesUnderLoadAndBack() throws Exception {
        daemon.attach(create("aio", "a.img", "64M"), "a", "--node", "nbd");
        io("a", "write -P 7 50M 4M", "flush");
        Path log = directory.resolve("fio.log");
        Process fio = verifies("a", log);
        List<Long> pauses = new ArrayList<>();
        pauses.add(paused(daemon.blktap("move", "a", spec("qcow2", "b.qcow2"), "--wait")));
        assertTrue(fio.isAlive(), "there was load");
        assertEquals(
                spec("qcow2", "b.qcow2"), daemon.attachment("a").get("spec").getAsString());
        pauses.add(paused(daemon.blktap("move", "a", spec("vhd", "c.vhd"), "--wait")));
        pauses.add(paused(daemon.blktap("move", "a", spec("aio", "d.img"), "--wait")));
        System.out.println("pauses of move under 32 requests: " + pauses + " ms");
        verified(fio, log);
        io("a", "read -P 7 50M 4M");
        daemon.blktap("move", "a", spec("qcow2", "e.qcow2"), "--wait").ok();
        daemon.detach("a");
        Qemu.equal("raw", directory.resolve("d.img"), "qcow2", directory.resolve("e.qcow2"));
        Run.of("qemu-img", "check", directory.resolve("e.qcow2").toString()).ok();
        Run.of("qemu-img", "check", directory.resolve("b.qcow2").toString()).ok();
        assertTrue(Files.exists(directory.resolve("a.img")), "the source stays");
        try (var left = Files.list(daemon.dataDir.resolve("jobs"))) {
            assertTrue(left.noneMatch(each -> each.toString().endsWith(".bits")), "no bits are left");
        }
    }

    @Test
    void aKilledDaemonGoesOnWithAMove() throws Exception {
        daemon.attach(create("qcow2", "a.qcow2", "64M"), "a", "--node", "nbd");
        io("a", "write -P 1 0 32M", "write -P 2 32M 16M", "flush");
        String job = started("move", "a", spec("aio", "b.img"), "--speed", "8M");
        refused("has job " + job, "mirror", "a", spec("aio", "x.img"));
        refused("has job " + job, "detach", "a");
        Wait.until("some of it is copied", () -> job(job).get("doneBytes").getAsLong() > 8 << 20);
        io("a", "write -P 3 4M 1M", "flush");
        daemon.kill();
        daemon.start();
        Wait.until("it runs", () -> daemon.state("a").equals("running"));
        io("a", "write -P 4 5M 1M", "flush");
        daemon.blktap("job", "pause", job).ok();
        awaitState(job, "PAUSED");
        daemon.blktap("job", "set", job, "speed=0").ok();
        daemon.blktap("job", "resume", job).ok();
        awaitState(job, "DONE");
        assertEquals(spec("aio", "b.img"), daemon.attachment("a").get("spec").getAsString());
        io("a", "read -P 1 0 4M", "read -P 3 4M 1M", "read -P 4 5M 1M", "read -P 1 6M 26M", "read -P 2 32M 16M");
        daemon.detach("a");
        Qemu.equal("qcow2", directory.resolve("a.qcow2"), "raw", directory.resolve("b.img"));
    }

    @Test
    void whatFailsLeavesTheDiskAsItWas() throws Exception {
        daemon.attach(create("aio", "a.img", "64M"), "a", "--node", "nbd");
        io("a", "write -P 1 0 64M", "flush");
        create("aio", "there.img", "64M");
        refused("exist", "move", "a", spec("aio", "there.img"));
        refused("no backing image", "commit", "a");
        refused("image of the disk itself", "move", "a", spec("raw", "a.img"));
        assertEquals("[]", daemon.attachment("a").get("filters").toString());
        String job = started("move", "a", spec("qcow2", "b.qcow2"), "--speed", "4M");
        daemon.blktap("job", "cancel", job).ok();
        awaitState(job, "FAILED");
        assertEquals("cancelled", job(job).get("message").getAsString());
        assertFalse(Files.exists(directory.resolve("b.qcow2")), "the target is removed");
        assertEquals("[]", daemon.attachment("a").get("filters").toString());
        job = started("move", "a", spec("qcow2", "b.qcow2"), "--speed", "4M");
        daemon.blktap("detach", "a", "--force").ok();
        awaitState(job, "FAILED");
        assertTrue(job(job).get("message").getAsString().contains("detached"));
    }

    @Test
    void aMirrorIsCompletedOrCancelled() throws Exception {
        daemon.attach(create("qcow2", "a.qcow2", "64M"), "a", "--node", "nbd");
        io("a", "write -P 1 0 16M", "flush");
        String job = started("mirror", "a", spec("aio", "copy.img"));
        awaitState(job, "READY");
        io("a", "write -P 2 8M 16M", "write -z 2M 1M", "discard 4M 1M", "flush");
        daemon.blktap("job", "cancel", job).ok();
        awaitState(job, "DONE");
        daemon.blktap("park", "a").ok();
        Qemu.equal("qcow2", directory.resolve("a.qcow2"), "raw", directory.resolve("copy.img"));
        daemon.blktap("resume", "a").ok();
        job = started("mirror", "a", spec("vmdk", "b.vmdk"));
        awaitState(job, "READY");
        paused(daemon.blktap("job", "complete", job, "--wait"));
        assertEquals(spec("vmdk", "b.vmdk"), daemon.attachment("a").get("spec").getAsString());
        io("a", "read -P 2 8M 16M");
    }

    private void overlay(String base, String name) throws Exception {
        create("qcow2", name, "64M", "--backing", spec("qcow2", base));
    }

    /** A chain of three: base, middle and top, with data in each. */
    private void chain() throws Exception {
        daemon.attach(create("qcow2", "base.qcow2", "64M"), "x", "--node", "nbd");
        io("x", "write -P 1 0 48M", "flush");
        daemon.detach("x");
        overlay("base.qcow2", "middle.qcow2");
        daemon.attach(spec("qcow2", "middle.qcow2"), "x", "--node", "nbd");
        io("x", "write -P 2 8M 16M", "write -z 9M 1M", "flush");
        daemon.detach("x");
        overlay("middle.qcow2", "top.qcow2");
        daemon.attach(spec("qcow2", "top.qcow2"), "a", "--node", "nbd");
        io("a", "write -P 3 16M 4M", "flush");
    }

    private void reads(String id) throws Exception {
        io(id, "read -P 2 8M 1M", "read -P 0 9M 1M", "read -P 2 10M 6M", "read -P 3 16M 4M", "read -P 2 20M 4M");
    }

    @Test
    void overlaysAreCommittedUnderLoad() throws Exception {
        chain();
        Path log = directory.resolve("fio.log");
        // writes 0 to 48M, and so over all of it
        Process fio = verifies("a", log);
        List<Long> pauses = new ArrayList<>();
        pauses.add(paused(daemon.blktap("commit", "a", "--top", spec("qcow2", "middle.qcow2"), "--wait")));
        assertTrue(fio.isAlive(), "there was load");
        assertFalse(Files.exists(directory.resolve("middle.qcow2")));
        pauses.add(paused(daemon.blktap("commit", "a", "--wait")));
        System.out.println("pauses of commit under 32 requests: " + pauses + " ms");
        assertEquals(
                spec("qcow2", "base.qcow2"), daemon.attachment("a").get("spec").getAsString());
        assertFalse(Files.exists(directory.resolve("top.qcow2")));
        verified(fio, log);
        daemon.detach("a");
        Run.of("qemu-img", "check", directory.resolve("base.qcow2").toString()).ok();
    }

    @Test
    void aKilledDaemonGoesOnWithACommit() throws Exception {
        chain();
        reads("a");
        Run.of(
                        "qemu-img",
                        "convert",
                        "-U",
                        "-O",
                        "raw",
                        directory.resolve("top.qcow2").toString(),
                        directory.resolve("all.img").toString())
                .ok();
        String base = spec("qcow2", "base.qcow2");
        String job = started("commit", "a", "--base", base, "--keep", "--speed", "4M");
        Wait.until("some of it is copied", () -> job(job).get("doneBytes").getAsLong() > 4 << 20);
        daemon.kill();
        daemon.start();
        Wait.until("it runs", () -> daemon.state("a").equals("running"));
        reads("a");
        daemon.blktap("job", "set", job, "speed=0").ok();
        awaitState(job, "DONE");
        reads("a");
        assertTrue(Files.exists(directory.resolve("top.qcow2")));
        daemon.detach("a");
        Qemu.equal("qcow2", directory.resolve("base.qcow2"), "raw", directory.resolve("all.img"));
    }

    @Test
    void aDiskIsStreamedUnderLoad() throws Exception {
        chain();
        Path log = directory.resolve("fio.log");
        String job = started("stream", "a", "--base", spec("qcow2", "base.qcow2"));
        awaitState(job, "DONE");
        reads("a");
        Process fio = verifies("a", log);
        long pause = paused(daemon.blktap("stream", "a", "--wait"));
        System.out.println("pause of stream under 32 requests: " + pause + " ms");
        verified(fio, log);
        daemon.detach("a");
        String info = Run.of("qemu-img", "info", directory.resolve("top.qcow2").toString())
                .ok()
                .out();
        assertFalse(info.contains("backing file"), info);
        Run.of("qemu-img", "check", directory.resolve("top.qcow2").toString()).ok();
    }

    @Test
    void aChainThatIsTooLongBecomesShorterByItself() throws Exception {
        chain();
        daemon.detach("a");
        daemon.attach(spec("qcow2", "top.qcow2"), "a", "--node", "nbd", "--max-chain", "2");
        Wait.until("it is committed", () -> !Files.exists(directory.resolve("middle.qcow2")));
        Wait.until("the job has ended", () -> !daemon.blktap("jobs").ok().out().contains("running"));
        reads("a");
        assertEquals(
                spec("qcow2", "top.qcow2"), daemon.attachment("a").get("spec").getAsString());
    }

    @Test
    void aFullTargetPausesTheJobAndNotTheVm() throws Exception {
        Path small = Files.createDirectory(directory.resolve("small"));
        assumeTrue(
                Run.of("mount", "-t", "tmpfs", "-o", "size=16M", "tmpfs", small.toString())
                                .status()
                        == 0,
                "this user cannot mount");
        try {
            daemon.attach(create("aio", "a.img", "64M"), "a", "--node", "nbd");
            io("a", "write -P 1 0 40M", "flush");
            String job = started("move", "a", spec("qcow2", "small/b.qcow2"));
            awaitState(job, "PAUSED");
            String says = job(job).get("message").getAsString();
            assertTrue(says.startsWith(spec("qcow2", "small/b.qcow2") + ": write at offset "), says);
            assertTrue(says.endsWith("ENOSPC (no space left on device); then: blktap job resume " + job), says);
            io("a", "write -P 2 1M 1M", "flush", "read -P 2 1M 1M", "write -P 3 39M 2M");
            // without more space it comes to the same end
            daemon.blktap("job", "resume", job).ok();
            Wait.until(
                    "it is full again",
                    () -> job(job).get("message").getAsString().endsWith("job resume " + job));
            Run.of("mount", "-o", "remount,size=96M", small.toString()).ok();
            daemon.blktap("job", "resume", job).ok();
            awaitState(job, "DONE");
            io("a", "read -P 1 0 1M", "read -P 2 1M 1M", "read -P 1 2M 37M", "read -P 3 39M 2M");
            daemon.detach("a");
            Qemu.equal("raw", directory.resolve("a.img"), "qcow2", small.resolve("b.qcow2"));
            // clusters of writes that have failed may be leaked
            Run check = daemon.blktap("check", spec("qcow2", "small/b.qcow2"));
            assertTrue(check.out().contains("no errors"), check::toString);
        } finally {
            daemon.blktap("detach", "a", "--force");
            Run.of("umount", small.toString()).ok();
        }
    }

    /** A server that ends during a move, and one that is not there when the daemon comes back. */
    @Test
    void aTargetThatIsGoneDoesNotStopTheVm() throws Exception {
        Path file = directory.resolve("served.img");
        Path socket = directory.resolve("nbd.sock");
        String target = "tap:nbd:nbd+unix:///x?socket=" + socket;
        Run.of("truncate", "-s", "64M", file.toString()).ok();
        daemon.attach(create("aio", "a.img", "64M"), "a", "--node", "nbd");
        io("a", "write -P 1 0 48M", "flush");
        Process server = serves(file, socket);
        try {
            String job = started("move", "a", target, "--speed", "8M");
            copiesSome(job);
            server.destroyForcibly().waitFor();
            awaitState(job, "FAILED");
            String says = job(job).get("message").getAsString();
            assertTrue(says.startsWith(target + ": write "), says);
            assertEquals("[]", daemon.attachment("a").get("filters").toString());
            io("a", "write -P 2 4M 1M", "flush", "read -P 2 4M 1M");

            server = serves(file, socket);
            String again = started("move", "a", target, "--speed", "8M");
            copiesSome(again);
            daemon.kill();
            server.destroyForcibly().waitFor();
            daemon.start();
            Wait.until("it runs", () -> daemon.state("a").equals("running"));
            awaitState(again, "PAUSED");
            says = job(again).get("message").getAsString();
            assertTrue(says.contains(socket.toString()) && says.endsWith("then: blktap job resume " + again), says);
            io("a", "write -P 3 6M 1M", "flush");
            server = serves(file, socket);
            daemon.blktap("job", "set", again, "speed=0").ok();
            daemon.blktap("job", "resume", again).ok();
            awaitState(again, "DONE");
            assertEquals(target, daemon.attachment("a").get("spec").getAsString());
            io("a", "read -P 1 0 4M", "read -P 2 4M 1M", "read -P 1 5M 1M", "read -P 3 6M 1M", "read -P 1 7M 41M");
            daemon.detach("a");
            Qemu.equal("raw", directory.resolve("a.img"), "raw", file);
        } finally {
            server.destroyForcibly();
        }
    }

    private void copiesSome(String job) throws Exception {
        Wait.until("some of it is copied", () -> job(job).get("doneBytes").getAsLong() > 4 << 20);
    }

    @Test
    void driversOfSourceAndTargetAreReplacedDuringAJob() throws Exception {
        daemon.attach(create("qcow2", "a.qcow2", "64M"), "a", "--node", "nbd");
        io("a", "write -P 1 0 40M", "flush");
        String job = started("move", "a", spec("vhd", "b.vhd"), "--speed", "4M");
        copiesSome(job);
        for (String each : List.of("format-vhd.jar", "format-qcow2.jar")) {
            Path jar = daemon.home.resolve("deploy").resolve(each);
            Path away = directory.resolve(each);
            Files.move(jar, away);
            Wait.until("it is parked without " + each, () -> daemon.state("a").equals("parked"));
            Files.move(away, jar);
            Wait.until("it runs again", () -> daemon.state("a").equals("running"));
            io("a", "write -P 2 8M 1M", "flush");
        }
        long before = job(job).get("doneBytes").getAsLong();
        Wait.until("it goes on", () -> job(job).get("doneBytes").getAsLong() > before);
        daemon.blktap("job", "set", job, "speed=0").ok();
        awaitState(job, "DONE");
        io("a", "read -P 1 0 8M", "read -P 2 8M 1M", "read -P 1 9M 31M");
        daemon.detach("a");
        Qemu.equal("qcow2", directory.resolve("a.qcow2"), "vpc", directory.resolve("b.vhd"));
    }

    /** The image is copied as it is stored: what comes out is opened with the same key. */
    @Test
    void anEncryptedDiskMovesAndIsBackedUpAsItIs() throws Exception {
        Path key = Files.writeString(directory.resolve("key"), "correct horse battery staple");
        String secret = "secret,id=s,file=" + key;
        Path image = directory.resolve("a.luks");
        Path model = directory.resolve("model.img");
        Run.of(
                        "qemu-img",
                        "create",
                        "-f",
                        "luks",
                        "--object",
                        secret,
                        "-o",
                        "key-secret=s,iter-time=50",
                        image.toString(),
                        "48M")
                .ok();
        String filter = "luks,key-file=" + key;
        daemon.attach("tap:aio:" + image, "a", "--node", "nbd", "--filter", filter);
        Run.of("qemu-img", "convert", "-f", "raw", "-O", "raw", daemon.nbd("a"), model.toString())
                .ok();
        // all of it: what was never written reads as noise
        writesBoth(model, "write -P 1 0 48M");
        String job = started("move", "a", spec("qcow2", "b.qcow2"), "--speed", "8M");
        writesBoth(model, "write -P 2 1M 1M", "write -P 3 30M 4M");
        daemon.blktap("job", "set", job, "speed=0").ok();
        awaitState(job, "DONE");
        writesBoth(model, "write -P 4 5M 64k");
        daemon.blktap("backup", "a", spec("aio", "backup.img"), "--wait").ok();
        daemon.detach("a");
        Run.of(
                        "cryptsetup",
                        "luksOpen",
                        "--test-passphrase",
                        "--key-file",
                        key.toString(),
                        directory.resolve("backup.img").toString())
                .ok();
        for (String each : List.of(
                "qcow2,file.file.driver=file,file.file.filename=" + directory.resolve("b.qcow2"),
                "file,file.filename=" + directory.resolve("backup.img"))) {
            Run.of(
                            "qemu-img",
                            "compare",
                            "--object",
                            secret,
                            "--image-opts",
                            "driver=luks,key-secret=s,file.driver=" + each,
                            "driver=raw,file.driver=file,file.filename=" + model)
                    .ok();
        }
        daemon.attach(spec("qcow2", "b.qcow2"), "a", "--node", "nbd", "--filter", filter);
        Qemu.equal("raw", daemon.nbd("a"), "raw", model);
    }

    private void writesBoth(Path model, String... commands) throws Exception {
        List<String> all = new ArrayList<>(List.of("qemu-io", "-f", "raw", model.toString()));
        for (String command : commands) {
            all.addAll(List.of("-c", command));
        }
        Run.of(all.toArray(String[]::new)).ok();
        io("a", commands);
    }

    @Test
    void jobsOfADiskExcludeEachOther() throws Exception {
        chain();
        String job = started("commit", "a", "--keep", "--speed", "64K");
        refused("has job " + job, "commit", "a");
        refused("has job " + job, "stream", "a");
        refused("has job " + job, "move", "a", spec("aio", "x.img"));
        refused("has job " + job, "mirror", "a", spec("aio", "x.img"));
        refused("has job " + job, "snapshot", "a");
        refused("has job " + job, "detach", "a");
        assertFalse(Files.exists(directory.resolve("x.img")));
        reads("a");
        // the other disks of the daemon are free
        daemon.attach(create("aio", "b.img", "8M"), "b", "--node", "nbd");
        daemon.blktap("move", "b", spec("qcow2", "b.qcow2"), "--wait").ok();
        daemon.blktap("detach", "a", "--force").ok();
        awaitState(job, "FAILED");
        assertTrue(job(job).get("message").getAsString().contains("detached"));
        daemon.attach(spec("qcow2", "top.qcow2"), "a", "--node", "nbd");
        reads("a");
        daemon.blktap("commit", "a", "--wait").ok();
        reads("a");
    }
}
