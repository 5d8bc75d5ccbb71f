package org.blktap.format.vmdk;

import static org.blktap.api.memory.Alignment.SECTOR;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.ThreadLocalRandom;
import org.blktap.api.disk.DiskContext;
import org.blktap.api.disk.DiskException;
import org.blktap.api.disk.DiskException.Reason;
import org.blktap.api.disk.DiskInfo;
import org.blktap.api.disk.FileNames;
import org.blktap.api.disk.Options;
import org.blktap.api.disk.TapSpec;
import org.blktap.api.disk.VirtualDisk;
import org.blktap.api.engine.IoFile;
import org.blktap.api.memory.Alignment;
import org.blktap.image.BackingName;

/**
 * Makes an empty disk: a descriptor and its extents, or one file that has both. All grain tables are there from the
 * beginning, as VMware and QEMU make them.
 */
final class VmdkCreate {
    /** The extent size that VMware and QEMU call "2 GB". */
    static final long SPLIT = 2L << 30;

    private static final int DEFAULT_GRAIN = 64 << 10;
    private static final int MIN_GRAIN = 4096;
    static final int DESCRIPTOR_OFFSET = 1;
    static final int DESCRIPTOR_SIZE = 20;

    private final Path path;
    private final DiskContext context;
    private final long split;

    VmdkCreate(Path path, DiskContext context) {
        this(path, context, SPLIT);
    }

    /** @param split bytes of an extent of a split disk */
    VmdkCreate(Path path, DiskContext context, long split) {
        this.path = path;
        this.context = context;
        this.split = split;
    }

    void create(long sizeBytes, TapSpec backing) throws DiskException {
        Options options = context.options();
        String subformat = options.oneOf(
                "subformat",
                "monolithicSparse",
                "monolithicSparse",
                "monolithicFlat",
                "twoGbMaxExtentSparse",
                "twoGbMaxExtentFlat");
        boolean zeroedGrains = options.flag("zeroed-grain", false);
        long grain = options.size("grain-size", DEFAULT_GRAIN);
        if (Long.bitCount(grain) != 1 || grain < MIN_GRAIN || grain > GrainLayout.MAX_GRAIN * SECTOR) {
            throw Options.bad("grain-size", Long.toString(grain), "a power of two from 4K to 1M");
        }
        boolean flat = subformat.endsWith("Flat");
        if (flat && (backing != null || zeroedGrains)) {
            throw new DiskException(
                    Reason.BAD_OPTION,
                    path + ": a flat disk has neither a parent nor zeroed grains; use monolithicSparse");
        }
        int parentCid = Descriptor.NO_PARENT;
        long size = sizeBytes;
        if (backing != null) {
            try (VirtualDisk parent = parent(backing)) {
                size = sizeBytes == -1 ? parent.info().sizeBytes() : sizeBytes;
                parentCid = parentCid(parent, backing);
            }
        } else if (size == -1) {
            throw new DiskException(Reason.BAD_OPTION, path + ": a size is needed, or a backing file to take it from");
        }
        boolean split = subformat.startsWith("twoGb");
        long largest = split ? Descriptor.MAX_EXTENTS * this.split : flat ? 1L << 49 : largestSparse(grain);
        DiskInfo.checkSize(path, size, SECTOR, SECTOR, largest);
        ExtentName names = new ExtentName(path);
        List<Descriptor.Line> lines = new ArrayList<>();
        long extentBytes = split ? this.split : size;
        for (long at = 0; at < size; at += extentBytes) {
            String name = split
                    ? names.split(flat, lines.size() + 1)
                    : flat ? names.flat() : FileNames.text(path.getFileName());
            lines.add(new Descriptor.Line(
                    Descriptor.Access.RW,
                    Math.min(extentBytes, size - at) / SECTOR,
                    flat ? Descriptor.Type.FLAT : Descriptor.Type.SPARSE,
                    Descriptor.FileName.of(writable(name)),
                    0));
        }
        byte[] descriptor = FileNames.bytes(Descriptor.text(
                newCid(),
                parentCid,
                backing == null ? null : writable(BackingName.of(path, backing.path())),
                subformat,
                lines));
        int room = split || flat ? Descriptor.MAX_BYTES : DESCRIPTOR_SIZE * SECTOR;
        if (descriptor.length > room) {
            throw new DiskException(
                    Reason.BAD_OPTION,
                    path + ": the descriptor would have " + descriptor.length + " bytes, more than " + room);
        }
        try {
            if (!split && !flat) {
                sparse(path, size, (int) grain, zeroedGrains, descriptor);
                return;
            }
            try (IoFile file = context.createFile(path)) {
                file.writeFully(ByteBuffer.wrap(descriptor), 0);
                file.flushNow();
            }
            for (Descriptor.Line line : lines) {
                Path extent = path.resolveSibling(FileNames.path(line.fileName().text()));
                if (flat) {
                    try (IoFile file = context.createFile(extent)) {
                        file.truncateNow(line.sectors() * SECTOR);
                        file.flushNow();
                    }
                } else {
                    sparse(extent, line.sectors() * SECTOR, (int) grain, zeroedGrains, null);
                }
            }
        } catch (IOException e) {
            throw DiskException.io(path, "create", e);
        }
    }

    /**
     * Returns the largest size of a sparse extent: sector numbers must reach all of its header, directories, grains,
     * and two tables with four bytes for each grain.
     */
    static long largestSparse(long grain) {
        return Alignment.down((long) ((GrainLayout.LARGEST_FILE - (64 << 20)) / (1 + 8.0 / grain)), SECTOR);
    }

    static int newCid() {
        int cid;
        do {
            cid = ThreadLocalRandom.current().nextInt();
        } while (cid == Descriptor.NO_PARENT);
        return cid;
    }

    /** Opens the parent of a child that is made, or gets another parent. */
    VirtualDisk parent(TapSpec backing) throws DiskException {
        if (!backing.type().equals(VmdkDriver.TYPE)) {
            throw new DiskException(
                    Reason.BAD_OPTION, path + ": the parent of a VMDK disk is a VMDK disk, not tap:" + backing.type());
        }
        // opened as an attach opens it: an image that cannot be attached is not made
        return context.openBacking(backing.type(), context.confine(path, BackingName.of(path, backing.path())));
    }

    int parentCid(VirtualDisk parent, TapSpec backing) throws DiskException {
        String cid = parent.info().details().get(VmdkDriver.CID);
        if (cid == null) {
            throw new DiskException(
                    Reason.UNSUPPORTED,
                    path + ": " + backing.path() + " has no descriptor and so no CID: it cannot be a parent");
        }
        return Integer.parseUnsignedInt(cid, 16);
    }

    String writable(String name) throws DiskException {
        if (name.chars().anyMatch(c -> c == '"' || c < ' ')) {
            throw new DiskException(Reason.BAD_OPTION, path + ": a descriptor cannot hold the name " + name);
        }
        return name;
    }

    /** @param descriptor embedded, or null */
    private void sparse(Path extent, long size, int grain, boolean zeroedGrains, byte[] descriptor)
            throws DiskException, IOException {
        long tables = Alignment.units(size, (long) grain * SparseHeader.NUM_GTES_PER_GT);
        long tableSectors = SparseHeader.NUM_GTES_PER_GT * GrainLayout.ENTRY_BYTES / SECTOR;
        long directorySectors = Alignment.units(tables * GrainLayout.ENTRY_BYTES, SECTOR);
        long rgd = descriptor == null ? DESCRIPTOR_OFFSET : DESCRIPTOR_OFFSET + DESCRIPTOR_SIZE;
        long gd = rgd + directorySectors + tables * tableSectors;
        long grainSectors = grain / SECTOR;
        long overHead = Alignment.up(gd + directorySectors + tables * tableSectors, grainSectors);
        SparseHeader header = new SparseHeader(
                zeroedGrains ? 2 : 1,
                SparseHeader.FLAG_NEWLINE_TEST
                        | SparseHeader.FLAG_REDUNDANT
                        | (zeroedGrains ? SparseHeader.FLAG_ZEROED_GRAIN : 0),
                size / SECTOR,
                grainSectors,
                descriptor == null ? 0 : DESCRIPTOR_OFFSET,
                descriptor == null ? 0 : DESCRIPTOR_SIZE,
                rgd,
                gd,
                overHead,
                false,
                0);
        try (IoFile file = context.createFile(extent)) {
            // the grain tables are all holes
            file.truncateNow(overHead * SECTOR);
            file.writeFully(header.bytes(), 0);
            if (descriptor != null) {
                file.writeFully(ByteBuffer.wrap(descriptor), DESCRIPTOR_OFFSET * SECTOR);
            }
            for (long directory : new long[] {rgd, gd}) {
                ByteBuffer entries =
                        ByteBuffer.allocate((int) directorySectors * SECTOR).order(ByteOrder.LITTLE_ENDIAN);
                for (int i = 0; i < tables; i++) {
                    entries.putInt((int) (directory + directorySectors + i * tableSectors));
                }
                file.writeFully(entries.clear(), directory * SECTOR);
            }
            file.flushNow();
        }
    }
}
