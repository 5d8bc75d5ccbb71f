package org.blktap.itests;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.jar.JarOutputStream;
import java.util.jar.Manifest;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** What an operator meets: stale sockets, full disks, bad jars, kills, wrong options. */
class OperationIT {
    @TempDir
    Path directory;

    // ---- work on images

    @Test
    void afterAKillWorkOnImagesAsksNoDaemon() throws Exception {
        Daemon daemon = Daemon.started(directory);
        daemon.kill();
        assertTrue(Files.exists(daemon.runDir.resolve("control.sock")), "what a kill leaves");
        String spec = "tap:qcow2:" + directory.resolve("a.qcow2");
        daemon.blktap("create", spec, "10M").ok();
        daemon.blktap("info", spec).ok();
        daemon.blktap("map", spec).ok();
        daemon.blktap("check", spec).ok();
        daemon.blktap("resize", spec, "20M").ok();
        daemon.blktap("convert", spec, "tap:raw:" + directory.resolve("a.raw")).ok();
        assertEquals(20 << 20, Files.size(directory.resolve("a.raw")));
        daemon.start();
        daemon.close();
    }

    @Test
    void anotherUserWorksOnImagesBesideTheDaemon() throws Exception {
        assumeTrue(Run.of("id", "-u").out().strip().equals("0"), "only root becomes another user");
        try (Daemon daemon = Daemon.started(directory)) {
            Files.setPosixFilePermissions(directory, PosixFilePermissions.fromString("rwxr-xr-x"));
            Path own = Files.createDirectory(directory.resolve("own"));
            Files.setPosixFilePermissions(own, PosixFilePermissions.fromString("rwxrwxrwx"));
            String spec = "tap:qcow:" + own.resolve("a.qcow");
            String program = daemon.home.resolve("bin/blktap").toString();
            Map<String, String> environment =
                    Map.of("BLKTAP_RUN_DIR", daemon.runDir.toString(), "HOME", own.toString());
            for (List<String> verb :
                    List.of(List.of("create", spec, "10M"), List.of("info", spec), List.of("check", spec))) {
                List<String> command = new java.util.ArrayList<>(
                        List.of("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", program));
                command.addAll(verb);
                Run.of(environment, command.toArray(String[]::new)).ok();
            }
            assertFalse(daemon.blktap("list").ok().out().contains("a.qcow"));
        }
    }

    @Test
    void anImageInUseIsBusyAndADisksMemoryIsTheDaemons() throws Exception {
        try (Daemon daemon = Daemon.started(directory)) {
            String spec = "tap:qcow2:" + directory.resolve("used.qcow2");
            daemon.blktap("create", spec, "10M").ok();
            daemon.attach(spec, "used");
            for (String verb : List.of("check", "resize")) {
                Run busy = verb.equals("check") ? daemon.blktap(verb, spec) : daemon.blktap(verb, spec, "20M");
                assertEquals(1, busy.status(), busy::toString);
                assertTrue(busy.err().contains("in use"), busy::toString);
            }
            daemon.attach("tap:ram:mem,size=1M", "mem", "--node", "nbd");
            Run.of("qemu-io", "-f", "raw", daemon.nbd("mem"), "-c", "write -P 7 0 64k")
                    .ok();
            daemon.blktap("convert", "tap:ram:mem,size=1M", "tap:raw:" + directory.resolve("mem.raw"))
                    .ok();
            assertEquals(7, Files.readAllBytes(directory.resolve("mem.raw"))[1000]);
        }
    }

    @Test
    void infoIsCheap() throws Exception {
        Daemon daemon = new Daemon(directory, Map.of());
        String spec = "tap:qcow2:" + directory.resolve("a.qcow2");
        daemon.blktap("create", spec, "10M").ok();
        Run timed = Run.of(
                        "bash", "-c", "TIMEFORMAT='%U %S'; time " + daemon.home.resolve("bin/blktap") + " info " + spec)
                .ok();
        String[] seconds = timed.err().strip().split(" ");
        double used = Double.parseDouble(seconds[0]) + Double.parseDouble(seconds[1]);
        System.out.println("info of an image takes " + used + " s of processor time");
        // under 1 s where nothing else runs
        assertTrue(used < 3, timed::toString);
    }

    @Test
    void aKilledVerbLeavesNoProcessAndNoFile() throws Exception {
        Daemon daemon = new Daemon(directory, Map.of());
        Path temporary = Files.createDirectory(directory.resolve("tmp"));
        Path images = Files.createDirectory(directory.resolve("images"));
        Run.of("sh", "-c", "head -c 400M /dev/urandom > " + directory.resolve("big.raw"))
                .ok();
        for (String signal : List.of("KILL", "TERM", "INT")) {
            // a shell's background jobs ignore SIGINT, and hand that on
            ProcessBuilder builder = new ProcessBuilder(
                            "env",
                            "--default-signal=INT",
                            daemon.home.resolve("bin/blktap").toString(),
                            "convert",
                            "--compress",
                            "tap:raw:" + directory.resolve("big.raw"),
                            "tap:qcow2:" + images.resolve("a.qcow2"))
                    .redirectErrorStream(true)
                    .redirectOutput(ProcessBuilder.Redirect.DISCARD);
            builder.environment()
                    .putAll(Map.of(
                            "BLKTAP_RUN_DIR", directory.resolve("none").toString(), "TMPDIR", temporary.toString()));
            Process client = builder.start();
            Wait.until(
                    "it has begun",
                    () -> client.toHandle()
                            .info()
                            .totalCpuDuration()
                            .map(time -> time.toMillis() > 1500)
                            .orElse(true));
            assertTrue(client.isAlive(), "it has not ended before the signal");
            Run.signal(signal, client.pid());
            client.waitFor();
            assertEquals(List.of(), names(temporary), signal);
            assertEquals(List.of(), names(images), signal);
            assertEquals(0, processes(temporary.getParent().toString()), signal);
        }
    }

    private static List<String> names(Path folder) throws IOException {
        try (Stream<Path> files = Files.list(folder)) {
            return files.map(file -> file.getFileName().toString()).sorted().toList();
        }
    }

    /** Living Java processes whose command line names a directory. */
    private static long processes(String directory) {
        return ProcessHandle.allProcesses()
                .filter(each -> each.isAlive()
                        && each.info().command().orElse("").endsWith("java")
                        && each.info()
                                .arguments()
                                .map(all ->
                                        Arrays.stream(all).anyMatch(word -> word.contains("blktap.home=" + directory)))
                                .orElse(false))
                .count();
    }

    // ---- jars

    private Path jar(String file, String... headers) throws IOException {
        Manifest manifest = new Manifest();
        manifest.getMainAttributes().putValue("Manifest-Version", "1.0");
        manifest.getMainAttributes().putValue("Bundle-ManifestVersion", "2");
        for (int i = 0; i < headers.length; i += 2) {
            manifest.getMainAttributes().putValue(headers[i], headers[i + 1]);
        }
        Path path = directory.resolve(file);
        new JarOutputStream(Files.newOutputStream(path), manifest).close();
        return path;
    }

    @Test
    void whatAJarBringsIsKnownBeforeItStarts() throws Exception {
        try (Daemon daemon = Daemon.started(directory)) {
            Path client = jar(
                    "client.jar",
                    "Bundle-SymbolicName",
                    "org.example.client",
                    "Require-Capability",
                    "org.blktap.type;filter:=\"(org.blktap.type=zero)\"");
            refused(daemon, "nothing provides org.blktap.type zero", "deploy", client.toString());
            daemon.blktap(
                            "deploy",
                            daemon.home.resolve("examples/driver-zero.jar").toString())
                    .ok();
            daemon.blktap("deploy", client.toString()).ok();
            Path second = jar(
                    "second.jar",
                    "Bundle-SymbolicName",
                    "org.example.second",
                    "Provide-Capability",
                    "org.blktap.type;org.blktap.type=zero");
            String told = "org.example.second brings type zero, as org.blktap.driver-zero 3";
            Run deployed = daemon.blktap("deploy", second.toString()).ok();
            assertTrue(deployed.err().contains(told), deployed::toString);
            assertTrue(daemon.log().contains(told), daemon.log());
            String zero = daemon.blktap("diag", "zero").ok().out();
            assertTrue(zero.matches("(?s).*type zero of org\\.blktap\\.driver-zero \\S+: present\n.*"), zero);
            assertTrue(zero.contains("type zero of org.example.second 0.0.0 is absent: "), zero);
            assertTrue(daemon.blktap("diag").ok().out().contains("type zero of org.example.second 0.0.0 is absent: "));
        }
    }

    @Test
    void aJarThatDoesNotWorkChangesNothing() throws Exception {
        try (Daemon daemon = Daemon.started(directory)) {
            daemon.blktap(
                            "deploy",
                            daemon.home.resolve("examples/driver-zero.jar").toString())
                    .ok();
            daemon.attach("tap:zero:1M", "z", "--node", "nbd");
            byte[] good = Files.readAllBytes(daemon.home.resolve("deploy/driver-zero.jar"));
            List<String> before = names(daemon.home.resolve("deploy"));

            Path unresolvable = jar(
                    "driver-zero-9.jar",
                    "Bundle-SymbolicName",
                    "org.blktap.driver-zero",
                    "Bundle-Version",
                    "9",
                    "Import-Package",
                    "no.such");
            refused(daemon, "no.such", "deploy", unresolvable.toString());
            refused(daemon, "no.such", "deploy", "--no-wait", unresolvable.toString());
            Path other = jar(
                    "other.jar",
                    "Bundle-SymbolicName",
                    "other",
                    "Require-Capability",
                    "osgi.ee;filter:=\"(&(osgi.ee=JavaSE)(version=99))\"");
            refused(daemon, "nothing provides", "deploy", other.toString());
            Path damaged = Files.write(directory.resolve("damaged.jar"), Arrays.copyOf(good, good.length / 2));
            refused(daemon, "not a jar", "deploy", damaged.toString());
            refused(daemon, "Bundle-SymbolicName", "deploy", jar("plain.jar").toString());
            assertFalse(daemon.log().contains("z: parked"), daemon.log());
            assertEquals("running", daemon.state("z"));

            // it resolves, but does not start: the one before comes back, and its disk with it
            Path failing = jar(
                    "driver-zero-8.jar",
                    "Bundle-SymbolicName",
                    "org.blktap.driver-zero",
                    "Bundle-Version",
                    "8",
                    "Bundle-Activator",
                    "no.Such");
            refused(daemon, "is back in its place", "deploy", failing.toString());
            Wait.until("the disk runs again", () -> daemon.state("z").equals("running"));
            assertArrayEquals(good, Files.readAllBytes(daemon.home.resolve("deploy/driver-zero.jar")));
            Path alone = jar("alone.jar", "Bundle-SymbolicName", "alone", "Bundle-Activator", "no.Such");
            refused(daemon, "it is not deployed", "deploy", alone.toString());
            assertEquals(before, names(daemon.home.resolve("deploy")));
            Run.of("qemu-io", "-r", "-f", "raw", daemon.nbd("z"), "-c", "read -P 0 0 64k")
                    .ok();
        }
    }

    /** As by hand, with cp. */
    @Test
    void aJarThatIsPutThereAndDoesNotWorkIsPutAside() throws Exception {
        try (Daemon daemon = Daemon.started(directory)) {
            Path deployed = daemon.home.resolve("deploy/driver-zero.jar");
            daemon.blktap(
                            "deploy",
                            daemon.home.resolve("examples/driver-zero.jar").toString())
                    .ok();
            daemon.attach("tap:zero:1M", "z", "--node", "nbd");
            byte[] good = Files.readAllBytes(deployed);

            Path unresolvable = jar(
                    "9.jar",
                    "Bundle-SymbolicName",
                    "org.blktap.driver-zero",
                    "Bundle-Version",
                    "9",
                    "Import-Package",
                    "no.such");
            byte[] bad = Files.readAllBytes(unresolvable);
            Files.copy(unresolvable, deployed, StandardCopyOption.REPLACE_EXISTING);
            Wait.until(
                    "the jar is put aside",
                    () -> daemon.log().contains("the jar is put aside as .driver-zero.jar.refused"));
            assertTrue(daemon.log().contains("nothing provides package no.such"), daemon.log());
            assertArrayEquals(bad, Files.readAllBytes(daemon.home.resolve("deploy/.driver-zero.jar.refused")));
            Wait.until("the disk runs", () -> daemon.state("z").equals("running"));
            Run.of("qemu-io", "-r", "-f", "raw", daemon.nbd("z"), "-c", "read -P 0 0 64k")
                    .ok();

            // half of a jar, as if it were still being copied
            Files.write(deployed, Arrays.copyOf(good, good.length / 2));
            Wait.until("the half is noticed", () -> daemon.log().contains("not a jar"));
            Wait.until("the disk runs", () -> daemon.state("z").equals("running"));
            Run.of("qemu-io", "-r", "-f", "raw", daemon.nbd("z"), "-c", "read -P 0 0 64k")
                    .ok();
            Files.write(deployed, good);
            daemon.kill();
            daemon.start();
            Wait.until("the disk runs after a restart", () -> daemon.state("z").equals("running"));
        }
    }

    @Test
    void undeployTakesADriverAway() throws Exception {
        try (Daemon daemon = Daemon.started(directory)) {
            daemon.blktap(
                            "deploy",
                            daemon.home.resolve("examples/driver-zero.jar").toString())
                    .ok();
            assertTrue(daemon.blktap("drivers").ok().out().contains("zero"));
            assertTrue(daemon.blktap("undeploy", "driver-zero").ok().out().contains("is gone"));
            assertFalse(daemon.blktap("drivers").ok().out().contains("zero"));
            assertFalse(Files.exists(daemon.home.resolve("deploy/driver-zero.jar")));
            refused(daemon, "no bundle of this name", "undeploy", "driver-zero");
            refused(daemon, "platform", "undeploy", "core");
        }
    }

    private static void refused(Daemon daemon, String says, String... command) throws Exception {
        Run run = daemon.blktap(command);
        assertEquals(1, run.status(), run::toString);
        assertTrue(run.err().contains(says), run::toString);
        assertEquals(1, run.err().strip().lines().count(), run::toString);
    }

    // ---- start

    /** Expects exit status 1 and one line above level INFO. */
    private static void doesNotStart(Daemon daemon, String says, Map<String, String> more, String... command)
            throws Exception {
        Map<String, String> environment = new java.util.HashMap<>(
                Map.of("BLKTAP_RUN_DIR", daemon.runDir.toString(), "BLKTAP_DATA_DIR", daemon.dataDir.toString()));
        environment.putAll(more);
        Run run = Run.of(
                environment,
                command.length > 0
                        ? command
                        : new String[] {daemon.home.resolve("bin/blktapd").toString()});
        assertEquals(1, run.status(), run::toString);
        List<String> lines =
                run.err().lines().filter(line -> !line.contains(" INFO ")).toList();
        assertEquals(1, lines.size(), run::toString);
        assertTrue(lines.get(0).contains(says), run::toString);
    }

    @Test
    void whatPreventsTheStartIsOneLine() throws Exception {
        Daemon daemon = new Daemon(directory, Map.of());
        String program = daemon.home.resolve("bin/blktapd").toString();
        doesNotStart(daemon, "open files", Map.of(), "bash", "-c", "ulimit -n 100; exec " + program);
        doesNotStart(daemon, "-XX:+Nonsense", Map.of("BLKTAP_JAVA_OPTS", "-XX:+Nonsense"));
        doesNotStart(daemon, "-Xmx1q", Map.of("BLKTAP_JAVA_OPTS", "-Xmx1q"));
        Path aio = daemon.home.resolve("deploy/aio.jar");
        Files.move(aio, directory.resolve("aio.jar"));
        doesNotStart(daemon, "no I/O engine", Map.of());
        Files.move(directory.resolve("aio.jar"), aio);
        Path linux = daemon.home.resolve("bundle/linux.jar");
        byte[] whole = Files.readAllBytes(linux);
        Files.write(linux, Arrays.copyOf(whole, 1000));
        doesNotStart(daemon, "linux.jar", Map.of());
        Files.delete(linux);
        doesNotStart(daemon, "org.blktap.linux", Map.of());
        Files.write(linux, whole);
        daemon.start();
        daemon.close();
    }

    @Test
    void fullAndHardenedFileSystems() throws Exception {
        Namespaces.assumeMounts();
        Daemon daemon = new Daemon(directory, Map.of());
        String program = daemon.home.resolve("bin/blktapd").toString();
        Files.createDirectories(daemon.dataDir);
        Files.createDirectories(daemon.runDir);
        String in = "mount -t tmpfs -o mode=0700,%s tmpfs %s && exec " + program;
        doesNotStart(
                daemon,
                daemon.dataDir.toString(),
                Map.of(),
                "unshare",
                "-m",
                "sh",
                "-c",
                String.format(in, "size=2m", daemon.dataDir));
        doesNotStart(
                daemon,
                daemon.dataDir.toString(),
                Map.of(),
                "unshare",
                "-m",
                "sh",
                "-c",
                String.format(in, "ro", daemon.dataDir));
        doesNotStart(
                daemon,
                daemon.runDir.toString(),
                Map.of(),
                "unshare",
                "-m",
                "sh",
                "-c",
                String.format(in, "ro", daemon.runDir));
        // nothing can be run from where libraries are usually unpacked
        Path script =
                Files.writeString(directory.resolve("hardened"), """
                for each in /tmp %1$s; do mkdir -p $each; mount -t tmpfs -o mode=0700,noexec,nosuid,nodev tmpfs $each || exit 2; done
                %2$s/bin/blktapd & daemon=$!
                for i in $(seq 300); do %2$s/bin/blktap status >/dev/null 2>&1 && break; sleep 0.2; done
                %2$s/bin/blktap create tap:qcow2:%1$s/a.qcow2 1M -o compression=zstd && %2$s/bin/blktap attach tap:qcow2:%1$s/a.qcow2 --id a; status=$?
                kill $daemon; wait $daemon; exit $status
                """.formatted(daemon.dataDir, copyOutsideTmp(daemon)));
        try {
            Run.of(
                            Map.of(
                                    "BLKTAP_RUN_DIR",
                                    "/run/blktap-it-" + ProcessHandle.current().pid(),
                                    "BLKTAP_DATA_DIR",
                                    daemon.dataDir.toString()),
                            "unshare",
                            "-m",
                            "bash",
                            Files.copy(script, hardened.resolve("script")).toString())
                    .ok();
        } finally {
            Run.of(
                    "rm",
                    "-rf",
                    hardened.toString(),
                    "/run/blktap-it-" + ProcessHandle.current().pid());
        }
    }

    private Path hardened;

    /** The distribution where the mount on /tmp does not hide it. */
    private Path copyOutsideTmp(Daemon daemon) throws Exception {
        hardened = Files.createTempDirectory(Path.of("/var/tmp"), "blktap-it");
        Run.of("cp", "-a", daemon.home.toString(), hardened.resolve("dist").toString())
                .ok();
        return hardened.resolve("dist");
    }

    // ---- sockets, log

    @Test
    void deletedSocketsComeBack() throws Exception {
        try (Daemon daemon = Daemon.started(directory)) {
            Path image = Files.write(directory.resolve("a.img"), new byte[1 << 20]);
            daemon.attach("tap:raw:" + image, "a", "--node", "nbd", "--node", "vhost-user");
            Files.delete(daemon.vhostSocket("a"));
            Wait.until("the vhost-user socket is back", () -> Files.exists(daemon.runDir.resolve("a.sock")));
            Files.delete(daemon.runDir.resolve("control.sock"));
            Wait.until(
                    "the control socket is back", () -> daemon.blktap("status").status() == 0);
            Files.delete(daemon.runDir.resolve("nbd.sock"));
            Wait.until(
                    "the NBD socket is back",
                    () -> Run.of("nbdinfo", "--size", daemon.nbd("a")).status() == 0);
            Files.delete(daemon.runDir.resolve("nbd.sock"));
            daemon.attach("tap:ram:b,size=1M", "b");
            daemon.blktap("plug", "b", "nbd").ok();
            Run.of("nbdinfo", "--size", daemon.nbd("b")).ok();
            assertTrue(daemon.log().contains("deleted from outside; made again"), daemon.log());
        }
    }

    @Test
    void theLogTellsTheStory() throws Exception {
        Daemon daemon = Daemon.started(directory);
        daemon.attach("tap:ram:a,size=1M", "story", "--node", "nbd");
        daemon.blktap("park", "story").ok();
        daemon.blktap("resume", "story").ok();
        daemon.detach("story");
        daemon.stop();
        String log = daemon.log();
        int at = 0;
        for (String step : List.of("starting on Java", "ready in", "story", "stopping", "stopped in")) {
            Matcher found = Pattern.compile("(?m)^\\d{4}-\\d\\d-\\d\\d .* INFO .*" + step)
                    .matcher(log);
            assertTrue(found.find(at), step + " in\n" + log);
            at = found.start();
        }
        assertFalse(Pattern.compile("errno \\d|\\tat ").matcher(log).find(), log);
    }
}
