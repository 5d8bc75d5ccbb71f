package org.blktap.itests;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import com.google.gson.JsonObject;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Disks on a file system that fills up and gets space again, and on storage that fails, under real clients. */
class FaultPolicyIT extends SharedDaemon {
    private Path small;

    @BeforeEach
    void mount() throws Exception {
        small = Files.createDirectory(directory.resolve("small"));
        assumeTrue(
                Run.of("mount", "-t", "tmpfs", "-o", "size=12M", "tmpfs", small.toString())
                                .status()
                        == 0,
                "this user cannot mount");
    }

    @AfterEach
    void unmount() throws Exception {
        for (var each : daemon.list()) {
            daemon.blktap("detach", each.getAsJsonObject().get("id").getAsString(), "--force");
        }
        Run.of("umount", small.toString()).ok();
    }

    private void larger() throws Exception {
        Run.of("mount", "-o", "remount,size=128M", small.toString()).ok();
    }

    /** A client that writes 24 MiB and verifies them: more than there is space for. */
    private Process writes(String id, Path log, String... more) throws Exception {
        ProcessBuilder fio = new ProcessBuilder(
                "fio",
                "--name=v",
                "--ioengine=nbd",
                "--uri=" + daemon.nbd(id),
                "--rw=randwrite",
                "--bsrange=4k-64k",
                "--iodepth=32",
                "--size=24m",
                "--fsync=64",
                "--verify=crc32c",
                "--verify_fatal=1");
        fio.command().addAll(List.of(more));
        return fio.redirectErrorStream(true).redirectOutput(log.toFile()).start();
    }

    private JsonObject reason(String id) throws Exception {
        return daemon.attachment(id).getAsJsonObject("reason");
    }

    private void awaitParked(String id, String kind) throws Exception {
        Wait.until(
                id + " is parked: " + kind,
                () -> daemon.state(id).equals("parked")
                        && reason(id).get("kind").getAsString().equalsIgnoreCase(kind));
    }

    @ParameterizedTest
    @ValueSource(strings = {"aio", "qcow", "qcow2", "vhd", "vhdx", "vmdk"})
    void aClientWaitsForSpace(String type) throws Exception {
        daemon.attach(create(type, "small/a." + type, "32M"), "a", "--node", "nbd", "--on-enospc", "park,auto");
        Path log = directory.resolve("fio.log");
        Process fio = writes("a", log);
        awaitParked("a", "NO_SPACE");
        String text = reason("a").get("text").getAsString();
        assertTrue(text.contains("ENOSPC (no space left on device)"), text);
        assertTrue(text.matches(".* requests? waits? for space, and it resumes by itself"), text);
        assertTrue(daemon.blktap("list").ok().out().contains(text));
        assertTrue(daemon.blktap("info", "a").ok().out().contains("parked: " + text));
        assertTrue(
                daemon.blktap("diag").out().contains("attachment a (" + spec(type, "small/a." + type) + "): parked: "));
        assertTrue(fio.isAlive(), () -> "fio has got an error");
        larger();
        verified(fio, log);
        assertEquals("running", daemon.state("a"));
        assertEquals(
                0,
                daemon.stats("a")
                        .getAsJsonObject("operations")
                        .getAsJsonObject("write")
                        .get("errors")
                        .getAsInt());
        daemon.detach("a");
        if (!type.equals("aio")) {
            // clusters of attempts that have failed may be leaked
            Run check = daemon.blktap("check", spec(type, "small/a." + type));
            assertNotEquals(1, check.status(), check::toString);
        }
    }

    @Test
    void anOperatorResumesIt() throws Exception {
        daemon.attach(create("qcow2", "small/a.qcow2", "32M"), "a", "--node", "nbd");
        Path log = directory.resolve("fio.log");
        Process fio = writes("a", log);
        awaitParked("a", "NO_SPACE");
        refused("blktap resume a", "resume", "a");
        refused("detach --force answers with errors", "detach", "a");
        assertEquals("parked", daemon.state("a"));
        // the image moves to where there is space, and the client does not notice
        daemon.blktap("park", "a").ok();
        Files.copy(small.resolve("a.qcow2"), directory.resolve("a.qcow2"));
        daemon.blktap("resume", "a", spec("qcow2", "a.qcow2")).ok();
        verified(fio, log);
        assertEquals("running", daemon.state("a"));
        daemon.detach("a");
        assertNotEquals(1, daemon.blktap("check", spec("qcow2", "a.qcow2")).status());
    }

    @Test
    void clientsThatGoTakeTheirRequestsAlong() throws Exception {
        daemon.attach(create("aio", "small/a.img", "32M"), "a", "--node", "nbd");
        Process fio = writes("a", directory.resolve("fio.log"));
        awaitParked("a", "NO_SPACE");
        // what it has started does the work
        fio.descendants().forEach(ProcessHandle::destroyForcibly);
        fio.destroyForcibly().waitFor();
        Wait.until("nothing waits", () -> reason("a").get("text").getAsString().contains("; 0 requests wait"));
        // a forced detach answers
        daemon.blktap("set", "a", "on-enospc=report").ok();
        daemon.blktap("resume", "a").ok();
        Run refused = Run.of("qemu-io", "-f", "raw", daemon.nbd("a"), "-c", "write 0 32M");
        assertTrue((refused.out() + refused.err()).contains("No space left"), refused::toString);
        daemon.blktap("set", "a", "on-enospc=").ok();
        Process client = new ProcessBuilder("qemu-io", "-f", "raw", daemon.nbd("a"), "-c", "write 0 32M")
                .redirectErrorStream(true)
                .redirectOutput(directory.resolve("client.log").toFile())
                .start();
        awaitParked("a", "NO_SPACE");
        daemon.blktap("detach", "a", "--force").ok();
        assertTrue(client.waitFor(Run.LIMIT_SECONDS, TimeUnit.SECONDS));
        assertTrue(
                Files.readString(directory.resolve("client.log")).matches("(?s).*(No space left|Input/output error).*"),
                () -> "the client has no error");
    }

    /** Outages, as of a path to the storage: the disk waits until each is over, by itself. */
    @Test
    void aClientSeesNoOutage() throws Exception {
        daemon.attach(create("qcow2", "a.qcow2", "32M"), "a", "--node", "nbd", "--on-eio", "park,auto");
        daemon.blktap("filter", "add", "a", "fault,outage-ms=300,outage-every-ms=1500")
                .ok();
        Path log = directory.resolve("fio.log");
        Process fio = writes("a", log, "--rate_iops=600");
        awaitParked("a", "IO_ERROR");
        daemon.blktap("set", "a", "on-eio=park").ok();
        awaitParked("a", "IO_ERROR");
        // the filter may be what fails, and is set while the disk waits
        daemon.blktap("filter", "set", "a", "fault", "outage-ms=", "outage-every-ms=", "errors=0")
                .ok();
        daemon.blktap("resume", "a").ok();
        verified(fio, log);
        assertTrue(daemon.stats("a").get("parks").getAsInt() > 0);
        daemon.detach("a");
    }

    /** The requests that are held outlive the daemon in the guest's ring, and are submitted again by the next one. */
    @Test
    void aGuestWaitsForSpaceThroughAKillOfTheDaemon() throws Exception {
        daemon.attach(create("qcow2", "small/g.qcow2", "48M"), "g", "--node", "vhost-user", "--on-enospc", "park,auto");
        String script = """
                dd if=/dev/urandom of=/tmp/data bs=64k count=80 2>/dev/null
                for part in 0 1 2 3; do
                  dd if=/tmp/data of=/dev/vda bs=64k seek=$((part * 80)) oflag=direct 2>/dev/null &
                  writers="$writers $!"
                done
                for writer in $writers; do wait $writer || return 1; done
                for part in 0 1 2 3; do
                  dd if=/dev/vda bs=64k skip=$((part * 80)) count=80 iflag=direct 2>/dev/null | cmp - /tmp/data || return 2
                done
                """;
        try (QemuGuest guest = QemuGuest.start(directory, "guest", script, daemon.vhostSocket("g"))) {
            awaitParked("g", "NO_SPACE");
            daemon.kill();
            daemon.start();
            awaitParked("g", "NO_SPACE");
            larger();
            guest.succeed();
        }
        assertEquals("running", daemon.state("g"));
        daemon.detach("g");
        assertNotEquals(
                1, daemon.blktap("check", spec("qcow2", "small/g.qcow2")).status());
    }
}
