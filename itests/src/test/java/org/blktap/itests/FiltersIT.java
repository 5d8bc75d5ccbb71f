package org.blktap.itests;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.google.gson.JsonArray;
import com.google.gson.JsonParser;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Filters of the built distribution, under clients and a guest at work. */
class FiltersIT extends DaemonUser {
    @TempDir
    Path directory;

    private Path delay;

    @BeforeEach
    void start() throws Exception {
        daemon = Daemon.started(directory);
        delay = daemon.home.resolve("examples/filter-delay.jar");
        daemon.blktap("deploy", delay.toString()).ok();
    }

    @AfterEach
    void stop() throws Exception {
        daemon.close();
    }

    private String create(String type) throws Exception {
        String spec = "tap:" + type + ":" + directory.resolve("disk." + type);
        daemon.blktap("create", spec, "64M").ok();
        return spec;
    }

    private JsonArray filters(String id) throws Exception {
        return JsonParser.parseString(
                        daemon.blktap("filter", "list", id, "--json").ok().out())
                .getAsJsonArray();
    }

    @Test
    void theyComeAndGoAndAreReplacedUnderLoad() throws Exception {
        daemon.attach(create("qcow2"), "a", "--node", "nbd");
        Path log = directory.resolve("fio.log");
        Process fio = verifies("a", log);
        List<Long> pauses = new ArrayList<>();
        int rounds = 0;
        while (fio.isAlive() && rounds < 10) {
            pauses.add(paused(daemon.blktap("filter", "add", "a", "delay,ms=1")));
            assertEquals(
                    "set without a pause",
                    daemon.blktap("filter", "set", "a", "delay", "ms=2")
                            .ok()
                            .out()
                            .strip());
            assertEquals(
                    "delay,ms=2",
                    filters("a").get(0).getAsJsonObject().get("spec").getAsString());
            if (rounds % 3 == 0) {
                int parks = daemon.stats("a").get("parks").getAsInt();
                replace(delay, daemon.home.resolve("deploy/filter-delay.jar"));
                Wait.until("it was parked", () -> daemon.stats("a").get("parks").getAsInt() > parks);
                Wait.until("it runs again", () -> daemon.state("a").equals("running"));
            }
            pauses.add(paused(daemon.blktap("filter", "remove", "a", "delay")));
            rounds++;
        }
        System.out.println("pauses of filter add and remove under 32 requests: " + pauses + " ms");
        verified(fio, log);
        assertTrue(rounds >= 3, "there was load for " + rounds + " rounds");
        daemon.detach("a");
        daemon.blktap("check", "tap:qcow2:" + directory.resolve("disk.qcow2")).ok();
    }

    /** Puts a jar where File Install sees it, as {@code blktap deploy} does. */
    private static void replace(Path jar, Path in) throws Exception {
        Path temporary = in.resolveSibling("." + in.getFileName() + ".new");
        Files.copy(jar, temporary, StandardCopyOption.REPLACE_EXISTING);
        Files.setLastModifiedTime(temporary, java.nio.file.attribute.FileTime.fromMillis(System.currentTimeMillis()));
        Files.move(temporary, in, StandardCopyOption.ATOMIC_MOVE);
    }

    @Test
    void aKilledDaemonHasThemAgainAndNoDiskRunsWithoutOne() throws Exception {
        daemon.attach(create("qcow2"), "a", "--node", "nbd", "--filter", "delay,ms=3");
        io("a", "write -P 7 0 1M", "flush");
        daemon.blktap("filter", "set", "a", "delay", "ms=4").ok();
        daemon.kill();
        daemon.start();
        Wait.until("it runs", () -> daemon.state("a").equals("running"));
        assertEquals(
                "delay,ms=4", filters("a").get(0).getAsJsonObject().get("spec").getAsString());
        io("a", "read -P 7 0 1M");
        assertTrue(daemon.blktap("info", "a").ok().out().contains("delay,ms=4"));
        assertTrue(daemon.blktap("info", "a", "--json").ok().out().contains("\"delay,ms=4\""));
        assertTrue(daemon.blktap("filters").ok().out().contains("delay"));

        daemon.blktap("undeploy", "filter-delay").ok();
        Wait.until("it is parked", () -> daemon.state("a").equals("parked"));
        assertTrue(daemon.blktap("list").ok().out().contains("filter delay"), daemon.blktap("list")::toString);
        refused("not running", "filter", "remove", "a", "delay");
        daemon.kill();
        daemon.start();
        assertEquals("parked", daemon.state("a"));
        assertTrue(daemon.blktap("info", "a").ok().out().contains("no filter delay; present:"));
        daemon.blktap("deploy", delay.toString()).ok();
        Wait.until("it runs again", () -> daemon.state("a").equals("running"));
        io("a", "read -P 7 0 1M");
        paused(daemon.blktap("filter", "remove", "a", "delay"));
        daemon.blktap("undeploy", "filter-delay").ok();
        assertEquals("running", daemon.state("a"));
    }

    @Test
    void whatIsWrongIsSaid() throws Exception {
        String spec = create("aio");
        refused("no filter dealy; present: ", "attach", spec, "--id", "a", "--filter", "dealy");
        refused("unknown option 'msec'; known: ms", "attach", spec, "--id", "a", "--filter", "delay,msec=1");
        refused("expected type[,key=value...]", "attach", spec, "--id", "a", "--filter", "Delay");
        daemon.attach(spec, "a", "--node", "nbd");
        refused("expected a number from 0 to 1000", "filter", "add", "a", "delay,ms=x");
        refused("has no filter 'delay'; present: none", "filter", "set", "a", "delay", "ms=1");
        daemon.blktap("filter", "add", "a", "delay").ok();
        refused("has a filter delay", "filter", "add", "a", "delay,ms=1");
        refused("expected a number from 0 to 1000", "filter", "set", "a", "delay", "ms=1001");
        daemon.blktap("park", "a").ok();
        assertEquals(
                "recorded; in force when it is resumed",
                daemon.blktap("filter", "set", "a", "delay", "ms=7").ok().out().strip());
        daemon.blktap("resume", "a").ok();
        assertEquals(
                "delay,ms=7", filters("a").get(0).getAsJsonObject().get("spec").getAsString());
    }

    /** What a guest had in flight is submitted again after a kill: also what a filter held. */
    @Test
    void aGuestOutlivesAKilledDaemonWithFilters() throws Exception {
        daemon.attach(create("qcow2"), "g", "--node", "vhost-user", "--filter", "delay,ms=20");
        String script = """
                fails() { echo "$1"; false; }
                rounds() {
                  dd if=/dev/urandom of=/tmp/data bs=64k count=32 2>/dev/null
                  for round in $(seq 1 24); do
                    for part in 0 1 2 3; do
                      dd if=/tmp/data of=/dev/vda bs=64k seek=$((part * 100 + round)) oflag=direct 2>/dev/null &
                    done
                    wait
                    for part in 0 1 2 3; do
                      dd if=/dev/vda bs=64k skip=$((part * 100 + round)) count=32 iflag=direct 2>/dev/null | cmp - /tmp/data \\
                        || { fails "round $round part $part"; return 1; }
                    done
                    echo "round $round"
                  done
                }
                rounds
                """;
        try (QemuGuest guest = QemuGuest.start(directory, "guest", script, daemon.vhostSocket("g"))) {
            for (int kills = 1; kills <= 3; kills++) {
                guest.prints("round " + 3 * kills + "\r");
                Wait.until(
                        "requests are in flight",
                        () -> daemon.stats("g").get("inFlight").getAsInt() > 0);
                daemon.kill();
                daemon.start();
                Wait.until("it runs", () -> daemon.state("g").equals("running"));
            }
            guest.succeed();
        }
        daemon.detach("g");
        // what a killed daemon has counted ahead is a leak, which a repair ends; anything else would be damage
        daemon.blktap("check", "--repair", "tap:qcow2:" + directory.resolve("disk.qcow2"))
                .ok();
        daemon.blktap("check", "tap:qcow2:" + directory.resolve("disk.qcow2")).ok();
    }

    // ---- the filters of the distribution

    private Process reads(String id, int depth) throws Exception {
        return new ProcessBuilder(
                        "fio",
                        "--name=r",
                        "--ioengine=nbd",
                        "--uri=" + daemon.nbd(id),
                        "--rw=randread",
                        "--bs=4k",
                        "--iodepth=" + depth,
                        "--size=32m",
                        "--time_based",
                        "--runtime=3600")
                .redirectErrorStream(true)
                .redirectOutput(directory.resolve("reads." + id).toFile())
                .start();
    }

    private long count(String id) throws Exception {
        var operations = daemon.stats(id).getAsJsonObject("operations");
        return operations.getAsJsonObject("read").get("count").getAsLong();
    }

    private static void end(Process... all) throws Exception {
        for (Process each : all) {
            each.descendants().forEach(ProcessHandle::destroyForcibly);
            each.destroyForcibly().waitFor();
        }
    }

    @Test
    void aThrottledDiskKeepsItsRateAndParksAtOnce() throws Exception {
        daemon.attach(create("aio"), "a", "--node", "nbd", "--filter", "throttle,iops=300");
        Process load = reads("a", 64);
        try {
            Wait.until("there is load", () -> count("a") > 100);
            long start = System.nanoTime();
            long before = count("a");
            Wait.until("some thousands are through", () -> count("a") > before + 1500);
            double seconds = (System.nanoTime() - start) / 1e9;
            assertTrue(seconds > 4.5, "1500 requests at 300 a second took " + seconds + " s");
            var stats = filters("a").get(0).getAsJsonObject().getAsJsonObject("values");
            assertEquals("iops 300", stats.get("limits").getAsString());
            Wait.until(
                    "requests wait, and stats say why",
                    () -> daemon.blktap("stats", "a").ok().out().contains("waiting for iops"));
            assertEquals(
                    "set without a pause",
                    daemon.blktap("filter", "set", "a", "throttle", "iops=1")
                            .ok()
                            .out()
                            .strip());
            Thread.sleep(1000);
            // 64 requests wait for a minute
            start = System.nanoTime();
            daemon.blktap("park", "a").ok();
            daemon.blktap("resume", "a").ok();
            daemon.blktap("filter", "set", "a", "throttle", "iops=1").ok();
            paused(daemon.blktap("filter", "remove", "a", "throttle"));
            seconds = (System.nanoTime() - start) / 1e9;
            assertTrue(seconds < 40, "park, resume and remove took " + seconds + " s");
            long slow = count("a");
            Wait.until("it is fast", () -> count("a") > slow + 5000);
            paused(daemon.blktap("filter", "add", "a", "throttle,iops=1"));
            daemon.blktap("detach", "a", "--force").ok();
        } finally {
            end(load);
        }
    }

    @Test
    void aGroupSharesItsBudgetFairly() throws Exception {
        Process[] loads = new Process[2];
        String[] ids = {"a", "b"};
        try {
            for (int i = 0; i < ids.length; i++) {
                String spec = "tap:ram:" + ids[i] + ",size=64M";
                daemon.attach(spec, ids[i], "--node", "nbd", "--filter", "throttle,group=tenant,iops=600");
                loads[i] = reads(ids[i], i == 0 ? 2 : 64);
            }
            Wait.until("both work", () -> count("a") > 300 && count("b") > 300);
            long[] before = {count("a"), count("b")};
            Wait.until("both have gone on", () -> count("a") > before[0] + 2000);
            double ratio = (count("a") - before[0]) / (double) (count("b") - before[1]);
            System.out.println("two members of a group, depths 2 and 64: " + ratio);
            assertTrue(ratio > 0.9 && ratio < 1.1, "ratio " + ratio);
        } finally {
            for (Process each : loads) {
                if (each != null) {
                    end(each);
                }
            }
        }
    }

    @Test
    void whySaysWhereTheTimeWentAndFioReplaysIt() throws Exception {
        daemon.attach(create("qcow2"), "a", "--node", "nbd");
        refused("has no open filter trace", "why", "a");
        daemon.blktap("filter", "add", "a", "delay,ms=30").ok();
        daemon.blktap("filter", "add", "a", "trace").ok();
        assertTrue(daemon.blktap("why", "a").ok().out().contains("no request has ended"));
        io("a", "write -P 7 0 1M", "flush", "read -P 7 0 1M", "discard 512k 512k", "write -z 2M 64k");
        Run why = daemon.blktap("why", "a").ok();
        assertTrue(why.out().contains("% in the format, or in a filter below"), why::toString);
        assertTrue(why.out().contains("(delay,ms=30)"), why::toString);
        assertTrue(why.out().matches("(?s).*OPERATION +WHERE.*write +device.*ENDED.*"), why::toString);
        daemon.blktap("filter", "remove", "a", "delay").ok();
        daemon.blktap("why", "a", "--reset").ok();
        io("a", "write -P 8 4M 1M", "flush");
        var report = JsonParser.parseString(
                        daemon.blktap("why", "a", "--json").ok().out())
                .getAsJsonObject();
        var write = report.getAsJsonObject("operations").getAsJsonObject("write");
        assertTrue(write.getAsJsonObject("device").get("mean").getAsDouble() > 0, report::toString);
        Path log = directory.resolve("a.iolog");
        Process recorder = new ProcessBuilder(
                        "sh",
                        "-c",
                        "BLKTAP_RUN_DIR=" + daemon.runDir + " " + daemon.home.resolve("bin/blktap")
                                + " why a --seconds 5 --record " + log)
                .redirectErrorStream(true)
                .redirectOutput(directory.resolve("recorder.out").toFile())
                .start();
        Wait.until("it records", () -> Files.exists(log));
        io("a", "write -P 9 8M 256k", "read -P 9 8M 256k", "flush", "discard 8M 64k");
        assertTrue(recorder.waitFor(Run.LIMIT_SECONDS, TimeUnit.SECONDS));
        String said = Files.readString(directory.resolve("recorder.out"));
        assertTrue(said.contains("requests recorded"), said);
        List<String> lines = Files.readAllLines(log);
        assertTrue(lines.stream().anyMatch(each -> each.matches("\\d+ disk write 8388608 262144")), lines::toString);
        refused("exists; choose another file", "why", "a", "--record", log.toString());
        Path replayed = directory.resolve("replayed.img");
        Run.of("truncate", "-s", "64M", replayed.toString()).ok();
        Run.of(
                        "fio",
                        "--name=replay",
                        "--read_iolog=" + log,
                        "--replay_redirect=" + replayed,
                        "--replay_no_stall=1",
                        "--ioengine=psync")
                .ok();
        byte[] bytes = Files.readAllBytes(replayed);
        int written = 0;
        for (int i = 8 << 20; i < (8 << 20) + (256 << 10); i++) {
            written += bytes[i] == 0 ? 0 : 1;
        }
        assertTrue(written > 100_000, "fio has replayed the write");
    }

    @Test
    void faultsAreSeenByClients() throws Exception {
        daemon.attach(create("aio"), "a", "--node", "nbd", "--on-enospc", "report");
        daemon.blktap("filter", "add", "a", "fault,errors=100,error=ENOSPC,range=1M-2M,operations=write")
                .ok();
        io("a", "write -P 7 0 1M", "read 1M 1M");
        Run failed = Run.of("qemu-io", "-f", "raw", daemon.nbd("a"), "-c", "write -P 7 1M 4k");
        assertTrue((failed.out() + failed.err()).contains("No space left on device"), failed::toString);
        daemon.blktap("filter", "set", "a", "fault", "delay-ms=100", "errors=", "range=")
                .ok();
        io("a", "write -P 7 1M 4k");
        assertTrue(daemon.blktap("filter", "list", "a").ok().out().contains("errors 1"));
        daemon.blktap("filter", "remove", "a", "fault").ok();
        io("a", "read -P 7 1M 4k");
    }
}
