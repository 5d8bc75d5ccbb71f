package org.blktap.itests;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** What {@code block-blktap} does with the disks of a toolstack. */
class HotplugScriptIT extends HotplugScript {
    @Test
    void theDaemonIsTheBackendAndOneCallIsEnough() throws Exception {
        answer = "ring";
        backend(BACKEND, "tap:qcow:/vm/a b.qcow", "w");
        script("add", BACKEND).ok();
        assertEquals("connected", node(BACKEND + "/hotplug-status"));
        assertEquals("nbd+unix:///xen-1-51712?socket=/run/bl\\ktap/nbd.sock", node(BACKEND + "/physical-device-path"));
        assertNull(node(BACKEND + "/physical-device"), "the kernel's backend would take the device");
        assertEquals(
                List.of("attach tap:qcow:/vm/a b.qcow --id xen-1-51712 --node nbd --node xen:1/51712,backend=vbd"),
                asked());
        script("remove", BACKEND).ok();
        assertEquals(List.of("detach xen-1-51712 --force"), asked());
    }

    @ParameterizedTest
    @CsvSource({
        "tap:qcow:/vm/a.qcow, tap:qcow:/vm/a.qcow",
        "qcow2:/vm/a:b, tap:qcow2:/vm/a:b",
        "/vm/a:b.img, tap:aio:/vm/a:b.img",
        "aio:/vm/a, tap:aio:/vm/a",
        "tap:/vm/a, tap:aio:/vm/a",
        "tap:tapdisk:/vm/a, tap:aio:/vm/a",
        "tapdisk:aio:/vm/a, tap:aio:/vm/a",
        "tap2:vhd:/vm/a, tap:vhd:/vm/a",
        "file:/vm/a, tap:aio:/vm/a",
        "phy:/dev/vg/a, tap:aio:/dev/vg/a",
        "phy:vg/a, tap:aio:/dev/vg/a",
        "vg/a, tap:aio:/dev/vg/a",
        "sda, tap:aio:/dev/sda",
        "disk/by-path/pci-0000:00:1f.2, tap:aio:/dev/disk/by-path/pci-0000:00:1f.2",
        "'ram:x,size=1M', 'tap:ram:x,size=1M'"
    })
    void targets(String target, String spec) throws Exception {
        answer = "ring";
        backend(BACKEND, target, "w");
        scriptAs("block", "add", BACKEND).ok();
        assertEquals("attach " + spec + " --id xen-1-51712 --node nbd --node xen:1/51712,backend=vbd", asked().get(0));
    }

    @ParameterizedTest
    @CsvSource({
        "w, disk, false",
        "w!, disk, false",
        "rw, disk, false",
        "r, disk, true",
        "ro, disk, true",
        "'', disk, true",
        "w, cdrom, true",
        "r, cdrom, true"
    })
    void readOnly(String mode, String type, boolean readOnly) throws Exception {
        backend(BACKEND, "qcow:" + image, mode);
        node(BACKEND + "/device-type", type);
        script("add", BACKEND).ok();
        assertEquals(readOnly, daemon.attachment("xen-1-51712").get("readOnly").getAsBoolean());
        script("remove", BACKEND).ok();
    }

    @Test
    void anEmptyDriveIsADriveToo() throws Exception {
        answer = "ring";
        node(BACKEND + "/frontend", "/local/domain/1/device/vbd/51712");
        node(BACKEND + "/mode", "r");
        node(BACKEND + "/device-type", "cdrom");
        script("add", BACKEND).ok();
        assertEquals("connected", node(BACKEND + "/hotplug-status"));
        assertEquals(
                List.of(
                        "attach tap:empty:xen-1-51712 --id xen-1-51712 --node nbd --node xen:1/51712,backend=vbd --read-only"),
                asked());
        script("remove", BACKEND).ok();
        assertNull(node(BACKEND + "/hotplug-error"));
    }

    /** xl uses this name for a guest until it runs here. */
    @Test
    void aGuestThatIsMigratedHereWaitsForItsImage() throws Exception {
        answer = "ring";
        backend(BACKEND, "tap:qcow:/vm/a.qcow", "w");
        node("local/domain/1/name", "one--incoming");
        script("add", BACKEND).ok();
        assertEquals(
                List.of(
                        "attach tap:qcow:/vm/a.qcow --id xen-1-51712 --node nbd --node xen:1/51712,backend=vbd --wait-for-lock 60"),
                asked());
    }

    @Test
    void severalComeAtOnceAndReadOnlyOnesShare() throws Exception {
        List<Process> all = new ArrayList<>();
        for (int i = 0; i < 4; i++) {
            backend("backend/vbd/" + i + "/768", "qcow:" + image, "r");
            ProcessBuilder builder = new ProcessBuilder(
                            home.resolve("etc/xen/scripts/block-blktap").toString(), "add")
                    .inheritIO();
            builder.environment().putAll(environment("backend/vbd/" + i + "/768"));
            all.add(builder.start());
        }
        for (Process each : all) {
            assertEquals(0, each.waitFor());
        }
        assertTrue(daemon.attachment("xen-3-768").get("readOnly").getAsBoolean());
        for (int i = 0; i < 4; i++) {
            script("remove", "backend/vbd/" + i + "/768").ok();
        }
    }

    @Test
    void failuresAreToldAndLeaveNothing() throws Exception {
        node(BACKEND + "/frontend", "/local/domain/1/device/vbd/51712");
        failed(script("add", BACKEND), BACKEND, "params is missing");
        backend(BACKEND, "tap:qcow:/no/such.qcow", "w");
        failed(script("add", BACKEND), BACKEND, "/no/such.qcow");
        // libxl takes the device away after a failure
        script("remove", BACKEND).ok();
        assertNull(node(BACKEND + "/hotplug-error"));
        backend(BACKEND, "tap:nothing:/x", "w");
        failed(script("add", BACKEND), BACKEND, "nothing");
        backend(BACKEND, image + "x", "w");
        failed(script("add", BACKEND), BACKEND, image + "x");
        failed(script("change", BACKEND), BACKEND, "change is asked");
        node("backend/vbd/x/1/frontend", "/local/domain/x/device/vbd/1");
        failed(script("add", "backend/vbd/x/1"), "backend/vbd/x/1", "does not end with");
        assertEquals(1, script("add", "").status());
        backend(BACKEND, "tap:qcow:" + image, "w");
        node("lost", "");
        Run lost = script("add", BACKEND);
        assertEquals(1, lost.status());
        assertTrue(lost.err().contains("cannot write to " + BACKEND), lost::toString);
        assertEquals("absent", daemon.state("xen-1-51712"));
    }

    @Test
    void aDomainOfTheSameNumberBeforeTheHostsRestartIsInNobodysWay() throws Exception {
        answer = "former";
        backend(BACKEND, "tap:qcow:" + image, "w");
        script("add", BACKEND).ok();
        assertEquals(
                List.of("attach", "detach", "attach"),
                asked().stream().map(line -> line.replaceAll(" .*", "")).toList());
        answer = "";
        daemon.attach("tap:qcow:" + image, "xen-1-51712", "--node", "nbd");
        script("add", BACKEND).ok();
        script("remove", BACKEND).ok();
        // once more, when all has gone
        script("remove", BACKEND).ok();
    }

    @Test
    void aDaemonThatFailsIsNotTakenForOneThatHasNothing() throws Exception {
        answer = "fault";
        backend(BACKEND, "tap:qcow:" + image, "w");
        failed(script("remove", BACKEND), BACKEND, "internal error, see the daemon's log: oops");
        failed(script("add", BACKEND), BACKEND, "internal error, see the daemon's log: oops");
    }

    /** Guests that run on Xen's own backend at the takeover, and those whose QEMU opens the image itself. */
    @Test
    void whatIsXensStaysXens() throws Exception {
        answer = "ring";
        program(test.resolve("block.distrib"), "#!/bin/sh\necho \"$*\" >>\"$STORE/xens\"\n");
        node(BACKEND + "/physical-device", "7:0");
        backend(BACKEND, "/vm/a.img", "w");
        scriptAs("block", "remove", BACKEND).ok();
        assertEquals("remove\n", node("xens"));
        assertEquals(List.of(), asked());
        Files.delete(store.resolve(BACKEND + "/physical-device"));
        scriptAs("block", "add", BACKEND).ok();
        scriptAs("block", "remove", BACKEND).ok();
        assertEquals("remove\n", node("xens"));
        assertEquals(2, asked().size());
        node("libxl/1/type", "hvm");
        scriptAs("block", "add", BACKEND).ok();
        assertEquals("remove\nadd\n", node("xens"));
        assertEquals(List.of(), asked());
        // requested by its name, the disk is ours, and QEMU reaches it by NBD
        script("add", BACKEND).ok();
        assertEquals(1, asked().size());
    }

    /**
     * libxl waits for a script, and a host starts many guests at once. Processor time of whole calls, with all programs
     * that the script starts; the least of twenty, which other load disturbs the least.
     */
    @Test
    void aCallIsCheap() throws Exception {
        // of XenStore's programs those that cost about what Xen's do
        Path cheap = Files.createDirectory(test.resolve("cheap"));
        program(cheap.resolve("xenstore-read"), """
                #!/bin/sh
                [ "$1" != -R ] || shift
                case $1 in */params) echo "$TARGET" ;; */frontend) echo /local/domain/1/device/vbd/51712 ;; */device-type) echo disk ;; */mode) echo w ;; *) exit 1 ;; esac
                """);
        program(cheap.resolve("xenstore-write"), "#!/bin/sh\n");
        Map<String, String> environment = environment(BACKEND);
        environment.put("PATH", cheap + ":" + System.getenv("PATH"));
        environment.put("TARGET", "tap:qcow:" + image);
        environment.put("SCRIPT", home.resolve("etc/xen/scripts/block-blktap").toString());
        String times = Run.of(
                        environment,
                        "bash",
                        "-ec",
                        "TIMEFORMAT='%U %S'; for i in $(seq 20); do time \"$SCRIPT\" add; time \"$SCRIPT\" remove; done")
                .ok()
                .err();
        List<Double> seconds = times.lines()
                .map(line -> line.split(" "))
                .map(each -> Double.parseDouble(each[0]) + Double.parseDouble(each[1]))
                .toList();
        assertEquals(40, seconds.size(), times);
        for (int action = 0; action < 2; action++) {
            int first = action;
            double least = java.util.stream.IntStream.range(0, 20)
                    .mapToDouble(i -> seconds.get(2 * i + first))
                    .min()
                    .orElseThrow();
            System.out.println("block-blktap " + (action == 0 ? "add" : "remove") + " takes " + Math.round(least * 1000)
                    + " ms of processor time");
            // alone on a machine of 2026 half of that
            assertTrue(least < 0.05, times);
        }
    }

    @Test
    void aDaemonThatStartsIsWaitedForAndItsAbsenceIsTold() throws Exception {
        backend(BACKEND, "tap:qcow:" + image, "w");
        Map<String, String> environment = environment(BACKEND);
        Path soon = test.resolve("soon");
        environment.put("BLKTAP_RUN_DIR", soon.toString());
        long begin = System.nanoTime();
        String program = daemon.home.resolve("etc/xen/scripts/block-blktap").toString();
        failed(Run.of(environment, program, "add"), BACKEND, "no daemon answers");
        assertTrue(System.nanoTime() - begin > 4_000_000_000L);
        // a socket that a killed daemon has left
        Files.createDirectory(soon);
        Run.of(
                        "python3",
                        "-c",
                        "import socket, sys; socket.socket(socket.AF_UNIX).bind(sys.argv[1])",
                        soon.resolve("control.sock").toString())
                .ok();
        failed(Run.of(environment, program, "add"), BACKEND, "no daemon answers");
        Run.of(environment, program, "remove").ok();
        assertNull(node(BACKEND + "/hotplug-error"));
        Files.delete(soon.resolve("control.sock"));
        ProcessBuilder waiting =
                new ProcessBuilder(home.resolve("etc/xen/scripts/block-blktap").toString(), "add").inheritIO();
        waiting.environment().putAll(environment);
        Process script = waiting.start();
        Thread.sleep(1000);
        Files.createSymbolicLink(soon.resolve("control.sock"), daemon.runDir.resolve("control.sock"));
        assertEquals(0, script.waitFor());
        Files.delete(soon.resolve("control.sock"));
        script("remove", BACKEND).ok();
    }
}
