package org.blktap.itests;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.google.gson.JsonObject;
import com.google.gson.JsonParser;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.api.io.TempDir;

/** Jobs of the built distribution, under clients at work. One daemon for all tests. */
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
class JobsIT {
    private Daemon daemon;
    private Path home;
    private Path directory;
    private int tests;

    @BeforeAll
    void startDaemon(@TempDir Path of) throws Exception {
        home = of;
        daemon = Daemon.started(of);
    }

    @AfterAll
    void stopDaemon() throws Exception {
        daemon.close();
    }

    @BeforeEach
    void start() throws Exception {
        directory = Files.createDirectory(home.resolve("test-" + ++tests));
    }

    @AfterEach
    void stop() throws Exception {
        for (var each : daemon.list()) {
            daemon.blktap("detach", each.getAsJsonObject().get("id").getAsString(), "--force");
        }
    }

    private String spec(String type, String name) {
        return "tap:" + type + ":" + directory.resolve(name);
    }

    private String create(String type, String name, String... more) throws Exception {
        List<String> words = new ArrayList<>(List.of("create", spec(type, name)));
        words.addAll(List.of(more));
        daemon.blktap(words.toArray(String[]::new)).ok();
        return spec(type, name);
    }

    /** A client that writes and verifies what it has written. */
    private Process verifies(String id, Path log) throws Exception {
        long before = writes(id);
        Process fio = new ProcessBuilder(
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
                        "--rate_iops=600")
                .redirectErrorStream(true)
                .redirectOutput(log.toFile())
                .start();
        Wait.until("fio writes", () -> writes(id) > before);
        return fio;
    }

    private long writes(String id) throws Exception {
        JsonObject operations = daemon.stats(id).getAsJsonObject("operations");
        return operations.has("write")
                ? operations.getAsJsonObject("write").get("count").getAsLong()
                : 0;
    }

    private static void verified(Process fio, Path log) throws Exception {
        assertTrue(fio.waitFor(Run.LIMIT_SECONDS, TimeUnit.SECONDS), "fio ends");
        assertEquals(0, fio.exitValue(), Files.readString(log));
    }

    private void io(String id, String... commands) throws Exception {
        List<String> all = new ArrayList<>(List.of("qemu-io", "-f", "raw", daemon.nbd(id)));
        for (String command : commands) {
            all.addAll(List.of("-c", command));
        }
        Run.of(all.toArray(String[]::new)).ok();
    }

    private void refused(String says, String... command) throws Exception {
        Run run = daemon.blktap(command);
        assertTrue(run.status() != 0 && run.err().contains(says), run::toString);
    }

    /** The milliseconds of a pause that a verb has printed. */
    private static long paused(Run run) {
        String[] lines = run.ok().out().strip().split("\n");
        String text = lines[lines.length - 1];
        assertTrue(text.matches("paused \\d+ ms"), run::toString);
        return Long.parseLong(text.replaceAll("\\D", ""));
    }

    private JsonObject job(String number) throws Exception {
        for (var each : JsonParser.parseString(
                        daemon.blktap("jobs", "--json").ok().out())
                .getAsJsonArray()) {
            if (each.getAsJsonObject().get("id").getAsString().equals(number)) {
                return each.getAsJsonObject();
            }
        }
        throw new AssertionError("no job " + number);
    }

    private String started(String... command) throws Exception {
        String said = daemon.blktap(command).ok().out().strip();
        assertTrue(said.matches("job \\d+"), said);
        return said.substring(4);
    }

    private void awaitState(String number, String state) throws Exception {
        Wait.until("job " + number + " is " + state, () -> {
            String now = job(number).get("state").getAsString();
            assertTrue(state.equals("FAILED") || !now.equals("FAILED"), () -> {
                try {
                    return job(number) + "\n" + daemon.log();
                } catch (Exception e) {
                    return e.toString();
                }
            });
            return now.equals(state);
        });
    }

    private void equal(String type, Path one, String otherType, Path other) throws Exception {
        Run.of("qemu-img", "compare", "-f", type, "-F", otherType, one.toString(), other.toString())
                .ok();
    }

    @Test
    void aDiskMovesUnderLoadAndBack() throws Exception {
        daemon.attach(create("aio", "a.img", "64M"), "a", "--node", "nbd");
        io("a", "write -P 7 50M 4M", "flush");
        Path log = directory.resolve("fio.log");
        Process fio = verifies("a", log);
        List<Long> pauses = new ArrayList<>();
        pauses.add(paused(daemon.blktap("move", "a", spec("qcow2", "b.qcow2"), "--wait")));
        assertTrue(fio.isAlive(), "there was load");
        assertEquals(
                spec("qcow2", "b.qcow2"), daemon.attachment("a").get("spec").getAsString());
        pauses.add(paused(daemon.blktap("move", "a", spec("vhd", "c.vhd"), "--wait")));
        pauses.add(paused(daemon.blktap("move", "a", spec("aio", "d.img"), "--wait")));
        System.out.println("pauses of move under 32 requests: " + pauses + " ms");
        verified(fio, log);
        io("a", "read -P 7 50M 4M");
        daemon.blktap("move", "a", spec("qcow2", "e.qcow2"), "--wait").ok();
        daemon.detach("a");
        equal("raw", directory.resolve("d.img"), "qcow2", directory.resolve("e.qcow2"));
        Run.of("qemu-img", "check", directory.resolve("e.qcow2").toString()).ok();
        Run.of("qemu-img", "check", directory.resolve("b.qcow2").toString()).ok();
        assertTrue(Files.exists(directory.resolve("a.img")), "the source stays");
        try (var left = Files.list(daemon.dataDir.resolve("jobs"))) {
            assertTrue(left.noneMatch(each -> each.toString().endsWith(".bits")), "no bits are left");
        }
    }

    @Test
    void aKilledDaemonGoesOnWithAMove() throws Exception {
        daemon.attach(create("qcow2", "a.qcow2", "64M"), "a", "--node", "nbd");
        io("a", "write -P 1 0 32M", "write -P 2 32M 16M", "flush");
        String job = started("move", "a", spec("aio", "b.img"), "--speed", "8M");
        refused("has job " + job, "mirror", "a", spec("aio", "x.img"));
        refused("has job " + job, "detach", "a");
        Wait.until("some of it is copied", () -> job(job).get("doneBytes").getAsLong() > 8 << 20);
        io("a", "write -P 3 4M 1M", "flush");
        daemon.kill();
        daemon.start();
        Wait.until("it runs", () -> daemon.state("a").equals("running"));
        io("a", "write -P 4 5M 1M", "flush");
        daemon.blktap("job", "pause", job).ok();
        awaitState(job, "PAUSED");
        daemon.blktap("job", "set", job, "speed=0").ok();
        daemon.blktap("job", "resume", job).ok();
        awaitState(job, "DONE");
        assertEquals(spec("aio", "b.img"), daemon.attachment("a").get("spec").getAsString());
        io("a", "read -P 1 0 4M", "read -P 3 4M 1M", "read -P 4 5M 1M", "read -P 1 6M 26M", "read -P 2 32M 16M");
        daemon.detach("a");
        equal("qcow2", directory.resolve("a.qcow2"), "raw", directory.resolve("b.img"));
    }

    @Test
    void whatFailsLeavesTheDiskAsItWas() throws Exception {
        daemon.attach(create("aio", "a.img", "64M"), "a", "--node", "nbd");
        io("a", "write -P 1 0 64M", "flush");
        create("aio", "there.img", "64M");
        refused("exist", "move", "a", spec("aio", "there.img"));
        refused("no backing image", "commit", "a");
        refused("image of the disk itself", "move", "a", spec("raw", "a.img"));
        assertEquals("[]", daemon.attachment("a").get("filters").toString());
        String job = started("move", "a", spec("qcow2", "b.qcow2"), "--speed", "4M");
        daemon.blktap("job", "cancel", job).ok();
        awaitState(job, "FAILED");
        assertEquals("cancelled", job(job).get("message").getAsString());
        assertFalse(Files.exists(directory.resolve("b.qcow2")), "the target is removed");
        assertEquals("[]", daemon.attachment("a").get("filters").toString());
        job = started("move", "a", spec("qcow2", "b.qcow2"), "--speed", "4M");
        daemon.blktap("detach", "a", "--force").ok();
        awaitState(job, "FAILED");
        assertTrue(job(job).get("message").getAsString().contains("detached"));
    }

    @Test
    void aMirrorIsCompletedOrCancelled() throws Exception {
        daemon.attach(create("qcow2", "a.qcow2", "64M"), "a", "--node", "nbd");
        io("a", "write -P 1 0 16M", "flush");
        String job = started("mirror", "a", spec("aio", "copy.img"));
        awaitState(job, "READY");
        io("a", "write -P 2 8M 16M", "write -z 2M 1M", "discard 4M 1M", "flush");
        daemon.blktap("job", "cancel", job).ok();
        awaitState(job, "DONE");
        daemon.blktap("park", "a").ok();
        equal("qcow2", directory.resolve("a.qcow2"), "raw", directory.resolve("copy.img"));
        daemon.blktap("resume", "a").ok();
        job = started("mirror", "a", spec("vmdk", "b.vmdk"));
        awaitState(job, "READY");
        paused(daemon.blktap("job", "complete", job, "--wait"));
        assertEquals(spec("vmdk", "b.vmdk"), daemon.attachment("a").get("spec").getAsString());
        io("a", "read -P 2 8M 16M");
    }

    private void overlay(String base, String name) throws Exception {
        create("qcow2", name, "64M", "--backing", spec("qcow2", base));
    }

    /** A chain of three: base, middle and top, with data in each. */
    private void chain() throws Exception {
        daemon.attach(create("qcow2", "base.qcow2", "64M"), "x", "--node", "nbd");
        io("x", "write -P 1 0 48M", "flush");
        daemon.detach("x");
        overlay("base.qcow2", "middle.qcow2");
        daemon.attach(spec("qcow2", "middle.qcow2"), "x", "--node", "nbd");
        io("x", "write -P 2 8M 16M", "write -z 9M 1M", "flush");
        daemon.detach("x");
        overlay("middle.qcow2", "top.qcow2");
        daemon.attach(spec("qcow2", "top.qcow2"), "a", "--node", "nbd");
        io("a", "write -P 3 16M 4M", "flush");
    }

    private void reads(String id) throws Exception {
        io(id, "read -P 2 8M 1M", "read -P 0 9M 1M", "read -P 2 10M 6M", "read -P 3 16M 4M", "read -P 2 20M 4M");
    }

    @Test
    void overlaysAreCommittedUnderLoad() throws Exception {
        chain();
        Path log = directory.resolve("fio.log");
        // writes 0 to 48M, and so over all of it
        Process fio = verifies("a", log);
        List<Long> pauses = new ArrayList<>();
        pauses.add(paused(daemon.blktap("commit", "a", "--top", spec("qcow2", "middle.qcow2"), "--wait")));
        assertTrue(fio.isAlive(), "there was load");
        assertFalse(Files.exists(directory.resolve("middle.qcow2")));
        pauses.add(paused(daemon.blktap("commit", "a", "--wait")));
        System.out.println("pauses of commit under 32 requests: " + pauses + " ms");
        assertEquals(
                spec("qcow2", "base.qcow2"), daemon.attachment("a").get("spec").getAsString());
        assertFalse(Files.exists(directory.resolve("top.qcow2")));
        verified(fio, log);
        daemon.detach("a");
        Run.of("qemu-img", "check", directory.resolve("base.qcow2").toString()).ok();
    }

    @Test
    void aKilledDaemonGoesOnWithACommit() throws Exception {
        chain();
        reads("a");
        Run.of(
                        "qemu-img",
                        "convert",
                        "-U",
                        "-O",
                        "raw",
                        directory.resolve("top.qcow2").toString(),
                        directory.resolve("all.img").toString())
                .ok();
        String base = spec("qcow2", "base.qcow2");
        String job = started("commit", "a", "--base", base, "--keep", "--speed", "4M");
        Wait.until("some of it is copied", () -> job(job).get("doneBytes").getAsLong() > 4 << 20);
        daemon.kill();
        daemon.start();
        Wait.until("it runs", () -> daemon.state("a").equals("running"));
        reads("a");
        daemon.blktap("job", "set", job, "speed=0").ok();
        awaitState(job, "DONE");
        reads("a");
        assertTrue(Files.exists(directory.resolve("top.qcow2")));
        daemon.detach("a");
        equal("qcow2", directory.resolve("base.qcow2"), "raw", directory.resolve("all.img"));
    }

    @Test
    void aDiskIsStreamedUnderLoad() throws Exception {
        chain();
        Path log = directory.resolve("fio.log");
        String job = started("stream", "a", "--base", spec("qcow2", "base.qcow2"));
        awaitState(job, "DONE");
        reads("a");
        Process fio = verifies("a", log);
        long pause = paused(daemon.blktap("stream", "a", "--wait"));
        System.out.println("pause of stream under 32 requests: " + pause + " ms");
        verified(fio, log);
        daemon.detach("a");
        String info = Run.of("qemu-img", "info", directory.resolve("top.qcow2").toString())
                .ok()
                .out();
        assertFalse(info.contains("backing file"), info);
        Run.of("qemu-img", "check", directory.resolve("top.qcow2").toString()).ok();
    }

    @Test
    void aChainThatIsTooLongBecomesShorterByItself() throws Exception {
        chain();
        daemon.detach("a");
        daemon.attach(spec("qcow2", "top.qcow2"), "a", "--node", "nbd", "--max-chain", "2");
        Wait.until("it is committed", () -> !Files.exists(directory.resolve("middle.qcow2")));
        Wait.until("the job has ended", () -> !daemon.blktap("jobs").ok().out().contains("running"));
        reads("a");
        assertEquals(
                spec("qcow2", "top.qcow2"), daemon.attachment("a").get("spec").getAsString());
    }
}
