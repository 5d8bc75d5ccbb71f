package org.blktap.format.vmdk;

import static org.blktap.api.memory.Alignment.SECTOR;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.blktap.api.disk.DiskContext;
import org.blktap.api.disk.DiskException;
import org.blktap.api.disk.DiskException.Reason;
import org.blktap.api.engine.CloseOnFailure;
import org.blktap.api.engine.IoFile;

/**
 * The files of a disk with what their headers say: the descriptor, wherever it is, and the extents. Not for the loop's
 * thread.
 */
final class VmdkImage implements AutoCloseable {
    /** All grain directories are held in memory. */
    static final long MAX_DIRECTORIES = 64 << 20;

    private final Path path;
    private final DiskContext context;
    private final Map<Path, IoFile> files = new HashMap<>();
    private final Set<IoFile> unshared = new HashSet<>();
    private final List<Part> parts = new ArrayList<>();
    private IoFile file;
    private Descriptor descriptor;
    private DescriptorPlace place;
    private long descriptorAt;
    /** Bytes of the disk if it is to be larger than its descriptor says; else 0. */
    private final long atLeast;

    private long size;
    private long directories;

    /**
     * An extent with its file.
     *
     * @param start where it begins on the disk, in bytes
     * @param file null for ZERO
     * @param grains of a sparse extent, or null
     * @param seSparse of a seSparse extent, or null
     */
    record Part(long start, Descriptor.Line line, IoFile file, GrainLayout grains, SeSparseHeader seSparse) {
        long end() {
            return start + line.sectors() * SECTOR;
        }

        boolean writable() {
            return line.access() == Descriptor.Access.RW && line.type() != Descriptor.Type.ZERO;
        }
    }

    private VmdkImage(Path path, DiskContext context, long atLeast) {
        this.path = path;
        this.context = context;
        this.atLeast = atLeast;
    }

    /** Opens all files and reads all headers. */
    static VmdkImage open(Path path, DiskContext context) throws DiskException {
        return open(path, context, 0);
    }

    /** @param atLeast bytes of the disk if it has less; the last extent has tables for them */
    static VmdkImage open(Path path, DiskContext context, long atLeast) throws DiskException {
        VmdkImage image = new VmdkImage(path, context, atLeast);
        try (CloseOnFailure opened = new CloseOnFailure(image::close)) {
            image.open();
            return opened.keep(image);
        }
    }

    private void open() throws DiskException {
        file = context.openFile(path);
        files.put(path, file);
        unshared.add(file);
        if (file.size() == 0) {
            throw DiskException.notAnImage(
                    path, 0, "a VMDK disk", "first sector", 0, "nothing", "a header or a descriptor");
        }
        int magic = SparseHeader.sector(file, 0, "read the first sector").getInt(0);
        if (magic == SparseHeader.MAGIC) {
            SparseHeader header = SparseHeader.read(file);
            if (header.descriptorOffset() == 0) {
                throw new DiskException(
                        Reason.UNSUPPORTED,
                        path + ": has no descriptor: it is one extent of a disk; name the disk's descriptor file");
            }
            if (header.descriptorOffset() * SECTOR >= file.size()) {
                throw DiskException.corrupt(
                        path,
                        "header field descriptorOffset",
                        SparseHeader.AT_DESCRIPTOR_OFFSET,
                        header.descriptorOffset(),
                        "a sector inside the file");
            }
            descriptor(new DescriptorPlace(file, header));
            if (header.capacity() == 0) {
                extents();
            } else {
                // the extent line means this file, whatever its name was when the line was written
                add(
                        new Descriptor.Line(Descriptor.Access.RW, header.capacity(), Descriptor.Type.SPARSE, null, 0),
                        file,
                        true);
            }
        } else if (magic == CowdHeader.MAGIC) {
            CowdHeader header = CowdHeader.read(file);
            if (header.child()) {
                throw new DiskException(
                        Reason.UNSUPPORTED,
                        path + ": is a COWD disk whose header names a parent, which is not supported");
            }
            add(
                    new Descriptor.Line(Descriptor.Access.RW, header.numSectors(), Descriptor.Type.VMFSSPARSE, null, 0),
                    file,
                    true);
        } else if (magic == (int) SeSparseHeader.MAGIC) {
            throw new DiskException(
                    Reason.UNSUPPORTED, path + ": is a seSparse extent of a disk; name the disk's descriptor file");
        } else {
            if (file.size() > Descriptor.MAX_BYTES) {
                throw new DiskException(
                        Reason.WRONG_TYPE,
                        path
                                + ": is no VMDK disk: it begins neither as a sparse extent nor is it a descriptor, which has "
                                + Descriptor.MAX_BYTES + " bytes at most");
            }
            descriptor(new DescriptorPlace(file, null));
            extents();
        }
    }

    private void descriptor(DescriptorPlace found) throws DiskException {
        place = context.readOnly() ? found : found.finished();
        descriptorAt = place.at();
        descriptor = Descriptor.parse(place.read(), path, descriptorAt);
    }

    private void extents() throws DiskException {
        if (descriptor.extents().isEmpty()) {
            throw DiskException.corrupt(path, "descriptor extent lines", descriptorAt, "none", "at least one");
        }
        List<Descriptor.Line> lines = descriptor.extents();
        for (int i = 0; i < lines.size(); i++) {
            Descriptor.Line line = lines.get(i);
            add(line, line.type() == Descriptor.Type.ZERO ? null : file(line), i == lines.size() - 1);
        }
    }

    private Path confined(Descriptor.FileName name) throws DiskException {
        try {
            return context.confine(path, name.text());
        } catch (DiskException e) {
            if (e.reason() != Reason.NOT_FOUND || name.raw().equals(name.text())) {
                throw e;
            }
        }
        return context.confine(path, name.raw());
    }

    /** Opens the file of an extent; a file that holds several flat extents is opened once. */
    private IoFile file(Descriptor.Line line) throws DiskException {
        Path confined = confined(line.fileName());
        boolean flat = line.type() == Descriptor.Type.FLAT || line.type() == Descriptor.Type.VMFS;
        IoFile found = files.get(confined);
        if (found != null && (!flat || unshared.contains(found))) {
            throw DiskException.corrupt(
                    path,
                    "descriptor extent line",
                    descriptorAt,
                    "the file " + line.fileName() + " once more",
                    "a file that nothing else uses");
        }
        if (found == null) {
            found = new ExtentName(path).matches(confined) ? context.openPart(confined) : context.openFile(confined);
            files.put(confined, found);
            if (!flat) {
                unshared.add(found);
            }
        }
        return found;
    }

    private void add(Descriptor.Line found, IoFile in, boolean last) throws DiskException {
        long more = last ? atLeast - size - found.sectors() * SECTOR : 0;
        Descriptor.Line line = more <= 0 ? found : found.withSectors((atLeast - size) / SECTOR);
        long bytes = line.sectors() * SECTOR;
        GrainLayout grains = null;
        SeSparseHeader seSparse = null;
        switch (line.type()) {
            case ZERO -> {}
            case FLAT, VMFS -> {
                long end = line.offset() * SECTOR + bytes;
                if (in.size() < end) {
                    throw DiskException.corrupt(
                            in.path(), "flat extent", in.size(), "the end of the file", "at least " + end + " bytes");
                }
            }
            case SPARSE, VMFSSPARSE -> grains = grains(in, more <= 0 ? 0 : line.sectors());
            case SESPARSE -> seSparse = SeSparseHeader.read(in);
        }
        if (grains != null) {
            // a resize makes the extent larger before its line
            same(in, bytes, last ? Math.min(bytes, grains.capacity()) : grains.capacity());
            directories += grains.directoryBytes() * (grains.rgdOffset() == 0 ? 1 : 2);
            refuseWriting(
                    line, in, in.blockDevice() ? "is on a block device, where it cannot grow" : grains.onlyRead());
        }
        if (seSparse != null) {
            same(in, bytes, seSparse.capacity() * SECTOR);
            directories += seSparse.directoryEntries() * SeSparseHeader.ENTRY_BYTES;
            refuseWriting(line, in, "is a seSparse extent, which is only read");
        }
        if (directories > MAX_DIRECTORIES) {
            throw new DiskException(
                    Reason.UNSUPPORTED, path + ": has grain directories of more than " + MAX_DIRECTORIES + " bytes");
        }
        Part part = new Part(size, line, in, grains, seSparse);
        parts.add(part);
        size += bytes;
    }

    /** @param sectors of the extent if its header says less; else 0 */
    private GrainLayout grains(IoFile in, long sectors) throws DiskException {
        int magic = SparseHeader.sector(in, 0, "read the header").getInt(0);
        if (magic == CowdHeader.MAGIC) {
            return CowdHeader.read(in).layout(in);
        }
        SparseHeader header = SparseHeader.read(in);
        if (header.capacity() == 0) {
            throw DiskException.corrupt(
                    in.path(), "header field capacity", SparseHeader.AT_CAPACITY, 0, "the size of the extent");
        }
        if (in != file && !context.readOnly() && hasDescriptor(in, header)) {
            throw new DiskException(
                    Reason.FORBIDDEN_PATH,
                    path + ": names the extent " + in.path() + ", which is a disk of its own: it has a descriptor;"
                            + " attach it read-only");
        }
        return (sectors > header.capacity() ? header.withCapacity(sectors) : header).layout(in);
    }

    /**
     * Whether the extent holds a descriptor. QEMU leaves room for one in every extent, but writes it only into the
     * first file of a disk.
     */
    private static boolean hasDescriptor(IoFile in, SparseHeader header) throws DiskException {
        return header.descriptorOffset() != 0
                && SparseHeader.sector(in, header.descriptorOffset() * SECTOR, "look for a descriptor")
                                .get(0)
                        != 0;
    }

    private static void same(IoFile in, long line, long header) throws DiskException {
        if (line != header) {
            throw DiskException.corrupt(
                    in.path(),
                    "header field capacity",
                    SparseHeader.AT_CAPACITY,
                    header / SECTOR + " sectors",
                    "the " + line / SECTOR + " sectors of the descriptor's extent line");
        }
    }

    private void refuseWriting(Descriptor.Line line, IoFile in, String why) throws DiskException {
        if (why != null && !context.readOnly() && line.access() == Descriptor.Access.RW) {
            throw new DiskException(Reason.UNSUPPORTED, in.path() + ": " + why + "; attach it read-only");
        }
    }

    /**
     * Returns the bytes that are allocated as one. All sparse extents that are written must have the same, and must
     * begin and end with whole grains; only the disk may end inside one.
     */
    int writtenGrain() throws DiskException {
        int grain = 0;
        for (Part part : parts) {
            if (part.grains() != null && part.writable()) {
                int bytes = part.grains().grainBytes();
                if (grain != 0 && grain != bytes
                        || part.start() % bytes != 0
                        || part.end() % bytes != 0 && part.end() != size) {
                    throw new DiskException(
                            Reason.UNSUPPORTED,
                            path + ": the extent " + part.file().path()
                                    + " has grains of another size than others, or not whole ones; attach it read-only");
                }
                grain = bytes;
            }
        }
        return grain == 0 ? SECTOR : grain;
    }

    /** Bytes of the largest grain; a sector where there are none. */
    int largestGrain() {
        int grain = SECTOR;
        for (Part part : parts) {
            int bytes = part.grains() != null
                    ? part.grains().grainBytes()
                    : part.seSparse() != null ? 1 << SeSparseHeader.GRAIN_BITS : SECTOR;
            grain = Math.max(grain, bytes);
        }
        return grain;
    }

    /** Most bytes of a compressed grain; small for disks without any. */
    int mostCompressed() {
        return parts.stream()
                .filter(p -> p.grains() != null && p.grains().compressed())
                .mapToInt(p -> p.grains().mostCompressed())
                .max()
                .orElse(SECTOR);
    }

    /** The file by which the disk is named. */
    IoFile file() {
        return file;
    }

    /** The descriptor, or null for a bare COWD file. */
    Descriptor descriptor() {
        return descriptor;
    }

    /** Where the descriptor is; null for a bare COWD file. */
    DescriptorPlace place() {
        return place;
    }

    /** Offset of the descriptor in {@link #file}. */
    long descriptorAt() {
        return descriptorAt;
    }

    List<Part> parts() {
        return parts;
    }

    /** The files that hold the disk's bytes. */
    List<IoFile> dataFiles() {
        return parts.stream().map(Part::file).filter(f -> f != null).distinct().toList();
    }

    /** Bytes of the disk. */
    long size() {
        return size;
    }

    @Override
    public void close() {
        files.values().forEach(IoFile::close);
    }
}
