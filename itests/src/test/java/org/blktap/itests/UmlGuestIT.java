package org.blktap.itests;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** A real Linux kernel, as a User-Mode Linux guest, on disks of the built distribution. */
class UmlGuestIT {
    @TempDir
    static Path directory;

    private static Daemon daemon;

    private static final String FIO = "fio --name=v --ioengine=psync --filename=%s --rw=randwrite --bsrange=512-64k"
            + " --blockalign=512 --size=24M --verify=crc32c --verify_fatal=1 --fsync=100 --direct=%d --output=/run/fio"
            + " || { cat /run/fio; return 1; }\n";

    @BeforeAll
    static void start() throws Exception {
        daemon = Daemon.started(directory);
    }

    @AfterAll
    static void stop() throws Exception {
        daemon.close();
    }

    @Test
    void aFileSystemOnAQcowOverlaySurvivesDetachAndReattach() throws Exception {
        Path base = directory.resolve("base.img");
        Path overlay = directory.resolve("root.qcow");
        Run.of("truncate", "-s", "128M", base.toString()).ok();
        daemon.blktap("create", "tap:qcow:" + overlay, "128M", "--backing", "tap:aio:" + base)
                .ok();
        daemon.attach("tap:qcow:" + overlay, "root", "--node", "vhost-user");
        Uml.run(directory, "first", """
                test "$(cat /sys/block/vda/size)" = 262144 || return 1
                mkfs.ext4 -q /dev/vda && mkdir /mnt/d && mount /dev/vda /mnt/d || return 2
                """ + FIO.formatted("/mnt/d/fio", 1) + """
                cp -r /usr/share/perl5 /mnt/d/ && (cd /mnt/d && find . -type f | sort | xargs sha256sum > /mnt/share/sums) || return 3
                umount /mnt/d && fsck.ext4 -fn /dev/vda
                """, daemon.vhostSocket("root"));
        daemon.detach("root");
        daemon.blktap("check", "tap:qcow:" + overlay).ok();
        daemon.attach("tap:qcow:" + overlay, "root", "--node", "vhost-user");
        Uml.run(directory, "second", """
                fsck.ext4 -fn /dev/vda && mkdir /mnt/d && mount /dev/vda /mnt/d || return 1
                (cd /mnt/d && sha256sum --quiet -c /mnt/share/sums) || return 2
                rm -r /mnt/d/perl5 && fstrim -v /mnt/d && umount /mnt/d && fsck.ext4 -fn /dev/vda
                """, daemon.vhostSocket("root"));
        var stats = daemon.stats("root").getAsJsonObject("operations");
        assertTrue(stats.getAsJsonObject("flush").get("count").getAsLong() > 0, stats.toString());
        assertTrue(stats.getAsJsonObject("discard").get("count").getAsLong() > 0, stats.toString());
        daemon.detach("root");
        // another program reads the same file system from the file
        Path raw = directory.resolve("root.raw");
        Run.of("qemu-img", "convert", "-f", "qcow", "-O", "raw", overlay.toString(), raw.toString())
                .ok();
        Run.of("fsck.ext4", "-fn", raw.toString()).ok();
        assertEquals(
                "",
                Run.of("sh", "-c", "tr -d '\\0' < " + base + " | head -c 1")
                        .ok()
                        .out(),
                "the base is untouched");
    }

    @Test
    void rawDisksOfFilesWork() throws Exception {
        Path image = directory.resolve("raw.img");
        daemon.blktap("create", "tap:aio:" + image, "64M").ok();
        daemon.attach("tap:aio:" + image, "raw", "--node", "vhost-user");
        daemon.attach("tap:aio:" + image.resolveSibling("ro.img"), "ro", "--node", "vhost-user", "--read-only");
        Uml.run(
                directory,
                "raw",
                FIO.formatted("/dev/vda", 1) + """
                test "$(cat /sys/block/vdb/ro)" = 1 || return 2
                cmp -n 1000000 /dev/vdb /mnt/share/ro.img || return 3
                ! dd if=/dev/zero of=/dev/vdb bs=4k count=1 conv=fsync 2>/dev/null || return 4
                test "$(cat /sys/block/vda/serial)" = raw || return 5
                echo 'write through' > /sys/block/vda/queue/write_cache 2>/dev/null
                echo 'write through' > /sys/block/vda/cache_type && dd if=/dev/urandom of=/dev/vda bs=4k count=16 oflag=direct || return 6
                """,
                daemon.vhostSocket("raw"),
                daemon.vhostSocket("ro"));
        daemon.detach("raw");
        daemon.detach("ro");
    }

    @BeforeAll
    static void readOnlyImage() throws Exception {
        Run.of("dd", "if=/dev/urandom", "of=" + directory.resolve("ro.img"), "bs=1M", "count=4")
                .ok();
    }

    /** Puts a jar where File Install sees it, as {@code blktap deploy} does. */
    private static void replace(Path jar, Path in) throws Exception {
        Path temporary = in.resolveSibling("." + in.getFileName() + ".new");
        Files.copy(jar, temporary, StandardCopyOption.REPLACE_EXISTING);
        Files.setLastModifiedTime(temporary, java.nio.file.attribute.FileTime.fromMillis(System.currentTimeMillis()));
        Files.move(temporary, in, StandardCopyOption.ATOMIC_MOVE);
    }

    @Test
    void formatsComeAndAreReplacedUnderAGuestAtWork() throws Exception {
        Path image = directory.resolve("hot.qcow");
        daemon.blktap("create", "tap:qcow:" + image, "64M").ok();
        daemon.attach("tap:qcow:" + image, "hot", "--node", "vhost-user");
        Path jar = daemon.home.resolve("deploy/format-qcow.jar");
        Path copy = directory.resolve("format-qcow.copy");
        Files.copy(jar, copy);
        try (Uml guest =
                Uml.start(directory, "hot", """
                echo guest is at work
                while [ ! -e /mnt/share/hot.stop ]; do
                """ + FIO.formatted("/dev/vda", 1) + """
                  echo verified
                done
                """, daemon.vhostSocket("hot"))) {
            guest.prints("verified");
            // a new type
            assertEquals(
                    1, daemon.blktap("attach", "tap:zero:8M", "--id", "zero").status());
            daemon.blktap("deploy", System.getProperty("example.jar")).ok();
            Wait.until("tap:zero is there", () -> daemon.blktap("drivers").out().contains("zero"));
            daemon.attach("tap:zero:8M", "zero", "--node", "nbd");
            assertEquals(
                    "zero",
                    Run.of(
                                    "sh",
                                    "-c",
                                    "nbdcopy '" + daemon.nbd("zero")
                                            + "' - | tr -d '\\0' | wc -c | grep -qx 0 && printf zero")
                            .ok()
                            .out());
            // the guest's own format is replaced under its load, several times
            for (int i = 1; i <= 3; i++) {
                replace(copy, jar);
                int parks = i;
                Wait.until(
                        "it was parked " + i + " times",
                        () -> daemon.stats("hot").get("parks").getAsInt() >= parks);
                Wait.until("it runs again", () -> daemon.state("hot").equals("running"));
                long before = daemon.stats("hot")
                        .getAsJsonObject("operations")
                        .getAsJsonObject("write")
                        .get("count")
                        .getAsLong();
                Wait.until(
                        "the guest goes on",
                        () -> daemon.stats("hot")
                                        .getAsJsonObject("operations")
                                        .getAsJsonObject("write")
                                        .get("count")
                                        .getAsLong()
                                > before + 100);
            }
            // it is taken away, and the guest waits until it is back
            Files.delete(jar);
            Wait.until("it is parked", () -> daemon.state("hot").equals("parked"));
            assertTrue(daemon.blktap("diag", "hot").out().contains("tap:qcow"), "diag says what it waits for");
            Thread.sleep(1500);
            assertEquals("parked", daemon.state("hot"));
            replace(copy, jar);
            Wait.until("it runs again", () -> daemon.state("hot").equals("running"));
            Files.createFile(directory.resolve("hot.stop"));
            guest.succeed();
        }
        var operations = daemon.stats("hot").getAsJsonObject("operations");
        assertEquals(0, operations.getAsJsonObject("write").get("errors").getAsLong());
        assertEquals(0, operations.getAsJsonObject("read").get("errors").getAsLong());
        daemon.detach("hot");
        daemon.detach("zero");
        Files.delete(daemon.home.resolve("deploy/driver-zero.jar"));
        Wait.until("tap:zero is gone", () -> !daemon.blktap("drivers").out().contains("zero"));
        daemon.blktap("check", "tap:qcow:" + image).ok();
    }

    @Test
    void twoGuestsSeeOneRamDisk() throws Exception {
        daemon.attach("tap:ram:shared,size=32M", "left", "--node", "vhost-user");
        daemon.attach("tap:ram:shared", "right", "--node", "vhost-user");
        // each writes a block of its own, waits for the other's, and reads it past its own cache
        String script = """
                fill() { yes "$1" | head -c 65536; }
                fill MINE > /run/mine; fill THEIRS > /run/theirs
                dd if=/run/mine of=/dev/vda bs=64k seek=MINE_AT oflag=direct conv=notrunc 2>/dev/null || return 1
                i=0
                until dd if=/dev/vda bs=64k skip=THEIRS_AT count=1 iflag=direct 2>/dev/null | cmp -s - /run/theirs; do
                  i=$((i+1)); [ $i -lt 600 ] || return 2; sleep 0.1
                done
                echo both saw
                """;
        try (Uml left = Uml.start(
                        directory,
                        "left",
                        script.replace("MINE_AT", "3")
                                .replace("THEIRS_AT", "5")
                                .replace("MINE", "left")
                                .replace("THEIRS", "right"),
                        daemon.vhostSocket("left"));
                Uml right = Uml.start(
                        directory,
                        "right",
                        script.replace("MINE_AT", "5")
                                .replace("THEIRS_AT", "3")
                                .replace("MINE", "right")
                                .replace("THEIRS", "left"),
                        daemon.vhostSocket("right"))) {
            assertTrue(left.succeed().contains("both saw"));
            assertTrue(right.succeed().contains("both saw"));
        }
        daemon.detach("left");
        daemon.detach("right");
    }

    @Test
    void aGuestKilledInTheMiddleLeavesTheDiskToTheNext() throws Exception {
        Path image = directory.resolve("killed.qcow");
        daemon.blktap("create", "tap:qcow:" + image, "64M").ok();
        daemon.attach("tap:qcow:" + image, "killed", "--node", "vhost-user");
        int descriptors = daemon.descriptors();
        long mappings = daemon.sharedMappings();
        for (int i = 0; i < 3; i++) {
            try (Uml guest = Uml.start(directory, "killed" + i, """
                    fio --name=k --ioengine=psync --filename=/dev/vda --rw=randwrite --bs=32k --size=64M --direct=1 \
                      --time_based --runtime=3600 --numjobs=4 >/dev/null
                    """, daemon.vhostSocket("killed"))) {
                Wait.until(
                        "the guest writes",
                        () -> daemon.stats("killed")
                                                .getAsJsonObject("operations")
                                                .getAsJsonObject("write")
                                                .get("count")
                                                .getAsLong()
                                        > 0
                                && daemon.stats("killed").get("inFlight").getAsInt() >= 0
                                && guest.console() != null);
                long before = daemon.stats("killed")
                        .getAsJsonObject("operations")
                        .getAsJsonObject("write")
                        .get("count")
                        .getAsLong();
                Wait.until(
                        "the guest is at work",
                        () -> daemon.stats("killed")
                                        .getAsJsonObject("operations")
                                        .getAsJsonObject("write")
                                        .get("count")
                                        .getAsLong()
                                > before + 200);
                guest.kill();
            }
            Wait.until(
                    "its requests have ended",
                    () -> daemon.stats("killed").get("inFlight").getAsInt() == 0);
        }
        Wait.until("no descriptor is left behind: " + descriptors, () -> daemon.descriptors() <= descriptors);
        Wait.until("no mapping is left behind", () -> daemon.sharedMappings() <= mappings);
        Uml.run(directory, "next", FIO.formatted("/dev/vda", 1), daemon.vhostSocket("killed"));
        daemon.detach("killed");
        assertEquals(0, daemon.threads("blktap-killed"));
        daemon.blktap("check", "tap:qcow:" + image).ok();
    }
}
