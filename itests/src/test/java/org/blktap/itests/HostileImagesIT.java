package org.blktap.itests;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Images that name forbidden files are refused at open, with one line that says why. */
class HostileImagesIT {
    @TempDir
    static Path directory;

    private static Daemon daemon;

    @BeforeAll
    static void start() throws Exception {
        daemon = Daemon.started(directory);
    }

    @AfterAll
    static void stop() throws Exception {
        daemon.close();
    }

    private static void refused(String spec, String why) throws Exception {
        for (List<String> command : List.of(
                List.of("attach", spec, "--id", "hostile", "--node", "nbd"),
                List.of("info", spec),
                List.of("attach", spec, "--id", "hostile", "--read-only"))) {
            Run run = daemon.blktap(command.toArray(new String[0]));
            assertEquals(1, run.status(), run::toString);
            assertTrue(run.err().contains(why) && run.err().lines().count() == 1, run::toString);
        }
        assertEquals(0, daemon.list().size());
    }

    /** An image over a backing file that is not looked at. */
    private static Path overlay(String name, String format, String backing) throws Exception {
        Path image = directory.resolve(name);
        Run.of("qemu-img", "create", "-q", "-f", "qcow2", "-u", "-b", backing, "-F", format, image.toString(), "1M")
                .ok();
        return image;
    }

    @Test
    void circlesOfBackingFiles() throws Exception {
        overlay("itself.qcow2", "qcow2", "itself.qcow2");
        refused("tap:qcow2:" + directory.resolve("itself.qcow2"), "backs itself");
        overlay("one.qcow2", "qcow2", "two.qcow2");
        overlay("two.qcow2", "qcow2", "one.qcow2");
        refused("tap:qcow2:" + directory.resolve("one.qcow2"), "backs itself");
        // through a link
        Files.createSymbolicLink(directory.resolve("link.qcow2"), directory.resolve("three.qcow2"));
        overlay("three.qcow2", "qcow2", "link.qcow2");
        refused("tap:qcow2:" + directory.resolve("three.qcow2"), "backs itself");
    }

    @Test
    void parentsThatAreThemselves() throws Exception {
        Path vmdk = directory.resolve("self.vmdk");
        daemon.blktap("create", "tap:vmdk:" + vmdk, "1M").ok();
        String text =
                Run.of("dd", "if=" + vmdk, "bs=512", "skip=1", "count=2").ok().out();
        String cid = text.lines()
                .filter(line -> line.startsWith("CID="))
                .findFirst()
                .orElseThrow()
                .substring(4);
        String own = text.substring(0, text.indexOf('\0'))
                .replaceFirst("parentCID=.*", "parentCID=" + cid + "\nparentFileNameHint=\"self.vmdk\"");
        Path changed = Files.writeString(directory.resolve("descriptor"), own);
        Run.of("dd", "if=" + changed, "of=" + vmdk, "bs=512", "seek=1", "conv=notrunc")
                .ok();
        refused("tap:vmdk:" + vmdk, "backs itself");
    }

    @Test
    void chainsWithoutEnd() throws Exception {
        Run.of(
                        "qemu-img",
                        "create",
                        "-q",
                        "-f",
                        "raw",
                        directory.resolve("deep0").toString(),
                        "1M")
                .ok();
        for (int i = 1; i <= 70; i++) {
            overlay("deep" + i, i == 1 ? "raw" : "qcow2", "deep" + (i - 1));
        }
        refused("tap:qcow2:" + directory.resolve("deep70"), "longer than 64");
        daemon.attach("tap:qcow2:" + directory.resolve("deep60"), "deep", "--node", "nbd");
        Run.of(
                        "qemu-io",
                        "-f",
                        "raw",
                        daemon.nbd("deep"),
                        "-c",
                        "read -P 0 0 1M",
                        "-c",
                        "write -P 5 4096 4096",
                        "-c",
                        "read -P 5 4096 4096")
                .ok();
        daemon.detach("deep");
    }

    @Test
    void otherPeoplesFilesAndDevices() throws Exception {
        Files.createSymbolicLink(directory.resolve("passwd"), Path.of("/etc/passwd"));
        Files.createSymbolicLink(directory.resolve("zero"), Path.of("/dev/zero"));
        for (String name : List.of(
                "/etc/passwd", "/dev/zero", "../../../../../../../../etc/passwd", "passwd", "zero", "/proc/self/mem")) {
            Path descriptor = Files.writeString(directory.resolve("hostile.vmdk"), """
                    # Disk DescriptorFile
                    version=1
                    CID=12345678
                    parentCID=ffffffff
                    createType="monolithicFlat"
                    RW 2 FLAT "%s" 0
                    """.formatted(name));
            refused("tap:vmdk:" + descriptor, "names " + name + ", which");
            Path image = overlay("hostile.qcow2", "raw", name);
            refused("tap:qcow2:" + image, "names " + name + ", which");
            Files.delete(image);
        }
        Run.of(
                        "sh",
                        "-c",
                        "cd " + directory + " && qemu-img create -q -f qcow2 -o data_file=hostile.data ext.qcow2 1M && "
                                + "sed -i s,hostile.data,/etc//passwd, ext.qcow2")
                .ok();
        refused("tap:qcow2:" + directory.resolve("ext.qcow2"), "/etc//passwd");
    }

    @Test
    void namesThatAreProgramsToOthers() throws Exception {
        for (String name : List.of(
                "json:{\"driver\":\"file\",\"filename\":\"/etc/passwd\"}",
                "nbd://127.0.0.1:1/x",
                "https://example.invalid/x",
                "nbd+unix:///a?socket=" + daemon.runDir.resolve("nbd.sock"),
                "fat:/etc",
                "tap:aio:/etc/passwd")) {
            Path image = directory.resolve("named.qcow2");
            Run.of("qemu-img", "create", "-q", "-f", "qcow2", image.toString(), "1M")
                    .ok();
            Run.of("qemu-img", "rebase", "-u", "-f", "qcow2", "-F", "raw", "-b", name, image.toString())
                    .ok();
            refused("tap:qcow2:" + image, name.startsWith("json:") ? "names /etc/passwd, which" : "is of the protocol");
            Files.delete(image);
        }
    }
}
