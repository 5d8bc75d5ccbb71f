package org.blktap.itests;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.google.gson.JsonArray;
import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import com.google.gson.JsonParser;
import java.io.Writer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;

/** What an operator sees of a daemon at work: events, health, rates. */
class EventsIT extends SharedDaemon {
    private List<JsonObject> events(String... arguments) throws Exception {
        List<String> words = new ArrayList<>(List.of("events", "--json"));
        words.addAll(List.of(arguments));
        return parsed(
                daemon.blktap(words.toArray(String[]::new)).ok().out().lines().toList());
    }

    private static List<JsonObject> parsed(List<String> lines) {
        return lines.stream()
                .map(each -> JsonParser.parseString(each).getAsJsonObject())
                .toList();
    }

    private static List<String> kinds(List<JsonObject> events) {
        return events.stream().map(each -> each.get("kind").getAsString()).toList();
    }

    private static long number(JsonObject event) {
        return event.get("sequence").getAsLong();
    }

    private long last() throws Exception {
        List<JsonObject> last = events("--last", "1");
        return number(last.get(last.size() - 1));
    }

    /** A follower that writes what it gets into a file. */
    private Process follow(Path into, long after) throws Exception {
        ProcessBuilder builder = new ProcessBuilder(
                        daemon.home.resolve("bin/blktap").toString(),
                        "events",
                        "--follow",
                        "--json",
                        "--after",
                        Long.toString(after))
                .redirectErrorStream(true)
                .redirectOutput(into.toFile())
                .redirectInput(Path.of("/dev/null").toFile());
        builder.environment().put("BLKTAP_RUN_DIR", daemon.runDir.toString());
        return builder.start();
    }

    private static List<JsonObject> complete(Path file) throws Exception {
        String text = Files.readString(file);
        return parsed(text.substring(0, text.lastIndexOf('\n') + 1).lines().toList());
    }

    private JsonObject check(String name) throws Exception {
        JsonArray all = JsonParser.parseString(daemon.blktap("health", "--json").out())
                .getAsJsonObject()
                .getAsJsonArray("checks");
        for (JsonElement each : all) {
            if (each.getAsJsonObject().get("name").getAsString().equals(name)) {
                return each.getAsJsonObject();
            }
        }
        throw new AssertionError("no check " + name + " in " + all);
    }

    private String health(String name) throws Exception {
        return check(name).get("status").getAsString();
    }

    @Test
    void aDisksLifeIsTold() throws Exception {
        long before = last();
        String spec = create("qcow2", "a.qcow2", "10M");
        daemon.attach(spec, "a", "--node", "nbd", "--filter", "fault");
        io("a", "write 0 64k");
        daemon.blktap("park", "a").ok();
        daemon.blktap("resume", "a").ok();
        daemon.blktap("resize", "a", "20M").ok();
        daemon.blktap("filter", "set", "a", "fault", "errors=100", "operations=read", "error=EIO")
                .ok();
        assertFalse(
                Run.of("qemu-io", "-f", "raw", daemon.nbd("a"), "-c", "read 0 64k", "-c", "read 64k 64k")
                        .out()
                        .contains("ops;"),
                "the reads fail");
        daemon.blktap("filter", "set", "a", "fault", "errors=0").ok();
        Wait.until(
                "its job is done",
                () -> daemon.blktap("move", "a", spec("raw", "b.raw"), "--wait").status() == 0);
        daemon.detach("a");
        List<JsonObject> told = new ArrayList<>(events("a", "--after", Long.toString(before)));
        // on a slow machine the series is reported more than once
        told.removeIf(each -> each.getAsJsonObject("details").has("series")
                && !each.getAsJsonObject("details").get("series").getAsString().equals("begins"));
        List<String> kinds = new ArrayList<>(kinds(told));
        assertTrue(kinds.contains("connected") && kinds.contains("disconnected"), kinds::toString);
        kinds.removeIf(each -> each.endsWith("connected"));
        int job = kinds.indexOf("job");
        assertEquals(
                List.of("attached", "parked", "resumed", "changed", "changed", "errors", "changed"),
                kinds.subList(0, job),
                told::toString);
        assertEquals("detached", kinds.get(kinds.size() - 1));
        JsonObject errors = told.stream()
                .filter(each -> each.get("kind").getAsString().equals("errors"))
                .findFirst()
                .orElseThrow();
        assertEquals("read", errors.getAsJsonObject("details").get("operation").getAsString());
        assertEquals(5, errors.getAsJsonObject("details").get("errno").getAsInt());
        assertEquals("begins", errors.getAsJsonObject("details").get("series").getAsString());
        JsonObject parked = told.stream()
                .filter(each -> each.get("kind").getAsString().equals("parked"))
                .findFirst()
                .orElseThrow();
        assertEquals("operator", parked.getAsJsonObject("details").get("reason").getAsString());
        List<String> states = told.stream()
                .filter(each -> each.get("kind").getAsString().equals("job"))
                .map(each -> each.getAsJsonObject("details").get("state").getAsString())
                .toList();
        assertEquals("running", states.get(0));
        assertEquals("done", states.get(states.size() - 1));
    }

    @Test
    void aFollowerMissesNothingOverAKill() throws Exception {
        long before = last();
        daemon.attach("tap:ram:f,size=1M", "f");
        Path first = directory.resolve("first");
        Process follower = follow(first, before);
        Wait.until("the follower is there", () -> Files.size(first) > 0);
        for (int i = 0; i < 5; i++) {
            daemon.blktap("park", "f").ok();
            daemon.blktap("resume", "f").ok();
        }
        Wait.until("it has eleven events", () -> complete(first).size() >= 11);
        daemon.kill();
        assertEquals(1, follower.waitFor(), "a follower sees the end of the daemon");
        List<JsonObject> all = new ArrayList<>(parsed(Files.readAllLines(first).stream()
                .filter(each -> each.startsWith("{"))
                .toList()));
        daemon.start();
        long at = number(all.get(all.size() - 1));
        Path second = directory.resolve("second");
        Process again = follow(second, at);
        daemon.blktap("park", "f").ok();
        Wait.until("it is told of the park", () -> kinds(complete(second)).containsAll(List.of("ready", "parked")));
        again.destroy();
        all.addAll(complete(second));
        for (int i = 0; i < all.size(); i++) {
            assertEquals(before + 1 + i, number(all.get(i)), all::toString);
        }
        List<String> kinds = kinds(all);
        assertTrue(kinds.subList(11, kinds.size()).containsAll(List.of("resumed", "ready", "parked")), kinds::toString);
    }

    @Test
    void aFollowerThatWasAwayForLongIsToldTheNumbers() throws Exception {
        Path settings = daemon.home.resolve("etc/blktap.json");
        String were = Files.readString(settings);
        try {
            daemon.configure("{ \"org.blktap.events\": { \"history\": 100 } }");
            daemon.blktap("config", "--reload").ok();
            long before = last();
            daemon.attach("tap:ram:g,size=1M", "g");
            String session = "park g\nresume g\n".repeat(60);
            Path lines = Files.writeString(directory.resolve("lines"), session);
            Run.of(
                            Map.of("BLKTAP_RUN_DIR", daemon.runDir.toString()),
                            "sh",
                            "-c",
                            daemon.home.resolve("bin/blktap") + " shell < " + lines)
                    .ok();
            List<JsonObject> told = events("--after", Long.toString(before));
            assertEquals("gap", kinds(told).get(0));
            JsonObject numbers = told.get(0).getAsJsonObject("details");
            assertEquals(before + 1, numbers.get("from").getAsLong());
            assertEquals(number(told.get(1)) - 1, numbers.get("to").getAsLong());
            assertEquals(101, told.size());
        } finally {
            Files.writeString(settings, were);
            daemon.blktap("config", "--reload").ok();
        }
    }

    @Test
    void healthTellsTheTruth() throws Exception {
        Daemon.assertStatus(0, daemon.blktap("health"));
        daemon.attach("tap:ram:h,size=1M", "h");
        daemon.blktap("park", "h").ok();
        Daemon.assertStatus(3, daemon.blktap("health"));
        assertEquals("warn", health("disks"));
        daemon.blktap("resume", "h").ok();
        Daemon.assertStatus(0, daemon.blktap("health"));
        long before = last();
        Path jar = Files.copy(daemon.home.resolve("deploy/format-vhd.jar"), directory.resolve("format-vhd.jar"));
        String spec = create("vhd", "h.vhd", "10M");
        daemon.attach(spec, "v");
        daemon.blktap("undeploy", "format-vhd").ok();
        Run critical = daemon.blktap("health");
        Daemon.assertStatus(1, critical);
        assertTrue(critical.out().contains("v is parked: waiting for the driver of tap:vhd"), critical::toString);
        daemon.blktap("deploy", jar.toString()).ok();
        Wait.until("all is well", () -> daemon.blktap("health").status() == 0);
        List<String> kinds = kinds(events("--after", Long.toString(before)));
        assertTrue(
                kinds.containsAll(List.of("attached", "parked", "undeployed", "deployed", "resumed")), kinds::toString);
    }

    @Test
    void aJobThatFailedIsUnhealthyUntilOneSucceeds() throws Exception {
        String spec = create("qcow2", "j.qcow2", "10M");
        daemon.attach(spec, "j", "--node", "nbd");
        io("j", "write 0 1M");
        String mirror = started("mirror", "j", spec("raw", "m.raw"));
        awaitState(mirror, "READY");
        daemon.blktap("job", "cancel", mirror).ok();
        assertEquals("ok", health("jobs"), "an operator has cancelled it");
        String move = started("move", "j", spec("raw", "x.raw"), "--speed", "100k");
        daemon.blktap("detach", "j", "--force").ok();
        awaitState(move, "FAILED");
        assertEquals("ok", health("jobs"), "nobody has that disk any more");
        daemon.attach(spec, "j", "--node", "nbd");
        Run warns = daemon.blktap("health");
        Daemon.assertStatus(3, warns);
        assertTrue(warns.out().contains("job " + move + " (move of j) has failed: "), warns::toString);
        Wait.until(
                "another succeeds",
                () -> daemon.blktap("move", "j", spec("raw", "n.raw"), "--wait").status() == 0);
        assertEquals("ok", health("jobs"));
    }

    @Test
    void ratesAndScreens() throws Exception {
        daemon.attach("tap:ram:r,size=64M", "r", "--node", "nbd");
        Process fio = new ProcessBuilder(
                        "fio",
                        "--name=r",
                        "--ioengine=nbd",
                        "--uri=" + daemon.nbd("r"),
                        "--rw=randwrite",
                        "--bs=4k",
                        "--rate_iops=500",
                        "--time_based",
                        "--runtime=60",
                        "--size=32m")
                .redirectErrorStream(true)
                .redirectOutput(directory.resolve("fio.log").toFile())
                .start();
        try {
            Wait.until("fio writes", () -> writes("r") > 0);
            JsonObject rates = JsonParser.parseString(
                            daemon.blktap("stats", "r", "--interval", "0.5", "--count", "1", "--json")
                                    .ok()
                                    .out())
                    .getAsJsonObject();
            assertTrue(
                    rates.getAsJsonObject("operations")
                                    .getAsJsonObject("write")
                                    .get("perSecond")
                                    .getAsDouble()
                            > 0,
                    rates::toString);
            String program = daemon.home.resolve("bin/blktap").toString();
            Map<String, String> environment = Map.of("BLKTAP_RUN_DIR", daemon.runDir.toString(), "TERM", "xterm");
            // Ctrl-C, of a client whose output is no terminal
            Run lines = Run.of(
                    environment,
                    "timeout",
                    "--preserve-status",
                    "-s",
                    "INT",
                    "5",
                    "env",
                    "--default-signal=INT",
                    program,
                    "watch",
                    "--interval",
                    "0.5");
            assertEquals(130, lines.status(), lines::toString);
            assertTrue(lines.out().contains(" r running ") && !lines.out().contains("\u001b"), lines::toString);
            Run screen = Run.of(
                    environment,
                    "script",
                    "-qec",
                    "stty rows 10 cols 70; " + program + " watch --count 2 --interval 0.3",
                    "/dev/null");
            assertTrue(screen.ok().out().contains("\u001b[H"), screen::toString);
            prompt(program);
        } finally {
            fio.destroy();
            fio.waitFor();
        }
    }

    /** At the prompt, Ctrl-C ends it and the prompt goes on; in a pipe it draws nothing. */
    private void prompt(String program) throws Exception {
        Path shown = directory.resolve("prompt");
        ProcessBuilder builder = new ProcessBuilder(
                        "script", "-qec", "stty rows 10 cols 70; " + program + " shell", "/dev/null")
                .redirectErrorStream(true)
                .redirectOutput(shown.toFile());
        builder.environment().putAll(Map.of("BLKTAP_RUN_DIR", daemon.runDir.toString(), "TERM", "xterm"));
        Process script = builder.start();
        try (Writer keys = script.outputWriter()) {
            Wait.until("the prompt is there", () -> Files.readString(shown).contains("blktap> "));
            keys.write("watch --interval 0.3\r");
            keys.flush();
            Wait.until("it has drawn twice", () -> Files.readString(shown).split("Ctrl-C ends", -1).length > 2);
            keys.write("\003");
            keys.flush();
            keys.write("watch --count 1 --interval 0.2 | grep running\r");
            keys.flush();
            Wait.until("it prints lines", () -> Files.readString(shown).contains(" r running "));
            keys.write("exit\r");
            keys.flush();
            assertEquals(0, script.waitFor(), () -> "see " + shown);
        } finally {
            script.destroy();
        }
    }
}
