package org.blktap.itests;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.google.gson.JsonObject;
import com.google.gson.JsonParser;
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.net.StandardProtocolFamily;
import java.net.UnixDomainSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.Channels;
import java.nio.channels.ServerSocketChannel;
import java.nio.channels.SocketChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** {@code libexec/xen-device-model} as libxl starts it: arguments, QMP, XenStore, which is a directory here. */
class DeviceModelIT {
    private static final String READ =
            "#!/bin/sh\nfor each; do cat \"$STORE/$each/value\" 2>/dev/null || exit 1; echo; done\n";
    private static final String WRITE =
            "#!/bin/sh\nwhile [ $# -gt 0 ]; do mkdir -p \"$STORE/$1\"; printf %s \"$2\" >\"$STORE/$1/value\"; shift 2; done\n";
    private static final String LIST = "#!/bin/sh\n[ -d \"$STORE/$1\" ] && ls \"$STORE/$1\" | grep -v value\n";
    private static final String DISK = "local/domain/0/backend/qdisk/7/51712";
    private static final String NODES = "local/domain/0/device-model/7";

    @TempDir
    static Path directory;

    private static Daemon distribution;
    private static Path programs;

    @TempDir
    Path test;

    private Path qemu;
    private Process process;
    private ServerSocketChannel daemon;

    @BeforeAll
    static void prepareAll() throws Exception {
        distribution = new Daemon(directory, Map.of());
        programs = Files.createDirectory(directory.resolve("programs"));
        program(programs.resolve("xenstore-read"), READ);
        program(programs.resolve("xenstore-write"), WRITE);
        program(programs.resolve("xenstore-list"), LIST);
    }

    private static void program(Path file, String text) throws Exception {
        Files.writeString(file, text);
        assertTrue(file.toFile().setExecutable(true));
    }

    @BeforeEach
    void prepare() throws Exception {
        qemu = Files.createSymbolicLink(
                test.resolve("xen-qemu"), distribution.home.resolve("libexec/xen-device-model"));
        node("local/domain/7/domid", "7");
        node(DISK + "/state", "2");
        node(DISK + "/dev", "xvda");
        daemon = ServerSocketChannel.open(StandardProtocolFamily.UNIX);
        daemon.bind(UnixDomainSocketAddress.of(test.resolve("control.sock")));
    }

    @AfterEach
    void end() throws Exception {
        daemon.close();
        if (process != null) {
            process.destroyForcibly().waitFor();
        }
    }

    private void node(String path, String value) throws Exception {
        Path file = test.resolve("store").resolve(path).resolve("value");
        Files.createDirectories(file.getParent());
        Files.writeString(file, value);
    }

    private String node(String path) throws Exception {
        Path file = test.resolve("store").resolve(path).resolve("value");
        return Files.exists(file) ? Files.readString(file) : null;
    }

    private Map<String, String> environment() {
        return Map.of(
                "STORE",
                test.resolve("store").toString(),
                "BLKTAP_RUN_DIR",
                test.toString(),
                "PATH",
                programs + ":" + System.getenv("PATH"));
    }

    /** The arguments of libxl 4.17 and 4.20 for a PV guest. */
    private List<String> arguments(String... more) {
        List<String> all = new ArrayList<>(List.of(
                qemu.toString(),
                "-xen-domid",
                "7",
                "-no-shutdown",
                "-chardev",
                "socket,id=libxl-cmd,path=" + test + "/qmp,server=on,wait=off",
                "-mon",
                "chardev=libxl-cmd,mode=control",
                "-chardev",
                "socket,id=libxenstat-cmd,path=" + test + "/stat,server=on,wait=off",
                "-mon",
                "chardev=libxenstat-cmd,mode=control",
                "-nodefaults",
                "-no-user-config",
                "-xen-attach",
                "-name",
                "guest",
                "-vnc",
                "none",
                "-display",
                "none",
                "-machine",
                "xenpv",
                "-m",
                "160"));
        all.addAll(List.of(more));
        return all;
    }

    private void start(List<String> arguments) throws Exception {
        ProcessBuilder builder = new ProcessBuilder(arguments)
                .redirectErrorStream(true)
                .redirectOutput(test.resolve("log").toFile());
        builder.environment().putAll(environment());
        process = builder.start();
        Wait.until("it runs", () -> {
            assertTrue(process.isAlive(), () -> log());
            return "running".equals(node(NODES + "/state"));
        });
    }

    private String log() {
        try {
            return Files.readString(test.resolve("log"));
        } catch (java.io.IOException e) {
            return e.toString();
        }
    }

    /** Sends the commands of libxl; returns the replies without the greeting. */
    private List<JsonObject> ask(String socket, String... commands) throws Exception {
        List<JsonObject> answers = new ArrayList<>();
        try (SocketChannel channel = SocketChannel.open(UnixDomainSocketAddress.of(test.resolve(socket)))) {
            BufferedReader in =
                    new BufferedReader(new InputStreamReader(Channels.newInputStream(channel), StandardCharsets.UTF_8));
            assertEquals(
                    7,
                    JsonParser.parseString(in.readLine())
                            .getAsJsonObject()
                            .getAsJsonObject("QMP")
                            .getAsJsonObject("version")
                            .getAsJsonObject("qemu")
                            .get("major")
                            .getAsInt());
            for (String command : commands) {
                channel.write(ByteBuffer.wrap(("{\"execute\": \"" + command + "\", \"id\": " + answers.size() + "}\r\n")
                        .getBytes(StandardCharsets.UTF_8)));
                JsonObject answer = JsonParser.parseString(in.readLine()).getAsJsonObject();
                assertEquals(answers.size(), answer.get("id").getAsInt());
                answers.add(answer);
            }
        }
        return answers;
    }

    @Test
    void aGuestOfQdiskDisksNeedsNoQemu() throws Exception {
        start(arguments());
        assertEquals("1", node(NODES + "/blktap"));
        List<JsonObject> answers =
                ask("qmp", "qmp_capabilities", "query-chardev", "query-status", "query-version", "device_add");
        assertEquals("{}", answers.get(0).get("return").toString());
        assertEquals("[]", answers.get(1).get("return").toString());
        assertEquals(
                "running",
                answers.get(2).getAsJsonObject("return").get("status").getAsString());
        assertTrue(answers.get(3).has("return"));
        assertEquals(
                "CommandNotFound",
                answers.get(4).getAsJsonObject("error").get("class").getAsString());
        // again by the other socket, and with an unknown command
        assertEquals(
                "CommandNotFound",
                ask("stat", "qmp_capabilities", "query-block")
                        .get(1)
                        .getAsJsonObject("error")
                        .get("class")
                        .getAsString());
        try (SocketChannel channel = SocketChannel.open(UnixDomainSocketAddress.of(test.resolve("qmp")))) {
            channel.write(
                    ByteBuffer.wrap("[1]\n\377\nnonsense\n{\"execute\": {}}\n".getBytes(StandardCharsets.ISO_8859_1)));
        }
        ask("qmp", "qmp_capabilities", "quit");
        assertEquals(0, process.waitFor());
    }

    @Test
    void whatIsWrongWithADiskIsTheAnswer() throws Exception {
        node(DISK + "/state", "6");
        node(DISK + "/hotplug-error", "/vm/a.qcow: no such file");
        start(arguments());
        assertEquals(
                "xvda: /vm/a.qcow: no such file",
                ask("qmp", "qmp_capabilities", "query-chardev")
                        .get(1)
                        .getAsJsonObject("error")
                        .get("desc")
                        .getAsString());
    }

    @Test
    void aDiskThatWaitsKeepsNobody() throws Exception {
        node(DISK + "/state", "1");
        start(arguments());
        assertEquals(
                "[]",
                ask("qmp", "qmp_capabilities", "query-chardev")
                        .get(1)
                        .get("return")
                        .toString());
        assertTrue(log().contains("not all disks are open"), log());
    }

    @Test
    void whoNeedsQemuGetsIt() throws Exception {
        program(test.resolve("xen-qemu.distrib"), "#!/bin/sh\necho \"QEMU $*\"\n");
        List<List<String>> others = new ArrayList<>(List.of(
                arguments("-device", "usb"),
                arguments("-vnc", "127.0.0.1:0"),
                arguments("-chardev", "pty,id=libxl-channel0"),
                arguments("-machine", "xenfv"),
                List.of(qemu.toString(), "-version"),
                List.of(qemu.toString(), "-machine", "none,accel=xen"),
                List.of(
                        qemu.toString(),
                        "-xen-domid",
                        "0",
                        "-xen-attach",
                        "-name",
                        "domain-0",
                        "-nographic",
                        "-M",
                        "xenpv",
                        "-monitor",
                        "/dev/null")));
        for (List<String> other : others) {
            assertEquals(
                    "QEMU " + String.join(" ", other.subList(1, other.size())) + "\n",
                    Run.of(environment(), other.toArray(String[]::new)).ok().out());
        }
        for (String kind : List.of("vfb", "vkbd", "9pfs")) {
            node("local/domain/0/backend/" + kind + "/7/0/state", "1");
            assertTrue(Run.of(environment(), arguments().toArray(String[]::new))
                    .ok()
                    .out()
                    .startsWith("QEMU -xen-domid 7"));
            Run.of(
                            "rm",
                            "-r",
                            test.resolve("store/local/domain/0/backend/" + kind).toString())
                    .ok();
        }
        daemon.close();
        assertTrue(
                Run.of(environment(), arguments().toArray(String[]::new))
                        .ok()
                        .out()
                        .startsWith("QEMU -xen-domid 7"),
                "no daemon: QEMU serves the disks");
        assertEquals(null, node(NODES + "/blktap"));
    }

    @Test
    void withoutQemuItSaysWhy() throws Exception {
        start(arguments("-device", "usb"));
        assertEquals(null, node(NODES + "/blktap"));
        String answer = ask("qmp", "qmp_capabilities", "query-chardev")
                .get(1)
                .getAsJsonObject("error")
                .get("desc")
                .getAsString();
        assertTrue(
                answer.contains("domain 7 needs QEMU, because of -device") && answer.contains("qemu-system-xen"),
                answer);
        // Debian's /etc/init.d/xen, which must not fail
        Run.of(
                        environment(),
                        (qemu
                                        + " -xen-domid 0 -xen-attach -name dom0 -nographic -M xenpv -daemonize -monitor none -serial none -parallel none -pidfile "
                                        + test.resolve("pid"))
                                .split(" "))
                .ok();
        Run run = Run.of(environment(), qemu.toString(), "-machine", "xenfv");
        assertEquals(1, run.status());
        assertTrue(run.err().contains("needs QEMU"), run::toString);
        assertTrue(
                Run.of(environment(), qemu.toString(), "--version").ok().out().startsWith("QEMU emulator version 7."));
    }

    @Test
    void withoutADaemonItSaysSo() throws Exception {
        daemon.close();
        start(arguments());
        assertTrue(ask("qmp", "qmp_capabilities", "query-chardev")
                .get(1)
                .getAsJsonObject("error")
                .get("desc")
                .getAsString()
                .startsWith("no daemon answers on "));
        assertFalse(Files.exists(test.resolve("store").resolve(NODES).resolve("blktap")));
    }

    /** As libxl 4.20 asks which options there are, and with dm_restrict: by sockets that it has opened. */
    @Test
    void socketsThatAreOpenAlready() throws Exception {
        String listening =
                "import os, socket, sys\nit = socket.socket(socket.AF_UNIX)\nit.bind(sys.argv[1])\nit.listen(1)\nos.set_inheritable(it.fileno(), True)\n"
                        + "os.execv(sys.argv[2], sys.argv[2:3] + [each.replace('FD', str(it.fileno())) for each in sys.argv[3:]])";
        ProcessBuilder builder = new ProcessBuilder(
                "python3",
                "-c",
                listening,
                test.resolve("probe").toString(),
                qemu.toString(),
                "-S",
                "-no-user-config",
                "-nodefaults",
                "-nographic",
                "-machine",
                "none,accel=xen",
                "-chardev",
                "socket,id=libxl-cmd,fd=FD,server=on,wait=off",
                "-mon",
                "chardev=libxl-cmd,mode=control");
        builder.environment().putAll(environment());
        process = builder.start();
        Wait.until("it listens", () -> Files.exists(test.resolve("probe")));
        List<JsonObject> answers = ask(
                "probe",
                "qmp_capabilities",
                "query-status",
                "query-command-line-options",
                "cont",
                "query-status",
                "quit");
        assertEquals(
                "prelaunch",
                answers.get(1).getAsJsonObject("return").get("status").getAsString());
        assertEquals("[]", answers.get(2).get("return").toString());
        assertEquals(
                "running",
                answers.get(4).getAsJsonObject("return").get("status").getAsString());
        assertEquals(0, process.waitFor());
    }
}
