package org.blktap.itests;

import static org.junit.jupiter.api.Assertions.assertTrue;

import com.google.gson.JsonObject;
import com.google.gson.JsonParser;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.api.io.TempDir;

/** One daemon for all tests of a class. Each test has a directory of its own; what it leaves attached is detached. */
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
abstract class SharedDaemon extends DaemonUser {
    Path directory;
    private Path home;
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
    void makeDirectory() throws Exception {
        directory = Files.createDirectory(home.resolve("test-" + ++tests));
    }

    @AfterEach
    void detachAll() throws Exception {
        for (var each : daemon.list()) {
            daemon.blktap("detach", each.getAsJsonObject().get("id").getAsString(), "--force");
        }
    }

    String spec(String type, String name) {
        return "tap:" + type + ":" + directory.resolve(name);
    }

    String create(String type, String name, String... more) throws Exception {
        List<String> words = new ArrayList<>(List.of("create", spec(type, name)));
        words.addAll(List.of(more));
        daemon.blktap(words.toArray(String[]::new)).ok();
        return spec(type, name);
    }

    JsonObject job(String number) throws Exception {
        for (var each : JsonParser.parseString(
                        daemon.blktap("jobs", "--json").ok().out())
                .getAsJsonArray()) {
            if (each.getAsJsonObject().get("id").getAsString().equals(number)) {
                return each.getAsJsonObject();
            }
        }
        throw new AssertionError("no job " + number);
    }

    String started(String... command) throws Exception {
        String said = daemon.blktap(command).ok().out().strip();
        assertTrue(said.matches("job \\d+"), said);
        return said.substring(4);
    }

    void awaitState(String number, String state) throws Exception {
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

    /** An NBD server with one file and any name of an export. */
    Process serves(Path file, Path socket) throws Exception {
        Files.deleteIfExists(socket);
        Process server = new ProcessBuilder("nbdkit", "-f", "-U", socket.toString(), "file", file.toString())
                .redirectErrorStream(true)
                .redirectOutput(directory.resolve("nbdkit.log").toFile())
                .start();
        Wait.until("nbdkit listens", () -> {
            assertTrue(server.isAlive(), "nbdkit has ended");
            return Files.exists(socket);
        });
        return server;
    }
}
