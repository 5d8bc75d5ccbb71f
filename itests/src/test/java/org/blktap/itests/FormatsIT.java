package org.blktap.itests;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * Each format against qemu-img, in both directions: images that it made are served with the same contents, and QEMU
 * finds no fault in images that we made and wrote. One table lists the cases; results are printed as a table.
 */
class FormatsIT {
    @TempDir
    static Path directory;

    private static Daemon daemon;
    private static long seed;
    private static final List<String> results = new ArrayList<>();

    /**
     * One row.
     *
     * @param theirs options of qemu-img, or null if it does not make this kind
     * @param ours options of create, or null
     * @param checked whether qemu-img has a check of this format
     */
    private record Kind(String name, String type, String format, String theirs, List<String> ours, boolean checked) {}

    private static Kind kind(String type, String format, String theirs, String ours, boolean checked) {
        List<String> options = new ArrayList<>();
        if (ours != null) {
            for (String option : ours.isEmpty() ? new String[0] : ours.split(",")) {
                options.add("-o");
                options.add(option);
            }
        }
        return new Kind(
                type
                        + (theirs == null || theirs.isEmpty() ? "" : " " + theirs)
                        + (ours == null || ours.isEmpty() ? "" : " / " + ours),
                type,
                format,
                theirs,
                ours == null ? null : options,
                checked);
    }

    private static final List<Kind> KINDS = List.of(
            kind("aio", "raw", "", "", false),
            kind("qcow", "qcow", "", "", false),
            kind("qcow", "qcow", null, "cluster-size=512", false),
            kind("qcow", "qcow", null, "cluster-size=64K", false),
            kind("qcow2", "qcow2", "", "", true),
            kind("qcow2", "qcow2", "compat=0.10", "version=2", true),
            kind("qcow2", "qcow2", "cluster_size=512", "cluster-size=512", true),
            kind("qcow2", "qcow2", "cluster_size=2M", "cluster-size=2M", true),
            kind("qcow2", "qcow2", "refcount_bits=1", "refcount-bits=1", true),
            kind("qcow2", "qcow2", "refcount_bits=64,cluster_size=4096", "refcount-bits=64,cluster-size=4K", true),
            kind("qcow2", "qcow2", "lazy_refcounts=on", "lazy-refcounts=yes", true),
            kind("qcow2", "qcow2", "extended_l2=on", "extended-l2=yes", true),
            kind("qcow2", "qcow2", "extended_l2=on,cluster_size=16384", "extended-l2=yes,cluster-size=16K", true),
            kind("qcow2", "qcow2", "preallocation=metadata", "preallocation=metadata", true),
            kind("qcow2", "qcow2", "preallocation=falloc", "preallocation=full,cluster-size=4K", true),
            kind("vhd", "vpc", "", "", false),
            kind("vhd", "vpc", "force_size=on", "block-size=512K", false),
            kind("vhd", "vpc", "subformat=fixed", "subformat=fixed", false),
            kind("vhdx", "vhdx", "", "", true),
            kind("vhdx", "vhdx", "subformat=fixed", "subformat=fixed", true),
            kind("vhdx", "vhdx", "block_size=1M,block_state_zero=off", "block-size=1M", true),
            kind("vhdx", "vhdx", "log_size=2M,block_size=256M", "log-size=2M,block-size=256M", true),
            kind("vmdk", "vmdk", "", "", true),
            kind("vmdk", "vmdk", "zeroed_grain=on", "zeroed-grain=yes,grain-size=4K", true),
            kind("vmdk", "vmdk", "subformat=monolithicFlat", "subformat=monolithicFlat", true),
            kind("vmdk", "vmdk", "subformat=twoGbMaxExtentSparse", "subformat=twoGbMaxExtentSparse", true),
            kind("vmdk", "vmdk", "subformat=twoGbMaxExtentFlat", "subformat=twoGbMaxExtentFlat", true));

    @BeforeAll
    static void start() throws Exception {
        seed = Long.getLong("seed", System.nanoTime());
        System.out.println("formats: seed " + seed);
        daemon = Daemon.started(directory);
    }

    @AfterAll
    static void stop() throws Exception {
        daemon.close();
        System.out.printf("%-70s %-8s %-8s %-8s%n", "KIND", "THEIRS", "WRITTEN", "OURS");
        results.forEach(System.out::println);
    }

    /** A sparse raw image whose size is a multiple of 512 and of nothing else. */
    private static Path source(String name, long bytes, Random random) throws Exception {
        Path file = directory.resolve(name);
        try (FileChannel channel = FileChannel.open(file, StandardOpenOption.CREATE_NEW, StandardOpenOption.WRITE)) {
            byte[] block = new byte[65536];
            for (long at = 0; at + 65536 < bytes; at += 65536) {
                if (random.nextInt(3) > 0) {
                    random.nextBytes(block);
                    channel.write(ByteBuffer.wrap(block, 0, 512 * (1 + random.nextInt(128))), at);
                }
            }
            channel.write(ByteBuffer.wrap(new byte[512]), bytes - 512);
        }
        return file;
    }

    /** Random writes, zeroes and discards, the same to both images. */
    private static void write(Random random, long bytes, String uri, Path model) throws Exception {
        List<String> commands = new ArrayList<>();
        for (int i = 0; i < 80; i++) {
            long at = 512L * random.nextInt((int) (bytes / 512));
            long length = Math.min(bytes - at, 512L * (1 + random.nextInt(random.nextBoolean() ? 8 : 600)));
            commands.add("-c");
            commands.add(
                    switch (random.nextInt(6)) {
                        case 0 -> "write -z " + at + " " + length;
                        case 1 -> "write -zu " + at + " " + length;
                        case 2 -> "flush";
                        default -> "write -P " + (1 + random.nextInt(255)) + " " + at + " " + length;
                    });
        }
        for (String image : List.of(uri, model.toString())) {
            List<String> command = new ArrayList<>(List.of("qemu-io", "-f", "raw", "--discard=unmap", image));
            command.addAll(commands);
            Run.of(command.toArray(new String[0])).ok();
        }
    }

    private static void same(Path raw, String format, String image) throws Exception {
        Qemu.equal("raw", raw, format, image);
    }

    private static void check(Kind kind, Path image) throws Exception {
        if (kind.checked()) {
            Run.of("qemu-img", "check", "-f", kind.format(), image.toString()).ok();
        }
        if (!kind.type().equals("aio")) {
            Run check = daemon.blktap("check", "tap:" + kind.type() + ":" + image);
            // QEMU leaves space at the end of a VHDX that nothing refers to
            assertTrue(
                    check.status() == 0
                            || check.status() == 3
                                    && image.getFileName().toString().startsWith("theirs"),
                    check::toString);
        }
    }

    @Test
    void bothWays() throws Exception {
        int row = 0;
        for (Kind kind : KINDS) {
            Random random = new Random(seed + row);
            long bytes = 512L * (20_000 + random.nextInt(30_000));
            Path source = source("source" + row, bytes, random);
            String theirs = "-";
            String written = "-";
            if (kind.theirs() != null) {
                Path image = directory.resolve("theirs" + row);
                List<String> convert =
                        new ArrayList<>(List.of("qemu-img", "convert", "-f", "raw", "-O", kind.format()));
                if (!kind.theirs().isEmpty()) {
                    convert.addAll(List.of("-o", kind.theirs()));
                }
                convert.addAll(List.of(source.toString(), image.toString()));
                Run.of(convert.toArray(new String[0])).ok();
                String spec = "tap:" + kind.type() + ":" + image;
                daemon.attach(spec, "theirs", "--node", "nbd", "--read-only");
                same(source, "raw", daemon.nbd("theirs"));
                daemon.detach("theirs");
                theirs = "same";
                Path model = Files.copy(source, directory.resolve("model"));
                daemon.attach(spec, "theirs", "--node", "nbd");
                write(random, bytes, daemon.nbd("theirs"), model);
                same(model, "raw", daemon.nbd("theirs"));
                daemon.detach("theirs");
                same(model, kind.format(), image.toString());
                check(kind, image);
                written = "same";
                Files.delete(model);
                Files.delete(image);
            }
            Path image = directory.resolve("ours" + row);
            List<String> create =
                    new ArrayList<>(List.of("create", "tap:" + kind.type() + ":" + image, Long.toString(bytes)));
            create.addAll(kind.ours());
            daemon.blktap(create.toArray(new String[0])).ok();
            check(kind, image);
            daemon.attach("tap:" + kind.type() + ":" + image, "ours", "--node", "nbd");
            Run.of("qemu-img", "convert", "-n", "-f", "raw", "-O", "raw", source.toString(), daemon.nbd("ours"))
                    .ok();
            write(random, bytes, daemon.nbd("ours"), source);
            same(source, "raw", daemon.nbd("ours"));
            daemon.detach("ours");
            same(source, kind.format(), image.toString());
            check(kind, image);
            results.add(String.format("%-70s %-8s %-8s %-8s", kind.name(), theirs, written, "same"));
            Files.delete(image);
            Files.delete(source);
            row++;
        }
        assertEquals(KINDS.size(), results.size());
    }

    /** A chain qcow2 over qcow over raw, with sizes that differ. */
    @Test
    void aChainOfThree() throws Exception {
        Random random = new Random(seed);
        Path base = source("chain.raw", 512 * 10_001, random);
        daemon.blktap("create", "tap:qcow:" + directory.resolve("chain.qcow"), "6M", "--backing", "tap:aio:" + base)
                .ok();
        daemon.attach("tap:qcow:" + directory.resolve("chain.qcow"), "middle", "--node", "nbd");
        Path model = directory.resolve("chain.model");
        Run.of("cp", base.toString(), model.toString()).ok();
        Run.of("truncate", "-s", "6M", model.toString()).ok();
        write(random, 6 << 20, daemon.nbd("middle"), model);
        daemon.detach("middle");
        Path top = directory.resolve("chain.qcow2");
        daemon.blktap("create", "tap:qcow2:" + top, "8M", "--backing", "tap:qcow:" + directory.resolve("chain.qcow"))
                .ok();
        Run.of("truncate", "-s", "8M", model.toString()).ok();
        daemon.attach("tap:qcow2:" + top, "top", "--node", "nbd");
        same(model, "raw", daemon.nbd("top"));
        write(random, 8 << 20, daemon.nbd("top"), model);
        same(model, "raw", daemon.nbd("top"));
        daemon.detach("top");
        same(model, "qcow2", top.toString());
        Run.of("qemu-img", "check", top.toString()).ok();
    }

    /** Differencing VHD images, which QEMU does not follow: over raw, and over one another. */
    @Test
    void aChainOfVhds() throws Exception {
        Random random = new Random(seed);
        Path model = source("vhd.raw", 512 * 20_001, random);
        Path base = Files.copy(model, directory.resolve("vhd.base"));
        Path middle = directory.resolve("middle.vhd");
        Path top = directory.resolve("top.vhd");
        daemon.blktap("create", "tap:vhd:" + middle, "--backing", "tap:aio:" + base)
                .ok();
        daemon.attach("tap:vhd:" + middle, "middle", "--node", "nbd");
        write(random, 512 * 20_001, daemon.nbd("middle"), model);
        same(model, "raw", daemon.nbd("middle"));
        daemon.detach("middle");
        daemon.blktap("create", "tap:vhd:" + top, "--backing", "tap:vhd:" + middle, "-o", "block-size=64K")
                .ok();
        daemon.attach("tap:vhd:" + top, "top", "--node", "nbd");
        same(model, "raw", daemon.nbd("top"));
        write(random, 512 * 20_001, daemon.nbd("top"), model);
        same(model, "raw", daemon.nbd("top"));
        daemon.detach("top");
        daemon.attach("tap:vhd:" + top, "top", "--node", "nbd", "--read-only");
        same(model, "raw", daemon.nbd("top"));
        daemon.detach("top");
        daemon.blktap("check", "tap:vhd:" + middle).ok();
        daemon.blktap("check", "tap:vhd:" + top).ok();
    }

    /** QEMU accepts what a killed daemon leaves, before and after the repair. */
    @Test
    void aVhdOfAKilledDaemonIsWhole() throws Exception {
        Path other = Files.createDirectory(directory.resolve("killed-vhd"));
        Path image = other.resolve("k.vhd");
        Daemon killed = Daemon.started(other);
        killed.blktap("create", "tap:vhd:" + image, "64M").ok();
        killed.attach("tap:vhd:" + image, "k", "--node", "nbd");
        Run.of("qemu-io", "-f", "raw", killed.nbd("k"), "-c", "write -P 7 1M 3M", "-c", "flush")
                .ok();
        killed.kill();
        for (int i = 0; i < 2; i++) {
            Run.of(
                            "qemu-io",
                            "-f",
                            "vpc",
                            "-r",
                            image.toString(),
                            "-c",
                            "read -P 0 0 1M",
                            "-c",
                            "read -P 7 1M 3M",
                            "-c",
                            "read -P 0 4M 60M")
                    .ok();
            daemon.blktap("check", "tap:vhd:" + image, "--repair").ok();
        }
        killed.close();
    }

    @Test
    void snapshotsAreReadAndStayAsTheyWere() throws Exception {
        Random random = new Random(seed);
        Path source = source("snap.raw", 512 * 20_000, random);
        Path image = directory.resolve("snap.qcow2");
        Run.of("qemu-img", "convert", "-f", "raw", "-O", "qcow2", "-c", source.toString(), image.toString())
                .ok();
        Run.of("qemu-img", "snapshot", "-c", "before", image.toString()).ok();
        Path model = Files.copy(source, directory.resolve("snap.model"));
        daemon.attach("tap:qcow2:" + image, "snap", "--node", "nbd");
        write(random, 512 * 20_000, daemon.nbd("snap"), model);
        daemon.detach("snap");
        same(model, "qcow2", image.toString());
        Run.of("qemu-img", "check", image.toString()).ok();
        daemon.attach("tap:qcow2:" + image, "snap", "--node", "nbd", "--read-only", "-o", "snapshot=before");
        same(source, "raw", daemon.nbd("snap"));
        daemon.detach("snap");
    }

    /**
     * A killed daemon leaves clusters counted that nothing uses: QEMU calls that a leak too, and a repair gives them
     * back.
     */
    @Test
    void leaksOfAKilledDaemonAreRepaired() throws Exception {
        Path other = Files.createDirectory(directory.resolve("killed"));
        Path image = other.resolve("k.qcow2");
        Daemon killed = Daemon.started(other);
        killed.blktap("create", "tap:qcow2:" + image, "64M").ok();
        killed.attach("tap:qcow2:" + image, "k", "--node", "nbd");
        Run.of("qemu-io", "-f", "raw", killed.nbd("k"), "-c", "write -P 7 1M 3M", "-c", "flush")
                .ok();
        killed.kill();
        assertEquals(
                3, Run.of("qemu-img", "check", "-f", "qcow2", image.toString()).status(), "leaks, and nothing worse");
        daemon.blktap("check", "tap:qcow2:" + image, "--repair").ok();
        Run.of("qemu-img", "check", "-f", "qcow2", image.toString()).ok();
        Run.of("qemu-io", "-f", "qcow2", "-r", image.toString(), "-c", "read -P 7 1M 3M")
                .ok();
        killed.close();
    }

    /** A killed daemon leaves a VHDX image with a log; QEMU replays it as we do, and reads the same. */
    @Test
    void theLogOfAKilledDaemonIsReplayed() throws Exception {
        Path other = Files.createDirectory(directory.resolve("logged"));
        Path image = other.resolve("k.vhdx");
        Daemon killed = Daemon.started(other);
        killed.blktap("create", "tap:vhdx:" + image, "64M", "-o", "block-size=1M")
                .ok();
        killed.attach("tap:vhdx:" + image, "k", "--node", "nbd");
        Run.of(
                        "qemu-io",
                        "-f",
                        "raw",
                        killed.nbd("k"),
                        "-c",
                        "write -P 7 1M 3M",
                        "-c",
                        "write -P 8 9M 4k",
                        "-c",
                        "flush")
                .ok();
        killed.kill();
        Path theirs = Files.copy(image, other.resolve("theirs.vhdx"));
        Run.of("qemu-img", "check", "-f", "vhdx", "-r", "all", theirs.toString())
                .ok();
        String[] reads = {
            "-c", "read -P 0 0 1M", "-c", "read -P 7 1M 3M", "-c", "read -P 8 9M 4k", "-c", "read -P 0 10M 54M"
        };
        List<String> read = new ArrayList<>(List.of("qemu-io", "-r", "-f", "vhdx", theirs.toString()));
        read.addAll(List.of(reads));
        Run.of(read.toArray(new String[0])).ok();
        for (List<String> access : List.of(List.of("--read-only"), List.<String>of())) {
            List<String> options = new ArrayList<>(List.of("--node", "nbd"));
            options.addAll(access);
            daemon.attach("tap:vhdx:" + image, "k", options.toArray(new String[0]));
            List<String> command = new ArrayList<>(List.of("qemu-io", "-r", "-f", "raw", daemon.nbd("k")));
            command.addAll(List.of(reads));
            Run.of(command.toArray(new String[0])).ok();
            daemon.detach("k");
        }
        Qemu.equal("vhdx", image, "vhdx", theirs);
        daemon.blktap("check", "tap:vhdx:" + image, "--repair").ok();
        daemon.blktap("check", "tap:vhdx:" + image).ok();
        killed.close();
    }

    @Test
    void compressedClustersOfBothKindsAreRead() throws Exception {
        for (String kind : List.of("zlib", "zstd")) {
            Path source = source(kind + ".raw", 512 * 20_000, new Random(seed));
            Path image = directory.resolve(kind + ".qcow2");
            Run.of(
                            "qemu-img",
                            "convert",
                            "-f",
                            "raw",
                            "-O",
                            "qcow2",
                            "-c",
                            "-o",
                            "compression_type=" + kind,
                            source.toString(),
                            image.toString())
                    .ok();
            daemon.attach("tap:qcow2:" + image, "packed", "--node", "nbd", "--read-only");
            same(source, "raw", daemon.nbd("packed"));
            daemon.detach("packed");
        }
    }

    @Test
    void anExternalDataFileIsReadAndWritten() throws Exception {
        Random random = new Random(seed);
        for (String raw : List.of("no", "yes")) {
            Path source = source("ext.raw" + raw, 512 * 20_000, random);
            Path image = directory.resolve("ext" + raw + ".qcow2");
            daemon.blktap(
                            "create",
                            "tap:qcow2:" + image,
                            "10240000",
                            "-o",
                            "data-file=ext" + raw + ".data",
                            "-o",
                            "data-file-raw=" + raw)
                    .ok();
            daemon.attach("tap:qcow2:" + image, "ext", "--node", "nbd");
            Run.of("qemu-img", "convert", "-n", "-f", "raw", "-O", "raw", source.toString(), daemon.nbd("ext"))
                    .ok();
            write(random, 10240000, daemon.nbd("ext"), source);
            daemon.detach("ext");
            // QEMU takes the data file's name from its own directory
            Run.of(
                            "sh",
                            "-c",
                            "cd " + directory + " && qemu-img compare -f raw -F qcow2 " + source + " " + image
                                    + " && qemu-img check " + image)
                    .ok();
            if (raw.equals("yes")) {
                Run.of(
                                "cmp",
                                "-n",
                                "10240000",
                                source.toString(),
                                directory.resolve("extyes.data").toString())
                        .ok();
            }
        }
    }

    /**
     * A VMDK child of ours over a parent of QEMU's, and a child of QEMU's over ours; a parent that was changed since is
     * refused.
     */
    @Test
    void vmdkParentsAreKnownByTheirCid() throws Exception {
        Random random = new Random(seed);
        Path source = source("vmdk.raw", 512 * 20_000, random);
        Path parent = directory.resolve("parent.vmdk");
        Run.of("qemu-img", "convert", "-f", "raw", "-O", "vmdk", source.toString(), parent.toString())
                .ok();
        Path child = directory.resolve("child.vmdk");
        daemon.blktap("create", "tap:vmdk:" + child, "12M", "--backing", "tap:vmdk:" + parent)
                .ok();
        Path model = Files.copy(source, directory.resolve("vmdk.model"));
        Run.of("truncate", "-s", "12M", model.toString()).ok();
        daemon.attach("tap:vmdk:" + child, "child", "--node", "nbd");
        write(random, 12 << 20, daemon.nbd("child"), model);
        daemon.detach("child");
        same(model, "vmdk", child.toString());
        Run.of("qemu-img", "check", "-f", "vmdk", child.toString()).ok();
        Path grandchild = directory.resolve("grandchild.vmdk");
        Run.of("qemu-img", "create", "-f", "vmdk", "-b", child.toString(), "-F", "vmdk", grandchild.toString())
                .ok();
        daemon.attach("tap:vmdk:" + grandchild, "grandchild", "--node", "nbd");
        write(random, 12 << 20, daemon.nbd("grandchild"), model);
        same(model, "raw", daemon.nbd("grandchild"));
        daemon.detach("grandchild");
        same(model, "vmdk", grandchild.toString());
        daemon.attach("tap:vmdk:" + child, "child", "--node", "nbd");
        Run.of("qemu-io", "-f", "raw", daemon.nbd("child"), "-c", "write -P 1 0 512")
                .ok();
        daemon.detach("child");
        assertTrue(daemon.blktap("attach", "tap:vmdk:" + grandchild, "--id", "refused", "--node", "nbd")
                .err()
                .contains("parentCID"));
    }

    @Test
    void streamOptimizedDisksAreRead() throws Exception {
        Path source = source("stream.raw", 512 * 200_001, new Random(seed));
        Path image = directory.resolve("stream.vmdk");
        Run.of(
                        "qemu-img",
                        "convert",
                        "-f",
                        "raw",
                        "-O",
                        "vmdk",
                        "-o",
                        "subformat=streamOptimized",
                        source.toString(),
                        image.toString())
                .ok();
        daemon.attach("tap:vmdk:" + image, "stream", "--node", "nbd", "--read-only");
        same(source, "raw", daemon.nbd("stream"));
        daemon.detach("stream");
        daemon.blktap("check", "tap:vmdk:" + image).ok();
    }
}
