package org.blktap.itests;

import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Set;
import java.util.stream.Stream;
import org.blktap.tls.testkit.TestCertificates;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** docs/libvirt.md: a guest of a real libvirtd, whose QEMU is another user than the daemon. */
class LibvirtGuestPageIT extends DaemonUser {
    private static final Set<String> DENIED =
            Set.of("backup-begin web1", "domblkstat web1 vda", "blockresize web1 vda 1G");

    /** Verifies its first disk over and over, and each other one that comes, until that is gone. */
    private static final String SCRIPT = """
            dd if=/dev/urandom of=/tmp/data bs=64k count=32 2>/dev/null
            # a disk, and the number of its round
            verify() {
              for part in 0 1 2 3; do
                dd if=/tmp/data of=/dev/$1 bs=64k seek=$((part * 100 + $2 % 64)) oflag=direct 2>/tmp/err$part &
                pids="$pids $!"
              done
              for pid in $pids; do wait $pid || return 1; done
              pids=
              for part in 0 1 2 3; do
                dd if=/dev/$1 bs=64k skip=$((part * 100 + $2 % 64)) count=32 iflag=direct 2>/dev/null | cmp - /tmp/data || return 1
              done
            }
            size=0 n=0 disk=
            while :; do
              verify vda $n || return 1
              n=$((n + 1))
              echo "vda round $n"
              if [ -e /sys/block/vdb ]; then
                [ -n "$disk" ] || { disk=yes; m=0; sleep 1; echo "vdb comes: $(cat /sys/block/vdb/size)"; }
                if verify vdb $m; then
                  m=$((m + 1))
                  echo "vdb round $m"
                else
                  # it goes, or it fails
                  sleep 1
                  [ ! -e /sys/block/vdb ] || return 2
                fi
              elif [ -n "$disk" ]; then
                disk=
                echo "vdb goes"
              fi
              now=$(cat /sys/block/vda/size)
              [ "$now" = "$size" ] || { size=$now; echo "vda has $size"; }
            done
            """;

    @TempDir
    Path directory;

    private Path libvirt;
    private Path console;
    private Path pki;
    private Process libvirtd;
    private Page page;

    @BeforeEach
    void start() throws Exception {
        assumeTrue(System.getProperty("user.name").equals("root"), "only root runs libvirtd on directories of its own");
        Namespaces.assumeMounts();
        // QEMU's user passes
        Files.setPosixFilePermissions(directory, PosixFilePermissions.fromString("rwx--x--x"));
        libvirt = Files.createDirectory(directory.resolve("libvirt"));
        Files.setPosixFilePermissions(libvirt, PosixFilePermissions.fromString("rwxr-xr-x"));
        console = libvirt.resolve("log/console");
        pki = certificates();
        daemon = Daemon.started(directory);
        Path vm = Files.createDirectory(directory.resolve("vm"));
        Map<String, String> names = new LinkedHashMap<>();
        names.put("/vm/", vm + "/");
        names.put("/run/blktap/", daemon.runDir + "/");
        names.put("/etc/pki/libvirt-nbd", pki.toString());
        names.put("10G", "64M");
        names.put("20G", "96M");
        for (String each : new String[] {"web1", "b", "nbd", "far"}) {
            names.put(" " + each + ".xml", " " + vm.resolve(each + ".xml"));
        }
        // emulated, with a kernel of its own, and a console to read
        names.put("<domain type='kvm'>", "<domain type='qemu'>");
        names.put(
                "</type>\n",
                "</type><kernel>" + libvirt + "/vmlinuz</kernel><initrd>" + libvirt
                        + "/initrd.gz</initrd><cmdline>console=ttyS0 quiet panic=-1</cmdline>\n");
        names.put("<console type='pty'/>", "<serial type='file'><source path='" + console + "'/></serial>");
        String port = Integer.toString(FreePort.tcp());
        names.put("nbds://disks.example/b", "'nbds://127.0.0.1:" + port + "/b?tls-certificates=" + pki + "'");
        names.put("disks.example", "127.0.0.1");
        names.put("0.0.0.0", "127.0.0.1");
        names.put("10809", port);
        page = new Page("libvirt.md", daemon, names);
        page.set("LIBVIRT_DEFAULT_URI", "qemu+unix:///system?socket=" + libvirt.resolve("libvirt-sock"));
    }

    @AfterEach
    void stop() throws Exception {
        if (libvirtd != null) {
            // its guests end with it
            libvirtd.destroyForcibly().waitFor();
        }
        if (daemon != null) {
            daemon.close();
        }
    }

    /** Those of this host, with keys that QEMU's user can read; the daemon's are in the same directory. */
    private Path certificates() throws Exception {
        Path pki = TestCertificates.usual(directory.resolve("pki")).directory();
        Files.setPosixFilePermissions(pki, PosixFilePermissions.fromString("rwxr-xr-x"));
        try (Stream<Path> files = Files.list(pki)) {
            for (Path each : files.toList()) {
                Files.setPosixFilePermissions(each, PosixFilePermissions.fromString("rw-r--r--"));
            }
        }
        return pki;
    }

    private void startLibvirtd() throws Exception {
        QemuGuest.image(libvirt, SCRIPT);
        Files.writeString(libvirt.resolve("qemu.conf"), page.file("/etc/libvirt/qemu.conf"));
        Path log = directory.resolve("libvirtd.log");
        libvirtd = new ProcessBuilder(System.getProperty("project.root") + "/itests/guest/libvirtd", libvirt.toString())
                .redirectErrorStream(true)
                .redirectOutput(log.toFile())
                .start();
        Wait.until("libvirtd answers", () -> {
            assertTrue(libvirtd.isAlive(), () -> QemuGuest.console(log));
            return virsh("version").status() == 0;
        });
    }

    private Run virsh(String words) throws Exception {
        return Run.of(
                Map.of("LIBVIRT_DEFAULT_URI", "qemu+unix:///system?socket=" + libvirt.resolve("libvirt-sock")),
                ("virsh " + words).split(" "));
    }

    /** What runs a command on the files that libvirtd has in /etc: on its own mounts. */
    private String inside() {
        // the first process of the namespace; the one that was started is not in it
        return "nsenter -t " + libvirtd.children().findFirst().orElseThrow().pid() + " -m ";
    }

    private void prints(String text) throws Exception {
        Wait.until("the guest prints " + text, () -> {
            String now = QemuGuest.console(console);
            assertFalse(
                    now.contains("guest exit status") || now.contains("I/O error, dev vda"),
                    () -> now + "\n" + QemuGuest.console(daemon.log));
            return now.contains(text);
        });
    }

    private long rounds(String disk) {
        return QemuGuest.console(console)
                .lines()
                .filter(each -> each.startsWith(disk + " round "))
                .count();
    }

    /** The guest goes on to write and verify. */
    private void goesOn(String disk) throws Exception {
        goesOn(disk, 2);
    }

    private void goesOn(String disk, int more) throws Exception {
        long before = rounds(disk);
        Wait.until(disk + " goes on", () -> {
            prints("");
            return rounds(disk) >= before + more;
        });
    }

    private void attach(String name, String sectors, Step meanwhile) throws Exception {
        long goes = count("vdb goes");
        long comes = count("vdb comes: " + sectors);
        Files.writeString(directory.resolve("vm").resolve(name), page.file(name));
        page.run("virsh attach-device web1 " + name);
        Wait.until("the guest has " + name, () -> count("vdb comes: " + sectors) > comes);
        goesOn("vdb");
        meanwhile.run();
        page.run("virsh detach-device web1 " + name);
        Wait.until("the guest no longer has " + name, () -> count("vdb goes") > goes);
    }

    private long count(String line) throws Exception {
        prints("");
        return QemuGuest.console(console)
                .lines()
                .filter(each -> each.equals(line))
                .count();
    }

    private interface Step {
        void run() throws Exception;
    }

    @Test
    void thePageIsTrue() throws Exception {
        startLibvirtd();
        // as in the package: a group that has QEMU's user
        String group =
                Run.of((inside() + "getent group blktap").split(" ")).ok().out().split(":")[2];
        daemon.configure(page.file("etc/blktap.json")
                .replace("\"blktap\"", '"' + group + '"')
                .replaceFirst("\"org.blktap.node-nbd\": \\{", "$0 \"tls.directory\": \"" + pki + "\","));
        daemon.blktap("config", "--reload").ok();
        page.run("adduser libvirt-qemu blktap", "adduser", inside() + "adduser");

        page.run("blktap create tap:qcow2:/vm/a.qcow2 10G");
        page.run("blktap attach tap:qcow2:/vm/a.qcow2 --id a --node vhost-user,queues=2");
        Files.writeString(directory.resolve("vm/web1.xml"), page.file("web1.xml"));
        page.run("virsh define web1.xml");
        page.run("virsh start web1");
        assertTrue(page.run("virsh domblklist web1")
                .out()
                .contains(daemon.vhostSocket("a").toString()));
        prints("vda has " + (64 << 11));
        for (String each : DENIED) {
            Run denied = virsh(each);
            assertTrue(denied.status() != 0, denied::toString);
        }

        for (int i = 0; i < 2; i++) {
            daemon.kill();
            daemon.start();
            goesOn("vda", 4);
        }

        page.run("blktap create tap:qcow2:/vm/b.qcow2 10G");
        page.run("blktap attach tap:qcow2:/vm/b.qcow2 --id b --node vhost-user --node nbd");
        attach("b.xml", Long.toString(64 << 11), () -> {});
        attach("nbd.xml", Long.toString(64 << 11), () -> {
            daemon.blktap("resize", "b", "96M").ok();
            Run grow = virsh("blockresize web1 vdb 96M");
            assertTrue(grow.status() != 0 && grow.err().contains("Cannot grow NBD nodes"), grow::toString);
        });
        page.run("blktap plug b nbd,tcp=0.0.0.0:10809,tls=required");
        attach("far.xml", Long.toString(96 << 11), () -> {});
        page.run("blktap attach tap:nbd:nbds://disks.example/b --id far --node vhost-user");

        page.run("blktap resize a 20G");
        prints("vda has " + (96 << 11));
        goesOn("vda");
        page.run("virsh destroy web1");
        page.run("virsh undefine web1");
        page.run("blktap list");
        page.run("blktap detach a");
        page.assertAllRun();
    }
}
