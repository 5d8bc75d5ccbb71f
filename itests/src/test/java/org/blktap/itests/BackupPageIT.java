package org.blktap.itests;

import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** docs/backup.md: backups by the daemon, by clients of NBD, and by programs that read what those write. */
class BackupPageIT extends DaemonUser {
    @TempDir
    Path directory;

    @BeforeEach
    void start() throws Exception {
        daemon = Daemon.started(directory);
    }

    @AfterEach
    void stop() throws Exception {
        daemon.close();
    }

    private Path copy(String name) throws Exception {
        Path copy = directory.resolve(name);
        Run.of("qemu-img", "convert", "-f", "raw", "-O", "raw", daemon.nbd("a"), copy.toString())
                .ok();
        return copy;
    }

    @Test
    void eachCommandOfThePageIsRun() throws Exception {
        Path backup = Files.createDirectory(directory.resolve("backup"));
        Path vm = Files.createDirectory(directory.resolve("vm"));
        Map<String, String> names = new LinkedHashMap<>();
        names.put("/vm/a.qcow2", directory.resolve("disk.qcow2").toString());
        names.put("/backup/", backup + "/");
        names.put("/vm/", vm + "/");
        names.put("/run/blktap/", daemon.runDir + "/");
        names.put(
                "/etc/restic.key",
                Files.writeString(directory.resolve("restic.key"), "secret\n").toString());
        Page page = new Page("backup.md", daemon, names);
        // where borg and restic keep what they know of archives
        page.set("HOME", directory.toString());
        String disk = "tap:qcow2:" + directory.resolve("disk.qcow2");
        daemon.blktap("create", disk, "128M").ok();
        daemon.attach(disk, "a", "--node", "nbd");
        io("a", "write -P 1 0 32M", "write -P 6 64M 4M", "flush");
        Path then = copy("then.raw");
        Path full = backup.resolve("full.qcow2");
        page.run("blktap backup a tap:qcow2:/backup/full.qcow2 --wait");
        Qemu.equal("raw", then, "qcow2", full);
        for (String end : List.of("wait", "cancel")) {
            Files.delete(full);
            // slow enough for a busy machine
            String job = page.run("blktap backup a tap:qcow2:/backup/full.qcow2 --speed 24M", "24M", "1M")
                    .out()
                    .strip()
                    .substring("job ".length());
            assertTrue(page.run("blktap jobs").out().contains("backup"));
            if (end.equals("wait")) {
                page.run("blktap job set 1 speed=0", "1", job);
            }
            page.run("blktap job " + end + " 1", "1", job);
        }
        assertFalse(Files.exists(full));
        page.run("blktap bitmap add a daily");
        page.run("blktap backup a tap:qcow2:/backup/full.qcow2 --clear daily --wait");
        io("a", "write -P 2 8M 256k", "flush");
        page.run(
                "blktap backup a tap:qcow2:/backup/mon.qcow2 --since daily --onto tap:qcow2:/backup/full.qcow2 --wait");
        io("a", "write -P 3 16M 256k", "flush");
        page.run("blktap backup a tap:qcow2:/backup/tue.qcow2 --since daily --onto tap:qcow2:/backup/mon.qcow2 --wait");
        page.run("blktap convert tap:qcow2:/backup/tue.qcow2 tap:aio:/vm/restored.img");
        Qemu.equal("raw", copy("tuesday.raw"), "raw", vm.resolve("restored.img"));
        io("a", "write -P 4 24M 256k", "flush");
        page.run("blktap backup a tap:aio:/backup/changes.img --since daily --wait");

        then = copy("now.raw");
        page.run("blktap expose a --as a-now");
        io("a", "write -P 5 24M 256k", "flush");
        assertTrue(page.run("blktap filter list a").out().contains("fleece"));
        page.run("blktap filter set a fleece buffer=20G");
        String uri = "\"nbd+unix:///a-now?socket=/run/blktap/nbd.sock\"";
        for (String each : List.of("nbdcopy ", "qemu-img convert -f raw -O raw ")) {
            page.run(each + uri + " /backup/a.raw");
            Qemu.equal("raw", then, "raw", backup.resolve("a.raw"));
        }
        page.run("borg init");
        page.run("nbdcopy " + uri + " - | borg create");
        page.run("borg extract");
        Qemu.equal("raw", then, "raw", vm.resolve("a.raw"));
        Files.delete(vm.resolve("a.raw"));
        String restic = "restic -r /backup/restic --password-file /etc/restic.key ";
        page.run(restic + "init");
        page.run("nbdcopy " + uri + " - | restic");
        page.run(restic + "dump");
        Qemu.equal("raw", then, "raw", vm.resolve("a.raw"));
        page.run("blktap expose --end a-now");
        for (String end : List.of(" --failed", "")) {
            page.run("blktap expose a --as a-now --since daily");
            // what was written after the last backup, and still is new when a copy has failed
            assertTrue(page.run("nbdinfo --map=qemu:dirty-bitmap:daily " + uri)
                    .out()
                    .lines()
                    .anyMatch(each -> each.strip().matches("25165824 +262144 +1.*")));
            page.run("blktap expose --end a-now" + end);
        }
        page.run("blktap detach a");
        page.run("qemu-img convert -O qcow2 --bitmaps /vm/a.qcow2 /backup/a.qcow2");
        Run info =
                Run.of("qemu-img", "info", backup.resolve("a.qcow2").toString()).ok();
        assertTrue(info.out().contains("name: daily"), info::toString);
        page.assertAllRun();
    }
}
