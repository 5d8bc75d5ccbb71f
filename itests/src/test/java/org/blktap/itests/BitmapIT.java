package org.blktap.itests;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.google.gson.JsonArray;
import com.google.gson.JsonObject;
import com.google.gson.JsonParser;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Dirty bitmaps of the built distribution: kills, restarts, and what is no longer the same disk. */
class BitmapIT extends DaemonUser {
    private static final int GRANULE = 64 << 10;
    private static final int BITS = 4096;

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

    private JsonArray list(String id) throws Exception {
        return JsonParser.parseString(
                        daemon.blktap("bitmap", "list", id, "--json").ok().out())
                .getAsJsonArray();
    }

    private JsonObject only(String id) throws Exception {
        JsonArray all = list(id);
        assertEquals(1, all.size(), all::toString);
        return all.get(0).getAsJsonObject();
    }

    private long dirty(String id) throws Exception {
        assertFalse(only(id).get("stale").getAsBoolean());
        return only(id).get("dirtyBytes").getAsLong();
    }

    private void startAgain() throws Exception {
        daemon.start();
        Wait.until("it runs", () -> daemon.state("a").equals("running"));
    }

    /** Counts the granules that differ from before, all of which must be dirty. */
    private int changed(byte[] before, byte[] after, String name) throws Exception {
        byte[] file = Files.readAllBytes(daemon.dataDir.resolve("bitmaps/a").resolve(name));
        int changed = 0;
        for (int at = 0; at < after.length; at += GRANULE) {
            if (!Arrays.equals(before, at, at + GRANULE, after, at, at + GRANULE)) {
                changed++;
                int bit = at / GRANULE;
                assertTrue((file[BITS + bit / 8] >> bit % 8 & 1) != 0, name + " misses what was written at " + at);
            }
        }
        return changed;
    }

    @Test
    void noWriteIsMissedByAKilledDaemon() throws Exception {
        Path image = directory.resolve("disk.raw");
        daemon.blktap("create", "tap:aio:" + image, "64M").ok();
        daemon.attach("tap:aio:" + image, "a", "--node", "nbd", "--filter", "throttle,iops=100000");
        assertTrue(
                daemon.blktap("bitmap", "add", "a", "daily").ok().out().strip().matches("paused \\d+ ms"));
        assertTrue(daemon.blktap("bitmap", "add", "a", "hourly", "--granularity", "64K")
                .ok()
                .out()
                .startsWith("paused"));
        assertTrue(
                daemon.blktap("filter", "list", "a", "--json").ok().out().matches("(?s).*\"bitmap\".*\"throttle\".*"),
                "it is on the image");
        for (int kills = 0; kills < 3; kills++) {
            daemon.blktap("bitmap", "clear", "a", "daily").ok();
            byte[] before = Files.readAllBytes(image);
            Path log = directory.resolve("fio.log");
            Process fio = new ProcessBuilder(
                            "fio",
                            "--name=w",
                            "--thread",
                            "--ioengine=nbd",
                            "--uri=" + daemon.nbd("a"),
                            "--rw=randwrite",
                            "--bs=4k",
                            "--iodepth=16",
                            "--size=64m",
                            "--rate_iops=2000",
                            "--randseed=" + System.nanoTime())
                    .redirectErrorStream(true)
                    .redirectOutput(log.toFile())
                    .start();
            try {
                Wait.until("it writes", () -> {
                    JsonArray all = list("a");
                    return all.get(0).getAsJsonObject().get("dirtyBytes").getAsLong() > 100 * GRANULE;
                });
                daemon.kill();
            } finally {
                fio.destroyForcibly().waitFor();
            }
            startAgain();
            int changed = changed(before, Files.readAllBytes(image), "daily");
            System.out.println(changed + " granules were written before the kill");
            assertTrue(changed > 50, changed + " granules were written; " + Files.readString(log));
            assertFalse(list("a").toString().contains("\"stale\":true"));
            assertFalse(daemon.log().contains("is stale"));
        }
        long dirty = list("a").get(0).getAsJsonObject().get("dirtyBytes").getAsLong();
        daemon.stop();
        startAgain();
        assertEquals(dirty, list("a").get(0).getAsJsonObject().get("dirtyBytes").getAsLong());
        daemon.detach("a");
    }

    /** A disk keeps its bitmaps whatever image it continues with, and the image gets them when it is closed. */
    @Test
    void bitmapsMoveAlong() throws Exception {
        daemon.blktap("create", "tap:qcow2:" + directory.resolve("first.qcow2"), "64M")
                .ok();
        daemon.attach("tap:qcow2:" + directory.resolve("first.qcow2"), "a", "--node", "nbd");
        io("a", "write -P 1 0 2M");
        daemon.blktap("bitmap", "add", "a", "daily").ok();
        io("a", "write -P 2 4M 1M");
        daemon.blktap("move", "a", "tap:vhd:" + directory.resolve("second.vhd"), "--wait")
                .ok();
        assertEquals(1 << 20, dirty("a"), "what is copied is not written by the VM");
        io("a", "write -P 3 20M 64k");
        daemon.blktap("snapshot", "a").ok();
        io("a", "write -P 4 30M 64k");
        daemon.blktap("commit", "a", "--wait").ok();
        assertEquals((1 << 20) + 2 * GRANULE, dirty("a"));
        Path last = directory.resolve("third.qcow2");
        daemon.blktap("move", "a", "tap:qcow2:" + last, "--wait").ok();
        io("a", "write -P 5 40M 64k", "read -P 2 4M 1M", "read -P 4 30M 64k");
        assertEquals((1 << 20) + 3 * GRANULE, dirty("a"));
        daemon.detach("a");
        String info = Run.of("qemu-img", "info", "--output=json", last.toString())
                .ok()
                .out();
        assertTrue(info.contains("\"daily\""), info);
    }

    @Test
    void aBitmapIsOfOneDisk() throws Exception {
        String spec = "tap:qcow2:" + directory.resolve("disk.qcow2");
        daemon.blktap("create", spec, "64M").ok();
        daemon.attach(spec, "a", "--node", "nbd");
        daemon.blktap("bitmap", "add", "a", "daily", "--json").ok();
        io("a", "write -P 7 1M 4k", "write -z 2M 64k", "discard 3M 64k", "flush", "read 5M 4k");
        assertEquals(3 * GRANULE, dirty("a"));
        Run table = daemon.blktap("bitmap", "list", "a").ok();
        assertTrue(
                table.out().matches("(?s)BITMAP +GRANULARITY +DIRTY +STATE\\s+daily +64K +192K +recording\\s+"),
                table::toString);
        daemon.blktap("resize", "a", "65M").ok();
        assertEquals(3 * GRANULE + (1 << 20), dirty("a"), "what has grown is dirty");
        daemon.blktap("park", "a").ok();
        assertEquals(3 * GRANULE + (1 << 20), dirty("a"));
        assertTrue(daemon.blktap("bitmap", "clear", "a", "daily").ok().out().contains("parked"));
        daemon.blktap("resume", "a").ok();
        assertEquals(0, dirty("a"));
        Run exists = daemon.blktap("bitmap", "add", "a", "daily");
        assertTrue(exists.status() != 0 && exists.err().contains("has a bitmap daily"), exists::toString);

        // the same id, but nobody knows what was written in between
        daemon.detach("a");
        daemon.attach(spec, "a", "--node", "nbd", "--filter", "bitmap,names=daily");
        assertTrue(only("a").get("stale").getAsBoolean());
        assertTrue(daemon.log().contains("a: bitmap daily is stale, and all of the disk counts as written"));
        daemon.blktap("bitmap", "clear", "a", "daily").ok();
        io("a", "write -P 8 1M 4k", "flush");
        daemon.kill();
        startAgain();
        assertEquals(GRANULE, dirty("a"));

        // a file that is lost is no fresh bitmap: the image has it, if it was closed
        daemon.stop();
        Files.delete(daemon.dataDir.resolve("bitmaps/a/daily"));
        startAgain();
        assertEquals(GRANULE, dirty("a"));
        io("a", "write -P 9 1M 4k", "flush");
        daemon.kill();
        Files.delete(daemon.dataDir.resolve("bitmaps/a/daily"));
        startAgain();
        assertTrue(only("a").get("stale").getAsBoolean());
        assertEquals(65 << 20, only("a").get("dirtyBytes").getAsLong());
        daemon.blktap("bitmap", "remove", "a", "daily").ok();
        assertEquals(
                "[]", daemon.blktap("filter", "list", "a", "--json").ok().out().strip());
        assertFalse(Files.exists(daemon.dataDir.resolve("bitmaps/a/daily")));
        daemon.detach("a");
    }
}
