package org.blktap.itests;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * The client in Python and the one in Java, from which {@code bin/blktap} and {@code bin/tap-ctl} choose. The clients
 * differ only in cost.
 */
class ClientsIT {
    @TempDir
    static Path directory;

    private static Daemon daemon;
    private static Path images;

    @BeforeAll
    static void start() throws Exception {
        assumeTrue(Files.isExecutable(Path.of("/usr/bin/python3")), "there is no Python");
        daemon = Daemon.started(directory);
        images = Files.createDirectory(directory.resolve("images"));
        Files.write(images.resolve("a.img"), new byte[1 << 20]);
        daemon.attach("tap:aio:" + images.resolve("a.img"), "a", "--node", "nbd");
    }

    @AfterAll
    static void stop() throws Exception {
        if (daemon != null) {
            daemon.close();
        }
    }

    /** What a client has done, with its bytes as they are. */
    private record Seen(int status, byte[] out, byte[] err) {
        private String text() {
            return "status " + status + "\n" + new String(out, StandardCharsets.ISO_8859_1)
                    + new String(err, StandardCharsets.ISO_8859_1);
        }
    }

    private static Seen run(String client, Path runDirectory, String... command) throws Exception {
        Path out = directory.resolve("out");
        Path err = directory.resolve("err");
        ProcessBuilder builder = new ProcessBuilder(command)
                .directory(images.toFile())
                .redirectInput(Path.of("/dev/null").toFile())
                .redirectOutput(out.toFile())
                .redirectError(err.toFile());
        builder.environment().put("BLKTAP_CLIENT", client);
        builder.environment().put("BLKTAP_RUN_DIR", runDirectory.toString());
        builder.environment().put("BIN", daemon.home.resolve("bin").toString());
        Process process = builder.start();
        assertTrue(
                process.waitFor(Run.LIMIT_SECONDS, TimeUnit.SECONDS),
                () -> "it does not end: " + String.join(" ", command));
        return new Seen(process.exitValue(), Files.readAllBytes(out), Files.readAllBytes(err));
    }

    /** Runs a line of the shell with each client; the exit status of both. */
    private static int same(Path runDirectory, String line) throws Exception {
        Seen java = run("java", runDirectory, "bash", "-c", line);
        for (String client : new String[] {"", "python"}) {
            Seen python = run(client, runDirectory, "bash", "-c", line);
            assertEquals(java.status(), python.status(), () -> line + "\n" + java.text() + python.text());
            assertArrayEquals(java.out(), python.out(), () -> line + "\n" + java.text() + python.text());
            assertArrayEquals(java.err(), python.err(), () -> line + "\n" + java.text() + python.text());
        }
        return java.status();
    }

    private static int same(String line) throws Exception {
        return same(daemon.runDir, line);
    }

    @Test
    void verbs() throws Exception {
        assertEquals(0, same("\"$BIN/blktap\" list"));
        assertEquals(0, same("\"$BIN/blktap\" list --json"));
        assertEquals(0, same("\"$BIN/blktap\" info a"));
        assertEquals(0, same("\"$BIN/blktap\" drivers; \"$BIN/blktap\" nodes; \"$BIN/blktap\" engines --json"));
        assertEquals(0, same("\"$BIN/blktap\" --help; \"$BIN/blktap\" help attach; \"$BIN/blktap\" --version"));
        assertEquals(2, same("\"$BIN/blktap\" attach"));
        assertEquals(2, same("\"$BIN/blktap\" atach"));
        assertEquals(2, same("\"$BIN/blktap\""));
        assertEquals(1, same("\"$BIN/blktap\" detach nobody"));
        assertEquals(0, same("\"$BIN/blktap\" attach tap:ram:x,size=1M --id x && \"$BIN/blktap\" detach x"));
    }

    @Test
    void tapCtl() throws Exception {
        same("\"$BIN/tap-ctl\" list");
        assertEquals(0, same("\"$BIN/tap-ctl\" list"));
        assertEquals(22, same("\"$BIN/tap-ctl\" frobnicate"));
        assertEquals(2, same("\"$BIN/tap-ctl\" stats -p 1 -m 1"));
        assertEquals(0, same("\"$BIN/tap-ctl\" open -h"));
        assertEquals(0, same("ln -sf \"$BIN/tap-ctl\" link && ./link list; rm link"));
    }

    @Test
    void bytesAndDirectoriesAreAsTheyAre() throws Exception {
        same("\"$BIN/blktap\" attach $'tap:qcow:/no/\\xff\\xc3\\xa4 \\n.img'");
        assertEquals(
                0,
                same(
                        "cp a.img $'b\\xff.img' && \"$BIN/blktap\" attach $'tap:aio:b\\xff.img' --id b && \"$BIN/blktap\" info b && \"$BIN/blktap\" detach b"));
        assertEquals(
                0,
                same(
                        "mkdir -p $'d\\xff' && cd $'d\\xff' && cp ../a.img . && \"$BIN/blktap\" attach tap:aio:./a.img --id d && \"$BIN/blktap\" list && \"$BIN/blktap\" detach d"));
        assertEquals(0, same("cd \"$BIN\" && ./blktap list && sh blktap list && PATH=.:$PATH blktap list"));
        assertEquals(1, same("\"$BIN/blktap\" detach \"$(head -c 100000 /dev/zero | tr '\\0' x)\""));
    }

    @Test
    void theShellRunsItsInput() throws Exception {
        assertEquals(0, same("printf 'list\\necho one\\n' | \"$BIN/blktap\" shell"));
        same("printf 'nosuch\\n' | \"$BIN/blktap\" shell");
        assertEquals(
                0,
                same(
                        "yes 'echo 0123456789012345678901234567890123456789' | head -n 20000 | \"$BIN/blktap\" shell | md5sum"));
    }

    @Test
    void whoeverLeavesIsNotTalkedTo() throws Exception {
        same("\"$BIN/blktap\" --help | head -n 1; echo ${PIPESTATUS[0]}");
        assertEquals(1, same("\"$BIN/blktap\" list > /dev/full"));
        assertEquals(1, same("\"$BIN/blktap\" list >&-"));
        assertEquals(0, same("\"$BIN/blktap\" list 2>&- <&-"));
        same("TERM=dumb script -qec \"\\\"$BIN/tap-ctl\\\" list -m 0\" /dev/null");
    }

    @Test
    void withoutADaemon() throws Exception {
        Path nowhere = directory.resolve("nowhere");
        Files.createDirectories(nowhere);
        assertEquals(1, same(nowhere, "\"$BIN/blktap\" list"));
        assertEquals(1, same(nowhere, "\"$BIN/tap-ctl\" list"));
        Run.of(
                        "python3",
                        "-c",
                        "import socket, sys; socket.socket(socket.AF_UNIX).bind(sys.argv[1])",
                        nowhere.resolve("control.sock").toString())
                .ok();
        assertEquals(1, same(nowhere, "\"$BIN/blktap\" status"));
        // help and usage errors come from Java; the Python client calls it unless told otherwise
        Seen java = run("java", nowhere, "bash", "-c", "\"$BIN/blktap\" help attach; \"$BIN/blktap\" atach");
        Seen either = run("", nowhere, "bash", "-c", "\"$BIN/blktap\" help attach; \"$BIN/blktap\" atach");
        assertEquals(2, java.status());
        assertEquals(java.text(), either.text());
        Seen python = run("python", nowhere, "bash", "-c", "\"$BIN/blktap\" help attach");
        assertEquals(1, python.status());
        assertTrue(
                python.text()
                        .contains("no daemon answers on " + nowhere.resolve("control.sock") + " (Connection refused)"),
                python::text);
    }

    @Test
    void withoutPermission() throws Exception {
        assumeTrue(Run.of("id", "-u").out().strip().equals("0"), "only root becomes another user");
        Path outside = Files.createTempDirectory(Path.of("/var/tmp"), "blktap-it");
        try {
            Run.of("cp", "-a", daemon.home.toString(), outside.resolve("dist").toString())
                    .ok();
            Run.of("chmod", "-R", "a+rX", outside.toString()).ok();
            Path socket = outside.resolve("control.sock");
            Run.of(
                            "python3",
                            "-c",
                            "import socket, sys; socket.socket(socket.AF_UNIX).bind(sys.argv[1])",
                            socket.toString())
                    .ok();
            Run.of("chmod", "600", socket.toString()).ok();
            String other =
                    "cd / && HOME=/ setpriv --reuid=65534 --regid=65534 --clear-groups " + outside + "/dist/bin/";
            assertEquals(1, same(outside, other + "blktap list"));
            assertEquals(13, same(outside, other + "tap-ctl list"));
        } finally {
            Run.of("rm", "-rf", outside.toString());
        }
    }

    /** Under 50 ms where nothing else runs. */
    @Test
    void aCallIsCheap() throws Exception {
        List<Double> used = new ArrayList<>();
        for (String client : new String[] {"python", "java"}) {
            Seen timed = run(
                    client,
                    daemon.runDir,
                    "bash",
                    "-c",
                    "TIMEFORMAT='%U %S'; time for i in $(seq 20); do \"$BIN/tap-ctl\" list > /dev/null; done");
            String[] seconds =
                    new String(timed.err(), StandardCharsets.US_ASCII).strip().split(" ");
            used.add((Double.parseDouble(seconds[0]) + Double.parseDouble(seconds[1])) / 20);
        }
        System.out.println("a call takes " + used.get(0) * 1000 + " ms of processor time in Python, "
                + used.get(1) * 1000 + " ms in Java");
        assertTrue(used.get(0) < 0.15 && used.get(0) < used.get(1) / 2, used::toString);
    }
}
