package org.blktap.itests;

import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Guests whose vhost-user disk grows while it is mounted: their kernels report the new size, and use it. */
class GuestResizeIT {
    @TempDir
    static Path directory;

    private static Daemon daemon;

    /** Waits for a size in sectors, of which the kernel must have said that it is new. */
    private static final String GROWS = """
            echo waits for SECTORS
            i=0
            while [ "$(cat /sys/block/vda/size)" != SECTORS ]; do
              [ $i -lt 1200 ] || { echo "size $(cat /sys/block/vda/size)"; return 9; }
              sleep 0.1; i=$((i+1))
            done
            dmesg | grep 'vda.*new size: SECTORS ' || return 8
            """;

    @BeforeAll
    static void start() throws Exception {
        daemon = Daemon.started(directory);
    }

    @AfterAll
    static void stop() throws Exception {
        daemon.close();
    }

    private static String grows(long mebibytes) {
        return GROWS.replace("SECTORS", Long.toString(mebibytes << 11));
    }

    private static void resize(String id, long mebibytes) throws Exception {
        daemon.blktap("resize", id, mebibytes + "M").ok();
    }

    @Test
    void aFileSystemGrowsInUserModeLinux() throws Exception {
        Path image = directory.resolve("uml.qcow2");
        daemon.blktap("create", "tap:qcow2:" + image, "64M").ok();
        daemon.attach("tap:qcow2:" + image, "uml", "--node", "vhost-user");
        String script = """
                mkfs.ext4 -q /dev/vda && mkdir /mnt/d && mount /dev/vda /mnt/d || return 1
                head -c 20M /dev/urandom > /mnt/d/before || return 2
                """ + grows(128) + grows(192) + """
                resize2fs /dev/vda || return 3
                head -c 120M /dev/urandom > /mnt/d/after || return 4
                (cd /mnt/d && sha256sum before after > /mnt/share/resized)
                umount /mnt/d && fsck.ext4 -fn /dev/vda || return 5
                mount /dev/vda /mnt/d && (cd /mnt/d && sha256sum -c /mnt/share/resized) && umount /mnt/d
                """;
        try (Uml guest = Uml.start(directory, "resize", script, daemon.vhostSocket("uml"))) {
            for (int mebibytes : new int[] {128, 192}) {
                guest.prints("waits for " + (mebibytes << 11));
                resize("uml", mebibytes);
            }
            guest.succeed();
        }
        daemon.detach("uml");
        daemon.blktap("check", "tap:qcow2:" + image).ok();
    }

    @Test
    void aDiskGrowsInQemu() throws Exception {
        Path image = directory.resolve("qemu.raw");
        daemon.blktap("create", "tap:aio:" + image, "64M").ok();
        daemon.attach("tap:aio:" + image, "qemu", "--node", "vhost-user,queues=2");
        Path script = Files.writeString(directory.resolve("grow"), grows(96) + """
                dd if=/dev/urandom of=/tmp/data bs=1M count=8 2>/dev/null
                dd if=/tmp/data of=/dev/vda bs=1M seek=88 conv=fsync 2>/dev/null || return 1
                echo 3 > /proc/sys/vm/drop_caches
                dd if=/dev/vda bs=1M skip=88 2>/dev/null | cmp - /tmp/data
                """);
        Path console = directory.resolve("qemu.console");
        ProcessBuilder builder = new ProcessBuilder(
                        System.getProperty("project.root") + "/itests/guest/qemu",
                        daemon.vhostSocket("qemu").toString(),
                        "2",
                        script.toString())
                .redirectInput(Path.of("/dev/null").toFile())
                .redirectOutput(console.toFile())
                .redirectErrorStream(true);
        builder.environment().putAll(Map.of("QEMU_MEMORY", "256M"));
        Process guest = builder.start();
        try {
            Wait.until("the guest waits", () -> {
                assertTrue(guest.isAlive(), () -> "the guest has ended: " + console);
                return Files.readString(console).contains("waits for");
            });
            resize("qemu", 96);
            assertTrue(guest.waitFor(Run.LIMIT_SECONDS, TimeUnit.SECONDS), () -> "the guest does not end");
            String text = Files.readString(console);
            assertTrue(text.contains("guest exit status 0"), text);
        } finally {
            guest.descendants().forEach(ProcessHandle::destroyForcibly);
            guest.destroyForcibly().waitFor();
        }
        daemon.detach("qemu");
    }
}
