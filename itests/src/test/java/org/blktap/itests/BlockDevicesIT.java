package org.blktap.itests;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.nio.file.Path;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * Real block devices (loop devices of the kernel) with sectors of 512 and of 4096 bytes, as disks and as backing files.
 */
class BlockDevicesIT {
    @TempDir
    Path directory;

    @Test
    void bothSectorSizes() throws Exception {
        assumeTrue(Run.of("losetup", "-f").status() == 0, "this machine has no loop devices");
        try (Daemon daemon = new Daemon(directory, Map.of("BLKTAP_IMAGE_ROOTS", "/dev"))) {
            daemon.start();
            for (String sector : new String[] {"512", "4096"}) {
                Path file = directory.resolve("device" + sector);
                Path model = directory.resolve("model" + sector);
                Run.of("truncate", "-s", "64M", file.toString()).ok();
                Run.of("truncate", "-s", "64M", model.toString()).ok();
                String device = Run.of("losetup", "-f", "--show", "-b", sector, file.toString())
                        .ok()
                        .out()
                        .strip();
                try {
                    convert(daemon, device, sector);
                    use(daemon, device, sector, model);
                } finally {
                    Run.of("losetup", "-d", device);
                }
                Run.of("cmp", file.toString(), model.toString()).ok();
            }
        }
    }

    /** A device keeps its name, and what an image does not store is zeroed on it. */
    private void convert(Daemon daemon, String device, String sector) throws Exception {
        Path source = directory.resolve("source" + sector);
        Run.of("sh", "-c", "head -c 3M /dev/urandom > " + source + " && truncate -s 64M " + source)
                .ok();
        daemon.blktap("convert", "tap:raw:" + source, "tap:raw:" + device).ok();
        Run.of("cmp", source.toString(), device).ok();
        Path empty = directory.resolve("empty" + sector + ".qcow");
        daemon.blktap("create", "tap:qcow:" + empty, "64M").ok();
        daemon.blktap("convert", "tap:qcow:" + empty, "tap:raw:" + device).ok();
        Run.of("cmp", "-n", "67108864", "/dev/zero", device).ok();
        Path large = directory.resolve("large" + sector + ".qcow");
        daemon.blktap("create", "tap:qcow:" + large, "65M").ok();
        assertEquals(
                1,
                daemon.blktap("convert", "tap:qcow:" + large, "tap:raw:" + device)
                        .status());
    }

    private void use(Daemon daemon, String device, String sector, Path model) throws Exception {
        daemon.attach("tap:aio:" + device, "dev", "--node", "nbd");
        assertTrue(
                daemon.blktap("info", "dev", "--json").out().replace(" ", "").contains("\"blockSize\":" + sector),
                () -> "sectors of " + sector);
        for (String image : new String[] {daemon.nbd("dev"), model.toString()}) {
            // requests of 512 bytes too: a device with larger sectors is read, changed and written
            Run.of(
                            "qemu-io",
                            "-f",
                            "raw",
                            "--discard=unmap",
                            image,
                            "-c",
                            "write -P 1 0 1M",
                            "-c",
                            "write -P 2 512 512",
                            "-c",
                            "write -P 3 5120 1536",
                            "-c",
                            "write -P 4 1000448 100k",
                            "-c",
                            "write -z 4096 8192",
                            "-c",
                            "write -z 20992 512",
                            "-c",
                            "write -P 5 32M 2M",
                            "-c",
                            "write -zu 33M 64k",
                            "-c",
                            "flush")
                    .ok();
        }
        Qemu.equal("raw", model, "raw", daemon.nbd("dev"));
        Run.of("qemu-io", "-f", "raw", "--discard=unmap", daemon.nbd("dev"), "-c", "discard 40M 8M", "-c", "flush")
                .ok();
        daemon.detach("dev");
        // an overlay on it
        Path overlay = directory.resolve("over" + sector + ".qcow");
        daemon.blktap("create", "tap:qcow:" + overlay, "--backing", "tap:aio:" + device)
                .ok();
        daemon.attach("tap:qcow:" + overlay, "over", "--node", "nbd");
        Qemu.equal("raw", model, "raw", daemon.nbd("over"));
        Run.of(
                        "qemu-io",
                        "-f",
                        "raw",
                        daemon.nbd("over"),
                        "-c",
                        "write -P 9 1536 512",
                        "-c",
                        "read -P 9 1536 512",
                        "-c",
                        "read -P 2 512 512")
                .ok();
        daemon.detach("over");
        assertEquals(0, daemon.blktap("check", "tap:qcow:" + overlay).status());
    }
}
