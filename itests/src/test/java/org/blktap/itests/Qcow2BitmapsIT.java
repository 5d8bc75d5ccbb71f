package org.blktap.itests;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import com.google.gson.JsonParser;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Bitmaps in qcow2 images, with QEMU's programs as the other side. */
class Qcow2BitmapsIT {
    /** Exit status of qemu-img check: leaked clusters, and no errors. */
    private static final int LEAKS = 3;

    @TempDir
    Path directory;

    private Daemon daemon;
    private Path image;
    private String spec;
    /** Whether a daemon was killed while it had the image open: clusters that it had set aside are leaks then. */
    private boolean killed;

    @BeforeEach
    void start() throws Exception {
        daemon = Daemon.started(directory);
        image = directory.resolve("disk.qcow2");
        spec = "tap:qcow2:" + image;
        Run.of("qemu-img", "create", "-q", "-f", "qcow2", image.toString(), "64M")
                .ok();
    }

    @AfterEach
    void stop() throws Exception {
        daemon.close();
    }

    private static void bitmap(Path image, String... arguments) throws Exception {
        List<String> all = new ArrayList<>(List.of("qemu-img", "bitmap", "-f", "qcow2"));
        all.addAll(List.of(arguments).subList(0, arguments.length - 1));
        all.add(image.toString());
        all.add(arguments[arguments.length - 1]);
        Run.of(all.toArray(String[]::new)).ok();
    }

    /** The dirty ranges that an NBD server shows. */
    private static List<String> dirty(String uri, String name) throws Exception {
        Run map = Run.of("nbdinfo", "--map=qemu:dirty-bitmap:" + name, "--json", uri)
                .ok();
        List<String> ranges = new ArrayList<>();
        long from = -1;
        long at = 0;
        for (JsonElement each : JsonParser.parseString(map.out()).getAsJsonArray()) {
            JsonObject extent = each.getAsJsonObject();
            at = extent.get("offset").getAsLong();
            boolean set = extent.get("type").getAsInt() == 1;
            if (!set && from >= 0) {
                ranges.add(from + "-" + at);
            }
            from = !set ? -1 : from < 0 ? at : from;
            at += extent.get("length").getAsLong();
        }
        if (from >= 0) {
            ranges.add(from + "-" + at);
        }
        return ranges;
    }

    /** The dirty ranges that QEMU finds in the image. */
    private List<String> dirtyForQemu(String name) throws Exception {
        Path socket = directory.resolve("qemu.sock");
        Process server = new ProcessBuilder(
                        "qemu-nbd", "-r", "-t", "-f", "qcow2", "-B", name, "-k", socket.toString(), image.toString())
                .inheritIO()
                .start();
        try {
            Wait.until("qemu-nbd listens", () -> Files.exists(socket) || !server.isAlive());
            return dirty("nbd+unix:///?socket=" + socket, name);
        } finally {
            server.destroy();
            server.waitFor(60, TimeUnit.SECONDS);
            Files.deleteIfExists(socket);
        }
    }

    private List<String> dirtyForUs(String name) throws Exception {
        return dirty(daemon.nbd("a"), name);
    }

    private void kill() throws Exception {
        daemon.kill();
        killed = true;
    }

    /** Name, flags and granularity of each bitmap, as QEMU lists them; and QEMU finds nothing wrong. */
    private List<String> inImage(Path image) throws Exception {
        Run check = Run.of("qemu-img", "check", "-f", "qcow2", image.toString());
        assertTrue(check.status() == 0 || killed && check.status() == LEAKS, check::toString);
        JsonObject data = JsonParser.parseString(
                        Run.of("qemu-img", "info", "-f", "qcow2", "--output=json", image.toString())
                                .ok()
                                .out())
                .getAsJsonObject()
                .getAsJsonObject("format-specific")
                .getAsJsonObject("data");
        List<String> all = new ArrayList<>();
        if (data.has("bitmaps")) {
            for (JsonElement each : data.getAsJsonArray("bitmaps")) {
                JsonObject bitmap = each.getAsJsonObject();
                all.add(bitmap.get("name").getAsString() + " " + bitmap.get("flags") + " " + bitmap.get("granularity"));
            }
        }
        all.sort(null);
        return all;
    }

    private String list(String id) throws Exception {
        return daemon.blktap("bitmap", "list", id).ok().out();
    }

    @Test
    void qemuAndTheDaemonUseTheSameBitmaps() throws Exception {
        bitmap(image, "--add", "daily");
        bitmap(image, "--add", "-g", "128K", "weekly");
        bitmap(image, "--add", "--disable", "off");
        Qemu.io("qcow2", image.toString(), "write 1M 64k", "write 5M 200k", "write 63M 1M", "discard 9M 64k");
        List<String> before = dirtyForQemu("daily");
        assertTrue(before.size() >= 3, before::toString);

        // what QEMU has recorded
        daemon.attach(spec, "a", "--node", "nbd");
        assertTrue(list("a").matches("(?s).*daily +64K +\\S+ +recording.*weekly +128K +\\S+ +recording.*"), list("a"));
        assertFalse(list("a").contains("off"));
        assertEquals(before, dirtyForUs("daily"));
        Qemu.io("raw", daemon.nbd("a"), "write -P 7 20M 4k", "write -z 30M 300k", "flush");
        List<String> now = dirtyForUs("daily");
        assertTrue(now.size() >= before.size() + 2, now::toString);
        List<String> weekly = dirtyForUs("weekly");
        assertFalse(weekly.equals(now));

        // a killed daemon loses nothing
        kill();
        daemon.start();
        Wait.until("it runs", () -> daemon.state("a").equals("running"));
        assertEquals(now, dirtyForUs("daily"));
        assertFalse(list("a").contains("stale"));
        daemon.detach("a");

        // what we have recorded
        List<String> all = List.of("daily [\"auto\"] 65536", "off [] 65536", "weekly [\"auto\"] 131072");
        assertEquals(all, inImage(image));
        assertEquals(now, dirtyForQemu("daily"));
        assertEquals(weekly, dirtyForQemu("weekly"));
        bitmap(image, "--add", "--merge", "daily", "merged");
        assertEquals(now, dirtyForQemu("merged"));
        bitmap(image, "--remove", "merged");

        // a restart, a park and what QEMU writes meanwhile
        daemon.attach(spec, "a", "--node", "nbd");
        assertEquals(now, dirtyForUs("daily"));
        daemon.stop();
        assertEquals(all, inImage(image));
        daemon.start();
        Wait.until("it runs", () -> daemon.state("a").equals("running"));
        assertEquals(now, dirtyForUs("daily"));
        daemon.blktap("park", "a").ok();
        assertEquals(all, inImage(image));
        Qemu.io("qcow2", image.toString(), "write 40M 64k");
        List<String> more = dirtyForQemu("daily");
        assertEquals(now.size() + 1, more.size());
        daemon.blktap("resume", "a").ok();
        assertEquals(more, dirtyForUs("daily"));

        // an incremental backup clears it
        Path backup = directory.resolve("inc.qcow2");
        daemon.blktap("backup", "a", "tap:qcow2:" + backup, "--since", "daily", "--wait")
                .ok();
        assertEquals(List.of(), dirtyForUs("daily"));
        daemon.blktap("resize", "a", "80M").ok();
        assertEquals(List.of((64 << 20) + "-" + (80 << 20)), dirtyForUs("daily"));
        daemon.detach("a");
        assertEquals(all, inImage(image));
        assertEquals(List.of((64 << 20) + "-" + (80 << 20)), dirtyForQemu("daily"));
        assertFalse(daemon.log().contains("stale"), daemon.log());
    }

    @Test
    void bitmapsThatMissWritesAreStale() throws Exception {
        daemon.attach(spec, "a", "--node", "nbd");
        daemon.blktap("bitmap", "add", "a", "daily", "--granularity", "128K").ok();
        daemon.detach("a");
        assertEquals(List.of("daily [\"auto\"] 131072"), inImage(image));
        daemon.attach(spec, "a", "--node", "nbd");
        Qemu.io("raw", daemon.nbd("a"), "write -P 7 20M 4k", "flush");
        kill();

        // nobody but the daemon that was killed knows what was written
        Path copy = directory.resolve("copy.qcow2");
        Files.copy(image, copy);
        assertEquals(List.of("daily [\"in-use\",\"auto\"] 131072"), inImage(copy));
        daemon.start();
        Wait.until("it runs", () -> daemon.state("a").equals("running"));
        assertEquals(List.of("20971520-21102592"), dirtyForUs("daily"));
        daemon.attach("tap:qcow2:" + copy, "b", "--node", "nbd");
        assertTrue(list("b").matches("(?s).*daily +128K +64M +stale.*"), list("b"));
        Run backup =
                daemon.blktap("backup", "b", "tap:aio:" + directory.resolve("b.img"), "--since", "daily", "--wait");
        assertTrue(backup.status() != 0 && backup.err().contains("stale"), backup::toString);
        daemon.detach("b");
        assertEquals(List.of("daily [\"in-use\",\"auto\"] 131072"), inImage(copy));
        daemon.attach("tap:qcow2:" + copy, "b", "--node", "nbd");
        daemon.blktap("bitmap", "clear", "b", "daily").ok();
        daemon.detach("b");
        assertEquals(List.of("daily [\"auto\"] 131072"), inImage(copy));

        // what is removed goes from the image when it is closed
        daemon.blktap("park", "a").ok();
        assertEquals(List.of("daily [\"auto\"] 131072"), inImage(image));
        daemon.blktap("bitmap", "remove", "a", "daily").ok();
        daemon.blktap("resume", "a").ok();
        assertTrue(list("a").contains("daily"), "the image still has it");
        daemon.blktap("bitmap", "remove", "a", "daily").ok();
        daemon.detach("a");
        assertEquals(List.of(), inImage(image));
    }
}
