package org.blktap.itests;

import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * Debian's kernel in QEMU on vhost-user-blk-pci: firmware and kernel each start the device, with one and two queues.
 */
class QemuGuestIT {
    @TempDir
    static Path directory;

    private static final String SCRIPT = """
            set -- $(ls -d /sys/block/vda/mq/*); [ $# = QUEUES ] || { echo "$# queues"; false; } &&
            grep -qx guest /sys/block/vda/serial &&
            for part in 0 1 2 3; do
              dd if=/dev/urandom of=/tmp/data$part bs=64k count=32 2>/dev/null
              (dd if=/tmp/data$part of=/dev/vda bs=64k seek=$((part * 100)) conv=fsync 2>/dev/null) &
            done && wait && echo 3 > /proc/sys/vm/drop_caches &&
            for part in 0 1 2 3; do
              dd if=/dev/vda bs=64k skip=$((part * 100)) count=32 2>/dev/null | cmp - /tmp/data$part || echo differs
            done | grep -c . | grep -qx 0
            """;

    @Test
    void oneAndTwoQueues() throws Exception {
        Path image = directory.resolve("guest.qcow");
        try (Daemon daemon = Daemon.started(directory)) {
            daemon.blktap("create", "tap:qcow:" + image, "64M").ok();
            daemon.attach("tap:qcow:" + image, "guest", "--node", "vhost-user,queues=2");
            boot(daemon, 1, "256M");
            // memory above 4 GiB: an address space with a hole, in two regions
            boot(daemon, 2, "5G");
            daemon.detach("guest");
            daemon.blktap("check", "tap:qcow:" + image).ok();
        }
    }

    private static void boot(Daemon daemon, int queues, String memory) throws Exception {
        String script = SCRIPT.replace("QUEUES", Integer.toString(queues));
        try (QemuGuest guest =
                QemuGuest.start(directory, "queues" + queues, script, daemon.vhostSocket("guest"), queues, memory)) {
            guest.succeed();
        }
    }
}
