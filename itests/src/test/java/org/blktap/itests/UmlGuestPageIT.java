package org.blktap.itests;

import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** docs/uml.md: a guest with a disk by vhost-user, and one with a file of nbdfuse. */
class UmlGuestPageIT {
    private static final Path GUEST = Path.of(System.getProperty("project.root"), "itests/guest");

    private static final String SCRIPT = """
            dd if=/dev/urandom of=/run/data bs=64k count=32 2>/dev/null
            dd if=/run/data of=/dev/DISK bs=64k seek=10 oflag=direct 2>/dev/null || return 1
            dd if=/dev/DISK bs=64k skip=10 count=32 iflag=direct 2>/dev/null | cmp - /run/data
            """;

    @TempDir
    Path directory;

    private Daemon daemon;
    private Page page;
    private Path vm;

    @BeforeEach
    void start() throws Exception {
        daemon = Daemon.started(directory);
        vm = Files.createDirectory(directory.resolve("vm"));
        Files.copy(GUEST.resolve("init"), vm.resolve("init"), StandardCopyOption.COPY_ATTRIBUTES);
        Map<String, String> names = new LinkedHashMap<>();
        names.put("/vm/", vm + "/");
        names.put("/run/blktap/", daemon.runDir + "/");
        names.put("10G", "64M");
        page = new Page("uml.md", daemon, names);
    }

    @AfterEach
    void stop() throws Exception {
        daemon.close();
    }

    /** Boots a guest by the command of the page that ends with these words. */
    private void boots(String words, String disk) throws Exception {
        Path script = Files.writeString(vm.resolve(disk + ".sh"), SCRIPT.replace("DISK", disk));
        Path console = vm.resolve(disk + ".console");
        String command = "linux.uml mem=512M rootfstype=hostfs rootflags=/ init=/vm/init " + words;
        Process guest = page.start(
                command,
                console,
                "linux.uml",
                GUEST.resolve("uml").toString(),
                "mem=512M",
                "mem=512M blktap.script=" + script);
        try {
            assertTrue(guest.waitFor(Run.LIMIT_SECONDS, TimeUnit.SECONDS), () -> QemuGuest.console(console));
        } finally {
            guest.descendants().forEach(ProcessHandle::destroyForcibly);
            guest.destroyForcibly().waitFor();
        }
        String text = QemuGuest.console(console);
        assertTrue(text.contains("guest exit status 0"), text);
    }

    @Test
    void thePageIsTrue() throws Exception {
        assumeTrue(Files.isWritable(Path.of("/dev/fuse")), "no FUSE");
        page.run("blktap create tap:qcow2:/vm/a.qcow2 10G");
        page.run("blktap attach tap:qcow2:/vm/a.qcow2 --id a --node vhost-user");
        boots("virtio_uml.device=/run/blktap/a.sock:2", "vda");

        page.run("blktap create tap:qcow2:/vm/b.qcow2 10G");
        page.run("blktap attach tap:qcow2:/vm/b.qcow2 --id b --node nbd");
        page.run("install -d /vm/b");
        Path log = directory.resolve("nbdfuse.log");
        Process fuse = page.start("nbdfuse /vm/b \"nbd+unix:///b?socket=/run/blktap/nbd.sock\"", log);
        try {
            Wait.until("the file is there", () -> {
                assertTrue(fuse.isAlive(), () -> QemuGuest.console(log));
                return Files.exists(vm.resolve("b/nbd"));
            });
            boots("ubd0=/vm/b/nbd", "ubda");
            page.run("umount /vm/b");
            assertTrue(fuse.waitFor(Run.LIMIT_SECONDS, TimeUnit.SECONDS), "nbdfuse ends");
        } finally {
            if (fuse.isAlive()) {
                Run.of("umount", "-l", vm.resolve("b").toString());
                fuse.destroyForcibly().waitFor();
            }
        }
        page.assertAllRun();
    }
}
