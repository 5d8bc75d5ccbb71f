package org.blktap.itests;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.google.gson.JsonParser;
import java.io.RandomAccessFile;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * Features that only qcow2 has, checked with QEMU: freed clusters, snapshots, dirty and corrupt images, features that
 * only other programs know.
 */
class Qcow2IT {
    private static final int AT_INCOMPATIBLE = 72;
    private static final int AT_AUTOCLEAR = 88;

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

    private static void attach(Path image, String... more) throws Exception {
        List<String> options = new ArrayList<>(List.of("--node", "nbd"));
        options.addAll(List.of(more));
        daemon.attach("tap:qcow2:" + image, "q", options.toArray(String[]::new));
    }

    /** Commands of qemu-io, which are checked patterns too. */
    private static void io(List<String> image, String... commands) throws Exception {
        List<String> all = new ArrayList<>(List.of("qemu-io", "--discard=unmap"));
        all.addAll(image);
        for (String command : commands) {
            all.add("-c");
            all.add(command);
        }
        Run.of(all.toArray(String[]::new)).ok();
    }

    private static void io(String... commands) throws Exception {
        io(List.of("-f", "raw", daemon.nbd("q")), commands);
    }

    private static long allocated(Path image) throws Exception {
        String json = Run.of("qemu-img", "check", "--output=json", "-f", "qcow2", image.toString())
                .ok()
                .out();
        return JsonParser.parseString(json).getAsJsonObject().get("allocated-clusters") == null
                ? 0
                : JsonParser.parseString(json)
                        .getAsJsonObject()
                        .get("allocated-clusters")
                        .getAsLong();
    }

    private static long kilobytes(Path file) throws Exception {
        return Long.parseLong(Run.of("du", "-k", file.toString()).ok().out().split("\\s")[0]);
    }

    private static long word(Path image, int at) throws Exception {
        try (RandomAccessFile file = new RandomAccessFile(image.toFile(), "r")) {
            file.seek(at);
            return file.readLong();
        }
    }

    private static void word(Path image, int at, long value) throws Exception {
        try (RandomAccessFile file = new RandomAccessFile(image.toFile(), "rw")) {
            file.seek(at);
            file.writeLong(value);
        }
    }

    @Test
    void discardsGiveSpaceBackAndItIsUsedAgain() throws Exception {
        int row = 0;
        for (String options : List.of(
                "",
                "version=2",
                "extended-l2=yes",
                "cluster-size=512",
                "cluster-size=2M",
                "refcount-bits=1",
                "refcount-bits=64,cluster-size=4K",
                "lazy-refcounts=yes",
                "preallocation=falloc")) {
            Path image = directory.resolve("free" + row++ + ".qcow2");
            List<String> create = new ArrayList<>(List.of("create", "tap:qcow2:" + image, "64M"));
            for (String option : options.isEmpty() ? new String[0] : options.split(",")) {
                create.addAll(List.of("-o", option));
            }
            daemon.blktap(create.toArray(String[]::new)).ok();
            attach(image);
            io("write -P 7 0 32M", "flush");
            long full = kilobytes(image);
            io("discard 0 16M", "write -zu 16M 8M", "flush");
            long freed = full - kilobytes(image);
            assertTrue(freed > 18 << 10, options + ": " + freed + " KiB came back of 24 MiB");
            for (int i = 0; i < 4; i++) {
                io("write -P 8 0 16M", "discard 0 16M", "flush");
            }
            assertTrue(Files.size(image) < 112 << 20, options + ": the file has grown to " + Files.size(image));
            io("write -P 9 2M 1M", "read -P 9 2M 1M", "read -P 0 3M 21M", "read -P 7 24M 8M");
            daemon.detach("q");
            assertTrue(options.startsWith("prealloc") || allocated(image) > 0);
            io(
                    List.of("-r", "-f", "qcow2", image.toString()),
                    "read -P 9 2M 1M",
                    "read -P 0 3M 21M",
                    "read -P 7 24M 8M");
            Files.delete(image);
        }
    }

    /** Compressed clusters and those of a snapshot lose one reference; the snapshot keeps what it had. */
    @Test
    void whatASnapshotHasIsNotDiscarded() throws Exception {
        for (String how : List.of("-c", "--")) {
            for (String options : List.of("cluster_size=64k", "cluster_size=4k,compat=0.10", "extended_l2=on")) {
                Path image = directory.resolve("shared.qcow2");
                Path source = directory.resolve("shared.raw");
                io(List.of("-f", "raw", create(source)), "write -P 1 0 8M", "write -P 2 8M 5M");
                List<String> convert =
                        new ArrayList<>(List.of("qemu-img", "convert", "-f", "raw", "-O", "qcow2", "-o", options));
                if (how.equals("-c")) {
                    convert.add(how);
                }
                convert.addAll(List.of(source.toString(), image.toString()));
                Run.of(convert.toArray(String[]::new)).ok();
                Run.of("qemu-img", "snapshot", "-c", "s", image.toString()).ok();
                attach(image);
                io("discard 0 4M", "write -P 5 6M 3M", "write -zu 12M 512k", "flush", "write -P 6 1M 512k", "flush");
                String[] reads = {
                    "read -P 0 0 1M",
                    "read -P 6 1M 512k",
                    "read -P 1 4M 2M",
                    "read -P 5 6M 3M",
                    "read -P 2 9M 3M",
                    "read -P 0 12M 512k"
                };
                io(reads);
                daemon.detach("q");
                Run.of("qemu-img", "check", image.toString()).ok();
                io(List.of("-r", "-f", "qcow2", image.toString()), reads);
                attach(image, "--read-only", "-o", "snapshot=s");
                Qemu.equal("raw", source, "raw", daemon.nbd("q"));
                daemon.detach("q");
                Run.of("qemu-img", "snapshot", "-d", "s", image.toString()).ok();
                Run.of("qemu-img", "check", image.toString()).ok();
                Files.delete(image);
                Files.delete(source);
            }
        }
    }

    private static String create(Path raw) throws Exception {
        Run.of("truncate", "-s", "16M", raw.toString()).ok();
        return raw.toString();
    }

    /** An image of QEMU's whose counts were not written: read as it is, counted anew before it is written. */
    @Test
    void aDirtyImageIsRepairedWhenItIsWritten() throws Exception {
        Path image = directory.resolve("dirty.qcow2");
        Run.of("qemu-img", "create", "-f", "qcow2", "-o", "lazy_refcounts=on,cluster_size=4k", image.toString(), "64M")
                .ok();
        Run.of("qemu-io", "-f", "qcow2", image.toString(), "-c", "write -P 3 0 20M", "-c", "sigraise 9");
        assertEquals(1, word(image, AT_INCOMPATIBLE), "QEMU has left it dirty");
        attach(image, "--read-only");
        io(List.of("-r", "-f", "raw", daemon.nbd("q")), "read 0 64M");
        daemon.detach("q");
        assertEquals(1, word(image, AT_INCOMPATIBLE));
        attach(image);
        io("write -P 4 20M 1M", "discard 0 1M", "read -P 4 20M 1M");
        daemon.detach("q");
        assertEquals(0, word(image, AT_INCOMPATIBLE));
        Run.of("qemu-img", "check", image.toString()).ok();
        // and one of ours, used by QEMU in the same way
        Path ours = directory.resolve("lazy.qcow2");
        daemon.blktap("create", "tap:qcow2:" + ours, "64M", "-o", "lazy-refcounts=yes")
                .ok();
        io(List.of("-f", "qcow2", ours.toString()), "write -P 3 0 1M");
        Run.of("qemu-io", "-f", "qcow2", ours.toString(), "-c", "write -P 5 1M 1M", "-c", "sigraise 9");
        assertEquals(1, word(ours, AT_INCOMPATIBLE));
        attach(ours);
        io("write -P 6 2M 1M", "read -P 3 0 1M", "read -P 6 2M 1M");
        daemon.detach("q");
        Run.of("qemu-img", "check", ours.toString()).ok();
    }

    @Test
    void featuresThatAreNotKnown() throws Exception {
        Path image = directory.resolve("features.qcow2");
        Run.of("qemu-img", "create", "-f", "qcow2", image.toString(), "64M").ok();
        word(image, AT_INCOMPATIBLE, 1 << 6);
        assertTrue(daemon.blktap("attach", "tap:qcow2:" + image, "--id", "no", "--node", "nbd")
                .err()
                .contains("incompatible feature bit 6"));
        // marked as corrupt: may only be read
        word(image, AT_INCOMPATIBLE, 1 << 1);
        assertTrue(daemon.blktap("attach", "tap:qcow2:" + image, "--id", "no", "--node", "nbd")
                .err()
                .contains("corrupt"));
        attach(image, "--read-only");
        daemon.detach("q");
        daemon.blktap("check", "tap:qcow2:" + image, "--repair").ok();
        assertEquals(0, word(image, AT_INCOMPATIBLE));
        // autoclear bits stay for readers and go for a writer, except that of bitmaps
        Run.of("qemu-img", "bitmap", "--add", image.toString(), "b").ok();
        word(image, AT_AUTOCLEAR, 1 << 2 | 1);
        attach(image, "--read-only");
        daemon.detach("q");
        assertEquals(1 << 2 | 1, word(image, AT_AUTOCLEAR));
        attach(image);
        io("write 0 1M");
        daemon.detach("q");
        assertEquals(1, word(image, AT_AUTOCLEAR));
        Run.of("qemu-img", "check", image.toString()).ok();
    }

    @Test
    void anExternalDataFileIsPunched() throws Exception {
        Path image = directory.resolve("ext.qcow2");
        daemon.blktap("create", "tap:qcow2:" + image, "64M", "-o", "data-file=ext.data")
                .ok();
        attach(image);
        io("write -P 7 0 32M", "discard 0 16M", "write -zu 16M 8M", "flush", "read -P 0 0 24M", "read -P 7 24M 8M");
        daemon.detach("q");
        assertTrue(kilobytes(directory.resolve("ext.data")) < 9 << 10);
        Run.of(
                        "sh",
                        "-c",
                        "cd " + directory
                                + " && qemu-img check ext.qcow2 && qemu-io -r -f qcow2 -c 'read -P 0 0 24M' -c 'read -P 7 24M 8M' ext.qcow2")
                .ok();
    }
}
