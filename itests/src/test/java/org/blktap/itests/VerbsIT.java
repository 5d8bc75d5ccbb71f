package org.blktap.itests;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.jar.JarEntry;
import java.util.jar.JarOutputStream;
import java.util.jar.Manifest;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import javax.tools.ToolProvider;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * Verbs declare themselves: those of the distribution and of a deployed bundle are listed, explained, completed and
 * run.
 */
class VerbsIT {
    private static final String CLASS = """
            package greet;
            import org.blktap.api.command.*;
            import picocli.CommandLine.*;
            @VerbDeclaration(name = "greet", summary = "Greets an attachment.", operands = "ID")
            public final class Greet implements Verb {
                @Parameters(description = "Whom to greet.")
                String id;
                @Option(names = "--loud", description = "Shouts.")
                boolean loud;
                public int run(Call call) throws Exception {
                    call.out().println((loud ? "HELLO " : "hello ") + call.attachments().status(id).id());
                    return 7;
                }
            }
            """;
    private static final String COMPONENT = """
            <scr:component xmlns:scr="http://www.osgi.org/xmlns/scr/v1.3.0" name="greet.Greet">
              <implementation class="greet.Greet"/>
              <service scope="prototype"><provide interface="org.blktap.api.command.Verb"/></service>
              <property name="verb.name" value="greet"/>
              <property name="verb.summary" value="Greets an attachment."/>
              <property name="verb.operands">ID</property>
              <property name="verb.runs" value="DAEMON"/>
              <property name="verb.longRunning" type="Boolean" value="false"/>
            </scr:component>
            """;
    private static final String MANIFEST = """
            Manifest-Version: 1.0
            Bundle-ManifestVersion: 2
            Bundle-SymbolicName: org.example.greet
            Bundle-Version: 1.0.0
            Import-Package: org.blktap.api.command,org.blktap.api.control,org.blktap.api.disk,picocli
            Provide-Capability: org.blktap.verb;name=greet;class="greet.Greet";summary="Greets an attachment."
            Service-Component: OSGI-INF/greet.xml
            """;

    @TempDir
    static Path directory;

    private static Daemon daemon;
    private static Path jar;

    @BeforeAll
    static void start() throws Exception {
        daemon = Daemon.started(directory);
        daemon.attach("tap:ram:x,size=1M", "alpha", "--node", "nbd");
        jar = directory.resolve("greet.jar");
        Path source = Files.writeString(
                Files.createDirectories(directory.resolve("source/greet")).resolve("Greet.java"), CLASS);
        String classPath;
        try (Stream<Path> jars = Files.list(daemon.home.resolve("bundle"))) {
            classPath = jars.map(Path::toString).collect(Collectors.joining(":"));
        }
        assertEquals(
                0,
                ToolProvider.getSystemJavaCompiler()
                        .run(null, null, null, "-proc:none", "--release", "17", "-cp", classPath, source.toString()));
        try (JarOutputStream out = new JarOutputStream(
                Files.newOutputStream(jar), new Manifest(new java.io.ByteArrayInputStream(MANIFEST.getBytes())))) {
            for (Map.Entry<String, byte[]> each : Map.of(
                            "greet/Greet.class",
                            Files.readAllBytes(source.resolveSibling("Greet.class")),
                            "OSGI-INF/greet.xml",
                            COMPONENT.getBytes())
                    .entrySet()) {
                out.putNextEntry(new JarEntry(each.getKey()));
                out.write(each.getValue());
            }
        }
    }

    @AfterAll
    static void stop() throws Exception {
        if (daemon != null) {
            daemon.close();
        }
    }

    /** The words that bash proposes for a line. */
    private static List<String> bash(String line) throws Exception {
        Run run = Run.of(
                        Map.of(
                                "BLKTAP_RUN_DIR",
                                daemon.runDir.toString(),
                                "BLKTAP_DATA_DIR",
                                daemon.dataDir.toString(),
                                "LINE",
                                line),
                        "bash",
                        "-c",
                        "PATH='" + daemon.home.resolve("bin") + "':$PATH; cd '" + directory + "'; . '"
                                + daemon.home.resolve("etc/blktap.bash-completion")
                                + "'; COMP_LINE=$LINE COMP_POINT=${#LINE}; _blktap blktap; printf '%s\\n' \"${COMPREPLY[@]}\"")
                .ok();
        return run.out().lines().toList();
    }

    @Test
    void aBundleBringsAVerb() throws Exception {
        assertEquals(2, daemon.blktap("greet", "alpha").status());
        daemon.blktap("deploy", jar.toString()).ok();
        try {
            assertTrue(daemon.blktap("help").ok().out().contains("\n  greet "));
            assertTrue(daemon.blktap("help", "greet").ok().out().startsWith("Usage: blktap greet [-h] [--loud] ID\n"));
            assertTrue(daemon.blktap("greet", "--help").ok().out().contains("Whom to greet."));
            Run run = daemon.blktap("greet", "alpha", "--loud");
            assertEquals(7, run.status(), run::toString);
            assertEquals("HELLO alpha\n", run.out());
            assertEquals(2, daemon.blktap("greet").status());
            assertEquals(1, daemon.blktap("greet", "nobody").status());
            assertEquals(List.of("greet "), bash("blktap gre"));
            assertEquals(List.of("alpha "), bash("blktap greet "));
            assertEquals(List.of("--loud "), bash("blktap greet --l"));
            Run shell = Run.of(
                    Map.of("BLKTAP_RUN_DIR", daemon.runDir.toString(), "BLKTAP_DATA_DIR", daemon.dataDir.toString()),
                    "sh",
                    "-c",
                    "echo 'tap:greet alpha' | '" + daemon.home.resolve("bin/blktap") + "' shell");
            assertEquals(7, shell.status(), shell::toString);
            daemon.stop();
            // without a daemon the page is shown, and the verb reports what is missing
            assertTrue(daemon.blktap("help").ok().out().contains("\n  greet "));
            assertTrue(daemon.blktap("help", "greet").ok().out().startsWith("Usage: blktap greet [-h] [--loud] ID\n"));
            assertEquals(1, daemon.blktap("greet", "alpha").status());
            assertEquals(2, daemon.blktap("greet").status());
            daemon.start();
            Wait.until("the disk is back", () -> daemon.state("alpha").equals("running"));
            assertEquals(7, daemon.blktap("greet", "alpha").status());
        } finally {
            daemon.blktap("undeploy", "org.example.greet").ok();
        }
        assertEquals(2, daemon.blktap("greet", "alpha").status());
        assertFalse(daemon.blktap("help").ok().out().contains("greet"));
    }

    @Test
    void bashCompletesWhatThePromptDoes() throws Exception {
        Files.createFile(directory.resolve("my disk.vmdk"));
        assertEquals(List.of("convert "), bash("blktap conv"));
        // bash replaces what follows the last colon
        assertEquals(
                List.of("qcow2:", "qcow:"),
                bash("blktap convert tap:qcow").stream().sorted().toList());
        assertEquals(List.of("my\\ disk.vmdk "), bash("blktap convert tap:vmdk:my"));
        assertEquals(List.of("my\\ disk.vmdk "), bash("blktap convert tap:vmdk:my\\ di"));
        assertEquals(List.of("alpha "), bash("blktap resize a"));
        assertEquals(List.of("vhost-user "), bash("blktap plug alpha vh"));
        // those of another bundle
        assertEquals(List.of("alpha "), bash("blktap diag al"));
        assertEquals(List.of("my\\ disk.vmdk "), bash("blktap deploy my"));
        assertEquals(List.of("vhost-user "), bash("blktap attach tap:ram:y --node vh"));
        assertEquals(
                List.of("xen-limits ", "xen-setup "),
                bash("blktap xen-").stream().sorted().toList());
        assertTrue(bash("blktap detach -").contains("--force "));
    }

    @Test
    void theManualPageHasAllVerbs() throws Exception {
        List<String> page = Files.readAllLines(daemon.home.resolve("share/man/man8/blktap.8")).stream()
                .filter(line -> line.startsWith(".SS "))
                .map(line -> line.replace("\\-", "-").split("[ \"]+")[1])
                .toList();
        List<String> verbs = daemon.blktap("help")
                .ok()
                .out()
                .lines()
                .dropWhile(line -> !line.equals("Verbs:"))
                .skip(1)
                .takeWhile(line -> !line.isEmpty())
                .filter(line -> line.matches("  [a-z].*"))
                .map(line -> line.strip().split(" ")[0])
                .filter(verb -> !verb.equals("greet"))
                .toList();
        assertTrue(verbs.containsAll(List.of("attach", "convert", "xen-limits")), verbs::toString);
        assertEquals(verbs, page);
    }

    @Test
    void aBundleOfThePlatformBringsOne() throws Exception {
        assertTrue(
                daemon.blktap("xen-limits").ok().out().startsWith("WHAT      DOMAIN"),
                daemon.blktap("xen-limits")::toString);
        assertEquals(
                4,
                com.google.gson.JsonParser.parseString(
                                daemon.blktap("xen-limits", "--json").ok().out())
                        .getAsJsonArray()
                        .size());
    }

    /** Types at a prompt on a terminal: waits for each text in turn, and then sends the keys after it. */
    private static final String TYPIST = """
            import os, pty, select, sys, time
            pid, fd = pty.fork()
            if pid == 0:
                os.execv(sys.argv[1], [sys.argv[1], "shell"])
            seen, limit = b"", time.time() + 120
            for step in range(2, len(sys.argv), 2):
                awaited = sys.argv[step].encode()
                while awaited not in seen:
                    if time.time() > limit or not select.select([fd], [], [], 1)[0]:
                        if time.time() > limit:
                            sys.exit("no " + sys.argv[step] + " in " + repr(seen))
                        continue
                    seen += os.read(fd, 4096)
                seen = seen[seen.index(awaited) + len(awaited):]
                os.write(fd, sys.argv[step + 1].encode())
            try:
                while os.read(fd, 4096):
                    pass
            except OSError:
                pass
            sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
            """;

    private static Run type(String... steps) throws Exception {
        List<String> command = new java.util.ArrayList<>(List.of(
                "python3", "-c", TYPIST, daemon.home.resolve("bin/blktap").toString()));
        command.addAll(List.of(steps));
        return Run.of(
                Map.of("BLKTAP_RUN_DIR", daemon.runDir.toString(), "TERM", "xterm"), command.toArray(String[]::new));
    }

    @Test
    void thePromptHasPipesABarAnInterruptAndAMemory() throws Exception {
        assumeTrue(Files.exists(Path.of("/dev/pts/ptmx")), "no pseudo-terminals: /dev/pts is not mounted");
        Path noise = directory.resolve("noise.img");
        Run.of("sh", "-c", "head -c 256M /dev/urandom > '" + noise + "'").ok();
        Path target = directory.resolve("noise.qcow2");
        type(
                        "blktap> ",
                        "convert --compress tap:raw:" + noise + " tap:qcow2:" + target + "\r",
                        "%  ",
                        "\u0003",
                        "blktap: ",
                        "",
                        "blktap> ",
                        "list | grep alph\r",
                        "read-write",
                        "",
                        "blktap> ",
                        "exit\r")
                .ok();
        assertFalse(Files.exists(target));
        type("blktap> ", "\u0010\r", "read-write", "", "blktap> ", "\u0004").ok();
        assertEquals(
                List.of("list | grep alph"),
                Files.readAllLines(daemon.dataDir.resolve("history")).stream()
                        .map(line -> line.replaceFirst("^[0-9]+:", ""))
                        .filter(line -> line.startsWith("list"))
                        .distinct()
                        .toList());
    }
}
