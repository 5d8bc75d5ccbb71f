package org.blktap.itests;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.google.gson.JsonArray;
import com.google.gson.JsonObject;
import com.google.gson.JsonParser;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.TreeSet;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Snapshots of the built distribution, under clients that verify, and under kills. */
class SnapshotIT {
    private static final int KILLS = Integer.getInteger("kills", 6);

    @TempDir
    Path directory;

    private Path images;
    private Daemon daemon;

    @BeforeEach
    void start() throws Exception {
        images = Files.createDirectory(directory.resolve("images"));
        daemon = Daemon.started(directory);
    }

    @AfterEach
    void stop() throws Exception {
        daemon.close();
    }

    private void attach(String type, String id) throws Exception {
        String spec = "tap:" + type + ":" + images.resolve(id + "." + type);
        daemon.blktap("create", spec, "64M").ok();
        daemon.attach(spec, id, "--node", "nbd");
    }

    private Process fio(String id, Path log) throws Exception {
        return new ProcessBuilder(
                        "fio",
                        "--name=v",
                        "--ioengine=nbd",
                        "--uri=" + daemon.nbd(id),
                        "--rw=randwrite",
                        "--bs=4k",
                        "--iodepth=32",
                        "--size=48m",
                        "--verify=crc32c",
                        "--verify_fatal=1",
                        "--rate_iops=800")
                .redirectErrorStream(true)
                .redirectOutput(log.toFile())
                .start();
    }

    private JsonArray snapshot(String... ids) throws Exception {
        List<String> command = new ArrayList<>(List.of("snapshot"));
        command.addAll(List.of(ids));
        command.add("--json");
        return JsonParser.parseString(
                        daemon.blktap(command.toArray(String[]::new)).ok().out())
                .getAsJsonArray();
    }

    /** The path of an attachment's image. */
    private Path image(String id) throws Exception {
        String spec = daemon.attachment(id).get("spec").getAsString();
        return Path.of(spec.substring(spec.indexOf('/')));
    }

    /** The files of a chain, as QEMU finds them. */
    private TreeSet<String> chain(Path top) throws Exception {
        TreeSet<String> all = new TreeSet<>();
        JsonArray chain = JsonParser.parseString(Run.of(
                                "qemu-img",
                                "info",
                                "-U",
                                "--output=json",
                                "--backing-chain",
                                "-f",
                                "qcow2",
                                top.toString())
                        .ok()
                        .out())
                .getAsJsonArray();
        chain.forEach(
                each -> all.add(Path.of(each.getAsJsonObject().get("filename").getAsString())
                        .getFileName()
                        .toString()));
        return all;
    }

    private TreeSet<String> files() throws Exception {
        try (Stream<Path> all = Files.list(images)) {
            TreeSet<String> names = new TreeSet<>();
            all.forEach(each -> names.add(each.getFileName().toString()));
            return names;
        }
    }

    @Test
    void underLoadTheyAreRightAndThePauseIsShort() throws Exception {
        for (String type : List.of("qcow2", "vhd")) {
            attach(type, "a" + type);
            attach(type, "b" + type);
            Path log = directory.resolve(type + ".log");
            Process fio = fio("a" + type, log);
            Wait.until(
                    "fio writes",
                    () -> daemon.stats("a" + type).getAsJsonObject("operations").has("write"));
            List<Long> pauses = new ArrayList<>();
            while (fio.isAlive() && pauses.size() < 16) {
                for (var each : snapshot("a" + type, "b" + type)) {
                    JsonObject taken = each.getAsJsonObject();
                    pauses.add(taken.get("pausedMicros").getAsLong());
                    assertTrue(Files.exists(
                            Path.of(taken.get("image").getAsString().replaceFirst("tap:[a-z0-9]+:", ""))));
                }
            }
            System.out.println(
                    "pauses of snapshots of two " + type + " disks, one under 32 requests: " + pauses + " us");
            assertTrue(fio.waitFor(Run.LIMIT_SECONDS, TimeUnit.SECONDS));
            assertEquals(0, fio.exitValue(), Files.readString(log));
            assertTrue(pauses.size() >= 4, "there was load for " + pauses.size() + " snapshots");
            Path copy = directory.resolve("copy." + type);
            Run.of("qemu-img", "convert", "-f", "raw", "-O", "raw", daemon.nbd("a" + type), copy.toString())
                    .ok();
            Path top = image("a" + type);
            daemon.detach("a" + type);
            daemon.detach("b" + type);
            daemon.blktap("check", "tap:" + type + ":" + top).ok();
            if (type.equals("qcow2")) {
                Run.of("qemu-img", "check", "-f", type, top.toString()).ok();
                Run.of("qemu-img", "compare", "-f", type, "-F", "raw", top.toString(), copy.toString())
                        .ok();
            }
            daemon.attach("tap:" + type + ":" + top, "again", "--node", "nbd", "--read-only");
            Run.of("qemu-img", "compare", "-f", "raw", "-F", "raw", daemon.nbd("again"), copy.toString())
                    .ok();
            daemon.detach("again");
        }
    }

    @Test
    void theVerbSaysWhatItHasDone() throws Exception {
        attach("qcow2", "a");
        Run run = daemon.blktap("snapshot", "a", "--name", "one");
        List<String> lines = run.ok().out().lines().toList();
        assertTrue(lines.get(0).matches("a: paused \\d+ ms"), run::toString);
        assertEquals("  tap:qcow2:" + images.resolve("a.qcow2.one.qcow2"), lines.get(1));
        assertEquals("  tap:qcow2:" + images.resolve("a.qcow2"), lines.get(2));
        Run again = daemon.blktap(
                "snapshot", "a", "--name", images.resolve("a.qcow2").toString());
        assertTrue(again.status() != 0 && again.err().contains("exists already"), again::toString);
        daemon.blktap("snapshot", "a", "--type", "qcow").ok();
        assertEquals(
                "qcow2",
                daemon.attachment("a")
                        .getAsJsonObject("options")
                        .get("backing-type")
                        .getAsString());
        daemon.detach("a");
    }

    @Test
    void aDaemonThatIsKilledHasAllOrNone() throws Exception {
        attach("qcow2", "a");
        attach("qcow2", "b");
        int before = 0;
        int after = 0;
        for (int i = 0; i < KILLS; i++) {
            String pattern = "0x" + Integer.toHexString(i + 1);
            for (String id : List.of("a", "b")) {
                Run.of(
                                "qemu-io",
                                "-f",
                                "raw",
                                daemon.nbd(id),
                                "-c",
                                "write -P " + pattern + " " + i + "M 1M",
                                "-c",
                                "flush")
                        .ok();
            }
            Path was = image("a");
            CompletableFuture<Run> taking = CompletableFuture.supplyAsync(() -> {
                try {
                    return daemon.blktap("snapshot", "a", "b");
                } catch (Exception e) {
                    throw new AssertionError(e);
                }
            });
            if (i % 3 == 0) {
                // somewhere while files are made and named
                long end = System.nanoTime() + TimeUnit.SECONDS.toNanos(60);
                while (files().size() == 2 * (1 + after) && !taking.isDone() && System.nanoTime() < end) {
                    Thread.onSpinWait();
                }
            } else {
                Thread.sleep(300L * i);
            }
            daemon.kill();
            taking.get(Run.LIMIT_SECONDS, TimeUnit.SECONDS);
            daemon.start();
            for (String id : List.of("a", "b")) {
                Wait.until(id + " runs", () -> daemon.state(id).equals("running"));
            }
            boolean taken = !image("a").equals(was);
            after += taken ? 1 : 0;
            before += taken ? 0 : 1;
            TreeSet<String> named = chain(image("a"));
            assertEquals(1 + after, named.size(), named::toString);
            named.addAll(chain(image("b")));
            assertEquals(named, files(), "no file is left over, and none is missing");
            assertEquals(2 + 2 * after, named.size(), "both or none");
            try (Stream<Path> left = Files.list(daemon.dataDir.resolve("snapshots"))) {
                assertEquals(List.of(), left.toList());
            } catch (java.nio.file.NoSuchFileException e) {
                assertEquals(0, after, "no snapshot has begun yet");
            }
            for (String id : List.of("a", "b")) {
                for (int written = 0; written <= i; written++) {
                    Run.of(
                                    "qemu-io",
                                    "-r",
                                    "-f",
                                    "raw",
                                    daemon.nbd(id),
                                    "-c",
                                    "read -P 0x" + Integer.toHexString(written + 1) + " " + written + "M 1M")
                            .ok();
                }
            }
        }
        System.out.println(KILLS + " kills: " + before + " before the snapshot was taken, " + after + " after");
        for (String id : List.of("a", "b")) {
            Path top = image(id);
            daemon.detach(id);
            Run.of("qemu-img", "check", "-f", "qcow2", top.toString()).ok();
        }
    }
}
