package org.blktap.itests;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.google.gson.JsonObject;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import java.util.Random;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Images of a real Ceph cluster as disks. With {@code BLKTAP_CEPH=long} the disk is loaded for minutes. */
class RbdIT extends SharedDaemon {
    private static final boolean LONG = "long".equals(System.getenv("BLKTAP_CEPH"));
    private static final int CHUNK = 4 << 20;

    private Ceph ceph;

    @BeforeAll
    void startCluster(@TempDir Path of) throws Exception {
        ceph = Ceph.started(of.resolve("ceph"));
        daemon.configure("""
                {
                  "org.blktap.client-rbd": { "conf": "%s" },
                  "org.blktap.core": { "image.roots": [ "tap:rbd:rbd" ] }
                }
                """.formatted(ceph.conf));
        daemon.blktap("config", "--reload").ok();
    }

    @AfterAll
    void stopCluster() throws Exception {
        if (ceph != null) {
            for (var each : daemon.list()) {
                daemon.blktap("detach", each.getAsJsonObject().get("id").getAsString(), "--force");
            }
            ceph.close();
        }
    }

    private String create(String image, String size) throws Exception {
        daemon.blktap("create", "tap:rbd:rbd/" + image, size).ok();
        return "tap:rbd:rbd/" + image;
    }

    private String reason(String id) throws Exception {
        JsonObject attachment = daemon.attachment(id);
        return attachment.toString();
    }

    @Test
    void anImageIsADisk() throws Exception {
        Path keyring = ceph.user("vm");
        String disk = create("disk", "64M");
        String[] access = {
            "-o", "conf=" + ceph.conf, "-o", "user=vm", "-o", "keyring=" + keyring, "-o", "connect-seconds=20"
        };
        daemon.attach(
                disk,
                "d",
                Stream.concat(Stream.of("--node", "nbd"), Stream.of(access)).toArray(String[]::new));
        io("d", "write -P 5 0 12M", "write -P 6 4097k 1k", "flush", "read -P 6 4097k 1k", "read -P 5 4098k 4k");
        Run map = Run.of("nbdinfo", "--map", daemon.nbd("d")).ok();
        assertTrue(map.out().lines().count() == 2 && map.out().contains("hole,zero"), map::toString);

        ceph.rbd("snap", "create", "rbd/disk@before", "--no-progress");
        io("d", "discard 4M 4M", "write -z 0 4096", "read -P 0 0 4096", "read -P 5 4096 4096", "read -P 0 4M 4M");
        assertEquals(
                "100663296\n",
                Run.of("nbdinfo", "--size", resized("d", "96M")).ok().out());
        daemon.attach("tap:rbd:rbd/disk@before", "s", "--read-only", "--node", "nbd");
        Run snapshot = Run.of(
                        "qemu-io",
                        "-r",
                        "-f",
                        "raw",
                        "-c",
                        "read -P 5 5M 1M",
                        "-c",
                        "read -P 6 4097k 1k",
                        daemon.nbd("s"))
                .ok();
        assertFalse(snapshot.out().contains("verification failed"), snapshot::toString);
        refused("is read-only", "attach", "tap:rbd:rbd/disk@before", "--id", "x");
        refused("no such image", "attach", "tap:rbd:rbd/none", "--id", "x");
        refused("expected pool/image", "attach", "tap:rbd:none", "--id", "x");
        refused("the cluster refuses client.nobody", "attach", disk, "--id", "x", "-o", "user=nobody");
        refused("cannot be read", "attach", disk, "--id", "x", "-o", "conf=/none/ceph.conf");

        daemon.detach("d");
        Run info = daemon.blktap("info", disk).ok();
        assertTrue(info.out().contains("before") && info.out().contains("96.0 MiB"), info::toString);
        assertFalse(daemon.blktap("resize", disk, "64M").status() == 0, "a disk is not made smaller by mistake");
        daemon.blktap("resize", disk, "64M", "-o", "shrink=yes").ok();
    }

    private String resized(String id, String size) throws Exception {
        daemon.blktap("resize", id, size).ok();
        return daemon.nbd(id);
    }

    @Test
    void imagesAreConverted() throws Exception {
        byte[] data = new byte[3 * CHUNK];
        new Random(1).nextBytes(data);
        Path source = Files.write(directory.resolve("source.img"), data);
        daemon.blktap("convert", "tap:raw:" + source, "tap:rbd:rbd/copy").ok();
        ceph.rbd("export", "rbd/copy", directory.resolve("exported").toString(), "--no-progress");
        assertEquals(-1, Files.mismatch(source, directory.resolve("exported")));
        daemon.blktap("convert", "tap:rbd:rbd/copy", spec("qcow2", "back.qcow2"))
                .ok();
        Qemu.equal("raw", source, "qcow2", directory.resolve("back.qcow2"));
        refused("exists already", "convert", "tap:raw:" + source, "tap:rbd:rbd/copy");
        // what fails leaves nothing
        refused("unknown option", "convert", "tap:raw:" + source, "tap:rbd:rbd/left", "-o", "none=1");
        assertFalse(ceph.rbd("ls").out().lines().anyMatch("left"::equals));
    }

    @Test
    void overlaysAreMadeOverImages() throws Exception {
        String base = create("base", "64M");
        daemon.attach(base, "b", "--node", "nbd");
        io("b", "write -P 7 0 8M");
        ceph.rbd("snap", "create", "rbd/base@s", "--no-progress");
        // ours, and one of QEMU
        create("qcow2", "ours.qcow2", "--backing", "tap:rbd:rbd/base@s");
        Path theirs = directory.resolve("theirs.qcow2");
        ceph.run("qemu-img", "create", "-q", "-f", "qcow2", "-b", "rbd:rbd/base@s", "-F", "raw", theirs.toString());
        for (String name : new String[] {"ours", "theirs"}) {
            daemon.attach(spec("qcow2", name + ".qcow2"), name, "--node", "nbd");
            io(name, "read -P 7 4M 64k", "write -P 8 0 4k", "read -P 7 4k 4k", "read -P 0 8M 64k");
        }
        // an image of the cluster that overlays a snapshot there
        daemon.blktap("create", "tap:rbd:rbd/clone", "--backing", "tap:rbd:rbd/base@s");
        // a live disk gets an overlay, and its image what was written since
        daemon.blktap("snapshot", "b", "--name", directory.resolve("live.qcow2").toString())
                .ok();
        io("b", "read -P 7 4M 64k", "write -P 9 0 64k");
        daemon.blktap("commit", "b", "--wait").ok();
        assertEquals(base, daemon.attachment("b").get("spec").getAsString());
        io("b", "read -P 9 0 64k", "read -P 7 64k 64k");
        // another pool is not the image's to name
        daemon.detach("theirs");
        daemon.configure("{ \"org.blktap.client-rbd\": { \"conf\": \"" + ceph.conf + "\" } }");
        daemon.blktap("config", "--reload").ok();
        refused("outside any image root", "attach", spec("qcow2", "theirs.qcow2"), "--id", "x");
        daemon.configure("{ \"org.blktap.client-rbd\": { \"conf\": \"" + ceph.conf
                + "\" }, \"org.blktap.core\": { \"image.roots\": [ \"tap:rbd:rbd\" ] } }");
        daemon.blktap("config", "--reload").ok();
    }

    @Test
    void oneHostWritesAtATime(@TempDir Path other) throws Exception {
        String disk = create("shared", "32M");
        daemon.attach(disk, "vm", "--node", "nbd");
        refused("in use by another", "attach", disk, "--id", "x");
        refused("in use by another", "info", disk);
        try (Daemon second = new Daemon(other, Map.of())) {
            second.start();
            String[] with = {"-o", "conf=" + ceph.conf};
            Run refusal = second.blktap("attach", disk, "--id", "vm", with[0], with[1]);
            assertTrue(refusal.status() != 0 && refusal.err().contains("in use by another"), refusal::toString);
            // a VM moves: its new host waits until the old one lets go
            second.attach(disk, "vm", "--node", "nbd", "-o", "wait-for-lock=120", with[0], with[1]);
            assertEquals("opening", second.state("vm"));
            io("vm", "write -P 3 1M 64k");
            daemon.detach("vm");
            Wait.until("the second daemon has it", () -> second.state("vm").equals("running"));
            Qemu.io("raw", second.nbd("vm"), "read -P 3 1M 64k", "write -P 4 2M 64k");
            // a killed daemon comes back at once: it knows that the lock is that of its earlier life
            second.kill();
            second.start();
            Wait.until("it has the disk again", () -> second.state("vm").equals("running"));
            assertTrue(second.log().contains("of a process of this host that has ended"), second::log);
            Qemu.io("raw", second.nbd("vm"), "read -P 4 2M 64k");
        }
        // a daemon that ends lets go
        daemon.attach(disk, "vm", "--node", "nbd");
        io("vm", "read -P 4 2M 64k");
    }

    /** An idle disk learns that its lock was taken, too. */
    @Test
    void aDiskWhoseImageIsTakenParks() throws Exception {
        daemon.attach(create("taken", "32M"), "t", "--node", "nbd");
        ceph.takeLock("rbd/taken");
        Wait.until("it is parked", () -> daemon.state("t").equals("parked"));
        assertTrue(reason("t").contains("image_taken"), reason("t"));
        daemon.blktap("resume", "t").ok();
        io("t", "write -P 2 0 4k", "read -P 2 0 4k");
    }

    /** What happens to a cluster and to disks while a VM writes is a pause for it. */
    @Test
    void aLoadedDiskWaits() throws Exception {
        daemon.attach(create("loaded", "64M"), "l", "--node", "nbd");
        Path log = directory.resolve("fio.log");
        Process fio = loads("l", log);
        try {
            for (int round = 0; round < (LONG ? 5 : 1); round++) {
                ceph.stopOsd();
                Thread.sleep(LONG ? 20_000 : 2_000);
                assertTrue(fio.isAlive(), () -> daemon.log());
                assertEquals("running", daemon.state("l"));
                ceph.startOsd();
                awaitWrites("l", fio);
                ceph.takeLock("rbd/loaded");
                Wait.until("it is parked", () -> daemon.state("l").equals("parked"));
                daemon.blktap("resume", "l").ok();
                awaitWrites("l", fio);
                // the bundle is replaced
                daemon.blktap(
                                "deploy",
                                daemon.home.resolve("deploy/client-rbd.jar").toString())
                        .ok();
                awaitWrites("l", fio);
            }
            daemon.blktap("move", "l", spec("raw", "moved.img"), "--wait").ok();
            awaitWrites("l", fio);
            // one that is given up leaves no image
            String job = started("move", "l", "tap:rbd:rbd/cancelled", "--speed", "1M");
            awaitState(job, "RUNNING");
            Wait.until("its target is there", () -> ceph.rbd("ls").out().contains("cancelled"));
            daemon.blktap("job", "cancel", job).ok();
            Wait.until("its target is gone", () -> !ceph.rbd("ls").out().contains("cancelled"));
            daemon.blktap("move", "l", "tap:rbd:rbd/moved", "--wait").ok();
            verified(fio, log);
        } finally {
            fio.destroyForcibly().waitFor();
        }
        assertEquals("tap:rbd:rbd/moved", daemon.attachment("l").get("spec").getAsString());
    }

    private void awaitWrites(String id, Process fio) throws Exception {
        long before = writes(id);
        Wait.until("more is written", () -> !fio.isAlive() || writes(id) > before + 16);
    }

    /** A client that writes all of a disk at a rate that leaves time for the test, and verifies what it has written. */
    private Process loads(String id, Path log) throws Exception {
        Process fio = new ProcessBuilder(
                        "fio",
                        "--name=v",
                        "--ioengine=nbd",
                        "--uri=" + daemon.nbd(id),
                        "--rw=randwrite",
                        "--bs=4k",
                        "--iodepth=16",
                        "--size=" + (LONG ? "64m" : "24m"),
                        "--verify=crc32c",
                        "--verify_fatal=1",
                        "--rate_iops=10000," + (LONG ? 50 : 250))
                .redirectErrorStream(true)
                .redirectOutput(log.toFile())
                .start();
        Wait.until("fio writes", () -> writes(id) > 0);
        return fio;
    }
}
