package org.blktap.itests;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Other people's files: what images name, and directories in which others can write. */
class PathsIT {
    @TempDir
    Path directory;

    private static Run start(Path home, Path run, Path data) throws Exception {
        return Run.of(
                Map.of("BLKTAP_RUN_DIR", run.toString(), "BLKTAP_DATA_DIR", data.toString()),
                "timeout",
                "60",
                home.resolve("bin/blktapd").toString());
    }

    private static void refused(Run run, String word) {
        assertEquals(1, run.status(), run::toString);
        assertEquals(1, run.err().lines().count(), run::toString);
        assertTrue(run.err().contains(word), run::toString);
    }

    @Test
    void directoriesOfOthersAreRefused() throws Exception {
        Path home = new Daemon(directory, Map.of()).home;
        Path run = Files.createDirectory(directory.resolve("run"));
        Path data = Files.createDirectory(directory.resolve("data"));
        Files.setPosixFilePermissions(run, PosixFilePermissions.fromString("rwxrwxrwx"));
        refused(start(home, run, data), "everybody");
        Files.setPosixFilePermissions(run, PosixFilePermissions.fromString("rwxr-xr-x"));
        Path victim = Files.writeString(directory.resolve("victim"), "precious");
        for (Path planted : new Path[] {run.resolve("lock"), data.resolve("lock")}) {
            Files.createSymbolicLink(planted, victim);
            refused(start(home, run, data), planted.toString());
            Files.delete(planted);
        }
        assertEquals("precious", Files.readString(victim));
        if (Run.of("chown", "65534", data.toString()).status() == 0) {
            refused(start(home, run, data), "belongs to user 65534");
        }
    }

    @Test
    void aNeighboursImageIsNotWritten() throws Exception {
        Path victim = Files.createDirectory(directory.resolve("images")).resolve("victim.img");
        try (Daemon daemon = Daemon.started(directory)) {
            Run.of("sh", "-c", "head -c 1M /dev/zero | tr '\\0' V > " + victim).ok();
            Files.writeString(
                    victim.resolveSibling("evil.vmdk"),
                    "# Disk DescriptorFile\nversion=1\nCID=12345678\nparentCID=ffffffff\n"
                            + "createType=\"monolithicFlat\"\nRW 2048 FLAT \"victim.img\" 0\n");
            Path evil = victim.resolveSibling("evil.qcow2");
            Run.of(
                            "sh",
                            "-c",
                            "cd " + evil.getParent()
                                    + " && qemu-img create -q -f qcow2 -o data_file=evil.data evil.qcow2 1M")
                    .ok();
            Files.delete(evil.resolveSibling("evil.data"));
            Files.createSymbolicLink(evil.resolveSibling("evil.data"), victim);
            for (String spec : new String[] {"tap:vmdk:" + victim.resolveSibling("evil.vmdk"), "tap:qcow2:" + evil}) {
                Run run = daemon.blktap("attach", spec, "--id", "e", "--node", "nbd");
                assertEquals(1, run.status(), run::toString);
                assertTrue(run.err().contains("external-files=writable"), run::toString);
                daemon.attach(spec, "e", "--node", "nbd", "--read-only");
                // nothing of the data file is allocated to the qcow2 image
                Run.of(
                                "qemu-io",
                                "-r",
                                "-f",
                                "raw",
                                daemon.nbd("e"),
                                "-c",
                                "read -P " + (spec.contains("vmdk") ? 'V' + 0 : 0) + " 0 1M")
                        .ok();
                daemon.detach("e");
                daemon.attach(spec, "e", "--node", "nbd", "-o", "external-files=writable");
                daemon.detach("e");
            }
            // what belongs to the image needs no option: by its name, or as it was made together
            Run.of(
                            "qemu-img",
                            "create",
                            "-q",
                            "-f",
                            "vmdk",
                            "-o",
                            "subformat=twoGbMaxExtentSparse",
                            directory.resolve("s.vmdk").toString(),
                            "3G")
                    .ok();
            daemon.attach("tap:vmdk:" + directory.resolve("s.vmdk"), "s", "--node", "nbd");
            daemon.blktap("create", "tap:qcow2:" + directory.resolve("d.qcow2"), "1M", "-o", "data-file=any.name")
                    .ok();
            daemon.attach("tap:qcow2:" + directory.resolve("d.qcow2"), "d", "--node", "nbd");
            Run.of("qemu-io", "-f", "raw", daemon.nbd("d"), "-c", "write -P 7 0 1M")
                    .ok();
            // an extent that is another's disk, by any name
            daemon.blktap("create", "tap:vmdk:" + directory.resolve("x-s001.vmdk"), "1M")
                    .ok();
            Files.writeString(
                    directory.resolve("x.vmdk"),
                    "# Disk DescriptorFile\nversion=1\nCID=12345678\nparentCID=ffffffff\n"
                            + "createType=\"twoGbMaxExtentSparse\"\nRW 2048 SPARSE \"x-s001.vmdk\"\n");
            Run own = daemon.blktap(
                    "attach",
                    "tap:vmdk:" + directory.resolve("x.vmdk"),
                    "--id",
                    "x",
                    "--node",
                    "nbd",
                    "-o",
                    "external-files=writable");
            assertEquals(1, own.status(), own::toString);
            assertTrue(own.err().contains("a disk of its own"), own::toString);
        }
    }
}
