package org.blktap.format.vmdk;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.TreeMap;
import org.blktap.api.disk.DiskContext;
import org.blktap.api.disk.DiskDriver;
import org.blktap.api.disk.DiskException;
import org.blktap.api.disk.TapSpec;
import org.blktap.api.disk.VirtualDisk;
import org.blktap.image.sim.FormatModelTest;
import org.blktap.image.sim.SimContext;

/**
 * All shapes of disk that can be written: one file or several, with all grain tables or none, zeroed grains, COWD,
 * parents.
 */
class VmdkModelTest extends FormatModelTest {
    private static final String IMAGE = "/sim/a.vmdk";

    VmdkModelTest() {
        super(new Shapes(), IMAGE, 10);
    }

    @Override
    protected Kind kind(Random random) {
        Map<String, String> options = new TreeMap<>();
        long grain = List.of(4096, 8192, 65536).get(random.nextInt(3));
        options.put("grain-size", Long.toString(grain));
        options.put("cache", "64K");
        String shape = List.of(
                        "plain",
                        "noTables",
                        "cowd",
                        "split",
                        "split",
                        "flat",
                        "splitFlat",
                        "mixed",
                        "vmfs",
                        "vmfsSparse")
                .get(random.nextInt(10));
        options.put("shape", shape);
        options.put(
                "subformat",
                switch (shape) {
                    case "split" -> "twoGbMaxExtentSparse";
                    case "splitFlat" -> "twoGbMaxExtentFlat";
                    case "flat" -> "monolithicFlat";
                    default -> "monolithicSparse";
                });
        boolean sparse = List.of("plain", "noTables", "split").contains(shape);
        boolean overlay = (sparse || shape.equals("vmfsSparse")) && random.nextBoolean();
        options.put("zeroed-grain", sparse && random.nextBoolean() ? "yes" : "no");
        long size = 512L * (1 + random.nextInt(overlay ? 3000 : 12_000));
        long fewest = (size + Descriptor.MAX_EXTENTS * grain - 1) / (Descriptor.MAX_EXTENTS * grain);
        options.put("split", Long.toString(grain * (fewest + random.nextInt(40))));
        return new Kind(options, size, overlay ? 512L * (1 + random.nextInt(4000)) : 0);
    }

    /** A flat disk. */
    @Override
    protected TapSpec base(SimContext context, byte[] contents) {
        context.drivers.put("vmdk", new VmdkDriver());
        context.put("/sim/base-flat.vmdk", contents);
        String text = Descriptor.text(
                7,
                Descriptor.NO_PARENT,
                null,
                "monolithicFlat",
                List.of(new Descriptor.Line(
                        Descriptor.Access.RW,
                        contents.length / 512,
                        Descriptor.Type.FLAT,
                        Descriptor.FileName.of("base-flat.vmdk"),
                        0)));
        context.put("/sim/base.vmdk", text.getBytes(StandardCharsets.UTF_8));
        return new TapSpec("vmdk", "/sim/base.vmdk");
    }

    /** The driver, and disks that its own create does not make. */
    private static final class Shapes implements DiskDriver {
        private final VmdkDriver driver = new VmdkDriver();

        @Override
        public VirtualDisk open(String path, DiskContext context) throws DiskException {
            return driver.open(path, context);
        }

        @Override
        public CheckReport check(String path, DiskContext context) throws DiskException {
            return driver.check(path, context);
        }

        @Override
        public void resize(String path, long size, DiskContext context) throws DiskException {
            driver.resize(path, size, context);
        }

        @Override
        public void create(String path, long size, TapSpec backing, DiskContext context) throws DiskException {
            SimContext sim = (SimContext) context;
            long split = context.options().size("split", 0);
            switch (context.options().text("shape", null)) {
                case "plain" -> driver.create(path, size, backing, context);
                case "noTables" -> {
                    driver.create(path, size, backing, context);
                    withoutTables(sim);
                }
                case "cowd" -> sim.put(path, cowd(size));
                case "split", "splitFlat", "flat" ->
                    new VmdkCreate(Path.of(path), context, split).create(size, backing);
                case "vmfsSparse" -> {
                    sim.put("/sim/a-delta.vmdk", cowd(size));
                    describe(
                            sim,
                            "vmfsSparse",
                            backing,
                            List.of(line(size, Descriptor.Type.VMFSSPARSE, "a-delta.vmdk", 0)));
                }
                case "vmfs" -> {
                    sim.put("/sim/a-flat.vmdk", new byte[(int) size]);
                    describe(sim, "vmfs", null, List.of(line(size, Descriptor.Type.VMFS, "a-flat.vmdk", 0)));
                }
                case "mixed" -> mixed(sim, size, split);
                default -> throw new IllegalArgumentException();
            }
        }

        /** Both directories are empty, and the file ends after them. */
        private static void withoutTables(SimContext sim) {
            ByteBuffer bytes =
                    ByteBuffer.wrap(sim.files.get(Path.of(IMAGE)).bytes()).order(ByteOrder.LITTLE_ENDIAN);
            long capacity = bytes.getLong(12);
            for (int field : new int[] {48, 56}) {
                int at = (int) bytes.getLong(field) * 512;
                long tables = (capacity + 512 * bytes.getLong(20) - 1) / (512 * bytes.getLong(20));
                for (int i = 0; i < tables; i++) {
                    bytes.putInt(at + i * 4, 0);
                }
            }
            sim.put(IMAGE, bytes.array());
        }

        /** Flat, COWD, and a file of zeros that two flat extents lie in. */
        private static void mixed(SimContext sim, long size, long split) {
            List<Descriptor.Line> lines = new ArrayList<>();
            for (long at = 0; at < size; at += split) {
                long bytes = Math.min(split, size - at);
                switch (lines.size() % 3) {
                    case 0 -> {
                        String name = "a-" + lines.size() + ".vmdk";
                        sim.put("/sim/" + name, cowd(bytes));
                        lines.add(line(bytes, Descriptor.Type.SPARSE, name, 0));
                    }
                    case 1 -> lines.add(line(bytes, Descriptor.Type.FLAT, "a-flat.vmdk", at / 512 + 3));
                    default -> lines.add(line(bytes, Descriptor.Type.VMFS, "a-" + lines.size() + ".vmdk", 0));
                }
                if (lines.size() % 3 == 0) {
                    sim.put("/sim/a-" + (lines.size() - 1) + ".vmdk", new byte[(int) bytes]);
                }
            }
            sim.put("/sim/a-flat.vmdk", new byte[(int) size + 4096]);
            describe(sim, "custom", null, lines);
        }

        private static Descriptor.Line line(long bytes, Descriptor.Type type, String name, long offset) {
            return new Descriptor.Line(
                    Descriptor.Access.RW,
                    bytes / 512,
                    type,
                    name == null ? null : Descriptor.FileName.of(name),
                    offset);
        }

        private static void describe(SimContext sim, String createType, TapSpec parent, List<Descriptor.Line> lines) {
            sim.put(
                    IMAGE,
                    Descriptor.text(
                                    1,
                                    parent == null ? Descriptor.NO_PARENT : 7,
                                    parent == null ? null : parent.path(),
                                    createType,
                                    lines)
                            .getBytes(StandardCharsets.UTF_8));
        }
    }

    /** An empty COWD disk as ESXi makes one: grains of one sector, the directory at sector 4. */
    static byte[] cowd(long size) {
        long tables = (size / 512 + 4095) / 4096;
        int end = (int) (4 + (tables * 4 + 511) / 512) * 512;
        ByteBuffer bytes = ByteBuffer.allocate(end).order(ByteOrder.LITTLE_ENDIAN);
        bytes.putInt(CowdHeader.MAGIC)
                .putInt(1)
                .putInt(3)
                .putInt((int) (size / 512))
                .putInt(1)
                .putInt(4)
                .putInt((int) tables)
                .putInt(end / 512);
        return bytes.array();
    }
}
