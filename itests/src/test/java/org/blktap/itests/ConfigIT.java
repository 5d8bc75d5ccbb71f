package org.blktap.itests;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import com.google.gson.JsonParser;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.jar.JarEntry;
import java.util.jar.JarFile;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The settings: one file, what is wrong with it, changes while the daemon runs, and work without a daemon. */
class ConfigIT {
    @TempDir
    Path directory;

    private static JsonObject setting(Run run, String section, String name) {
        for (JsonElement each : JsonParser.parseString(run.out()).getAsJsonArray()) {
            JsonObject object = each.getAsJsonObject();
            if (object.get("section").getAsString().equals(section)
                    && object.get("setting").getAsString().equals(name)) {
                return object;
            }
        }
        throw new AssertionError(section + " has no " + name + ": " + run);
    }

    private static void assertSetting(Run run, String section, String name, String value, String source) {
        JsonObject object = setting(run, section, name);
        assertEquals(
                value + " " + source,
                object.get("value") + " " + object.get("source").getAsString());
    }

    /** Section and name of each setting that a bundle of the distribution describes. */
    private static Set<String> described(Daemon daemon) throws Exception {
        Set<String> found = new TreeSet<>();
        for (String folder : List.of("bundle", "deploy")) {
            List<Path> jars;
            try (Stream<Path> files = Files.list(daemon.home.resolve(folder))) {
                jars = files.filter(each -> each.toString().endsWith(".jar")).toList();
            }
            for (Path jar : jars) {
                try (JarFile file = new JarFile(jar.toFile())) {
                    for (JarEntry entry : Collections.list(file.entries())) {
                        if (entry.getName().matches("OSGI-INF/metatype/.*\\.xml")) {
                            String text = new String(file.getInputStream(entry).readAllBytes(), StandardCharsets.UTF_8);
                            Matcher section = Pattern.compile("<Designate pid=\"(org\\.blktap[^\"]*)\"")
                                    .matcher(text);
                            Matcher setting = Pattern.compile("<AD [^>]*\\bid=\"([^\"]+)\"")
                                    .matcher(text);
                            while (section.find()) {
                                setting.results().forEach(each -> found.add(section.group(1) + " " + each.group(1)));
                            }
                        }
                    }
                }
            }
        }
        assertTrue(found.size() > 30, found::toString);
        return found;
    }

    @Test
    void everySettingIsListedWithItsSource() throws Exception {
        try (Daemon daemon = new Daemon(directory, Map.of("BLKTAP_IMAGE_ROOTS", "/srv:/opt"))) {
            daemon.configure(
                    "{\"org.blktap.core\": {\"drain.seconds\": 7, \"image.roots\": [\"/file\"]}, \"org.blktap.format-vhdx\": {\"log-memory\": 2048}}");
            daemon.start();
            Run all = daemon.blktap("config", "--json").ok();
            assertSetting(all, "org.blktap.core", "drain.seconds", "7", "file");
            assertSetting(all, "org.blktap.core", "stop.saving.seconds", "80", "default");
            assertSetting(all, "org.blktap.core", "image.roots", "[\"/srv\",\"/opt\"]", "BLKTAP_IMAGE_ROOTS");
            assertSetting(all, "org.blktap.format-vhdx", "log-memory", "2048", "file");
            assertSetting(all, "org.blktap.aio", "portable", "false", "default");
            assertSetting(all, "directories", "run", "\"" + daemon.runDir + "\"", "BLKTAP_RUN_DIR");
            assertEquals(
                    60,
                    setting(all, "org.blktap.core", "drain.seconds")
                            .get("default")
                            .getAsInt());
            for (String each : described(daemon)) {
                assertEquals(
                        Set.of("section", "setting", "value", "default", "source", "description"),
                        setting(all, each.split(" ")[0], each.split(" ")[1]).keySet(),
                        each);
            }
            String table = daemon.blktap("config", "core").ok().out();
            assertTrue(
                    table.startsWith("SECTION") && table.contains("requests in flight") && !table.contains("loop.spin"),
                    table);
            assertEquals(1, daemon.blktap("config", "nothing").status());
        }
    }

    @Test
    void whatIsWrongIsSaidAndTheDefaultIsUsed() throws Exception {
        try (Daemon daemon = new Daemon(directory, Map.of())) {
            daemon.configure("""
                    {"org.blktap.core": {"drain.seconds": "long", "stop.seconds": 3}, "org.blktap.aio": {"portabel": true}, "org.blktap.no": {}}""");
            Run check = Run.of(Map.of(), daemon.home.resolve("bin/blktapd").toString(), "--check-config");
            assertEquals(1, check.status(), check::toString);
            daemon.start();
            Run shown = daemon.blktap("config", "--json");
            assertEquals(1, shown.status(), shown::toString);
            assertSetting(shown, "org.blktap.core", "drain.seconds", "60", "default");
            assertSetting(shown, "org.blktap.core", "stop.seconds", "3", "file");
            for (String each : new String[] {daemon.log(), shown.err(), check.err()}) {
                assertTrue(
                        each.contains(
                                "blktap.json: org.blktap.core: drain.seconds: found \"long\", expected a whole number from 0 to 86400"),
                        each);
                assertTrue(
                        each.contains("org.blktap.aio: portabel: there is no such setting; there are portable"), each);
                assertTrue(each.contains("org.blktap.no: no bundle has this name"), each);
            }
            daemon.configure("{}");
            daemon.blktap("config", "--reload").ok();
            Run.of(Map.of(), daemon.home.resolve("bin/blktapd").toString(), "--check-config")
                    .ok();
        }
    }

    @Test
    void aFileThatIsNoJsonKeepsTheDaemonFromStarting() throws Exception {
        try (Daemon daemon = new Daemon(directory, Map.of())) {
            daemon.configure("{\"org.blktap.core\": {\"drain.seconds\" 7}}");
            Run start = Run.of(
                    Map.of("BLKTAP_RUN_DIR", daemon.runDir.toString(), "BLKTAP_DATA_DIR", daemon.dataDir.toString()),
                    daemon.home.resolve("bin/blktapd").toString());
            assertEquals(1, start.status(), start::toString);
            assertTrue(
                    start.err().contains("blktap.json: not JSON") && start.err().contains("line 1"), start::toString);
            // of a daemon that runs nothing changes
            daemon.configure("{\"org.blktap.core\": {\"drain.seconds\": 7}}");
            daemon.start();
            daemon.configure("{");
            assertEquals(1, daemon.blktap("config", "--reload").status());
            assertSetting(daemon.blktap("config", "--json").ok(), "org.blktap.core", "drain.seconds", "7", "file");
        }
    }

    @Test
    void settingsChangeWhileDisksAreServed() throws Exception {
        Path elsewhere = Files.createDirectory(directory.resolve("elsewhere"));
        Path images = Files.createDirectory(directory.resolve("images"));
        Path base = elsewhere.resolve("base.img");
        Files.write(base, new byte[1 << 20]);
        Path overlay = images.resolve("a.qcow");
        try (Daemon daemon = new Daemon(directory, Map.of())) {
            daemon.configure("{\"org.blktap.core\": {\"image.roots\": [\"" + elsewhere + "\"]}}");
            daemon.start();
            // by a process of its own, with the same file
            daemon.blktap("create", "tap:qcow:" + overlay, "1M", "--backing", "tap:aio:" + base)
                    .ok();
            daemon.attach("tap:qcow:" + overlay, "a", "--node", "nbd");
            Run.of("qemu-io", "-r", "-f", "raw", "-c", "read 0 64k", daemon.nbd("a"))
                    .ok();
            String before = daemon.stats("a").toString();
            daemon.configure("{}");
            daemon.blktap("config", "--reload").ok();
            Thread.sleep(1000);
            assertTrue(before.contains("\"read\""), before);
            assertEquals(before, daemon.stats("a").toString(), "what is open is left alone");
            daemon.blktap("park", "a").ok();
            Run refused = daemon.blktap("resume", "a");
            assertTrue(refused.status() == 1 && refused.err().contains("outside"), refused::toString);
            daemon.configure("{\"org.blktap.core\": {\"image.roots\": [\"" + elsewhere
                    + "\"]}, \"org.blktap.shell\": {\"log.level\": \"DEBUG\"}}");
            assertSetting(
                    daemon.blktap("config", "shell", "--reload", "--json").ok(),
                    "org.blktap.shell",
                    "log.level",
                    "\"DEBUG\"",
                    "file");
            Wait.until(
                    "the root counts again", () -> daemon.blktap("resume", "a").status() == 0);
            daemon.detach("a");
            daemon.configure("{\"org.blktap.aio\": {\"portable\": true}}");
            daemon.blktap("config", "--reload").ok();
            Wait.until(
                    "libaio goes",
                    () -> daemon.blktap("engines").out().lines().anyMatch(line -> line.matches("libaio +absent .*")));
            daemon.configure("{}");
            daemon.blktap("config", "--reload").ok();
            Wait.until(
                    "libaio is back",
                    () -> daemon.blktap("engines").out().lines().anyMatch(line -> line.matches("libaio +default .*")));
        }
    }
}
