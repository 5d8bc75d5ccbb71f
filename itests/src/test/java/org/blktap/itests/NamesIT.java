package org.blktap.itests;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * Files whose names are not UTF-8. Java's output cannot be trusted for such names, so shell scripts create and compare
 * the files.
 */
class NamesIT {
    @TempDir
    Path directory;

    private Path images;

    @BeforeEach
    void images() throws Exception {
        images = Files.createDirectory(directory.resolve("images"));
    }

    /**
     * Runs a script in the images' directory; {@code $e} is a Latin 1 e with an acute accent, {@code $y} a byte that no
     * UTF-8 has.
     */
    private Run script(Daemon daemon, String... lines) throws Exception {
        return Run.of(
                        Map.of(
                                "BLKTAP_RUN_DIR",
                                daemon.runDir.toString(),
                                "BLKTAP_DATA_DIR",
                                daemon.dataDir.toString(),
                                "blktap",
                                daemon.home.resolve("bin/blktap").toString(),
                                "images",
                                images.toString()),
                        "sh",
                        "-ex",
                        "-c",
                        "e=$(printf '\\351') y=$(printf '\\377'); cd \"$images\"\n" + String.join("\n", lines))
                .ok();
    }

    @Test
    void anAttachmentOutlivesARestart() throws Exception {
        try (Daemon daemon = Daemon.started(directory)) {
            script(
                    daemon,
                    "$blktap create tap:raw:$images/caf$e.img 8M",
                    "$blktap attach tap:raw:$images/caf$e.img --id a --node nbd");
            Run.of("qemu-io", "-f", "raw", daemon.nbd("a"), "-c", "write -P 7 1M 64k")
                    .ok();
            daemon.stop();
            daemon.start();
            Run.of("qemu-io", "-f", "raw", "-r", daemon.nbd("a"), "-c", "read -P 7 1M 64k")
                    .ok();
            String spec = "tap:raw:" + images + "/caf";
            // readable as UTF-8, and exact
            assertEquals(spec + "\udce9.img", daemon.attachment("a").get("spec").getAsString());
            assertTrue(daemon.blktap("info", "a", "--json").ok().out().contains("caf\\udce9.img"));
            script(
                    daemon,
                    "$blktap list | grep -aF tap:raw:$images/caf$e.img",
                    "$blktap info a | grep -aF $images/caf$e.img",
                    "echo tap:info a | $blktap shell | grep -aF $images/caf$e.img",
                    "if $blktap attach tap:raw:caf$e.img --id b 2> err; then exit 9; fi",
                    "grep -F 'caf\\xe9.img' err",
                    "if $blktap info tap:raw:./caf$y.img 2> err; then exit 9; fi",
                    "grep -F 'caf\\xff.img' err",
                    "$blktap detach a",
                    "$blktap convert tap:raw:caf$e.img tap:qcow2:$images/caf$e.qcow2",
                    "$blktap check tap:qcow2:caf$e.qcow2",
                    "qemu-io -r -f qcow2 -c 'read -P 7 1M 64k' caf$e.qcow2",
                    "$blktap resize tap:qcow2:caf$e.qcow2 16M",
                    "$blktap map tap:qcow2:caf$e.qcow2 | grep -F 1048576",
                    "echo attach tap:qcow2:$images/caf$e.qcow2 --id s | $blktap shell",
                    "$blktap list | grep -aF caf$e.qcow2",
                    "$blktap tap-ctl list | grep -aF caf$e.qcow2",
                    "$blktap detach s",
                    "uri=$($blktap attach tap:raw:$images/caf$e.img --id n --node vhost-user:$images/v$e.sock --node nbd,socket=$images/n$e.sock | tail -n 1)",
                    "test -S v$e.sock; test -S n$e.sock",
                    "$blktap info n | grep -aF vhost-user:$images/v$e.sock",
                    "$blktap convert \"$uri\" tap:raw:copy$e",
                    "cmp caf$e.img copy$e",
                    "$blktap detach n",
                    "test ! -e v$e.sock");
        }
    }

    @Test
    void imagesNameOthers() throws Exception {
        Daemon daemon = new Daemon(directory, Map.of());
        script(daemon, "mkdir d$y; cd d$y", "head -c 8M /dev/urandom > raw$e");
        for (String type : new String[] {"qcow", "qcow2", "vhd", "vmdk"}) {
            script(
                    daemon,
                    "cd d$y",
                    "t=" + type,
                    "$blktap convert tap:raw:raw$e tap:$t:base$e.$t",
                    "$blktap create tap:$t:top$y.$t --backing tap:$t:base$e.$t",
                    "o=; [ $t != qcow ] || o='-o backing-type=qcow'",
                    "$blktap info tap:$t:top$y.$t $o | grep -aF base$e.$t",
                    "$blktap convert tap:$t:top$y.$t tap:raw:out.$t $(echo $o | sed s/-o/--source-option/)",
                    "cmp raw$e out.$t");
        }
        // QEMU's names are ours
        script(
                daemon,
                "cd d$y",
                "qemu-img create -q -f qcow2 -F raw -b raw$e q$e.qcow2",
                "$blktap convert tap:qcow2:q$e.qcow2 tap:raw:out.q",
                "cmp raw$e out.q",
                "qemu-img convert -f qcow2 -O raw top$y.qcow2 out.qemu",
                "cmp raw$e out.qemu",
                "$blktap create tap:qcow2:d$e.qcow2 1M -o data-file=data$e",
                "qemu-io -f qcow2 -c 'write -P 3 0 64k' d$e.qcow2",
                "$blktap check tap:qcow2:d$e.qcow2",
                "$blktap create tap:vmdk:f$e.vmdk 1M -o subformat=monolithicFlat",
                "qemu-io -f vmdk -c 'write -P 3 0 64k' f$e.vmdk",
                "$blktap map tap:vmdk:f$e.vmdk");
    }
}
