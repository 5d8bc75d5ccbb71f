package org.blktap.itests;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.google.gson.JsonArray;
import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import com.google.gson.JsonParser;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The contexts of BLOCK_STATUS as the tools of libnbd and QEMU show them. */
class NbdContextsIT {
    private static final int MIB = 1 << 20;

    @TempDir
    static Path directory;

    private static Daemon daemon;

    @BeforeAll
    static void start() throws Exception {
        daemon = Daemon.started(directory);
    }

    @AfterAll
    static void stop() throws Exception {
        daemon.close();
    }

    private static void write(String format, String image, int pattern, int from, int mebibytes) throws Exception {
        Run.of("qemu-io", "-f", format, image, "-c", "write -P " + pattern + " " + from + "M " + mebibytes + "M")
                .ok();
    }

    private static Run json(String... command) throws Exception {
        return Run.of(command).ok();
    }

    /** Runs as "offset length number" in MiB, the number being a member of each. */
    private static List<String> runs(Run map, String length, String member) {
        List<String> runs = new ArrayList<>();
        JsonArray all = JsonParser.parseString(map.out()).getAsJsonArray();
        for (JsonElement each : all) {
            JsonObject run = each.getAsJsonObject();
            runs.add(inMebibytes(run, offset(run)) + " " + inMebibytes(run, length) + " " + run.get(member));
        }
        return runs;
    }

    private static String offset(JsonObject run) {
        return run.has("offset") ? "offset" : "start";
    }

    private static double inMebibytes(JsonObject run, String member) {
        return run.get(member).getAsDouble() / MIB;
    }

    private static List<String> nbdinfo(String context, String uri) throws Exception {
        return runs(json("nbdinfo", "--map=" + context, "--json", uri), "length", "type");
    }

    /** How QEMU's users look at a context of an export: {@code data} is false where a bit of the state is set. */
    private static List<String> qemuMap(String id, String context) throws Exception {
        return runs(
                json(
                        "qemu-img",
                        "map",
                        "--output=json",
                        "--image-opts",
                        "driver=nbd,server.type=unix,server.path=" + daemon.runDir.resolve("nbd.sock") + ",export=" + id
                                + ",x-dirty-bitmap=" + context),
                "length",
                "data");
    }

    @Test
    void theDepthOfAChainIsSeen() throws Exception {
        String base = directory.resolve("base.raw").toString();
        String middle = directory.resolve("middle.qcow2").toString();
        String top = directory.resolve("top.qcow2").toString();
        Run.of("truncate", "-s", "32M", base).ok();
        write("raw", base, 1, 0, 4);
        daemon.blktap("create", "tap:qcow2:" + middle, "48M", "--backing", "tap:aio:" + base)
                .ok();
        write("qcow2", middle, 2, 2, 4);
        daemon.blktap("create", "tap:qcow2:" + top, "64M", "--backing", "tap:qcow2:" + middle)
                .ok();
        write("qcow2", top, 3, 5, 2);
        daemon.attach("tap:qcow2:" + top, "chain", "--node", "nbd");
        String uri = daemon.nbd("chain");
        assertEquals(List.of("0.0 7.0 0", "7.0 57.0 3"), nbdinfo("base:allocation", uri));
        // where nothing was written the base, a file, still has the range; past its end nobody has
        assertEquals(
                List.of("0.0 2.0 3", "2.0 3.0 2", "5.0 2.0 1", "7.0 25.0 3", "32.0 32.0 0"),
                nbdinfo("qemu:allocation-depth", uri));
        assertEquals(List.of("0.0 7.0 true", "7.0 57.0 false"), qemuMap("chain", "base:allocation"));
        String list = Run.of("nbdinfo", "--json", uri).ok().out();
        assertTrue(list.contains("base:allocation") && list.contains("qemu:allocation-depth"), list);
        daemon.detach("chain");
    }
}
