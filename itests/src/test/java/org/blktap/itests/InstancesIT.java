package org.blktap.itests;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import com.google.gson.JsonParser;
import java.net.StandardProtocolFamily;
import java.net.UnixDomainSocketAddress;
import java.nio.channels.ServerSocketChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * Several instances of the daemon, and disks with processes of their own, where no systemd runs.
 * {@code itests/deb/systemd} has the rest.
 */
class InstancesIT {
    @TempDir
    static Path directory;

    private static Daemon daemon;

    @BeforeAll
    static void start() throws Exception {
        daemon = new Daemon(directory, Map.of());
        daemon.configure("{ \"org.blktap.metrics\": { \"listen\": [\"unix\"] } }");
        daemon.start();
    }

    @AfterAll
    static void stop() throws Exception {
        ownProcess("stop");
        daemon.close();
        try (Stream<ProcessHandle> all = ProcessHandle.allProcesses()) {
            assertEquals(
                    List.of(),
                    all.filter(each -> each.info().commandLine().orElse("").contains(daemon.home.toString()))
                            .toList());
        }
    }

    private static void ownProcess(String command) throws Exception {
        Run.of(
                        daemon.home.resolve("libexec/own-process").toString(),
                        command,
                        daemon.home.toString(),
                        daemon.runDir.toString(),
                        daemon.dataDir.toString())
                .ok();
    }

    private static String image(String name) throws Exception {
        String spec = "tap:qcow2:" + directory.resolve(name + ".qcow2");
        daemon.blktap("create", spec, "32M").ok();
        return spec;
    }

    private static long pid(String instance) throws Exception {
        Run status = daemon.blktap("--instance", instance, "status", "--json");
        return status.status() != 0
                ? -1
                : JsonParser.parseString(status.out())
                        .getAsJsonObject()
                        .get("pid")
                        .getAsLong();
    }

    /** Attachments of all instances, as instance and id. */
    private static List<String> all(Run listed) {
        List<String> found = new ArrayList<>();
        for (JsonElement each : JsonParser.parseString(listed.out()).getAsJsonArray()) {
            JsonObject disk = each.getAsJsonObject();
            found.add(disk.get("instance").getAsString() + " " + disk.get("id").getAsString() + " "
                    + disk.get("state").getAsString());
        }
        found.sort(null);
        return found;
    }

    private static Path socket(Run attached) {
        return Path.of(attached.out()
                .lines()
                .filter(each -> each.startsWith("vhost-user:"))
                .findFirst()
                .orElseThrow()
                .substring("vhost-user:".length()));
    }

    @Test
    void anInstanceHasDirectoriesAndDisksOfItsOwn() throws Exception {
        String spec = image("shared");
        Process two = daemon.instance("two");
        try {
            daemon.attach(spec, "mine", "--node", "nbd");
            daemon.blktap("--instance", "two", "attach", "tap:ram:x,size=8M", "--id", "its", "--node", "nbd")
                    .ok();
            // one image is written by one of them
            Run refused = daemon.blktap("--instance", "two", "attach", spec, "--id", "also");
            assertEquals(1, refused.status());
            assertTrue(refused.err().contains("in use"), refused::toString);
            daemon.blktap("--instance", "two", "attach", spec, "--id", "also", "--read-only");

            Run own = daemon.blktap(Map.of("BLKTAP_INSTANCE", "two"), "list").ok();
            assertTrue(own.out().contains("its") && !own.out().contains("mine"), own::toString);
            Run table = daemon.blktap("list", "--all").ok();
            assertTrue(table.out().startsWith("INSTANCE"), table::toString);
            List<String> both = List.of("default mine running", "two its running");
            assertTrue(all(daemon.blktap("list", "--all", "--json").ok()).containsAll(both));
            // from another instance, too, and by the client in Java
            for (Map<String, String> each :
                    List.of(Map.of("BLKTAP_INSTANCE", "two"), Map.of("BLKTAP_CLIENT", "java"))) {
                assertTrue(
                        all(daemon.blktap(each, "list", "--all", "--json").ok()).containsAll(both));
            }
            assertTrue(daemon.blktap("--instance=two", "complete", "detach", "")
                    .ok()
                    .out()
                    .contains("its"));
            assertEquals(
                    "",
                    daemon.blktap(Map.of("BLKTAP_INSTANCE", "two"), "tap-ctl", "list", "-t", "nothing")
                            .ok()
                            .out());
            // each with a socket of its own
            for (Path run : List.of(daemon.runDir, daemon.runDir.resolve("instances/two"))) {
                Run.of(
                                "curl",
                                "-sf",
                                "--unix-socket",
                                run.resolve("metrics.sock").toString(),
                                "http://localhost/metrics")
                        .ok();
            }
            assertTrue(Files.exists(daemon.dataDir.resolve("instances/two/deploy/format-qcow2.jar")));

            // one that does not answer is said, and holds nobody up
            Path hung = Files.createDirectories(daemon.runDir.resolve("instances/hung"));
            try (ServerSocketChannel silent = ServerSocketChannel.open(StandardProtocolFamily.UNIX)) {
                silent.bind(UnixDomainSocketAddress.of(hung.resolve("control.sock")));
                Run listed = daemon.blktap("list", "--all", "--json");
                assertEquals(1, listed.status());
                assertTrue(listed.err().contains("the instance hung does not answer"), listed::toString);
                assertTrue(all(listed).containsAll(both), listed::toString);
            }
            Run.of("rm", "-r", hung.toString()).ok();
        } finally {
            two.destroy();
            two.waitFor();
            daemon.detach("mine");
        }
    }

    @Test
    void namesAreChecked() throws Exception {
        for (String name : List.of("../x", "a/b", "", ".", "-x", "a b", "x\ny", "a".repeat(41), "$(id)")) {
            if (!name.isEmpty()) {
                assertEquals(2, daemon.blktap("--instance", name, "list").status(), name);
                assertEquals(
                        2,
                        daemon.blktap(Map.of("BLKTAP_INSTANCE", name), "list").status(),
                        name);
                assertEquals(
                        2,
                        Run.of(daemon.home.resolve("bin/blktapd").toString(), "--instance", name)
                                .status(),
                        name);
            }
            assertEquals(
                    2,
                    daemon.blktap("attach", "tap:ram:x,size=1M", "--own-process", "--id", name)
                            .status(),
                    name);
        }
        daemon.blktap("--instance", "default", "list").ok();
        for (List<String> wrong : List.of(
                List.of("--own-process"),
                List.of("--own-process", "--id", "x", "--memory", "1M"),
                List.of("--own-process", "--id", "x", "--cpus", "many"),
                List.of("--own-process", "--id"),
                List.of("--memory", "1G"))) {
            List<String> words = new ArrayList<>(List.of("attach", "tap:ram:x,size=1M"));
            words.addAll(wrong);
            Run run = daemon.blktap(words.toArray(String[]::new));
            assertEquals(2, run.status(), run::toString);
        }
        assertFalse(Files.exists(daemon.dataDir.resolve("instances/x")));
    }

    @Test
    void aDiskHasAProcessOfItsOwn() throws Exception {
        String spec = image("own");
        Run attached = daemon.blktap(
                        "attach",
                        spec,
                        "--id",
                        "own",
                        "--node",
                        "nbd",
                        "--own-process",
                        "--memory=256M",
                        "--cpus",
                        "1.5")
                .ok();
        String uri = attached.out()
                .lines()
                .filter(each -> each.startsWith("nbd"))
                .findFirst()
                .orElseThrow();
        Qemu.io("raw", uri, "write -P 7 0 1M", "flush");
        long first = pid("own");
        assertNotEquals(daemon.pid(), first);
        // found by its id
        assertEquals("own", daemon.stats("own").get("id").getAsString());
        assertTrue(daemon.blktap("complete", "detach", "o").ok().out().contains("own"));
        assertTrue(all(daemon.blktap("list", "--all", "--json").ok()).contains("own own running"));
        // the name is taken, for both ways
        assertEquals(
                1, daemon.blktap("attach", "tap:ram:z,size=1M", "--id", "own").status());
        assertEquals(
                1,
                daemon.blktap("attach", "tap:ram:z,size=1M", "--id", "own", "--own-process")
                        .status());
        // the image too
        assertEquals(1, daemon.blktap("attach", spec, "--id", "other").status());

        // after a crash it is started again, and its record opens the disk
        Run.signal("KILL", first);
        Wait.until("it is back", () -> pid("own") > 0 && pid("own") != first);
        Qemu.io("raw", uri, "read -P 7 0 1M");

        // the default instance ends without it, and starts it when it does not run
        long second = pid("own");
        daemon.stop();
        Qemu.io("raw", uri, "read -P 7 0 1M");
        Run alone = daemon.blktap("list", "--all", "--json");
        assertEquals(1, alone.status());
        assertTrue(alone.err().contains("the instance default does not answer"), alone::toString);
        assertEquals(List.of("own own running"), all(alone));
        ownProcess("stop");
        assertEquals(-1, pid("own"));
        Path stale = Files.createDirectories(daemon.runDir.resolve("instances/stale"));
        daemon.start();
        Wait.until("it is back", () -> pid("own") > 0 && pid("own") != second);
        Qemu.io("raw", uri, "read -P 7 0 1M");
        Wait.until("what an instance has left is gone", () -> !Files.exists(stale));

        // with its disk it ends
        long last = pid("own");
        daemon.detach("own");
        Wait.until("it has ended", () -> ProcessHandle.of(last).isEmpty());
        Wait.until(
                "its directories are gone",
                () -> !Files.exists(daemon.dataDir.resolve("instances/own"))
                        && !Files.exists(daemon.runDir.resolve("instances/own")));
        Qemu.io("qcow2", directory.resolve("own.qcow2").toString(), "read -P 7 0 1M");
    }

    /** Two User-Mode Linux guests and one of QEMU, which connects again, each on a disk with a process of its own. */
    @Test
    void aKilledProcessLeavesAllOthersUntouched() throws Exception {
        List<String> ids = List.of("one", "two-disk", "three");
        List<Path> sockets = new ArrayList<>();
        for (String id : ids) {
            sockets.add(socket(daemon.blktap("attach", image(id), "--id", id, "--node", "vhost-user", "--own-process")
                    .ok()));
        }
        String verifies = """
                while [ ! -e /mnt/share/guests.stop ]; do
                  fio --name=v --ioengine=psync --filename=/dev/vda --rw=randwrite --bs=4k --size=4M --verify=crc32c --verify_fatal=1 --direct=1 --output=/run/fio || { cat /run/fio; return 1; }
                  echo verified
                done
                """;
        Path script = Files.writeString(directory.resolve("third.sh"), """
                dd if=/dev/urandom of=/tmp/data bs=64k count=16 2>/dev/null
                sum=$(md5sum < /tmp/data)
                i=0
                while true; do
                  dd if=/tmp/data of=/dev/vda bs=64k seek=$((i % 8 * 16)) conv=fsync 2>/dev/null || return 1
                  echo 3 > /proc/sys/vm/drop_caches
                  [ "$(dd if=/dev/vda bs=64k skip=$((i % 8 * 16)) count=16 2>/dev/null | md5sum)" = "$sum" ] || return 2
                  i=$((i + 1))
                  echo "round $i"
                done
                """);
        Path console = directory.resolve("third.console");
        Process third = new ProcessBuilder(
                        System.getProperty("project.root") + "/itests/guest/qemu",
                        sockets.get(2).toString(),
                        "1",
                        script.toString())
                .redirectInput(Path.of("/dev/null").toFile())
                .redirectOutput(console.toFile())
                .redirectErrorStream(true)
                .start();
        try (Uml one = Uml.start(directory, "guest-one", verifies, sockets.get(0));
                Uml two = Uml.start(directory, "guest-two", verifies, sockets.get(1))) {
            one.prints("verified");
            two.prints("verified");
            Wait.until("the third guest is at work", () -> {
                assertTrue(third.isAlive(), () -> text(console));
                return text(console).contains("round 2");
            });
            long[] pids = {pid(ids.get(0)), pid(ids.get(1)), pid(ids.get(2))};
            long[] before = {writes(ids.get(0)), writes(ids.get(1))};
            int rounds = rounds(console);
            Run.signal("KILL", pids[2]);
            for (int i = 0; i < 2; i++) {
                int guest = i;
                Wait.until("the others go on", () -> writes(ids.get(guest)) > before[guest] + 500);
            }
            Wait.until("it is back", () -> pid(ids.get(2)) > 0 && pid(ids.get(2)) != pids[2]);
            Wait.until("its guest goes on", () -> {
                assertTrue(third.isAlive(), () -> text(console));
                return rounds(console) > rounds + 1;
            });
            for (int i = 0; i < 2; i++) {
                assertEquals(pids[i], pid(ids.get(i)));
                JsonObject stats = daemon.stats(ids.get(i));
                assertEquals(0, stats.get("parks").getAsLong(), stats::toString);
                for (var each : stats.getAsJsonObject("operations").entrySet()) {
                    assertEquals(
                            0, each.getValue().getAsJsonObject().get("errors").getAsLong(), stats::toString);
                }
            }
            Files.createFile(directory.resolve("guests.stop"));
            one.succeed();
            two.succeed();
        } finally {
            third.descendants().forEach(ProcessHandle::destroyForcibly);
            third.destroyForcibly().waitFor();
            for (String id : ids) {
                daemon.blktap("detach", id, "--force");
            }
        }
        for (String id : ids) {
            Wait.until(
                    "the process of " + id + " has ended",
                    () -> !Files.exists(daemon.dataDir.resolve("instances").resolve(id)));
            // the kill may have left clusters that nothing refers to
            Run checked = daemon.blktap("check", "tap:qcow2:" + directory.resolve(id + ".qcow2"));
            assertTrue(checked.status() == 0 || checked.status() == 3 && id.equals("three"), checked::toString);
        }
    }

    private static long writes(String id) throws Exception {
        return daemon.stats(id)
                .getAsJsonObject("operations")
                .getAsJsonObject("write")
                .get("count")
                .getAsLong();
    }

    private static int rounds(Path console) {
        return text(console).split("round ", -1).length - 1;
    }

    private static String text(Path file) {
        try {
            return new String(Files.readAllBytes(file), java.nio.charset.StandardCharsets.ISO_8859_1);
        } catch (java.io.IOException e) {
            return e.toString();
        }
    }
}
