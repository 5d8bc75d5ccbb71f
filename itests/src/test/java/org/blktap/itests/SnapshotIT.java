package org.blktap.itests;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.google.gson.JsonArray;
import com.google.gson.JsonObject;
import com.google.gson.JsonParser;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeSet;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** Snapshots of the built distribution, under clients that verify, and under kills. */
class SnapshotIT extends SharedDaemon {
    private static final int KILLS = Integer.getInteger("kills", 6);

    private Path images;

    @BeforeEach
    void makeImages() throws Exception {
        images = Files.createDirectory(directory.resolve("images"));
    }

    private void attach(String type, String id) throws Exception {
        String spec = "tap:" + type + ":" + images.resolve(id + "." + type);
        daemon.blktap("create", spec, "64M").ok();
        daemon.attach(spec, id, "--node", "nbd");
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
            Process fio = verifies("a" + type, log);
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
            verified(fio, log);
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
                Qemu.equal(type, top, "raw", copy);
            }
            daemon.attach("tap:" + type + ":" + top, "again", "--node", "nbd", "--read-only");
            Qemu.equal("raw", daemon.nbd("again"), "raw", copy);
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

    /** What an administrator does with one disk after the other, in the words of the page. */
    @Test
    void eachCommandOfThePageIsRun() throws Exception {
        Path volume = directory.resolve("volume.img");
        Path served = directory.resolve("served.img");
        for (Path each : List.of(volume, served)) {
            Run.of("truncate", "-s", "64M", each.toString()).ok();
        }
        boolean devices = Run.of("losetup", "-f").status() == 0;
        String device = devices
                ? Run.of("losetup", "-f", "--show", volume.toString())
                        .ok()
                        .out()
                        .strip()
                : directory.resolve("no-device.img").toString();
        Process server = serves(served, directory.resolve("nbd.sock"));
        try {
            Map<String, String> names = new HashMap<>(Map.of(
                    "/dev/vg0/root",
                    device,
                    "/run/nbd.sock",
                    directory.resolve("nbd.sock").toString()));
            for (String each : List.of("/vm/", "/new/", "/backup/")) {
                Files.createDirectory(Path.of(directory + each));
                names.put(each, directory + each);
            }
            Page page = new Page("move-and-snapshot.md", daemon, names);
            snapshots(page);
            moves(page);
            if (devices) {
                Run.of("cmp", device, served.toString()).ok();
            }
            jobs(page);
            daemon.detach("root");
            page.run("blktap attach … --max-chain 8", "…", spec("qcow2", "vm/data.qcow2.monday.qcow2") + " --id data");
            page.assertAllRun();
        } finally {
            daemon.blktap("detach", "root", "--force");
            server.destroyForcibly();
            if (devices) {
                Run.of("losetup", "-d", device);
            }
        }
    }

    private void attachRoot(Page page, String image) throws Exception {
        page.run("blktap attach tap:qcow2:/vm/" + image + " --id root --node vhost-user");
        daemon.blktap("plug", "root", "nbd").ok();
    }

    private void snapshots(Page page) throws Exception {
        create("qcow2", "vm/root.qcow2", "64M");
        attachRoot(page, "root.qcow2");
        daemon.attach(create("qcow2", "vm/data.qcow2", "8M"), "data", "--node", "nbd");
        io("root", "write -P 1 0 16M");
        page.run("blktap snapshot root");
        io("root", "write -P 2 4M 8M");
        page.run("blktap snapshot root --name before-upgrade");
        assertTrue(image("root").toString().endsWith("before-upgrade.qcow2"));
        assertEquals(
                2,
                page.run("blktap snapshot root data --name monday")
                        .out()
                        .lines()
                        .filter(each -> each.contains("paused"))
                        .count());
        assertEquals(directory.resolve("vm/data.qcow2.monday.qcow2"), image("data"));
        daemon.detach("data");
        io("root", "write -P 3 8M 1M");
        Path top = image("root");
        String info = page.run("blktap info root").out();
        for (String each : chain(top)) {
            assertTrue(info.contains(each), info);
        }
        assertEquals(4, chain(top).size());
        page.run("blktap commit root --wait");
        assertEquals(3, chain(image("root")).size());
        page.run("blktap commit root --base tap:qcow2:/vm/root.qcow2 --wait");
        assertEquals(directory.resolve("vm/root.qcow2"), image("root"));
        io("root", "read -P 1 0 4M", "read -P 2 4M 4M", "read -P 3 8M 1M", "read -P 2 9M 3M", "read -P 1 12M 4M");

        daemon.blktap("snapshot", "root").ok();
        io("root", "write -P 4 0 16M");
        page.run("blktap detach root");
        page.run("blktap create tap:qcow2:/vm/again.qcow2 --backing tap:qcow2:/vm/root.qcow2");
        attachRoot(page, "again.qcow2");
        io("root", "read -P 1 0 4M", "read -P 3 8M 1M", "write -P 5 20M 1M");

        daemon.blktap(
                        "snapshot",
                        "root",
                        "--name",
                        directory.resolve("vm/monday.qcow2").toString())
                .ok();
        io("root", "write -P 6 21M 1M");
        daemon.blktap("snapshot", "root").ok();
        page.run("blktap commit root --top tap:qcow2:/vm/monday.qcow2 --wait");
        assertEquals(3, chain(image("root")).size());
        page.run("blktap stream root --wait");
        assertEquals(1, chain(image("root")).size());
        read();
    }

    private void read() throws Exception {
        io("root", "read -P 1 0 4M", "read -P 3 8M 1M", "read -P 5 20M 1M", "read -P 6 21M 1M", "read -P 0 22M 42M");
    }

    private void moves(Page page) throws Exception {
        page.run("blktap move root tap:vhd:/new/root.vhd --wait");
        page.run("blktap move root tap:aio:/dev/vg0/root --wait");
        page.run("blktap move root 'tap:nbd:nbd+unix:///root?socket=/run/nbd.sock' --wait");
        read();
    }

    private void jobs(Page page) throws Exception {
        Path copy = directory.resolve("backup/root.qcow2");
        String mirror = "blktap mirror root tap:qcow2:/backup/root.qcow2";
        for (String end : List.of("cancel", "complete")) {
            String job = page.run(mirror).out().strip().substring(4);
            awaitState(job, "READY");
            page.run("blktap job " + end + " ID", "ID", job);
            awaitState(job, "DONE");
            if (end.equals("cancel")) {
                Qemu.equal("raw", directory.resolve("served.img"), "qcow2", copy);
                Files.delete(copy);
            }
        }
        assertEquals(copy, image("root"));
        read();
        String job = started("move", "root", spec("aio", "new/root.img"), "--speed", "1M");
        assertTrue(page.run("blktap jobs").out().contains("move"));
        page.run("blktap job pause 3", "3", job);
        awaitState(job, "PAUSED");
        page.run("blktap job set 3 speed=50M", "3", job);
        assertEquals(50 << 20, job(job).get("speed").getAsLong());
        daemon.blktap("job", "set", job, "speed=1M").ok();
        page.run("blktap job resume 3", "3", job);
        awaitState(job, "RUNNING");
        page.run("blktap job cancel 3", "3", job);
        awaitState(job, "FAILED");
        read();
    }
}
