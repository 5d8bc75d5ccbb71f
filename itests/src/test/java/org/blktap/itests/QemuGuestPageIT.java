package org.blktap.itests;

import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.blktap.tls.testkit.TestCertificates;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** docs/qemu.md: a guest with a disk by vhost-user, which gets others while it runs, and one with disks by NBD. */
class QemuGuestPageIT {
    private static final String MACHINE = "qemu-system-x86_64 -accel kvm -machine q35";

    /** What both guests do with a disk. */
    private static final String VERIFY = """
            verify() {
              dd if=/dev/urandom of=/tmp/data bs=64k count=32 2>/dev/null
              dd if=/tmp/data of=/dev/$1 bs=64k seek=$2 oflag=direct 2>/dev/null || return 1
              dd if=/dev/$1 bs=64k skip=$2 count=32 iflag=direct 2>/dev/null | cmp - /tmp/data || return 1
              echo "verified $1"
            }
            comes() { until [ -e /sys/block/$1 ]; do sleep 0.1; done; sleep 1; verify $1 7; }
            goes() { while [ -e /sys/block/$1 ]; do sleep 0.1; done; echo "without $1"; }
            """;

    @TempDir
    Path directory;

    private Daemon daemon;
    private Page page;
    private Path run;

    @BeforeEach
    void start() throws Exception {
        daemon = Daemon.started(directory);
        run = Files.createDirectory(directory.resolve("qemu"));
        Files.createDirectory(directory.resolve("images"));
        Path pki = TestCertificates.usual(directory.resolve("pki")).directory();
        daemon.configure("{\"org.blktap.node-nbd\": {\"tls.directory\": \"" + pki + "\"}}");
        daemon.blktap("config", "--reload").ok();
        Map<String, String> names = new LinkedHashMap<>();
        names.put("/run/vm/", run + "/");
        names.put("/vm/", directory.resolve("images") + "/");
        names.put("/run/blktap/", daemon.runDir + "/");
        names.put("/etc/pki/blktap", pki.toString());
        names.put("10G", "64M");
        names.put("20G", "96M");
        names.put("disks.example", "127.0.0.1");
        names.put("0.0.0.0", "127.0.0.1");
        names.put("10809", Integer.toString(FreePort.tcp()));
        page = new Page("qemu.md", daemon, names);
    }

    @AfterEach
    void stop() throws Exception {
        daemon.close();
    }

    /** Starts QEMU by a command of the page, emulated and with a kernel of its own. */
    private QemuGuest boot(String command, String name, String script) throws Exception {
        QemuGuest.image(run, VERIFY + script);
        String kernel = "-kernel " + run.resolve("vmlinuz") + " -initrd " + run.resolve("initrd.gz")
                + " -append 'console=ttyS0 quiet panic=-1' -no-reboot";
        Process qemu = page.start(command, run.resolve(name + ".out"), "kvm", "tcg", "none", "none " + kernel);
        return new QemuGuest(qemu, run.resolve(name + ".log"), run.resolve(name + ".out"));
    }

    /** QEMU's monitor: what is sent, and what comes back. */
    private final class Monitor implements AutoCloseable {
        private final Path answers = run.resolve("answers");
        private final Process socat = page.start("socat - UNIX-CONNECT:/run/vm/a.qmp", answers);
        private final PrintStream in = new PrintStream(socat.getOutputStream(), true, StandardCharsets.UTF_8);
        private int sent;

        Monitor() throws Exception {}

        List<String> lines() throws Exception {
            List<String> lines = Files.readAllLines(answers);
            assertFalse(lines.stream().anyMatch(each -> each.contains("\"error\"")), () -> String.join("\n", lines));
            return lines;
        }

        void send(String file) throws Exception {
            for (String line : page.file(file).split("\n")) {
                in.println(line);
                sent++;
                Wait.until(
                        "an answer to " + line,
                        () -> lines().stream()
                                        .filter(each -> each.contains("\"return\""))
                                        .count()
                                == sent);
            }
        }

        void awaitDeleted() throws Exception {
            Wait.until(
                    "the guest has released it",
                    () -> lines().stream()
                            .anyMatch(each ->
                                    each.contains("DEVICE_DELETED") && each.contains("\"device\": \"disk-b\"")));
        }

        @Override
        public void close() throws Exception {
            in.close();
            socat.destroyForcibly().waitFor();
        }
    }

    @Test
    void thePageIsTrue() throws Exception {
        page.run("blktap create tap:qcow2:/vm/a.qcow2 10G");
        page.run("blktap attach tap:qcow2:/vm/a.qcow2 --id a --node vhost-user,queues=2");
        byVhostUser();
        byNbd();
        page.assertAllRun();
    }

    private void byVhostUser() throws Exception {
        String script = """
                verify vda 7
                i=0
                while [ "$(cat /sys/block/vda/size)" != SECTORS ]; do
                  [ $i -lt 1200 ] || return 9
                  sleep 0.1; i=$((i+1))
                done
                dmesg | grep 'vda.*new size: SECTORS ' || return 8
                verify vda 1400 || return 7
                comes vdb && goes vdb && comes vdb
                """.replace("SECTORS", Long.toString(96 << 11));
        try (QemuGuest guest = boot(MACHINE + ",memory-backend=mem", "a", script)) {
            guest.prints("verified vda");
            page.run("blktap resize a 20G");
            page.run("blktap create tap:qcow2:/vm/b.qcow2 10G");
            page.run("blktap attach tap:qcow2:/vm/b.qcow2 --id b --node vhost-user --node nbd");
            try (Monitor monitor = new Monitor()) {
                monitor.send("plug");
                guest.prints("verified vdb");
                monitor.send("unplug");
                guest.prints("without vdb");
                monitor.awaitDeleted();
                monitor.send("unplugged");
                monitor.send("plug-nbd");
                guest.succeed();
            }
        }
    }

    private void byNbd() throws Exception {
        page.run("blktap list");
        page.run("blktap plug a nbd");
        page.run("blktap plug b nbd,tcp=0.0.0.0:10809,tls=required");
        try (QemuGuest guest = boot(MACHINE + " -m 1G", "b", "verify vda 9 && comes vdb")) {
            assertTrue(guest.succeed().contains("verified vdb"));
        }
    }
}
