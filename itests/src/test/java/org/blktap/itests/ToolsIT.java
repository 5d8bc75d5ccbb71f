package org.blktap.itests;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.google.gson.JsonArray;
import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import com.google.gson.JsonParser;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * Work on images that are not attached: convert from each type to each, with and without compression; map, resize,
 * info; the old tools.
 */
class ToolsIT {
    private static final int BYTES = 512 * 60_001;

    @TempDir
    static Path directory;

    private static Daemon daemon;
    private static Path source;

    /**
     * What is converted to.
     *
     * @param format as qemu-img calls it, or null
     */
    private record Target(String type, String format, List<String> options) {}

    private static final List<Target> TARGETS = List.of(
            new Target("raw", "raw", List.of()),
            new Target("qcow", "qcow", List.of()),
            new Target("qcow", "qcow", List.of("--compress")),
            new Target("qcow2", "qcow2", List.of()),
            new Target("qcow2", "qcow2", List.of("-o", "extended-l2=yes")),
            new Target("qcow2", "qcow2", List.of("--compress")),
            new Target("qcow2", "qcow2", List.of("--compress", "-o", "compression=zstd")),
            new Target("qcow2", "qcow2", List.of("--compress", "-o", "cluster-size=4K", "-o", "refcount-bits=2")),
            new Target("vmdk", "vmdk", List.of()),
            new Target("vmdk", "vmdk", List.of("-o", "subformat=twoGbMaxExtentSparse")),
            new Target("vmdk", "vmdk", List.of("-o", "subformat=monolithicFlat")),
            new Target("vmdk", "vmdk", List.of("--compress")),
            new Target("vhd", "vpc", List.of()),
            new Target("vhd", "vpc", List.of("-o", "subformat=fixed")),
            new Target("vhdx", "vhdx", List.of()),
            new Target("vhdx", "vhdx", List.of("-o", "subformat=fixed")));

    /** What 7-Zip reads too: neither zstd, subclusters, qcow's compressed clusters, nor VHDX that it did not expect. */
    private static final List<Target> SEVEN_ZIP = TARGETS.stream()
            .filter(target -> switch (target.type()) {
                case "vmdk", "vhd" -> true;
                case "qcow" -> target.options().isEmpty();
                case "qcow2" -> target.options().isEmpty() || target.options().equals(List.of("--compress"));
                default -> false;
            })
            .toList();

    @BeforeAll
    static void start() throws Exception {
        long seed = Long.getLong("seed", System.nanoTime());
        System.out.println("tools: seed " + seed);
        Random random = new Random(seed);
        source = directory.resolve("source.raw");
        try (FileChannel channel = FileChannel.open(source, StandardOpenOption.CREATE_NEW, StandardOpenOption.WRITE)) {
            byte[] block = new byte[65536];
            for (long at = 0; at + 65536 < BYTES; at += 65536) {
                int kind = random.nextInt(3);
                if (kind == 1) {
                    random.nextBytes(block);
                } else {
                    java.util.Arrays.fill(block, (byte) random.nextInt());
                }
                if (kind != 0) {
                    channel.write(
                            ByteBuffer.wrap(block, 0, 512 * (1 + random.nextInt(128))), at + 512 * random.nextInt(64));
                }
            }
            channel.write(ByteBuffer.wrap(new byte[512]), BYTES - 512);
        }
        daemon = Daemon.started(directory);
    }

    @AfterAll
    static void stop() throws Exception {
        daemon.close();
    }

    private static List<String> names() throws Exception {
        return names(directory);
    }

    private static List<String> names(Path in) throws IOException {
        try (Stream<Path> files = Files.list(in)) {
            return files.map(file -> file.getFileName().toString()).sorted().toList();
        }
    }

    @Test
    void eachTypeIsConvertedToEach() throws Exception {
        String from = "tap:raw:" + source;
        int n = 0;
        for (Target target : TARGETS) {
            Path image = directory.resolve("converted" + n++ + "." + target.type());
            String spec = "tap:" + target.type() + ":" + image;
            List<String> command = new ArrayList<>(List.of("convert", from, spec));
            command.addAll(target.options());
            daemon.blktap(command.toArray(new String[0])).ok();
            Qemu.equal("raw", source, target.format(), image);
            if (List.of("qcow2", "vmdk", "vhdx").contains(target.format())) {
                Run.of("qemu-img", "check", "-f", target.format(), image.toString())
                        .ok();
            }
            if (!target.type().equals("raw")) {
                daemon.blktap("check", spec).ok();
            }
            if (SEVEN_ZIP.contains(target)) {
                Path other = directory.resolve("other.raw");
                // Debian 12 calls it 7zz, Debian 13 7z
                Run.of("sh", "-c", "$(command -v 7zz || command -v 7z) x -so " + image + " > " + other)
                        .ok();
                Run.of("cmp", source.toString(), other.toString()).ok();
            }
            // the next is made of this one
            from = spec;
        }
        daemon.blktap("convert", from, "tap:raw:" + directory.resolve("back")).ok();
        Run.of("cmp", source.toString(), directory.resolve("back").toString()).ok();
        assertTrue((long) Files.getAttribute(directory.resolve("back"), "unix:size") == BYTES);
        long blocks = Long.parseLong(
                Run.of("stat", "-c", "%b", directory.resolve("back").toString())
                        .ok()
                        .out()
                        .strip());
        assertTrue(blocks * 512 < BYTES, "it is sparse");
    }

    /** Reports holes inside a cluster too, which qemu-img does not look for. */
    @Test
    void theMapTellsAllHoles() throws Exception {
        Path image = directory.resolve("mapped.qcow2");
        Run.of("qemu-img", "convert", "-f", "raw", "-O", "qcow2", source.toString(), image.toString())
                .ok();
        JsonArray ours = JsonParser.parseString(daemon.blktap("map", "tap:qcow2:" + image, "--json")
                        .ok()
                        .out())
                .getAsJsonArray();
        byte[] contents = Files.readAllBytes(source);
        long at = 0;
        for (JsonElement each : ours) {
            JsonObject extent = each.getAsJsonObject();
            assertEquals(at, extent.get("start").getAsLong());
            for (long end = at + extent.get("length").getAsLong(); at < end; at++) {
                assertTrue(!extent.get("zero").getAsBoolean() || contents[(int) at] == 0, extent::toString);
            }
        }
        assertEquals(BYTES, at);
        long theirs = stored(Run.of("qemu-img", "map", "--output=json", image.toString())
                .ok()
                .out());
        assertTrue(stored(ours.toString()) <= theirs, "holes that qemu-img knows");
        assertTrue(daemon.blktap("map", "tap:qcow2:" + image).ok().out().contains("hole"));
    }

    private static long stored(String json) {
        long bytes = 0;
        for (JsonElement each : JsonParser.parseString(json).getAsJsonArray()) {
            bytes += each.getAsJsonObject().get("zero").getAsBoolean()
                    ? 0
                    : each.getAsJsonObject().get("length").getAsLong();
        }
        return bytes;
    }

    @Test
    void largerOverlaysDoNotShowMoreOfTheirBacking() throws Exception {
        for (String type : List.of("qcow", "qcow2")) {
            Path image = directory.resolve("over." + type);
            String spec = "tap:" + type + ":" + image;
            daemon.blktap("create", spec, "10M", "--backing", "tap:aio:" + source)
                    .ok();
            daemon.blktap("resize", spec, "40G").ok();
            assertEquals(
                    40L << 30,
                    JsonParser.parseString(
                                    daemon.blktap("info", spec, "--json").ok().out())
                            .getAsJsonObject()
                            .get("sizeBytes")
                            .getAsLong());
            Run.of("qemu-io", "-f", type, "-r", image.toString(), "-c", "read -P 0 10M 30M", "-c", "read -P 0 39G 1M")
                    .ok();
            daemon.blktap("check", spec).ok();
            Run smaller = daemon.blktap("resize", spec, "1M");
            assertEquals(2, smaller.status());
            assertTrue(smaller.err().contains("does not become smaller"), smaller::toString);
        }
    }

    @Test
    void theOldToolsWorkWithoutADaemon() throws Exception {
        Map<String, String> environment =
                Map.of("BLKTAP_RUN_DIR", directory.resolve("nobody").toString());
        String bin = daemon.home.resolve("bin").toString() + "/";
        Path image = directory.resolve("old.qcow");
        Run.of(environment, bin + "qcow-create", "100", image.toString()).ok();
        assertTrue(Run.of("qemu-img", "info", image.toString()).ok().out().contains("100 MiB"));
        Run again = Run.of(environment, bin + "qcow-create", "100", image.toString());
        assertEquals(1, again.status());
        assertEquals("blktap: " + image + ": exists already; remove it first\n", again.err());
        Path converted = directory.resolve("old2.qcow");
        Run.of(environment, bin + "img2qcow", converted.toString(), source.toString())
                .ok();
        Qemu.equal("raw", source, "qcow", converted);
        Run.of(environment, bin + "qcow2raw", directory.resolve("old.raw").toString(), converted.toString())
                .ok();
        Run.of("cmp", source.toString(), directory.resolve("old.raw").toString())
                .ok();
        assertEquals(2, Run.of(environment, bin + "qcow-create", "lots", "x").status());
        assertEquals(
                1,
                Run.of(
                                environment,
                                bin + "qcow2raw",
                                directory.resolve("none.raw").toString(),
                                "/missing")
                        .status());
        assertFalse(names().contains("none.raw"));
        // one that reserves its space
        Run.of(
                        environment,
                        bin + "qcow-create",
                        "-r",
                        "20",
                        directory.resolve("full.qcow").toString())
                .ok();
        assertTrue(Long.parseLong(Run.of(
                                        "stat",
                                        "-c",
                                        "%b",
                                        directory.resolve("full.qcow").toString())
                                .ok()
                                .out()
                                .strip())
                        * 512
                >= 20 << 20);
    }

    @Test
    void aFailureLeavesNothing() throws Exception {
        List<String> before = names();
        Run refused = daemon.blktap("convert", "tap:qcow2:" + source, "tap:raw:" + directory.resolve("never"));
        assertEquals(1, refused.status());
        assertTrue(refused.err().contains("magic"), refused::toString);
        assertEquals(
                1,
                daemon.blktap("convert", "tap:raw:" + source, "tap:raw:" + source)
                        .status());
        assertEquals(
                1,
                daemon.blktap("convert", "--compress", "tap:raw:" + source, "tap:raw:" + directory.resolve("never"))
                        .status());
        assertEquals(
                2,
                daemon.blktap("convert", "tap:raw:" + source, "tap:qcow:" + directory.resolve("never"), "-o", "no=such")
                        .status());
        assertEquals(before, names());
    }

    @Test
    void oneOfTwoThatMakeOneImageWins() throws Exception {
        Path target = directory.resolve("contended.qcow2");
        List<String> convert = List.of(
                daemon.home.resolve("bin/blktap").toString(), "convert", "tap:raw:" + source, "tap:qcow2:" + target);
        List<Process> both = new ArrayList<>();
        for (int i = 0; i < 2; i++) {
            ProcessBuilder builder = new ProcessBuilder(convert)
                    .redirectErrorStream(true)
                    .redirectOutput(ProcessBuilder.Redirect.DISCARD);
            builder.environment().put("BLKTAP_RUN_DIR", daemon.runDir.toString());
            both.add(builder.start());
        }
        int won = 0;
        for (Process each : both) {
            won += each.waitFor() == 0 ? 1 : 0;
        }
        assertEquals(1, won);
        Qemu.equal("raw", source, "qcow2", target);
        assertEquals(
                List.of(),
                names().stream().filter(name -> name.startsWith(".contended")).toList());
    }

    /** The client does the work itself, on files that have no name until they are complete. */
    @Test
    void aKilledClientLeavesNothing() throws Exception {
        Path big = directory.resolve("big.raw");
        Run.of("sh", "-c", "head -c 300M /dev/urandom > " + big).ok();
        List<String> before = names();
        Run killed = Run.of(
                Map.of("BLKTAP_RUN_DIR", daemon.runDir.toString()),
                "timeout",
                "-s",
                "KILL",
                "1",
                daemon.home.resolve("bin/blktap").toString(),
                "convert",
                "--compress",
                "tap:raw:" + big,
                "tap:qcow2:" + directory.resolve("unfinished"));
        assertEquals(137, killed.status(), killed::toString);
        Wait.until("nothing is left", () -> names().equals(before));
    }
}
