package org.blktap.itests;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The daemon under a service manager: what it reports, what it has kept; and the units for systemd. */
class ServiceManagerIT {
    /** systemd's own measure; less is better. */
    private static final double MOST_EXPOSED = 4.0;

    @TempDir
    Path directory;

    private Path messages;

    private List<String> said() throws IOException {
        return Files.readAllLines(messages);
    }

    private void await(String what, long times, String pattern) throws Exception {
        Pattern line = Pattern.compile(pattern);
        Wait.until(what, () -> {
            List<String> said = said();
            return said.stream().filter(each -> line.matcher(each).matches()).count() >= times;
        });
    }

    @Test
    void readyStatusReloadStoppingAndSocketsThatAreKept() throws Exception {
        messages = directory.resolve("messages");
        Daemon daemon = new Daemon(directory, Map.of());
        ProcessBuilder builder = new ProcessBuilder(
                        System.getProperty("project.root") + "/itests/systemd/manager",
                        directory.toString(),
                        daemon.home.resolve("bin/blktapd").toString())
                .redirectOutput(messages.toFile())
                .redirectError(daemon.log.toFile());
        builder.environment()
                .putAll(Map.of(
                        "BLKTAP_ARCHIVE_DIR",
                        "none",
                        "BLKTAP_RUN_DIR",
                        daemon.runDir.toString(),
                        "BLKTAP_DATA_DIR",
                        daemon.dataDir.toString()));
        Process manager = builder.start();
        try (PrintStream commands = new PrintStream(manager.getOutputStream(), true, StandardCharsets.UTF_8)) {
            await("it is ready", 1, "READY=1");
            await("its status", 1, "STATUS=no disks");
            await("the watchdog is fed", 2, "WATCHDOG=1");
            daemon.attach("tap:ram:a,size=8M", "a", "--node", "nbd");
            await("the socket is kept", 1, "FDSTORE=1");
            String uri = daemon.nbd("a");
            String name = said().stream()
                    .filter(each -> each.startsWith("FDNAME="))
                    .findFirst()
                    .orElseThrow();
            await("its status", 1, "STATUS=disks: 1 running");

            daemon.configure("{ \"org.blktap.core\": { \"drain.seconds\": 77 } }");
            commands.println("hup");
            await("it reloads", 1, "RELOADING=1");
            await("it is ready again", 2, "READY=1");
            assertTrue(daemon.blktap("config", "core").ok().out().contains("77"));
            daemon.configure("no JSON");
            commands.println("hup");
            await("what is wrong", 1, "STATUS=disks: 1 running; settings not read: .*expected an object in braces");
            assertTrue(daemon.blktap("config", "core").out().contains("77"));
            daemon.configure("{}");

            commands.println("stop");
            await("it ends", 1, "ended 143");
            assertTrue(said().contains("STOPPING=1"), () -> messages + "");
            assertTrue(Files.exists(daemon.runDir.resolve("nbd.sock")));
            Process client = new ProcessBuilder("nbdinfo", "--size", uri)
                    .redirectErrorStream(true)
                    .start();
            assertFalse(client.waitFor(1, TimeUnit.SECONDS), "a client that connects meanwhile waits");
            commands.println("start");
            await("the next one has got the socket", 1, "started [0-9]+ with 1");
            assertTrue(client.waitFor(Run.LIMIT_SECONDS, TimeUnit.SECONDS));
            assertEquals(
                    Integer.toString(8 << 20),
                    new String(client.getInputStream().readAllBytes(), StandardCharsets.UTF_8).strip());
            await("it is ready", 3, "READY=1");

            // without a client the socket goes, and nothing is kept
            daemon.detach("a");
            await("the socket is no longer kept", 1, "FDSTOREREMOVE=1");
            assertEquals(2, said().stream().filter(name::equals).count());
            assertFalse(Files.exists(daemon.runDir.resolve("nbd.sock")));
        } finally {
            assertTrue(manager.waitFor(Run.LIMIT_SECONDS, TimeUnit.SECONDS), daemon::log);
        }
    }

    @Test
    void theTemplateForInstancesIsAsHardened() throws Exception {
        assumeTrue(Files.isExecutable(Path.of("/usr/bin/systemd-analyze")), "no systemd-analyze");
        Path distribution = Path.of(System.getProperty("project.root")).resolve("distribution/etc");
        // but for names, directories and what starts others, the two are the same
        String differs = "(?m)^(#.*|Description=.*|Documentation=.*|Exec.*|RuntimeDirectory=.*|StateDirectory=.*)\n";
        assertEquals(
                Files.readString(distribution.resolve("blktap.service")).replaceAll(differs, ""),
                Files.readString(distribution.resolve("blktapd@.service")).replaceAll(differs, ""));
        Path unit = directory.resolve("blktapd@.service");
        Files.writeString(
                unit,
                Files.readString(distribution.resolve("blktapd@.service"))
                        .replace("/opt/blktap/bin/blktapd", "/bin/true")
                        .replaceAll("(?m)^Documentation=.*\n", ""));
        Run verified = Run.of("systemd-analyze", "verify", unit.toString()).ok();
        assertFalse(verified.err().contains("blktap"), verified::toString);
    }

    @Test
    void theUnitsAreValidAndHardened() throws Exception {
        assumeTrue(Files.isExecutable(Path.of("/usr/bin/systemd-analyze")), "no systemd-analyze");
        Path distribution = Path.of(System.getProperty("project.root")).resolve("distribution/etc");
        Path packages = Path.of(System.getProperty("project.root")).resolve("packages/files");
        for (List<Path> dropIns : List.of(
                List.<Path>of(),
                List.of(packages.resolve("own-user.conf")),
                List.of(packages.resolve("own-user.conf"), distribution.resolve("systemd/block-devices.conf")),
                List.of(packages.resolve("own-user.conf"), distribution.resolve("systemd/ublk.conf")),
                List.of(packages.resolve("own-user.conf"), distribution.resolve("systemd/xen.conf")))) {
            // its name is the service's: systemd looks for drop-ins beside it
            Path folder = Files.createTempDirectory(directory, "unit");
            Path unit = folder.resolve("blktap.service");
            Files.writeString(
                    unit,
                    Files.readString(distribution.resolve("blktap.service"))
                            .replaceAll("/opt/blktap/(bin/blktapd|libexec/own-process)", "/bin/true")
                            .replaceAll("(?m)^Documentation=.*\n", ""));
            Path beside = Files.createDirectory(folder.resolve("blktap.service.d"));
            for (Path each : dropIns) {
                Files.copy(each, beside.resolve((beside.toFile().list().length + 10) + "-" + each.getFileName()));
            }
            Run verified = Run.of("systemd-analyze", "verify", unit.toString()).ok();
            assertEquals(
                    "",
                    verified.err()
                            .lines()
                            .filter(each -> each.contains("blktap"))
                            .findFirst()
                            .orElse(""));
            Run security = Run.of("systemd-analyze", "security", "--no-pager", "--offline=yes", unit.toString());
            Matcher level = Pattern.compile("exposure level for blktap.service: ([0-9.]+)")
                    .matcher(security.out());
            assertTrue(level.find(), security::toString);
            assertTrue(Double.parseDouble(level.group(1)) < MOST_EXPOSED, level::group);
            assertEquals(
                    dropIns.isEmpty() || dropIns.toString().matches(".*systemd/(xen|ublk).*"),
                    security.out().contains("Service runs as root user"),
                    security::toString);
        }
    }
}
