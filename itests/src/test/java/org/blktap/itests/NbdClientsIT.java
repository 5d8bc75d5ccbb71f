package org.blktap.itests;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.google.gson.JsonArray;
import com.google.gson.JsonParser;
import java.nio.file.Path;
import java.util.Random;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Real NBD clients against the built distribution; contents are compared with what qemu-img reads from the files. */
class NbdClientsIT {
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

    /** A file of random sectors, zeros and holes. */
    private static Path source(String name, int megabytes) throws Exception {
        Path file = directory.resolve(name);
        long seed = System.nanoTime();
        System.out.println(name + " seed " + seed);
        Random random = new Random(seed);
        try (var channel = java.nio.channels.FileChannel.open(
                file, java.nio.file.StandardOpenOption.CREATE, java.nio.file.StandardOpenOption.WRITE)) {
            byte[] block = new byte[65536];
            for (int i = 0; i < megabytes * 16; i++) {
                if (random.nextInt(3) > 0) {
                    random.nextBytes(block);
                    channel.write(java.nio.ByteBuffer.wrap(block, 0, 512 * (1 + random.nextInt(128))), i * 65536L);
                }
            }
            channel.write(java.nio.ByteBuffer.wrap(new byte[512]), megabytes * 1048576L - 512);
        }
        return file;
    }

    @Test
    void whatIsCopiedInIsWhatTheFileHolds() throws Exception {
        Path source = source("in.raw", 64);
        Path raw = directory.resolve("in.img");
        Path qcow = directory.resolve("in.qcow");
        daemon.blktap("create", "tap:aio:" + raw, "64M").ok();
        daemon.blktap("create", "tap:qcow:" + qcow, "64M").ok();
        daemon.attach("tap:aio:" + raw, "in-raw", "--node", "nbd");
        daemon.attach("tap:qcow:" + qcow, "in-qcow", "--node", "nbd");
        Run.of("nbdcopy", source.toString(), daemon.nbd("in-raw")).ok();
        Run.of("qemu-img", "convert", "-n", "-f", "raw", "-O", "raw", source.toString(), daemon.nbd("in-qcow"))
                .ok();
        Qemu.equal("raw", source, "raw", daemon.nbd("in-raw"));
        Qemu.equal("raw", daemon.nbd("in-raw"), "raw", daemon.nbd("in-qcow"));
        Run.of("nbdcopy", daemon.nbd("in-qcow"), directory.resolve("out.raw").toString())
                .ok();
        Run.of("cmp", source.toString(), directory.resolve("out.raw").toString())
                .ok();
        daemon.detach("in-raw");
        daemon.detach("in-qcow");
        Qemu.equal("raw", source, "raw", raw);
        Qemu.equal("raw", source, "qcow", qcow);
        daemon.blktap("check", "tap:qcow:" + qcow).ok();
    }

    @Test
    void imagesOfOthersAreServed() throws Exception {
        Path source = source("theirs.raw", 32);
        for (String compressed : new String[] {"", "-c"}) {
            Path qcow = directory.resolve("theirs" + compressed + ".qcow");
            // qemu-img 7.2 ends a compressed qcow with status 1, and a right image
            Run.of("sh", "-c", "qemu-img convert -f raw -O qcow " + compressed + " " + source + " " + qcow);
            Qemu.equal("raw", source, "qcow", qcow);
            daemon.attach("tap:qcow:" + qcow, "theirs", "--node", "nbd", "--read-only");
            Qemu.equal("raw", source, "raw", daemon.nbd("theirs"));
            daemon.detach("theirs");
        }
    }

    @Test
    void anOverlayLeavesItsBaseAlone() throws Exception {
        Path base = source("base.raw", 32);
        Run.of(
                        "cp",
                        "--sparse=always",
                        base.toString(),
                        directory.resolve("model.raw").toString())
                .ok();
        Path overlay = directory.resolve("overlay.qcow");
        String sum = Run.of("sha256sum", base.toString()).ok().out();
        daemon.blktap("create", "tap:qcow:" + overlay, "32M", "--backing", "tap:aio:" + base)
                .ok();
        daemon.attach("tap:qcow:" + overlay, "overlay", "--node", "nbd");
        for (String image : new String[] {
            daemon.nbd("overlay"), directory.resolve("model.raw").toString()
        }) {
            Run.of(
                            "qemu-io",
                            "-f",
                            "raw",
                            image,
                            "-c",
                            "write -P 1 0 4k",
                            "-c",
                            "write -P 2 1000k 100k",
                            "-c",
                            "write -P 3 5120 512",
                            "-c",
                            "write -z 2M 3M",
                            "-c",
                            "write -P 4 2500k 1k",
                            "-c",
                            "flush")
                    .ok();
        }
        Qemu.equal("raw", directory.resolve("model.raw"), "raw", daemon.nbd("overlay"));
        daemon.detach("overlay");
        Qemu.equal("raw", directory.resolve("model.raw"), "qcow", overlay);
        assertEquals(sum, Run.of("sha256sum", base.toString()).ok().out());
        daemon.blktap("check", "tap:qcow:" + overlay).ok();
    }

    @Test
    void fioVerifiesWhatItWrote() throws Exception {
        daemon.blktap("create", "tap:qcow:" + directory.resolve("fio.qcow"), "128M")
                .ok();
        daemon.attach("tap:qcow:" + directory.resolve("fio.qcow"), "fio-qcow", "--node", "nbd");
        daemon.attach("tap:ram:fio,size=128M", "fio-ram", "--node", "nbd");
        for (String id : new String[] {"fio-qcow", "fio-ram"}) {
            Run.of(
                            "fio",
                            "--name=v",
                            "--ioengine=nbd",
                            "--uri=" + daemon.nbd(id),
                            "--rw=randwrite",
                            "--bsrange=512-128k",
                            "--blockalign=512",
                            "--iodepth=32",
                            "--size=128M",
                            "--verify=crc32c",
                            "--verify_state_save=0",
                            "--verify_fatal=1",
                            "--fsync=64",
                            "--randrepeat=0")
                    .ok();
            assertTrue(daemon.stats(id)
                            .getAsJsonObject("operations")
                            .getAsJsonObject("write")
                            .get("count")
                            .getAsLong()
                    > 100);
            assertEquals(
                    0,
                    daemon.stats(id)
                            .getAsJsonObject("operations")
                            .getAsJsonObject("write")
                            .get("errors")
                            .getAsLong());
            daemon.detach(id);
        }
    }

    @Test
    void clientsAreToldWhatTheDiskIs() throws Exception {
        Path sparse = directory.resolve("sparse.img");
        Run.of("truncate", "-s", "16M", sparse.toString()).ok();
        Run.of("qemu-io", "-f", "raw", "-c", "write -P 9 4M 1M", sparse.toString())
                .ok();
        daemon.attach("tap:aio:" + sparse, "sparse", "--node", "nbd");
        daemon.attach("tap:ram:told,size=8M", "told", "--node", "nbd,tcp=0", "--read-only");
        String uri = daemon.nbd("sparse");
        String info = Run.of("nbdinfo", "--json", uri).ok().out();
        var export = JsonParser.parseString(info)
                .getAsJsonObject()
                .getAsJsonArray("exports")
                .get(0)
                .getAsJsonObject();
        assertEquals(16 << 20, export.get("export-size").getAsInt());
        for (String flag : new String[] {
            "can_flush", "can_fua", "can_trim", "can_zero", "can_multi_conn", "can_cache", "can_df", "can_fast_zero"
        }) {
            assertTrue(export.get(flag).getAsBoolean(), flag + " in " + info);
        }
        JsonArray map = JsonParser.parseString(
                        Run.of("nbdinfo", "--map", "--json", uri).ok().out())
                .getAsJsonArray();
        assertEquals(3, map.size(), map.toString());
        assertEquals(4 << 20, map.get(1).getAsJsonObject().get("offset").getAsInt());
        assertEquals(0, map.get(1).getAsJsonObject().get("type").getAsInt());
        assertEquals(3, map.get(2).getAsJsonObject().get("type").getAsInt());
        String list = Run.of("nbdinfo", "--list", "--json", uri.replace(":///sparse", ":///"))
                .ok()
                .out();
        assertTrue(list.contains("\"sparse\"") && list.contains("\"told\""), list);
        String tcp = daemon.nbd("told").replaceAll(".*(nbd://[^ ]+).*", "$1");
        assertTrue(tcp.startsWith("nbd://127.0.0.1:"), tcp);
        String told = Run.of("nbdinfo", "--json", tcp).ok().out();
        assertTrue(told.replace(" ", "").contains("\"is_read_only\":true"), told);
        daemon.detach("sparse");
        daemon.detach("told");
    }

    /** The loop polls for a busy client, but not while the server waits for the client to read. */
    @Test
    void theLoopSleepsWhileAClientIsStopped() throws Exception {
        daemon.attach("tap:ram:stopped,size=64M", "stopped", "--node", "nbd");
        Process client = new ProcessBuilder(
                        "fio",
                        "--name=s",
                        "--ioengine=nbd",
                        "--uri=" + daemon.nbd("stopped"),
                        "--rw=randread",
                        "--bs=32k",
                        "--iodepth=240",
                        "--size=64M",
                        "--time_based",
                        "--runtime=3600")
                .redirectErrorStream(true)
                .redirectOutput(directory.resolve("fio.out").toFile())
                .start();
        try {
            Wait.until("the client is at work", () -> operations("stopped") > 200_000);
            for (ProcessHandle job : client.descendants().toList()) {
                Run.signal("STOP", job.pid());
            }
            Wait.until("the loop sleeps", () -> {
                long before = daemon.processorTicks("stopped");
                Thread.sleep(1000);
                return daemon.processorTicks("stopped") - before < 50;
            });
        } finally {
            client.descendants().forEach(ProcessHandle::destroyForcibly);
            client.destroyForcibly().waitFor();
        }
        daemon.detach("stopped");
    }

    @Test
    void aClientKilledInTheMiddleHarmsNobody() throws Exception {
        daemon.attach("tap:aio:" + source("victim.raw", 64), "victim", "--node", "nbd");
        String[] fio = {
            "fio",
            "--name=k",
            "--ioengine=nbd",
            "--uri=" + daemon.nbd("victim"),
            "--rw=randrw",
            "--bs=64k",
            "--iodepth=32",
            "--size=64M",
            "--time_based",
            "--runtime=3600"
        };
        Run.of("nbdinfo", daemon.nbd("victim")).ok();
        int descriptors = 0;
        long threads = 0;
        for (int i = 0; i < 4; i++) {
            Process client = new ProcessBuilder(fio)
                    .redirectErrorStream(true)
                    .redirectOutput(directory.resolve("fio.out").toFile())
                    .start();
            long before = operations("victim");
            Wait.until("the client is at work", () -> operations("victim") > before + 500);
            client.descendants().forEach(ProcessHandle::destroyForcibly);
            client.destroyForcibly().waitFor();
            Wait.until(
                    "its requests have ended",
                    () -> daemon.stats("victim").get("inFlight").getAsInt() == 0);
            Run.of("nbdinfo", daemon.nbd("victim")).ok();
            if (i == 0) {
                // the first client has caused all one-time allocations
                Wait.until("descriptors settle", () -> {
                    int now = daemon.descriptors();
                    Thread.sleep(300);
                    return now == daemon.descriptors();
                });
                descriptors = daemon.descriptors();
                threads = daemon.threads("blktap-victim");
            }
        }
        int expected = descriptors;
        Wait.until("no descriptor is left behind", () -> daemon.descriptors() <= expected);
        assertEquals(threads, daemon.threads("blktap-victim"));
        daemon.detach("victim");
        assertEquals(0, daemon.threads("blktap-victim"));
    }

    /** As README shows it. */
    @Test
    void anAttachmentGetsTcpBesideItsSocket() throws Exception {
        daemon.attach("tap:aio:" + source("both.raw", 16), "both", "--node", "nbd");
        String socket = daemon.nbd("both");
        String tcp = daemon.blktap("plug", "both", "nbd,tcp=0").ok().out().trim();
        assertTrue(tcp.matches("nbd://127\\.0\\.0\\.1:\\d+/both"), tcp);
        Qemu.equal("raw", socket, "raw", tcp);
        daemon.blktap("unplug", "both", tcp).ok();
        Run.of("nbdinfo", socket).ok();
        Daemon.assertStatus(1, Run.of("nbdinfo", tcp));
        daemon.detach("both");
    }

    private static long operations(String id) throws Exception {
        var operations = daemon.stats(id).getAsJsonObject("operations");
        return operations.getAsJsonObject("read").get("count").getAsLong()
                + operations.getAsJsonObject("write").get("count").getAsLong();
    }
}
