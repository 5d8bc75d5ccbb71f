package org.blktap.itests;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.google.gson.JsonArray;
import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import com.google.gson.JsonParser;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;

/** The built distribution, unpacked and running with directories of its own. */
final class Daemon implements AutoCloseable {
    final Path home;
    final Path runDir;
    final Path dataDir;
    final Path log;
    private final Map<String, String> environment;
    private Process process;

    /** Unpacks into a directory; {@link #start} starts. */
    Daemon(Path directory, Map<String, String> extra) throws Exception {
        home = UnpackedDistribution.copy(directory);
        runDir = directory.resolve("run");
        dataDir = directory.resolve("data");
        log = directory.resolve("blktapd.log");
        environment = new java.util.HashMap<>();
        environment.put("BLKTAP_ARCHIVE_DIR", UnpackedDistribution.archive().toString());
        environment.putAll(extra);
        environment.put("BLKTAP_RUN_DIR", runDir.toString());
        environment.put("BLKTAP_DATA_DIR", dataDir.toString());
    }

    static Daemon started(Path directory) throws Exception {
        Daemon daemon = new Daemon(directory, Map.of());
        daemon.start();
        return daemon;
    }

    void start() throws Exception {
        launch();
        Wait.until("the daemon is ready", () -> {
            assertTrue(process.isAlive(), () -> "the daemon ended:\n" + log());
            return blktap("status").status() == 0;
        });
    }

    private void launch() throws IOException {
        ProcessBuilder builder = new ProcessBuilder(home.resolve("bin/blktapd").toString())
                .redirectInput(Path.of("/dev/null").toFile())
                .redirectOutput(ProcessBuilder.Redirect.appendTo(log.toFile()))
                .redirectError(ProcessBuilder.Redirect.appendTo(log.toFile()));
        builder.environment().putAll(environment);
        process = builder.start();
    }

    /** Starts another instance beside this one, with the same environment; the caller ends it. */
    Process instance(String name) throws Exception {
        Path its = log.resolveSibling(name + ".log");
        ProcessBuilder builder = new ProcessBuilder(home.resolve("bin/blktapd").toString(), "--instance", name)
                .redirectInput(Path.of("/dev/null").toFile())
                .redirectOutput(ProcessBuilder.Redirect.appendTo(its.toFile()))
                .redirectErrorStream(true);
        builder.environment().putAll(environment);
        Process started = builder.start();
        Wait.until("the instance " + name + " is ready", () -> {
            assertTrue(started.isAlive(), () -> "the instance " + name + " ended; see " + its);
            return blktap("--instance", name, "status").status() == 0;
        });
        return started;
    }

    /** Replaces the file of settings, for the next start or reload. */
    void configure(String json) throws IOException {
        Files.writeString(home.resolve("etc/blktap.json"), json);
    }

    String log() {
        try {
            return Files.readString(log);
        } catch (IOException e) {
            return e.toString();
        }
    }

    long pid() {
        return process.pid();
    }

    /** Ends it as init would; the seconds that took. */
    double stop() throws Exception {
        long begin = System.nanoTime();
        process.destroy();
        assertTrue(process.waitFor(Run.LIMIT_SECONDS, TimeUnit.SECONDS), "the daemon does not end");
        return (System.nanoTime() - begin) / 1e9;
    }

    /** Waits until it has ended by itself; its exit status. */
    int awaitEnd() throws Exception {
        assertTrue(process.waitFor(Run.LIMIT_SECONDS, TimeUnit.SECONDS), () -> "the daemon does not end:\n" + log());
        return process.exitValue();
    }

    /** Ends it as the kernel would when memory runs out. */
    void kill() throws Exception {
        process.destroyForcibly();
        process.waitFor();
    }

    @Override
    public void close() throws Exception {
        if (process != null && process.isAlive()) {
            process.destroy();
            if (!process.waitFor(60, TimeUnit.SECONDS)) {
                process.destroyForcibly();
            }
        }
    }

    /** The environment in which an operator of this daemon works: {@code blktap} is on the path. */
    Map<String, String> operator() {
        Map<String, String> all = new java.util.HashMap<>(environment);
        all.put("PATH", home.resolve("bin") + ":" + System.getenv("PATH"));
        return all;
    }

    /** Runs the client. */
    Run blktap(String... arguments) throws Exception {
        return blktap(Map.of(), arguments);
    }

    /** Runs the client with more in its environment. */
    Run blktap(Map<String, String> more, String... arguments) throws Exception {
        Map<String, String> all = new java.util.HashMap<>(environment);
        all.putAll(more);
        List<String> command =
                new ArrayList<>(List.of(home.resolve("bin/blktap").toString()));
        command.addAll(List.of(arguments));
        return Run.of(all, command.toArray(String[]::new));
    }

    /** Starts the client, and leaves it to itself: the daemon may end before it answers. */
    Process begin(String... arguments) throws IOException {
        List<String> command =
                new ArrayList<>(List.of(home.resolve("bin/blktap").toString()));
        command.addAll(List.of(arguments));
        ProcessBuilder builder =
                new ProcessBuilder(command).redirectErrorStream(true).redirectOutput(ProcessBuilder.Redirect.DISCARD);
        builder.environment().putAll(environment);
        return builder.start();
    }

    Run attach(String spec, String id, String... more) throws Exception {
        List<String> arguments = new ArrayList<>(List.of("attach", spec, "--id", id));
        arguments.addAll(List.of(more));
        return blktap(arguments.toArray(String[]::new)).ok();
    }

    void detach(String id) throws Exception {
        blktap("detach", id).ok();
    }

    JsonArray list() throws Exception {
        return JsonParser.parseString(blktap("list", "--json").ok().out()).getAsJsonArray();
    }

    /** One attachment as {@code list --json} shows it, or null. */
    JsonObject attachment(String id) throws Exception {
        for (JsonElement each : list()) {
            if (each.getAsJsonObject().get("id").getAsString().equals(id)) {
                return each.getAsJsonObject();
            }
        }
        return null;
    }

    String state(String id) throws Exception {
        JsonObject attachment = attachment(id);
        return attachment == null
                ? "absent"
                : attachment.get("state").getAsString().toLowerCase(java.util.Locale.ROOT);
    }

    JsonObject stats(String id) throws Exception {
        JsonElement stats =
                JsonParser.parseString(blktap("stats", id, "--json").ok().out());
        return (stats.isJsonArray() ? stats.getAsJsonArray().get(0) : stats).getAsJsonObject();
    }

    /** The path of an attachment's vhost-user socket. */
    Path vhostSocket(String id) throws Exception {
        return Path.of(address(id, "vhost-user").substring("vhost-user:".length()));
    }

    /** The NBD URI of an attachment. */
    String nbd(String id) throws Exception {
        return address(id, "nbd");
    }

    private String address(String id, String kind) throws Exception {
        for (JsonElement node : attachment(id).get("nodes").getAsJsonArray()) {
            if (node.getAsJsonObject().get("kind").getAsString().equals(kind)) {
                return node.getAsJsonObject().get("address").getAsString();
            }
        }
        throw new AssertionError(id + " has no node of kind " + kind);
    }

    /**
     * The time on a processor, in hundredths of a second, of the loop of an attachment with a short id (proc(5): utime
     * and stime).
     */
    long processorTicks(String id) throws IOException {
        try (Stream<Path> tasks = Files.list(Path.of("/proc/" + pid() + "/task"))) {
            for (Path task : (Iterable<Path>) tasks::iterator) {
                if (Files.readString(task.resolve("comm")).equals("blktap-" + id + "\n")) {
                    // the third field follows the name in brackets
                    String[] fields = Files.readString(task.resolve("stat"))
                            .replaceAll(".*\\) ", "")
                            .split(" ");
                    return Long.parseLong(fields[11]) + Long.parseLong(fields[12]);
                }
            }
        }
        throw new AssertionError("no loop of " + id);
    }

    /** Open descriptors that are not the JVM's own business with its jars. */
    int descriptors() throws IOException {
        int count = 0;
        try (Stream<Path> files = Files.list(Path.of("/proc/" + pid() + "/fd"))) {
            for (Path file : (Iterable<Path>) files::iterator) {
                String target;
                try {
                    target = Files.readSymbolicLink(file).toString();
                } catch (java.nio.file.NoSuchFileException e) {
                    continue;
                }
                if (!target.endsWith(".jar")) {
                    count++;
                }
            }
        }
        return count;
    }

    /** Mappings of memory that is shared with others: guests' memory, in-flight regions. */
    long sharedMappings() throws IOException {
        try (Stream<String> lines = Files.lines(Path.of("/proc/" + pid() + "/maps"))) {
            return lines.filter(line -> line.split("\\s+")[1].endsWith("s")).count();
        }
    }

    /** Counts threads by prefix of their name. */
    long threads(String prefix) throws IOException {
        try (Stream<Path> tasks = Files.list(Path.of("/proc/" + pid() + "/task"))) {
            return tasks.filter(task -> {
                        try {
                            return Files.readString(task.resolve("comm")).startsWith(prefix);
                        } catch (IOException e) {
                            return false;
                        }
                    })
                    .count();
        }
    }

    static void assertStatus(int expected, Run run) {
        assertEquals(expected, run.status(), run::toString);
    }
}
