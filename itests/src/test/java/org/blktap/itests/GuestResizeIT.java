package org.blktap.itests;

import java.nio.file.Path;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** A guest whose vhost-user disk grows while it is mounted; QemuGuestPageIT has one of QEMU. */
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
}
