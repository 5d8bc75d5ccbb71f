package org.blktap.itests;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.google.gson.JsonElement;
import com.google.gson.JsonParser;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.attribute.FileTime;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * Snapshots, commits, streams and moves of one disk, one after the other, while a User-Mode Linux guest verifies it.
 */
class LiveJobsGuestIT {
    private static final int ROUNDS = Integer.getInteger("live.rounds", 5);
    private static final int KILLS = Integer.getInteger("live.kills", 20);
    private static final List<String> TYPES = List.of("vhd", "vmdk", "qcow", "vhdx", "aio", "qcow2");

    @TempDir
    Path directory;

    private Path images;
    private Daemon daemon;
    private final List<String> pauses = new ArrayList<>();
    private int made;

    @BeforeEach
    void start() throws Exception {
        images = Files.createDirectory(directory.resolve("images"));
        daemon = Daemon.started(directory);
    }

    @AfterEach
    void stop() throws Exception {
        daemon.close();
    }

    /** A guest that writes and verifies its disk, over and over, until {@link #end}. */
    private Uml guest() throws Exception {
        return Uml.start(directory, "guest", """
                pass=0
                while ! test -e /mnt/share/stop; do
                  fio --name=v --ioengine=libaio --iodepth=16 --filename=/dev/vda --direct=1 --rw=randwrite --bsrange=4k-64k --size=16M \\
                    --offset=$((pass % 3 * 20))M --verify=crc32c --verify_fatal=1 --fsync=64 --rate_iops=400 --output=/run/fio || { cat /run/fio; return 1; }
                  pass=$((pass + 1))
                  echo "pass $pass"
                done
                """, daemon.vhostSocket("g"));
    }

    private void end(Uml guest) throws Exception {
        Files.createFile(directory.resolve("stop"));
        guest.succeed();
    }

    private String fresh(String type) {
        return "tap:" + type + ":" + images.resolve("disk-" + made++ + "." + type);
    }

    private String image() throws Exception {
        return daemon.attachment("g").get("spec").getAsString();
    }

    /** Runs a verb, and notes the pause that it prints. */
    private void live(String... command) throws Exception {
        Run run = daemon.blktap(command).ok();
        run.out().lines().filter(line -> line.contains("paused")).forEach(line -> pauses.add(command[0] + " " + line));
    }

    private static String path(String spec) {
        return spec.split(":", 3)[2];
    }

    private void check(String spec) throws Exception {
        if (!spec.startsWith("tap:aio:")) {
            daemon.blktap("check", spec).ok();
        }
    }

    @Test
    void roundsOfJobsUnderAVerifyingGuest() throws Exception {
        String first = fresh("qcow2");
        daemon.blktap("create", first, "64M").ok();
        daemon.attach(first, "g", "--node", "vhost-user", "--filter", "throttle,iops=1000000");
        try (Uml guest = guest();
                NbdServer server = new NbdServer(directory)) {
            guest.prints("pass 1");
            for (int round = 0; round < ROUNDS; round++) {
                round(round, server);
            }
            end(guest);
        }
        System.out.println("pauses: " + pauses);
        String last = image();
        daemon.detach("g");
        check(last);
        assertEquals(Set.of(path(last)), files(), "images of earlier rounds are left");
    }

    private void round(int round, NbdServer server) throws Exception {
        String base = image();
        live("snapshot", "g", "--name", "a" + round);
        String middle = image();
        live("snapshot", "g", "--name", "b" + round);
        live("commit", "g", "--top", middle, "--wait");
        assertTrue(Files.notExists(Path.of(path(middle))), middle + " was committed, and is still there");
        live("commit", "g", "--wait");
        assertEquals(base, image());
        live("snapshot", "g", "--name", "c" + round);
        if (round % 3 == 1) {
            replaced("format-" + image().split(":")[1]);
        }
        live("stream", "g", "--wait");
        Files.delete(Path.of(path(base)));
        String streamed = image();
        if (round % 3 == 2) {
            replaced("filter-throttle");
        }
        live("move", "g", server.spec(), "--wait");
        Files.delete(Path.of(path(streamed)));
        live("move", "g", fresh(TYPES.get(round % TYPES.size())), "--wait");
    }

    /** Puts the same bundle into deploy/ once more, as a new version comes. */
    private void replaced(String bundle) throws Exception {
        int parks = daemon.stats("g").get("parks").getAsInt();
        Path jar = daemon.home.resolve("deploy/" + bundle + ".jar");
        Path temporary = jar.resolveSibling("." + bundle + ".new");
        Files.copy(jar, temporary, StandardCopyOption.REPLACE_EXISTING);
        Files.setLastModifiedTime(temporary, FileTime.fromMillis(System.currentTimeMillis()));
        Files.move(temporary, jar, StandardCopyOption.ATOMIC_MOVE);
        Wait.until("it was parked", () -> daemon.stats("g").get("parks").getAsInt() > parks);
        Wait.until("it runs again", () -> daemon.state("g").equals("running"));
    }

    @Test
    void killedDaemonsFinishTheirJobs() throws Exception {
        long seed = Long.getLong("seed", System.nanoTime());
        System.out.println("-Dseed=" + seed);
        Random random = new Random(seed);
        String first = fresh("qcow2");
        daemon.blktap("create", first, "64M").ok();
        daemon.attach(first, "g", "--node", "vhost-user");
        String script = """
                dd if=/dev/urandom of=/tmp/data bs=64k count=32 2>/dev/null
                pass=0
                while :; do
                  for part in 0 1 2 3; do
                    dd if=/tmp/data of=/dev/vda bs=64k seek=$((part * 250 + pass % 200)) oflag=direct 2>/dev/null &
                  done
                  wait
                  for part in 0 1 2 3; do
                    dd if=/dev/vda bs=64k skip=$((part * 250 + pass % 200)) count=32 iflag=direct 2>/dev/null | cmp - /tmp/data || return 1
                  done
                  pass=$((pass + 1))
                  echo "pass $pass"
                done
                """;
        try (QemuGuest guest = QemuGuest.start(directory, "guest", script, daemon.vhostSocket("g"))) {
            for (int kill = 0; kill < KILLS; kill++) {
                passes(guest);
                killed(kill, random);
            }
            passes(guest);
        }
        String last = image();
        Set<String> chain = chain();
        daemon.detach("g");
        if (!last.startsWith("tap:aio:")) {
            // what a killed daemon has counted ahead is a leak (3); anything else would be damage
            Run check = daemon.blktap("check", last);
            assertTrue(Set.of(0, 3).contains(check.status()), check::toString);
        }
        assertEquals(chain, files(), "files are left of killed jobs");
    }

    /** Waits until the guest has verified two passes more. */
    private static void passes(QemuGuest guest) throws Exception {
        long before =
                guest.console().lines().filter(line -> line.startsWith("pass ")).count();
        guest.prints("pass " + (before + 2) + "\r");
    }

    /** One kind of job after the other is under way when the daemon is killed. */
    private void killed(int kill, Random random) throws Exception {
        Set<String> before = chain();
        switch (kill % 4) {
            case 0 -> daemon.begin("snapshot", "g", "--name", "k" + kill);
            case 1 -> daemon.begin("commit", "g", "--speed", "24M");
            case 2 -> {
                live("snapshot", "g", "--name", "k" + kill);
                daemon.begin("stream", "g", "--speed", "24M");
            }
            default -> daemon.begin("move", "g", fresh(TYPES.get(kill / 4 % TYPES.size())), "--speed", "24M");
        }
        Thread.sleep(random.nextInt(1500));
        daemon.kill();
        daemon.start();
        Wait.until("it runs", () -> daemon.state("g").equals("running"));
        Wait.until("all jobs have ended: " + kill, () -> jobs().allMatch(LiveJobsGuestIT::ended));
        Set<String> chain = chain();
        for (String file : files()) {
            if (!chain.contains(file)) {
                // what a move or a stream has left behind stays by intention
                assertTrue(
                        before.contains(file) && kill % 4 >= 2,
                        file + " is left after kill " + kill + "; chain: " + chain);
                Files.delete(Path.of(file));
            }
        }
    }

    private Stream<JsonElement> jobs() throws Exception {
        return JsonParser.parseString(daemon.blktap("jobs", "--json").ok().out()).getAsJsonArray().asList().stream();
    }

    private static boolean ended(JsonElement job) {
        return Set.of("done", "failed")
                .contains(job.getAsJsonObject().get("state").getAsString().toLowerCase(java.util.Locale.ROOT));
    }

    /** The files of the disk, from the uppermost image down. */
    private Set<String> chain() throws Exception {
        Set<String> files = new TreeSet<>();
        files.add(path(image()));
        JsonElement backing = daemon.attachment("g").getAsJsonObject("details").get("backing image");
        while (backing != null) {
            files.add(path(backing.getAsString()));
            backing = JsonParser.parseString(daemon.blktap("info", backing.getAsString(), "--json")
                            .ok()
                            .out())
                    .getAsJsonObject()
                    .get("backing image");
        }
        return files;
    }

    private Set<String> files() throws IOException {
        try (Stream<Path> all = Files.list(images)) {
            return new TreeSet<>(all.map(Path::toString).toList());
        }
    }

    /** A server with a disk of 64 MiB in memory. */
    private static final class NbdServer implements AutoCloseable {
        private final Process process;
        private final Path socket;

        NbdServer(Path directory) throws Exception {
            socket = directory.resolve("nbdkit.sock");
            process = new ProcessBuilder("nbdkit", "-f", "-U", socket.toString(), "memory", "64M")
                    .redirectErrorStream(true)
                    .redirectOutput(directory.resolve("nbdkit.log").toFile())
                    .start();
            Wait.until("nbdkit listens", () -> Files.exists(socket));
        }

        String spec() {
            return "tap:nbd:nbd+unix:///x?socket=" + socket;
        }

        @Override
        public void close() {
            process.destroy();
        }
    }
}
