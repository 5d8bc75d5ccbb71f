package org.blktap.itests;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * {@code block-blktap} as xl runs it, against a real daemon; XenStore is a directory, nbd-client writes what the kernel would show of nbd devices.
 */
class HotplugScriptIT {
    private static final String XENSTORE_READ = "#!/bin/sh\ncat \"$STORE/$1\" 2>/dev/null || { echo \"couldn't read path $1\" >&2; exit 1; }\n";
    private static final String XENSTORE_WRITE = """
            #!/bin/sh
            while [ $# -gt 0 ]; do mkdir -p "$STORE/${1%/*}"; printf %s "$2" >"$STORE/$1"; shift 2; done
            """;
    /** The device is the last argument; a real client of libnbd asks for the export that is named. */
    private static final String NBD_CLIENT = """
            #!/bin/sh
            echo "$*" >>"$STORE/nbd-client"
            for device; do :; done
            block=$BLKTAP_SYSFS/block/${device##*/}
            if [ "$1" = -d ]; then rm "$block/pid"; echo 0 >"$block/size"; exit; fi
            [ ! -e "$STORE/refuse" ] || { printf "Error: Unknown error returned by server. Server said: no such export\\nExiting.\\n" >&2; printf "Negotiation: .."; exit 1; }
            # two at one device would be told here
            mkdir "$block/taken" || exit 1
            size=$(nbdinfo --size "nbd+unix:///$4?socket=$2") || exit 1
            echo $$ >"$block/pid"
            echo $((size / 512)) >"$block/size"
            rmdir "$block/taken"
            """;
    private static final String BACKEND = "backend/vbd/1/51712";

    @TempDir
    static Path directory;
    private static Daemon daemon;
    private static Path image;
    private static Path programs;
    @TempDir
    Path test;
    private Path store;
    private Path sys;

    @BeforeAll
    static void start() throws Exception {
        daemon = Daemon.started(directory);
        image = directory.resolve("a.qcow");
        daemon.blktap("create", "tap:qcow:" + image, "64M").ok();
        programs = Files.createDirectory(directory.resolve("programs"));
        program("xenstore-read", XENSTORE_READ);
        program("xenstore-write", XENSTORE_WRITE);
        program("nbd-client", NBD_CLIENT);
        program("modprobe", "#!/bin/sh\necho \"modprobe: FATAL: Module $1 not found.\" >&2\nexit 1\n");
    }

    private static void program(String name, String text) throws Exception {
        Path file = programs.resolve(name);
        Files.writeString(file, text);
        assertTrue(file.toFile().setExecutable(true));
    }

    @AfterAll
    static void stop() throws Exception {
        daemon.close();
    }

    @BeforeEach
    void prepare() throws Exception {
        store = Files.createDirectory(test.resolve("store"));
        sys = Files.createDirectory(test.resolve("sys"));
    }

    @AfterEach
    void nothingIsLeft() throws Exception {
        assertEquals(0, daemon.list().size());
        try (Stream<Path> files = Files.list(daemon.runDir)) {
            assertEquals(List.of(), files.map(file -> file.getFileName().toString()).filter(name -> name.startsWith("xen-")).toList());
        }
        assertEquals(0, connected());
    }

    /** Nodes as the toolstack writes them. */
    private void backend(String path, String target, String mode) throws Exception {
        node(path + "/params", target);
        node(path + "/mode", mode);
    }

    private void node(String path, String value) throws Exception {
        Files.createDirectories(store.resolve(path).getParent());
        Files.writeString(store.resolve(path), value);
    }

    private String node(String path) throws Exception {
        return Files.exists(store.resolve(path)) ? Files.readString(store.resolve(path)) : null;
    }

    private void blkback(int nbdDevices) throws Exception {
        Files.createDirectories(sys.resolve("bus/xen-backend/drivers/vbd"));
        for (int i = 0; i < nbdDevices; i++) {
            Path nbd = Files.createDirectories(sys.resolve("block/nbd" + i));
            Files.writeString(nbd.resolve("size"), "0\n");
            Files.writeString(nbd.resolve("dev"), "43:" + 32 * i + "\n");
        }
    }

    private int connected() throws Exception {
        if (!Files.exists(sys.resolve("block"))) {
            return 0;
        }
        try (Stream<Path> devices = Files.list(sys.resolve("block"))) {
            return (int) devices.filter(device -> Files.exists(device.resolve("pid"))).count();
        }
    }

    private Map<String, String> environment(String path) {
        Map<String, String> environment = new HashMap<>();
        environment.put("PATH", programs + ":" + System.getenv("PATH"));
        environment.put("BLKTAP_RUN_DIR", daemon.runDir.toString());
        environment.put("BLKTAP_SYSFS", sys.toString());
        environment.put("STORE", store.toString());
        environment.put("XENBUS_PATH", path);
        environment.put("XENBUS_TYPE", "vbd");
        environment.put("XENBUS_BASE_PATH", "backend");
        return environment;
    }

    private Run script(Path home, String action, String path) throws Exception {
        // as it is installed: a link
        Path link = test.resolve("block-blktap");
        Files.createSymbolicLink(link, home.resolve("etc/xen/scripts/block-blktap"));
        try {
            return Run.of(environment(path), link.toString(), action);
        } finally {
            Files.delete(link);
        }
    }

    private Run script(String action, String path) throws Exception {
        return script(daemon.home, action, path);
    }

    private void failed(Run run, String path, String text) throws Exception {
        assertEquals(1, run.status(), run::toString);
        assertEquals("error", node(path + "/hotplug-status"), run::toString);
        assertTrue(node(path + "/hotplug-error").contains(text), node(path + "/hotplug-error"));
        assertTrue(run.err().contains(text), run::toString);
        assertNull(node(path + "/physical-device"));
    }

    @Test
    void blkbackGetsABlockDevice() throws Exception {
        blkback(12);
        Files.writeString(sys.resolve("block/nbd0/size"), "2048\n");
        backend(BACKEND, "tap:qcow:" + image, "w");
        script("add", BACKEND).ok();
        assertEquals("connected", node(BACKEND + "/hotplug-status"));
        assertEquals("/dev/nbd1", node(BACKEND + "/physical-device-path"));
        assertEquals("2b:20", node(BACKEND + "/physical-device"));
        assertEquals("131072", Files.readString(sys.resolve("block/nbd1/size")).strip());
        assertFalse(daemon.attachment("xen-1-51712").get("readOnly").getAsBoolean());
        script("remove", BACKEND).ok();
        assertTrue(node("nbd-client").endsWith("-d /dev/nbd1\n"), node("nbd-client"));
        // once more, when all has gone
        script("remove", BACKEND).ok();
        assertNull(node(BACKEND + "/hotplug-error"));
        Files.writeString(sys.resolve("block/nbd0/size"), "0\n");
    }

    @Test
    void severalComeAtOnceAndReadOnlyOnesShare() throws Exception {
        blkback(4);
        for (int i = 0; i < 4; i++) {
            backend("backend/vbd/" + i + "/768", "qcow:" + image, "r");
        }
        List<Process> all = new java.util.ArrayList<>();
        for (int i = 0; i < 4; i++) {
            ProcessBuilder builder = new ProcessBuilder(daemon.home.resolve("etc/xen/scripts/block-blktap").toString(), "add").redirectErrorStream(true)
                    .redirectOutput(test.resolve("out" + i).toFile());
            builder.environment().putAll(environment("backend/vbd/" + i + "/768"));
            all.add(builder.start());
        }
        for (int i = 0; i < 4; i++) {
            int number = i;
            assertEquals(0, all.get(i).waitFor(), () -> output(number));
        }
        assertEquals(4, connected());
        assertTrue(daemon.attachment("xen-3-768").get("readOnly").getAsBoolean());
        backend(BACKEND, "qcow:" + image, "r");
        failed(script("add", BACKEND), BACKEND, "all nbd devices are in use");
        for (int i = 0; i < 4; i++) {
            script("remove", "backend/vbd/" + i + "/768").ok();
        }
    }

    private String output(int number) {
        try {
            return Files.readString(test.resolve("out" + number));
        } catch (java.io.IOException e) {
            return e.toString();
        }
    }

    @Test
    void failuresAreToldAndLeaveNothing() throws Exception {
        blkback(2);
        failed(script("add", BACKEND), BACKEND, "params is missing");
        backend(BACKEND, "tap:qcow:/no/such.qcow", "w");
        failed(script("add", BACKEND), BACKEND, "/no/such.qcow");
        backend(BACKEND, "tap:nothing:/x", "w");
        failed(script("add", BACKEND), BACKEND, "nothing");
        backend(BACKEND, "tap:qcow:" + image, "w");
        node("refuse", "");
        failed(script("add", BACKEND), BACKEND, "nbd-client: Unknown error returned by server. Server said: no such export");
        Files.delete(store.resolve("refuse"));
        failed(script("change", BACKEND), BACKEND, "change is asked");
        failed(script("add", "backend/vbd/x/1"), "backend/vbd/x/1", "does not end with");
        assertEquals(1, script("add", "").status());
        Run.of("rm", "-r", sys.resolve("block").toString()).ok();
        failed(script("add", BACKEND), BACKEND, "modprobe");
    }

    @Test
    void aDomainOfTheSameNumberBeforeTheHostsRestartIsInNobodysWay() throws Exception {
        blkback(2);
        daemon.attach("tap:qcow:" + image, "xen-1-51712", "--node", "nbd");
        Files.writeString(daemon.runDir.resolve("xen-1-51712.nbd"), "nbd0\n");
        backend(BACKEND, "tap:qcow:" + image, "w");
        script("add", BACKEND).ok();
        assertEquals("/dev/nbd0", node(BACKEND + "/physical-device-path"));
        script("remove", BACKEND).ok();
    }

    @Test
    void aNoteOfADeviceThatAnotherHasTakenIsNotBelieved() throws Exception {
        blkback(2);
        String killed = "backend/vbd/7/51712";
        // its add was killed after it chose the device and before nbd-client had connected it
        Files.writeString(daemon.runDir.resolve("xen-7-51712.nbd"), "nbd0\n");
        Files.writeString(daemon.runDir.resolve("xen-8-51712.nbd"), "nbd1\n");
        backend(BACKEND, "tap:qcow:" + image, "w");
        node("refuse", "");
        failed(script("add", BACKEND), BACKEND, "no such export");
        assertTrue(Files.exists(daemon.runDir.resolve("xen-7-51712.nbd")), "nobody else has got the device");
        Files.delete(store.resolve("refuse"));
        script("add", BACKEND).ok();
        assertEquals("/dev/nbd0", node(BACKEND + "/physical-device-path"));
        assertTrue(Files.exists(daemon.runDir.resolve("xen-8-51712.nbd")), "of another device");
        script("remove", killed).ok();
        script("remove", "backend/vbd/8/51712").ok();
        assertEquals(1, connected(), () -> "the other domain's disk is gone: " + client());
        assertFalse(client().contains("-d "), this::client);
        script("remove", BACKEND).ok();
    }

    private String client() {
        try {
            return node("nbd-client");
        } catch (Exception e) {
            return e.toString();
        }
    }

    @Test
    void removeWaitsForAnAddThatChooses() throws Exception {
        blkback(1);
        Path note = daemon.runDir.resolve("xen-1-51712.nbd");
        Files.writeString(note, "nbd0\n");
        // connected by the one that holds the lock; it removes the note before it lets go
        Files.writeString(sys.resolve("block/nbd0/pid"), "1\n");
        ProcessBuilder holding = new ProcessBuilder("flock", daemon.runDir.resolve("nbd.lock").toString(), "sh", "-c",
                "touch \"$STORE/held\"; sleep 3; rm \"$1\"", "sh", note.toString());
        holding.environment().putAll(environment(BACKEND));
        Process holder = holding.start();
        Wait.until("the lock is held", () -> Files.exists(store.resolve("held")));
        script("remove", BACKEND).ok();
        assertEquals(0, holder.waitFor());
        assertNull(node("nbd-client"));
        Files.delete(sys.resolve("block/nbd0/pid"));
    }

    @Test
    void aDaemonThatFailsIsNotTakenForOneThatHasNothing() throws Exception {
        Path home = scriptWith("""
                #!/bin/sh
                [ "$1" != detach ] || { echo "blktap: internal error, see the daemon's log: oops" >&2; exit 1; }
                """);
        backend(BACKEND, "tap:qcow:" + image, "w");
        failed(script(home, "remove", BACKEND), BACKEND, "internal error, see the daemon's log: oops");
        failed(script(home, "add", BACKEND), BACKEND, "of a former domain: internal error");
    }

    /** A distribution of the script and a client of the test's. */
    private Path scriptWith(String client) throws Exception {
        Path home = test.resolve("home");
        Files.createDirectories(home.resolve("bin"));
        Files.createDirectories(home.resolve("etc/xen/scripts"));
        Files.copy(daemon.home.resolve("etc/xen/scripts/block-blktap"), home.resolve("etc/xen/scripts/block-blktap"),
                java.nio.file.StandardCopyOption.COPY_ATTRIBUTES);
        Path blktap = home.resolve("bin/blktap");
        Files.writeString(blktap, client);
        assertTrue(blktap.toFile().setExecutable(true));
        return home;
    }

    @Test
    void withoutBlkbackTheDaemonIsTheBackend() throws Exception {
        Path home = scriptWith("""
                #!/bin/sh
                if [ "$1" = detach ] && [ ! -e "$STORE/attached" ]; then echo "blktap: no attachment '$2'; present: none" >&2; exit 1; fi
                case $1 in attach|detach) echo "$*" >>"$STORE/blktap" ;; esac
                if [ "$1" = attach ]; then
                  touch "$STORE/attached"
                  printf '%s\\n' "$4" xen:1/51712 "nbd+unix:///$4?socket=/run/blktap/nbd.sock"
                fi
                [ "$1" != detach ] || rm "$STORE/attached"
                """);
        backend(BACKEND, "tap:qcow:/vm/a b.qcow", "r");
        script(home, "add", BACKEND).ok();
        assertEquals("connected", node(BACKEND + "/hotplug-status"));
        assertEquals("nbd+unix:///xen-1-51712?socket=/run/blktap/nbd.sock", node(BACKEND + "/physical-device-path"));
        assertNull(node(BACKEND + "/physical-device"));
        script(home, "remove", BACKEND).ok();
        assertEquals(List.of("attach tap:qcow:/vm/a b.qcow --id xen-1-51712 --node nbd --node xen:1/51712,backend=vbd --read-only",
                "detach xen-1-51712 --force"), node("blktap").lines().toList());
        assertNull(node("nbd-client"));
    }

    @Test
    void withoutADaemonItIsTold() throws Exception {
        backend(BACKEND, "tap:qcow:" + image, "w");
        Map<String, String> environment = environment(BACKEND);
        environment.put("BLKTAP_RUN_DIR", test.resolve("nowhere").toString());
        Run run = Run.of(environment, daemon.home.resolve("etc/xen/scripts/block-blktap").toString(), "add");
        failed(run, BACKEND, "no daemon answers");
    }
}
