package org.blktap.itests;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import com.google.gson.JsonObject;
import com.google.gson.JsonParser;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** {@code bin/tap-ctl} as its users call it, with NBD clients where tapdisk's would be. */
class TapCtlIT {
    @TempDir
    static Path directory;

    private static Path control;
    private static Daemon daemon;

    @BeforeAll
    static void start() throws Exception {
        control = directory.resolve("control");
        daemon = new Daemon(directory, Map.of("BLKTAP_CONTROL_DIR", control.toString()));
        daemon.start();
    }

    @AfterAll
    static void stop() throws Exception {
        daemon.close();
    }

    private static Run run(String command) throws Exception {
        List<String> words =
                new ArrayList<>(List.of(daemon.home.resolve("bin/tap-ctl").toString()));
        words.addAll(List.of(command.split(" ")));
        return Run.of(Map.of("BLKTAP_RUN_DIR", daemon.runDir.toString()), words.toArray(String[]::new));
    }

    private static String tapCtl(String command) throws Exception {
        return run(command).ok().out().strip();
    }

    private static Path image(String name, int mebibytes) throws Exception {
        Path image = directory.resolve(name);
        Run.of("sh", "-c", "head -c " + mebibytes + "M /dev/urandom > " + image).ok();
        return image;
    }

    private static void assertServes(Path socket, Path image) throws Exception {
        Path copy = directory.resolve("copy");
        Files.deleteIfExists(copy);
        Run.of("nbdcopy", "nbd+unix:///tapdisk_client?socket=" + socket, copy.toString())
                .ok();
        assertEquals(-1, Files.mismatch(image, copy));
    }

    @Test
    void theStepsOfXensHotplugScript() throws Exception {
        Path image = image("steps.img", 8);
        String name = tapCtl("allocate");
        assertTrue(name.startsWith(control + "/tapdisk/tapdisk-"), name);
        String minor = name.substring(name.lastIndexOf('-') + 1);
        String pid = tapCtl("spawn");
        assertEquals(Long.toString(daemon.pid()), pid);
        String tap = " -p " + pid + " -m " + minor;
        assertEquals("", tapCtl("attach" + tap));
        assertEquals("", tapCtl("open" + tap + " -a aio:" + image + " -R"));
        assertEquals(
                "pid=" + pid + " minor=" + minor + " state=0 args=aio:" + image, tapCtl("list -t aio -f " + image));
        Path socket = control.resolve("nbd" + pid + "." + minor);
        assertServes(socket, image);
        assertTrue(Run.of("nbdinfo", "--json", "nbd+unix:///?socket=" + socket)
                .ok()
                .out()
                .replace(" ", "")
                .contains("\"is_read_only\":true"));
        assertEquals(16, run("detach" + tap).status());
        tapCtl("close" + tap);
        assertFalse(Files.exists(socket));
        tapCtl("detach" + tap);
        tapCtl("free -m " + minor);
        assertEquals("", tapCtl("list -m " + minor));
    }

    @Test
    void createPauseExchangeStatsDestroy() throws Exception {
        Path first = image("first.img", 8);
        Path second = image("second.img", 8);
        Path small = image("small.img", 4);
        String name = tapCtl("create -a aio:" + first);
        String minor = name.substring(name.lastIndexOf('-') + 1);
        String tap = " -p " + daemon.pid() + " -m " + minor;
        Path socket = control.resolve("nbd" + daemon.pid() + "." + minor);
        assertServes(socket, first);
        JsonObject stats = JsonParser.parseString(tapCtl("stats" + tap)).getAsJsonObject();
        assertEquals("aio:" + first, stats.get("name").getAsString());
        assertTrue(stats.get("secs").getAsJsonArray().get(0).getAsLong() >= 8 << 11, stats::toString);

        tapCtl("pause" + tap + " -t 300");
        assertTrue(tapCtl("list -m " + minor).contains(" state=0x2a "));
        Run refused = run("unpause" + tap + " -a aio:" + small);
        assertEquals(124, refused.status(), refused::toString);
        // a request sent during the pause is answered from the new image
        Path copy = directory.resolve("waiting");
        Process client = new ProcessBuilder("nbdcopy", "nbd+unix:///tapdisk_client?socket=" + socket, copy.toString())
                .redirectErrorStream(true)
                .redirectOutput(directory.resolve("waiting.out").toFile())
                .start();
        Wait.until(
                "the client is in",
                () -> Integer.parseInt(daemon.attachment("tap-" + minor)
                                .get("nodes")
                                .getAsJsonArray()
                                .get(0)
                                .getAsJsonObject()
                                .get("status")
                                .getAsJsonObject()
                                .get("clients")
                                .getAsString())
                        > 0);
        tapCtl("unpause" + tap + " -a aio:" + second);
        assertEquals(0, client.waitFor(), () -> "nbdcopy");
        assertEquals(-1, Files.mismatch(second, copy));
        assertEquals(
                "pid=" + daemon.pid() + " minor=" + minor + " state=0 args=aio:" + second, tapCtl("list -m " + minor));

        // after a restart the old pid still names it, and its socket
        long before = daemon.pid();
        daemon.kill();
        daemon.start();
        assertEquals("pid=" + before + " minor=" + minor + " state=0 args=aio:" + second, tapCtl("list -m " + minor));
        assertServes(socket, second);
        tapCtl("destroy" + tap);
        assertEquals("", tapCtl("list -m " + minor));
        assertEquals("absent", daemon.state("tap-" + minor));
        assertEquals(2, run("stats" + tap).status());
    }

    /** The modes of the open files that lead to an image (proc(5), fdinfo: O_ACCMODE of the flags). */
    private static List<Integer> modes(Path image) throws Exception {
        List<Integer> modes = new ArrayList<>();
        try (Stream<Path> files = Files.list(Path.of("/proc/" + daemon.pid() + "/fd"))) {
            for (Path file : files.toList()) {
                try {
                    if (!Files.readSymbolicLink(file)
                            .toString()
                            .equals(image.toRealPath().toString())) {
                        continue;
                    }
                    String flags =
                            Files.readAllLines(Path.of("/proc/" + daemon.pid() + "/fdinfo/" + file.getFileName()))
                                    .stream()
                                    .filter(line -> line.startsWith("flags:"))
                                    .findFirst()
                                    .orElseThrow();
                    int value = Integer.parseInt(flags.replaceAll("flags:\\s*", ""), 8);
                    // O_PATH can do nothing
                    if ((value & 010000000) == 0) {
                        modes.add(value & 3);
                    }
                } catch (NoSuchFileException e) {
                    // another file, closed meanwhile
                    continue;
                }
            }
        }
        return modes;
    }

    @Test
    void readOnlyIsSoAtTheFile() throws Exception {
        Path image = image("ro.img", 1);
        for (boolean readOnly : new boolean[] {true, false}) {
            String name = tapCtl("create -a aio:" + image + (readOnly ? " -R" : ""));
            String minor = name.substring(name.lastIndexOf('-') + 1);
            assertEquals(
                    readOnly, daemon.attachment("tap-" + minor).get("readOnly").getAsBoolean());
            assertFalse(modes(image).isEmpty());
            assertEquals(!readOnly, modes(image).contains(2), () -> "opened for writing");
            assertEquals(
                    readOnly,
                    JsonParser.parseString(tapCtl("stats -p " + daemon.pid() + " -m " + minor))
                            .getAsJsonObject()
                            .get("read_only")
                            .getAsBoolean());
            tapCtl("destroy -p " + daemon.pid() + " -m " + minor);
        }
    }

    /** Xen's block-tap does not pass -R, sends errors to a log, and shows only what is printed on stdout. */
    @Test
    void forXensScriptItLooksAtTheModeAndPrintsTheReason() throws Exception {
        Path programs = Files.createDirectory(directory.resolve("programs"));
        Path reader = Files.writeString(
                programs.resolve("xenstore-read"),
                "#!/bin/sh\n[ \"$1\" = backend/vbd3/1/51712/mode ] && echo \"$MODE\"\n");
        assertTrue(reader.toFile().setExecutable(true));
        Path image = image("mode.img", 1);
        String pid = tapCtl("spawn");
        for (String mode : List.of("r", "w")) {
            Map<String, String> environment = Map.of(
                    "BLKTAP_RUN_DIR",
                    daemon.runDir.toString(),
                    "XENBUS_PATH",
                    "backend/vbd3/1/51712",
                    "MODE",
                    mode,
                    "PATH",
                    programs + ":" + System.getenv("PATH"));
            String name = tapCtl("allocate");
            String minor = name.substring(name.lastIndexOf('-') + 1);
            tapCtl("attach -p " + pid + " -m " + minor);
            String program = daemon.home.resolve("bin/tap-ctl").toString();
            Run wrong = Run.of(environment, program, "open", "-p", pid, "-m", minor, "-a", "qcow:" + image);
            assertFalse(wrong.status() == 0, wrong::toString);
            assertTrue(wrong.out().startsWith("tap-ctl: ") && wrong.out().contains("magic"), wrong::toString);
            assertEquals(wrong.out(), wrong.err());
            assertEquals(
                    "",
                    Run.of(environment, program, "open", "-p", pid, "-m", minor, "-a", "aio:" + image)
                            .ok()
                            .out());
            assertEquals(
                    mode.equals("r"),
                    daemon.attachment("tap-" + minor).get("readOnly").getAsBoolean());
            assertEquals(mode.equals("w"), modes(image).contains(2), () -> "opened for writing");
            tapCtl("destroy -p " + pid + " -m " + minor);
        }
    }

    /**
     * As the source's daemon has it while xl makes the guest's devices here; the script holds a lock of all disks while
     * it calls.
     */
    @Test
    void theImageOfAGuestThatIsMigratedHereIsWaitedFor() throws Exception {
        Path programs = Files.createDirectory(directory.resolve("incoming"));
        Path reader = Files.writeString(programs.resolve("xenstore-read"), """
                #!/bin/sh
                case $1 in /local/domain/7/name) echo web1--incoming ;; */name) echo web1 ;; */mode) echo w ;; esac
                """);
        assertTrue(reader.toFile().setExecutable(true));
        Path image = image("incoming.img", 1);
        Daemon source = Daemon.started(Files.createDirectory(directory.resolve("source")));
        try {
            source.attach("tap:aio:" + image, "a", "--node", "nbd");
            String program = daemon.home.resolve("bin/tap-ctl").toString();
            for (int domain : new int[] {8, 7}) {
                String name = tapCtl("allocate");
                String minor = name.substring(name.lastIndexOf('-') + 1);
                tapCtl("attach -p " + daemon.pid() + " -m " + minor);
                long begin = System.nanoTime();
                Run open = Run.of(
                        Map.of(
                                "BLKTAP_RUN_DIR",
                                daemon.runDir.toString(),
                                "XENBUS_PATH",
                                "backend/vbd3/" + domain + "/51712",
                                "PATH",
                                programs + ":" + System.getenv("PATH")),
                        program,
                        "open",
                        "-p",
                        Long.toString(daemon.pid()),
                        "-m",
                        minor,
                        "-a",
                        "aio:" + image);
                if (domain == 8) {
                    assertEquals(16, open.status(), open::toString);
                } else {
                    open.ok();
                    assertTrue(System.nanoTime() - begin < 40_000_000_000L, "it does not wait itself");
                    assertEquals("opening", daemon.state("tap-" + minor));
                    Path other = image("meanwhile.img", 1);
                    daemon.attach("tap:aio:" + other, "meanwhile", "--node", "nbd");
                    daemon.detach("meanwhile");
                    source.detach("a");
                    Wait.until(
                            "the image is free",
                            () -> daemon.state("tap-" + minor).equals("running"));
                    assertServes(control.resolve("nbd" + daemon.pid() + "." + minor), image);
                }
                tapCtl("destroy -p " + daemon.pid() + " -m " + minor);
            }
        } finally {
            source.close();
        }
    }

    private static String minorOf(String name) {
        return name.substring(name.lastIndexOf('-') + 1);
    }

    private static String nbd(Path socket) {
        return "nbd+unix:///tapdisk_client?socket=" + socket;
    }

    private static JsonObject stats(String tap) throws Exception {
        return JsonParser.parseString(tapCtl("stats" + tap)).getAsJsonObject();
    }

    private static List<String> images(String tap) throws Exception {
        List<String> images = new ArrayList<>();
        stats(tap).getAsJsonArray("images").forEach(each -> {
            JsonObject image = each.getAsJsonObject();
            images.add(image.getAsJsonObject("driver").get("name").getAsString() + ":"
                    + image.get("name").getAsString());
        });
        return images;
    }

    /**
     * As XAPI's storage manager calls: for a snapshot the leaf is paused, and the guest continues on a new one; a leaf
     * is coalesced into its parent while it is paused, and the guest continues on that; a parent that has become
     * another one is taken up by a pause.
     */
    @Test
    void snapshotAndCoalesceAsTheStorageManagerCalls() throws Exception {
        Path base = directory.resolve("sm-base.qcow2");
        Path leaf = directory.resolve("sm-leaf.qcow2");
        Path top = directory.resolve("sm-top.qcow2");
        daemon.blktap("create", "tap:qcow2:" + base, "32M").ok();
        String minor = minorOf(tapCtl("create -a qcow2:" + base));
        String tap = " -p " + daemon.pid() + " -m " + minor;
        String uri = nbd(control.resolve("nbd" + daemon.pid() + "." + minor));
        Qemu.io("raw", uri, "write -P 1 0 8M", "flush");
        // VDI.snapshot
        tapCtl("pause" + tap);
        daemon.blktap("create", "tap:qcow2:" + leaf, "32M", "--backing", "tap:qcow2:" + base)
                .ok();
        tapCtl("unpause" + tap + " -a qcow2:" + leaf);
        assertEquals(List.of("qcow2:" + leaf, "qcow2:" + base), images(tap));
        Qemu.io("raw", uri, "read -P 1 0 8M", "write -P 2 4M 8M", "flush");
        // and another one
        tapCtl("pause" + tap);
        daemon.blktap("create", "tap:qcow2:" + top, "32M", "--backing", "tap:qcow2:" + leaf)
                .ok();
        tapCtl("unpause" + tap + " -a qcow2:" + top);
        assertEquals(List.of("qcow2:" + top, "qcow2:" + leaf, "qcow2:" + base), images(tap));
        Qemu.io("raw", uri, "write -P 3 10M 4M", "flush", "read -P 1 0 4M", "read -P 2 4M 6M");
        // cleanup.py: the snapshot in between is gone, its data goes to the parent, the child is relinked and refreshed
        tapCtl("pause" + tap);
        Run.of("qemu-img", "commit", "-q", "-d", leaf.toString()).ok();
        Run.of("qemu-img", "rebase", "-q", "-u", "-F", "qcow2", "-b", base.toString(), top.toString())
                .ok();
        tapCtl("unpause" + tap);
        assertEquals(List.of("qcow2:" + top, "qcow2:" + base), images(tap));
        Qemu.io("raw", uri, "read -P 1 0 4M", "read -P 2 4M 6M", "read -P 3 10M 4M", "write -P 4 14M 1M", "flush");
        // a live leaf is coalesced
        tapCtl("pause" + tap);
        Run.of("qemu-img", "commit", "-q", "-d", top.toString()).ok();
        tapCtl("unpause" + tap + " -a qcow2:" + base);
        assertEquals(List.of("qcow2:" + base), images(tap));
        Qemu.io("raw", uri, "read -P 1 0 4M", "read -P 2 4M 6M", "read -P 3 10M 4M", "read -P 4 14M 1M");
        tapCtl("destroy" + tap);
        daemon.blktap("check", "tap:qcow2:" + base).ok();
    }

    /**
     * As XAPI moves a disk to another host: a snapshot; its new leaf is written here and there; what the snapshot has
     * is copied meanwhile. The other host is a server of this one.
     */
    @Test
    void mirrorAsXapiCalls() throws Exception {
        Path base = directory.resolve("sxm-base.qcow2");
        Path leaf = directory.resolve("sxm-leaf.qcow2");
        Path otherBase = directory.resolve("sxm-other-base.qcow2");
        Path otherLeaf = directory.resolve("sxm-other-leaf.qcow2");
        Path there = directory.resolve("sxm.sock");
        daemon.blktap("create", "tap:qcow2:" + base, "32M").ok();
        daemon.blktap("create", "tap:qcow2:" + otherBase, "32M").ok();
        daemon.blktap("create", "tap:qcow2:" + otherLeaf, "32M", "--backing", "tap:qcow2:" + otherBase)
                .ok();
        String minor = minorOf(tapCtl("create -a qcow2:" + base));
        String tap = " -p " + daemon.pid() + " -m " + minor;
        String uri = nbd(control.resolve("nbd" + daemon.pid() + "." + minor));
        Qemu.io("raw", uri, "write -P 1 0 16M", "flush");
        tapCtl("pause" + tap);
        daemon.blktap("create", "tap:qcow2:" + leaf, "32M", "--backing", "tap:qcow2:" + base)
                .ok();
        // nobody listens yet: it stays paused
        assertFalse(
                run("unpause" + tap + " -a qcow2:" + leaf + " -2 nbd:" + there).status() == 0);
        assertTrue(tapCtl("list -m " + minor).contains(" state=0x2a "));
        Process server = qemuNbd(there, otherLeaf);
        try {
            Wait.until("the server listens", () -> Files.exists(there));
            tapCtl("unpause" + tap + " -a qcow2:" + leaf + " -2 nbd:" + there);
            Qemu.io("raw", uri, "write -P 2 4M 8M", "write -z 20M 1M", "discard 10M 1M", "flush", "read -P 1 0 4M");
            assertEquals(0, stats(tap).get("nbd_mirror_failed").getAsInt());
            assertEquals(List.of("qcow2:" + leaf, "qcow2:" + base), images(tap));
            Qemu.io("raw", uri, "write -P 3 24M 2M", "flush");
            // both leaves have the same, above a copy of the base
            tapCtl("pause" + tap);
            tapCtl("unpause" + tap);
            assertFalse(
                    daemon.blktap("filter", "list", "tap-" + minor).ok().out().contains("tee"));
        } finally {
            server.destroy();
            server.waitFor();
        }
        // the copy of the snapshot
        tapCtl("pause" + tap);
        Run.of("qemu-img", "convert", "-n", "-O", "qcow2", base.toString(), otherBase.toString())
                .ok();
        Run.of("qemu-img", "compare", leaf.toString(), otherLeaf.toString()).ok();
        // a mirror that fails is noted, and the guest goes on
        Files.deleteIfExists(there);
        server = qemuNbd(there, otherLeaf);
        try {
            Wait.until("the server listens", () -> Files.exists(there));
            tapCtl("unpause" + tap + " -2 nbd:" + there);
            Qemu.io("raw", uri, "write -P 5 0 1M");
            assertEquals(0, stats(tap).get("nbd_mirror_failed").getAsInt());
        } finally {
            server.destroyForcibly();
            server.waitFor();
        }
        Qemu.io("raw", uri, "write -P 6 0 1M", "flush", "read -P 6 0 1M");
        assertEquals(1, stats(tap).get("nbd_mirror_failed").getAsInt());
        daemon.kill();
        daemon.start();
        Wait.until("it runs again", () -> daemon.state("tap-" + minor).equals("running"));
        Qemu.io("raw", uri, "read -P 6 0 1M", "write -P 7 0 1M", "flush");
        assertEquals(1, stats(tap).get("nbd_mirror_failed").getAsInt());
        tapCtl("destroy" + tap);
        // the killed daemon has counted clusters ahead
        daemon.blktap("check", "--repair", "tap:qcow2:" + leaf).ok();
    }

    private static Process qemuNbd(Path socket, Path image) throws Exception {
        return new ProcessBuilder("qemu-nbd", "-t", "-k", socket.toString(), "-f", "qcow2", image.toString())
                .redirectErrorStream(true)
                .redirectOutput(directory.resolve("qemu-nbd.out").toFile())
                .start();
    }

    /** By each name of a format that a toolstack may write. */
    @Test
    void allFormats() throws Exception {
        for (String type : List.of("aio", "raw", "sync", "qcow", "qcow2", "vmdk", "vhd", "vhdx")) {
            Path image = directory.resolve("format." + type);
            daemon.blktap("create", "tap:" + type + ":" + image, "8M").ok();
            String name = tapCtl("create -a " + type + ":" + image);
            String minor = name.substring(name.lastIndexOf('-') + 1);
            assertEquals(
                    "pid=" + daemon.pid() + " minor=" + minor + " state=0 args=" + type + ":" + image,
                    tapCtl("list -t " + type + " -f " + image));
            tapCtl("destroy -p " + daemon.pid() + " -m " + minor);
        }
        String name = tapCtl("create -a ram:memory,size=1M");
        tapCtl("destroy -p " + daemon.pid() + " -m " + name.substring(name.lastIndexOf('-') + 1));
    }

    @Test
    void onATerminalThereAreColumns() throws Exception {
        assumeTrue(
                Run.of("script", "-qec", "true", "/dev/null").status() == 0,
                "this machine has no pseudo-terminals (/dev/pts is not mounted)");
        Path image = image("columns.img", 1);
        String name = tapCtl("create -a aio:" + image);
        String minor = name.substring(name.lastIndexOf('-') + 1);
        String program = daemon.home.resolve("bin/tap-ctl").toString();
        Run shown = Run.of(
                Map.of("BLKTAP_RUN_DIR", daemon.runDir.toString()),
                "script",
                "-qec",
                program + " list -m " + minor,
                "/dev/null");
        assertTrue(
                shown.ok().out().matches(" *" + daemon.pid() + " +" + minor + " +0 +aio " + image + "\\s*"),
                shown::toString);
        tapCtl("destroy -p " + daemon.pid() + " -m " + minor);
    }

    @Test
    void pagesNeedNoDaemon() throws Exception {
        Run page = Run.of(
                Map.of("BLKTAP_RUN_DIR", directory.resolve("nowhere").toString()),
                daemon.home.resolve("bin/tap-ctl").toString(),
                "open",
                "-h");
        assertTrue(page.ok().out().startsWith("Usage: tap-ctl open"), page::toString);
    }
}
