package org.blktap.itests;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import com.google.gson.JsonArray;
import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import com.google.gson.JsonParser;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;
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
    /** What is put before a command, see {@link #newer}. */
    private static List<String> newer;

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

    private static void copy(String id, Path to, long offset, long mebibytes) throws Exception {
        String range = "driver=raw,offset=" + offset * MIB + ",size=" + mebibytes * MIB + ",file.driver=";
        Run.of(
                        "qemu-img",
                        "convert",
                        "-n",
                        "--image-opts",
                        "--target-image-opts",
                        range + "nbd,file.server.type=unix,file.server.path=" + daemon.runDir.resolve("nbd.sock")
                                + ",file.export=" + id,
                        range + "file,file.filename=" + to)
                .ok();
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

    /** A full copy, writes, and a copy of only what the bitmap has, as clients of QEMU make incremental backups. */
    @Test
    void theDirtyExtentsAreSeenAndCopied() throws Exception {
        Path image = directory.resolve("dirty.qcow2");
        Path backup = directory.resolve("backup.raw");
        daemon.blktap("create", "tap:qcow2:" + image, "32M").ok();
        daemon.attach("tap:qcow2:" + image, "dirty", "--node", "nbd");
        String uri = daemon.nbd("dirty");
        write("raw", uri, 1, 0, 16);
        daemon.blktap("bitmap", "add", "dirty", "daily").ok();
        Run.of("qemu-img", "convert", "-O", "raw", uri, backup.toString()).ok();
        assertEquals(List.of("0.0 32.0 0"), nbdinfo("qemu:dirty-bitmap:daily", uri));
        write("raw", uri, 2, 4, 1);
        write("raw", uri, 3, 20, 2);
        List<String> dirty = List.of("0.0 4.0 0", "4.0 1.0 1", "5.0 15.0 0", "20.0 2.0 1", "22.0 10.0 0");
        assertEquals(dirty, nbdinfo("qemu:dirty-bitmap:daily", uri));
        assertEquals(
                List.of("0.0 4.0 true", "4.0 1.0 false", "5.0 15.0 true", "20.0 2.0 false", "22.0 10.0 true"),
                qemuMap("dirty", "qemu:dirty-bitmap:daily"));
        assertTrue(
                Run.of("nbdinfo", "--json", uri).ok().out().contains("qemu:dirty-bitmap:daily"),
                "nbdinfo lists the bitmap");
        for (String run : dirty) {
            String[] fields = run.split(" ");
            if (fields[2].equals("1")) {
                long offset = (long) Double.parseDouble(fields[0]);
                long length = (long) Double.parseDouble(fields[1]);
                copy("dirty", backup, offset, length);
            }
        }
        Qemu.equal("raw", uri, "raw", backup);
        // over a kill, and gone after it is removed
        daemon.kill();
        daemon.start();
        Wait.until("it runs again", () -> daemon.state("dirty").equals("running"));
        assertEquals(dirty, nbdinfo("qemu:dirty-bitmap:daily", uri));
        daemon.blktap("bitmap", "remove", "dirty", "daily").ok();
        Daemon.assertStatus(1, Run.of("nbdinfo", "--map=qemu:dirty-bitmap:daily", uri));
        daemon.detach("dirty");
    }

    /** Runs a client whose libnbd and QEMU ask for extended headers: this machine's, or else Debian 13's. */
    private static Run newer(String... command) throws Exception {
        return Run.of(Stream.concat(newer.stream(), Stream.of(command)).toArray(String[]::new));
    }

    private static List<String> findNewer() throws Exception {
        String asks = "import nbd; nbd.NBD().get_extended_headers_negotiated";
        if (Run.of("/usr/bin/python3", "-c", asks).status() == 0) {
            return List.of("env");
        }
        assumeTrue(
                System.getProperty("user.name").equals("root"),
                "libnbd is older than 1.18 here, and only root gets Debian 13's");
        String script = Path.of(System.getProperty("project.root"), "itests/newer-clients")
                .toString();
        Run.of(script).ok();
        return List.of(script);
    }

    /** One request for 11 GiB, where 32 bits have room for less than 4. */
    @Test
    void zerosOverMoreThanFourGibibytesByExtendedHeaders() throws Exception {
        newer = findNewer();
        Path image = directory.resolve("large.qcow2");
        daemon.blktap("create", "tap:qcow2:" + image, "16G").ok();
        daemon.attach("tap:qcow2:" + image, "large", "--node", "nbd");
        String uri = daemon.nbd("large");
        for (int from : new int[] {0, 6 << 10, 11 << 10, 15 << 10}) {
            write("raw", uri, 1, from, 4);
        }
        assertTrue(newer("nbdinfo", uri).ok().out().contains("using extended packets"), "what nbdinfo says");
        Run zero = newer("python3", "-c", """
                import nbd, sys
                MIB, GIB = 1 << 20, 1 << 30
                h = nbd.NBD()
                h.add_meta_context("base:allocation")
                h.connect_uri(sys.argv[1])
                assert h.get_extended_headers_negotiated()
                h.zero(11 * GIB, 1 * MIB)
                h.flush()
                for at, data in (0, 1), (MIB, 0), (3 * MIB, 0), (6 * GIB, 0), (11 * GIB, 0), (11 * GIB + MIB, 1), (15 * GIB, 1):
                    assert h.pread(MIB, at) == bytes([data]) * MIB, at
                def show():
                    runs = []
                    def add(context, offset, extents, error):
                        for length, state in extents:
                            zero = bool(state & nbd.STATE_ZERO)
                            if runs and runs[-1][1] == zero:
                                length += runs.pop()[0] * MIB
                            runs.append((length // MIB, zero))
                    h.block_status_64(16 * GIB, 0, add)
                    print(*[f"{length} {'zeros' if zero else 'data'}" for length, zero in runs], sep=", ")
                show()
                h.trim(5 * GIB, 10 * GIB + MIB)
                h.cache(16 * GIB, 0)
                h.flush()
                assert h.pread(MIB, 15 * GIB) == bytes(MIB)
                assert h.pread(MIB, 15 * GIB + MIB) == bytes([1]) * MIB
                show()
                h.shutdown()
                """, uri).ok();
        assertEquals(
                List.of(
                        "1 data, 11264 zeros, 3 data, 4092 zeros, 4 data, 1020 zeros",
                        "1 data, 15360 zeros, 3 data, 1020 zeros"),
                zero.out().lines().toList());
        // and QEMU's, which sends its data with such headers as well
        Path copy = directory.resolve("copy.img");
        Run.of("truncate", "-s", "16G", copy.toString()).ok();
        write("raw", copy.toString(), 5, 3 << 10, 2);
        newer("qemu-img", "convert", "-n", "-f", "raw", "-O", "raw", copy.toString(), uri)
                .ok();
        String trace = newer("qemu-io", "--trace", "nbd_*", "-f", "raw", "-c", "map", uri)
                .ok()
                .err();
        assertTrue(trace.contains("option reply 11 (extended headers), type 1 (ack)"), trace);
        assertTrue(trace.contains(".len = 17179869184, ") && trace.contains("block status (64-bit)"), trace);
        newer("qemu-img", "compare", "-f", "raw", "-F", "raw", copy.toString(), uri)
                .ok();
        newer("nbdcopy", uri, directory.resolve("back.img").toString()).ok();
        Qemu.equal("raw", copy, "raw", directory.resolve("back.img"));
        daemon.detach("large");
        daemon.blktap("check", "tap:qcow2:" + image).ok();
    }
}
