package org.blktap.itests;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import com.google.gson.JsonParser;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** {@code blktap xen-setup} on the files of a dom0 in a directory. */
class XenSetupIT {
    private static final String BLOCK = "etc/xen/scripts/block";
    private static final String QEMU = "usr/libexec/xen-qemu-system-i386";

    @TempDir
    static Path directory;

    private static Daemon daemon;

    @TempDir
    Path root;

    @BeforeAll
    static void unpack() throws Exception {
        daemon = new Daemon(directory, Map.of());
    }

    @BeforeEach
    void makeDom0() throws Exception {
        for (String folder : List.of(
                "etc/xen/scripts",
                "etc/systemd/system/multi-user.target.wants",
                "usr/sbin",
                "usr/libexec",
                "usr/lib/x86_64-linux-gnu")) {
            Files.createDirectories(root.resolve(folder));
        }
        file(BLOCK, "#!/bin/sh\n# Xen's\n");
        file(
                "usr/lib/x86_64-linux-gnu/libxenlight.so.4.17.0",
                "\177ELF\0/etc/xen/scripts\0/usr/libexec/xen-qemu-system-i386\0more");
        Files.createSymbolicLink(
                root.resolve("usr/lib/x86_64-linux-gnu/libxenlight.so.4.17"), Path.of("libxenlight.so.4.17.0"));
    }

    /** No link that leads out of the directory, of which JUnit would warn. */
    @AfterEach
    void undo() throws Exception {
        setup("--undo").ok();
    }

    private void dpkg() throws Exception {
        assumeTrue(Run.of("sh", "-c", "command -v dpkg-divert").status() == 0, "there is no dpkg");
        Files.createDirectories(root.resolve("var/lib/dpkg/info"));
        file("var/lib/dpkg/status", "");
        file("var/lib/dpkg/diversions", "");
    }

    private void file(String path, String text) throws Exception {
        Files.writeString(root.resolve(path), text, StandardCharsets.ISO_8859_1);
    }

    private String leads(String path) throws Exception {
        return Files.readSymbolicLink(root.resolve(path)).toString();
    }

    private Run setup(String... options) throws Exception {
        List<String> words = new ArrayList<>(List.of("xen-setup", "--root", root.toString()));
        words.addAll(List.of(options));
        return daemon.blktap(words.toArray(String[]::new));
    }

    /** All files, by name: what they contain, or where they lead. dpkg's own copy of its former list is left out. */
    private Map<String, String> tree() throws Exception {
        Map<String, String> tree = new TreeMap<>();
        try (Stream<Path> files = Files.walk(root)) {
            for (Path file : (Iterable<Path>) files::iterator) {
                String name = root.relativize(file).toString();
                if (Files.isSymbolicLink(file)) {
                    tree.put(name, "-> " + Files.readSymbolicLink(file));
                } else if (Files.isRegularFile(file, LinkOption.NOFOLLOW_LINKS) && !name.endsWith("diversions-old")) {
                    tree.put(
                            name,
                            Files.readString(file, StandardCharsets.ISO_8859_1) + Files.getPosixFilePermissions(file));
                }
            }
        }
        return tree;
    }

    private void refused(int status, Run run, String text) {
        assertEquals(status, run.status(), run::toString);
        assertTrue((run.out() + run.err()).contains(text), run::toString);
    }

    @ParameterizedTest
    @ValueSource(booleans = {true, false})
    void allIsDoneAndUndone(boolean withDpkg) throws Exception {
        if (withDpkg) {
            dpkg();
        }
        Map<String, String> before = tree();
        refused(1, setup("--check"), "not done    hotplug script");
        assertEquals(before, tree());
        for (int i = 0; i < 2; i++) {
            setup().ok();
            setup("--check").ok();
            assertEquals(daemon.home + "/libexec/xen-device-model", leads(QEMU));
            assertEquals(daemon.home + "/etc/xen/scripts/block-blktap", leads(BLOCK + "-blktap"));
            assertEquals(daemon.home + "/bin/tap-ctl", leads("usr/sbin/tap-ctl"));
            assertFalse(Files.isSymbolicLink(root.resolve(BLOCK)));
            assertTrue(Files.readString(root.resolve("etc/systemd/system/blktap.service"))
                    .contains("ExecStart=" + daemon.home + "/bin/blktapd"));
            assertEquals(
                    "/etc/systemd/system/blktap.service",
                    leads("etc/systemd/system/multi-user.target.wants/blktap.service"));
        }
        refused(1, setup("--check", "--takeover"), "not done    takeover");
        Map<String, String> ready = tree();
        for (int i = 0; i < 2; i++) {
            setup("--takeover").ok();
            setup("--check", "--takeover").ok();
            assertEquals(daemon.home + "/etc/xen/scripts/block-blktap", leads(BLOCK));
            assertTrue(Files.readString(root.resolve(BLOCK + ".distrib")).contains("Xen's"));
        }
        setup("--undo", "--takeover").ok();
        assertEquals(ready, tree());
        setup("--takeover").ok();
        for (int i = 0; i < 2; i++) {
            setup("--undo").ok();
            assertEquals(before, tree());
        }
    }

    @ParameterizedTest
    @ValueSource(booleans = {true, false})
    void whatIsThereIsKept(boolean withDpkg) throws Exception {
        if (withDpkg) {
            dpkg();
        }
        file(QEMU, "QEMU");
        file("usr/sbin/tap-ctl", "of blktap-utils");
        file("etc/xen/scripts/block-blktap", "of the administrator");
        file("etc/systemd/system/blktap.service", "of the administrator");
        Map<String, String> before = tree();
        // a unit of the administrator's is not changed, nor enabled
        refused(1, setup("--takeover"), "blktap.service is not enabled");
        assertEquals("QEMU", Files.readString(root.resolve(QEMU + ".distrib")));
        assertEquals("of blktap-utils", Files.readString(root.resolve("usr/sbin/tap-ctl.distrib")));
        Files.createSymbolicLink(
                root.resolve("etc/systemd/system/multi-user.target.wants/blktap.service"),
                Path.of("/etc/systemd/system/blktap.service"));
        setup("--check", "--takeover").ok();
        // dpkg installs new versions beside the links
        if (withDpkg) {
            assertTrue(Files.readString(root.resolve("var/lib/dpkg/diversions"))
                    .contains("/" + QEMU + "\n/" + QEMU + ".distrib\n:\n"));
        }
        setup("--undo").ok();
        Files.delete(root.resolve("etc/systemd/system/multi-user.target.wants/blktap.service"));
        assertEquals(before, tree());
    }

    /** Each place at which it may have been killed. */
    @Test
    void interruptions() throws Exception {
        dpkg();
        file(QEMU, "QEMU");
        Map<String, String> before = tree();
        List<String> divert = List.of(
                "dpkg-divert",
                "--admindir",
                root.resolve("var/lib/dpkg").toString(),
                "--quiet",
                "--local",
                "--no-rename",
                "--divert",
                "/" + QEMU + ".distrib",
                "--add",
                "/" + QEMU);
        for (int point = 0; point < 3; point++) {
            for (boolean undo : new boolean[] {false, true}) {
                Run.of(divert.toArray(String[]::new)).ok();
                if (point > 0) {
                    Files.createLink(root.resolve(QEMU + ".distrib"), root.resolve(QEMU));
                }
                if (point > 1) {
                    Files.createSymbolicLink(root.resolve(QEMU + ".blktap-new"), Path.of("/nowhere"));
                    file("etc/systemd/system/blktap.service.blktap-new", "half");
                }
                if (!undo) {
                    setup().ok();
                    setup("--check").ok();
                }
                setup("--undo").ok();
                assertEquals(before, tree(), "point " + point + " " + undo);
            }
        }
        // undo was killed after it restored the file and before it told dpkg
        setup().ok();
        Files.move(root.resolve(QEMU + ".distrib"), root.resolve(QEMU), java.nio.file.StandardCopyOption.ATOMIC_MOVE);
        Files.delete(root.resolve("etc/systemd/system/blktap.service"));
        setup("--undo").ok();
        assertEquals(before, tree());
    }

    /** dpkg installs a new version of what is diverted beside the links, asks nothing, and --undo brings it back. */
    @Test
    void anUpdateOfThePackageGoesBesideTheLinks() throws Exception {
        assumeTrue(Run.of("id", "-u").out().strip().equals("0"), "only root installs packages");
        dpkg();
        Files.createDirectories(root.resolve("var/lib/dpkg/updates"));
        Files.delete(root.resolve(BLOCK));
        Path script = Files.writeString(directory.resolve("package"), """
                set -e
                rm -rf pk && mkdir -p pk/DEBIAN pk/etc/xen/scripts pk/usr/libexec
                printf 'Package: xen-tools\nVersion: %s\nArchitecture: all\nMaintainer: x <x@x>\nDescription: x\n' "$1" > pk/DEBIAN/control
                echo /etc/xen/scripts/block > pk/DEBIAN/conffiles
                echo "block of $1" > pk/etc/xen/scripts/block
                echo "QEMU of $1" > pk/usr/libexec/xen-qemu-system-i386
                dpkg-deb -b pk tools.deb && dpkg --root="$2" -i tools.deb
                """);
        String install = "cd " + directory + " && sh " + script + " ";
        Run.of("sh", "-c", install + "1 " + root).ok();
        setup("--takeover").ok();
        Run.of("sh", "-c", install + "2 " + root).ok();
        setup("--check", "--takeover").ok();
        assertEquals("block of 2\n", Files.readString(root.resolve(BLOCK + ".distrib")));
        assertEquals("QEMU of 2\n", Files.readString(root.resolve(QEMU + ".distrib")));
        assertTrue(
                Files.readString(daemon.home.resolve("etc/xen/scripts/block-blktap"))
                        .startsWith("#!/bin/sh"),
                "our own file was not written");
        setup("--undo").ok();
        assertEquals("block of 2\n", Files.readString(root.resolve(BLOCK)));
        Run.of("sh", "-c", install + "3 " + root).ok();
        assertEquals("block of 3\n", Files.readString(root.resolve(BLOCK)));
        assertEquals("QEMU of 3\n", Files.readString(root.resolve(QEMU)));
    }

    @Test
    void whatChangesBehindItsBackIsSeen() throws Exception {
        setup("--takeover").ok();
        Files.delete(root.resolve(BLOCK));
        file(BLOCK, "an update's");
        refused(1, setup("--check", "--takeover"), "block is not blktap's");
        refused(1, setup("--takeover"), "one would be lost");
        assertEquals("an update's", Files.readString(root.resolve(BLOCK)));
        Files.delete(root.resolve(BLOCK + ".distrib"));
        setup("--takeover").ok();
        // another version
        Files.delete(root.resolve(QEMU));
        Files.createSymbolicLink(root.resolve(QEMU), Path.of("/opt/blktap-1/libexec/xen-device-model"));
        refused(1, setup("--check"), "leads to another blktap");
        setup().ok();
        assertEquals(daemon.home + "/libexec/xen-device-model", leads(QEMU));
        assertFalse(Files.exists(root.resolve(QEMU + ".distrib"), LinkOption.NOFOLLOW_LINKS));
    }

    @Test
    void withoutXensToolsItIsNotReady() throws Exception {
        Run.of(
                        "rm",
                        "-r",
                        root.resolve("etc/xen").toString(),
                        root.resolve("usr/lib").toString())
                .ok();
        refused(1, setup(), "Xen's tools are not installed");
        refused(1, setup("--check"), "xl is not installed");
        setup("--undo").ok();
    }

    @Test
    void aQemuThatOthersUseStaysInItsPlace() throws Exception {
        file("usr/lib/x86_64-linux-gnu/libxenlight.so.4.17.0", "\0/usr/bin/qemu-system-i386\0");
        Files.createDirectories(root.resolve("usr/bin"));
        file("usr/bin/qemu-system-i386", "QEMU");
        setup().ok();
        assertEquals("QEMU", Files.readString(root.resolve("usr/bin/qemu-system-i386")));
        assertTrue(setup("--check").ok().out().contains("not needed  device model"));
    }

    @Test
    void programsReadIt() throws Exception {
        JsonObject all =
                JsonParser.parseString(setup("--check", "--json").out()).getAsJsonObject();
        assertFalse(all.get("ready").getAsBoolean());
        setup().ok();
        all = JsonParser.parseString(setup("--check", "--json").ok().out()).getAsJsonObject();
        assertTrue(all.get("ready").getAsBoolean());
        for (JsonElement each : all.get("steps").getAsJsonArray()) {
            JsonObject step = each.getAsJsonObject();
            assertEquals(
                    step.get("required").getAsBoolean() ? "done" : "not done",
                    step.get("state").getAsString(),
                    step::toString);
        }
    }

    private static void detachAll() throws Exception {
        for (JsonElement each : daemon.list()) {
            daemon.detach(each.getAsJsonObject().get("id").getAsString());
        }
    }

    /** Their device nodes name the script by its path, and nothing else starts a daemon that has ended. */
    @Test
    void underRunningGuestsNothingIsUndone() throws Exception {
        daemon.start();
        try {
            setup("--takeover").ok();
            daemon.attach("tap:ram:a,size=1M", "by-hand", "--node", "nbd");
            setup("--undo", "--takeover").ok();
            setup("--takeover").ok();
            daemon.attach("tap:ram:b,size=1M", "xen-7-51712", "--node", "nbd");
            daemon.attach("tap:ram:c,size=1M", "tap-3", "--node", "nbd");
            Map<String, String> before = tree();
            Run run = setup("--undo");
            refused(1, run, "guests have disks of the daemon: tap-3, xen-7-51712; end them first, or add --force");
            assertEquals("", run.out());
            assertEquals(before, tree());
            // neither is there because of the takeover
            setup("--undo", "--takeover").ok();
            assertEquals(before.keySet().size() - 1, tree().size(), "block.distrib is block again");
            before = tree();
            daemon.kill();
            refused(1, setup("--undo"), "which are on record: tap-3, xen-7-51712; start it");
            assertEquals(before, tree());
            daemon.start();
            daemon.detach("tap-3");
            refused(1, setup("--undo"), "the daemon: xen-7-51712;");
            setup("--undo", "--force").ok();
            assertFalse(Files.exists(root.resolve("etc/systemd/system/blktap.service")));
            setup().ok();
            detachAll();
            setup("--undo").ok();
        } finally {
            daemon.kill();
            Run.of("sh", "-c", "rm -rf \"$0\"/attachments/*", daemon.dataDir.toString())
                    .ok();
        }
    }

    /** Records of Xen's nodes, which no daemon can have here; XenStore says by which script each has come. */
    @Test
    void underGuestsOfTheTakeoverItIsNotUndone() throws Exception {
        Path records = Files.createDirectories(daemon.dataDir.resolve("attachments"));
        Path programs = Files.createDirectories(directory.resolve("programs"));
        Path reader = Files.writeString(programs.resolve("xenstore-read"), """
                #!/bin/sh
                case $1 in
                  /local/domain/0/backend/vbd/1/51712/script) echo /etc/xen/scripts/block-blktap ;;
                  /local/domain/0/backend/vbd/2/51712/script) echo /etc/xen/scripts/block ;;
                  *) exit 1 ;;
                esac
                """);
        assertTrue(reader.toFile().setExecutable(true));
        try {
            setup("--takeover").ok();
            for (String record : List.of("1/51712,backend=vbd", "2/51712,backend=vbd", "3/51712,backend=qdisk")) {
                java.util.Properties properties = new java.util.Properties();
                properties.setProperty("spec", "tap:ram:a");
                properties.setProperty("node.0", "xen:" + record);
                try (java.io.Writer writer =
                        Files.newBufferedWriter(records.resolve("xen-" + record.substring(0, 1) + "-51712.cfg"))) {
                    properties.store(writer, null);
                }
            }
            refused(1, setup("--undo"), "on record: xen-1-51712, xen-2-51712, xen-3-51712;");
            Map<String, String> environment = Map.of(
                    "PATH",
                    programs + ":" + System.getenv("PATH"),
                    "BLKTAP_RUN_DIR",
                    daemon.runDir.toString(),
                    "BLKTAP_DATA_DIR",
                    daemon.dataDir.toString());
            String[] undo = {
                daemon.home.resolve("bin/blktap").toString(),
                "xen-setup",
                "--root",
                root.toString(),
                "--undo",
                "--takeover"
            };
            refused(1, Run.of(environment, undo), "on record: xen-2-51712;");
            Files.delete(records.resolve("xen-2-51712.cfg"));
            Run.of(environment, undo).ok();
            assertFalse(Files.isSymbolicLink(root.resolve(BLOCK)));
            refused(1, setup("--undo"), "on record: xen-1-51712, xen-3-51712;");
        } finally {
            Run.of("sh", "-c", "rm -rf \"$0\"/*", records.toString()).ok();
        }
    }

    @Test
    void wrongUsage() throws Exception {
        refused(2, setup("--check", "--undo"), "exclude each other");
        refused(2, setup("--force"), "--force goes with --undo");
        refused(2, setup("--json"), "--json goes with --check");
        refused(2, setup("--frobnicate"), "unknown argument --frobnicate");
        refused(2, daemon.blktap("xen-setup", "--root", "/no/such"), "/no/such: no such directory");
        assertTrue(daemon.blktap("xen-setup", "--help").ok().out().startsWith("Usage: blktap xen-setup"));
    }
}
