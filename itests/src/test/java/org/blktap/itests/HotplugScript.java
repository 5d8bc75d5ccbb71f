package org.blktap.itests;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.io.TempDir;

/** Runs {@code block-blktap} as xl does, with a real daemon where that does not need a Xen; XenStore is a directory. */
abstract class HotplugScript {
    /** As Xen's: without -R, escapes what is not plain text. */
    private static final String XENSTORE_READ = """
            #!/bin/sh
            raw=no
            [ "$1" != -R ] || { raw=yes; shift; }
            [ -f "$STORE/$1" ] || { echo "couldn't read path $1" >&2; exit 1; }
            if [ $raw = yes ]; then cat "$STORE/$1"; else sed -n 'l 0' "$STORE/$1" | sed 's/\\$$//'; fi
            """;
    /** As Xen's: a backslash begins an escape, and a value has a limit (XENSTORE_PAYLOAD_MAX). */
    private static final String XENSTORE_WRITE = """
            #!/bin/sh
            [ ! -e "$STORE/full" ] || exit 1
            while [ $# -gt 0 ]; do
              case $1 in */hotplug-error) ;; *) [ ! -e "$STORE/lost" ] || exit 1 ;; esac
              [ "$(printf %b "$2" | wc -c)" -le 4096 ] || exit 1
              mkdir -p "$STORE/${1%/*}"; printf %b "$2" >"$STORE/$1"; shift 2
            done
            """;
    /**
     * Stands in for the client: records each call and claims that the ring exists; passes the rest to the real client.
     */
    private static final String CLIENT = """
            #!/bin/sh
            echo "$*" >>"$STORE/asked"
            case $*:$ANSWER in
              attach*:ring) printf '%s\\n' "$4" xen:1/51712 "nbd+unix:///$4?socket=/run/bl\\\\ktap/nbd.sock"; exit ;;
              detach*:ring) exit ;;
              attach*:former) [ -e "$STORE/gone" ] && { echo "nbd+unix:///$4?socket=/s"; exit; }; echo "blktap: attachment '$4' exists already; detach it first or choose another --id" >&2; exit 1 ;;
              detach*:former) touch "$STORE/gone"; exit ;;
              attach*:vanish) rm -r "$STORE/backend"; echo "nbd+unix:///$4?socket=/s"; exit ;;
              detach*:vanish) exit ;;
              attach*:broke) if [ -e "$STORE/recorded" ]; then echo "blktap: attachment '$4' exists already; detach it first or choose another --id"
                elif [ -e "$STORE/gone" ]; then echo "nbd+unix:///$4?socket=/s"; exit
                else touch "$STORE/recorded"; echo "blktap: the connection to the daemon broke: the daemon closed the connection"; fi >&2; exit 1 ;;
              detach*:broke) [ -e "$STORE/recorded" ] && { mv "$STORE/recorded" "$STORE/gone"; exit; }; echo "blktap: the connection to the daemon broke: Connection reset by peer" >&2; exit 1 ;;
              attach*:long) printf 'blktap: cannot be opened: %05000d\\n' 1 >&2; exit 1 ;;
              *:fault) echo "blktap: internal error, see the daemon's log: oops" >&2; exit 1 ;;
              *:magic) printf 'blktap: /vm/a.qcow: bad magic \\033[2J\\377\\\\x\\n' >&2; exit 1 ;;
            esac
            # there cannot be a ring where the tests run
            for word; do shift; case $word in xen:*) set -- "$@" vhost-user ;; *) set -- "$@" "$word" ;; esac; done
            exec "$REAL/bin/blktap" "$@"
            """;

    static final String BACKEND = "backend/vbd/1/51712";

    @TempDir
    static Path directory;

    static Daemon daemon;
    static Path image;
    static Path programs;

    @TempDir
    Path test;

    Path store;
    Path home;
    String answer = "";

    @BeforeAll
    static void start() throws Exception {
        daemon = Daemon.started(directory);
        image = directory.resolve("a.qcow");
        daemon.blktap("create", "tap:qcow:" + image, "64M").ok();
        programs = Files.createDirectory(directory.resolve("programs"));
        program(programs.resolve("xenstore-read"), XENSTORE_READ);
        program(programs.resolve("xenstore-write"), XENSTORE_WRITE);
    }

    static void program(Path file, String text) throws Exception {
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
        home = Files.createDirectory(test.resolve("home"));
        Files.createDirectories(home.resolve("bin"));
        Files.createDirectories(home.resolve("etc/xen/scripts"));
        Files.copy(
                daemon.home.resolve("etc/xen/scripts/block-blktap"),
                home.resolve("etc/xen/scripts/block-blktap"),
                StandardCopyOption.COPY_ATTRIBUTES);
        program(home.resolve("bin/blktap"), CLIENT);
    }

    @AfterEach
    void nothingIsLeft() throws Exception {
        assertEquals(0, daemon.list().size());
        try (Stream<Path> files = Files.list(daemon.runDir)) {
            assertEquals(
                    List.of(),
                    files.map(file -> file.getFileName().toString())
                            .filter(name -> name.startsWith("xen-"))
                            .toList());
        }
    }

    /** Nodes as the toolstack writes them. */
    void backend(String path, String target, String mode) throws Exception {
        node(path + "/frontend", "/local/domain/1/device/vbd/51712");
        node(path + "/params", target);
        node(path + "/mode", mode);
        node(path + "/device-type", "disk");
    }

    void node(String path, String value) throws Exception {
        Files.createDirectories(store.resolve(path).getParent());
        Files.writeString(store.resolve(path), value);
    }

    String node(String path) throws Exception {
        return Files.exists(store.resolve(path)) ? Files.readString(store.resolve(path)) : null;
    }

    List<String> asked() throws Exception {
        String all = node("asked");
        Files.deleteIfExists(store.resolve("asked"));
        return all == null ? List.of() : all.lines().toList();
    }

    Map<String, String> environment(String path) {
        Map<String, String> environment = new HashMap<>();
        environment.put("PATH", programs + ":" + System.getenv("PATH"));
        environment.put("BLKTAP_RUN_DIR", daemon.runDir.toString());
        environment.put("STORE", store.toString());
        environment.put("REAL", daemon.home.toString());
        environment.put("ANSWER", answer);
        environment.put("XENBUS_PATH", path);
        environment.put("XENBUS_TYPE", "vbd");
        environment.put("XENBUS_BASE_PATH", "backend");
        return environment;
    }

    /** As it is installed: by a link. */
    Run scriptAs(String name, String action, String path) throws Exception {
        Path link = test.resolve(name);
        if (!Files.exists(link)) {
            Files.createSymbolicLink(link, home.resolve("etc/xen/scripts/block-blktap"));
        }
        return Run.of(environment(path), link.toString(), action);
    }

    Run script(String action, String path) throws Exception {
        return scriptAs("block-blktap", action, path);
    }

    void failed(Run run, String path, String text) throws Exception {
        assertEquals(1, run.status(), run::toString);
        assertEquals("error", node(path + "/hotplug-status"), run::toString);
        assertTrue(node(path + "/hotplug-error").contains(text), node(path + "/hotplug-error"));
        assertFalse(node(path + "/hotplug-error").contains("\n"));
        assertTrue(run.err().contains(text), run::toString);
        assertNull(node(path + "/physical-device"));
        assertNull(node(path + "/physical-device-path"));
        Files.delete(store.resolve(path + "/hotplug-error"));
    }
}
