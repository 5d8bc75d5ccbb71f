package org.blktap.format.qcow2;

import static org.blktap.api.memory.Alignment.SECTOR;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.blktap.api.disk.CompressedImage;
import org.blktap.api.disk.DiskContext;
import org.blktap.api.disk.DiskDriver;
import org.blktap.api.disk.DiskException;
import org.blktap.api.disk.DiskException.Reason;
import org.blktap.api.disk.DiskInfo;
import org.blktap.api.disk.FileNames;
import org.blktap.api.disk.Operation;
import org.blktap.api.disk.Options;
import org.blktap.api.disk.TapSpec;
import org.blktap.api.disk.TapType;
import org.blktap.api.disk.VirtualDisk;
import org.blktap.api.engine.CloseOnFailure;
import org.blktap.api.engine.IoFile;
import org.blktap.api.engine.IoLoop;
import org.blktap.image.BackingName;
import org.blktap.image.ClusterDisk;
import org.blktap.image.LargerDisk;
import org.blktap.image.QemuName;
import org.blktap.image.TableCache;
import org.osgi.service.component.annotations.Component;

/** {@code tap:qcow2:<file>}: qcow2, versions 2 and 3. */
@Component
@TapType(type = Qcow2Driver.TYPE, summary = "qcow2, versions 2 and 3")
public final class Qcow2Driver implements DiskDriver {
    static final String TYPE = "qcow2";
    private static final long DEFAULT_CACHE = 32 << 20;

    @Override
    public VirtualDisk open(String path, DiskContext context) throws DiskException {
        Opened opened = open(path, context, 0);
        return opened.bitmaps == null ? opened.disk : new Qcow2Disk(opened.disk, opened.bitmaps, context.loop());
    }

    /** @param bitmaps null for an image that is only read, or can have none */
    private record Opened(ClusterDisk disk, Qcow2Bitmaps bitmaps) {}

    /** @param atLeast bytes of the disk if the header says less; the L1 table has entries for them */
    private static Opened open(String path, DiskContext context, long atLeast) throws DiskException {
        Options options = context.options();
        long cache = options.size("cache", DEFAULT_CACHE, TableCache.MIN_BYTES, TableCache.MAX_BYTES);
        String snapshotName = options.text("snapshot", null);
        if (snapshotName != null && !context.readOnly()) {
            throw new DiskException(Reason.BAD_OPTION, path + ": a snapshot is opened read-only (--read-only)");
        }
        IoFile file = context.openFile(FileNames.path(path));
        try (CloseOnFailure opened = new CloseOnFailure(file::close)) {
            Qcow2Header header = Qcow2Header.read(file);
            if (!context.readOnly()) {
                prepareForWriting(header, file, context.loop());
                header = Qcow2Header.read(file);
            }
            List<InternalSnapshot> snapshots = InternalSnapshot.read(header, file, null);
            InternalSnapshot snapshot = snapshotName == null ? null : InternalSnapshot.find(header, file, snapshotName);
            IoFile data = dataFile(header, path, context);
            if (data != null) {
                opened.add(data::close);
            }
            Refcounts counts = context.readOnly() ? null : new Refcounts(header, file);
            Qcow2Map map = new Qcow2Map(
                    header,
                    snapshot == null ? header.l1Offset() : snapshot.l1Offset(),
                    snapshot == null ? header.l1Entries() : snapshot.l1Entries(),
                    file,
                    data,
                    counts,
                    context.loop(),
                    context.memory(),
                    cache);
            opened.addOwner(map::close);
            if (counts != null) {
                map.findFree();
            }
            String backing = null;
            TapSpec backingSpec = null;
            VirtualDisk backingDisk = null;
            if (header.backingName() != null) {
                QemuName name = QemuName.parse(path, "backing file name", header.backingName());
                String backingType = backingType(header, name, path, context);
                Path backingFile = context.confineBacking(backingType, FileNames.path(path), name.file());
                backingDisk = context.openBacking(backingType, backingFile);
                opened.add(backingDisk::close);
                backing = backingType + ":" + name.file();
                backingSpec = BackingName.spec(backingType, backingFile);
            }
            long size = snapshot == null ? Math.max(atLeast, header.size()) : snapshot.size();
            DiskInfo info = info(header, file, size, snapshots, snapshot, backing, context.readOnly())
                    .withBacking(backingSpec);
            Qcow2Bitmaps bitmaps = counts == null || header.version() == 2
                    ? null
                    : new Qcow2Bitmaps(header, file, counts, map::settle);
            ClusterDisk disk = new ClusterDisk(
                    map,
                    data == null ? List.of(file) : List.of(file, data),
                    backingDisk,
                    info,
                    context.loop(),
                    context.memory());
            return opened.keep(new Opened(disk, bitmaps));
        }
    }

    /**
     * Prepares an image for writing: refuses what may not be written, repairs a dirty image, and clears feature bits
     * that a write makes invalid.
     */
    private static void prepareForWriting(Qcow2Header header, IoFile file, IoLoop loop) throws DiskException {
        if (header.has(Qcow2Header.CORRUPT)) {
            throw new DiskException(
                    Reason.CORRUPT,
                    file.path() + ": is marked as corrupt (incompatible feature bit 1); attach it read-only,"
                            + " or repair it: blktap check --repair");
        }
        if (file.blockDevice()) {
            throw new DiskException(
                    Reason.UNSUPPORTED,
                    file.path() + ": a qcow2 image on a block device cannot grow; attach it read-only");
        }
        if (file.alignment() > header.clusterSize()) {
            throw new DiskException(
                    Reason.UNSUPPORTED,
                    file.path() + ": clusters of " + header.clusterSize() + " bytes on a device that writes "
                            + file.alignment() + " at once; attach it read-only");
        }
        if (header.has(Qcow2Header.DIRTY)) {
            // its writer was killed before it updated the counts
            Qcow2Check.repairDirty(header, file, loop);
        }
        long known = header.autoclear() & (Qcow2Header.RAW_EXTERNAL | Qcow2Header.BITMAPS);
        long kept = Qcow2Bitmaps.readable(header, file) ? known : known & ~Qcow2Header.BITMAPS;
        if (header.autoclear() != kept) {
            try {
                file.writeFully(ByteBuffer.allocate(8).putLong(kept).flip(), Qcow2Header.AT_AUTOCLEAR);
                file.flushNow();
            } catch (IOException e) {
                throw DiskException.io(file.path(), "write the header", e);
            }
        }
    }

    private static IoFile dataFile(Qcow2Header header, String path, DiskContext context) throws DiskException {
        if (!header.has(Qcow2Header.EXTERNAL_DATA)) {
            return null;
        }
        String name = header.extensionText(Qcow2Header.EXT_DATA_FILE);
        if (name == null) {
            throw DiskException.corrupt(
                    path,
                    "header extension external data file name",
                    header.length(),
                    "none",
                    "one, as incompatible feature bit 2 is set");
        }
        QemuName parsed = QemuName.parse(path, "external data file name", name);
        if (parsed.format() != null && !parsed.format().equals("raw")) {
            throw new DiskException(
                    Reason.UNSUPPORTED,
                    path + ": the external data file " + parsed.file() + " is of the format " + parsed.format()
                            + "; expected raw");
        }
        IoFile data = context.openFile(context.confine(FileNames.path(path), parsed.file()));
        if (data.size() < header.size()) {
            long found = data.size();
            data.close();
            throw DiskException.corrupt(
                    data.path(),
                    "external data file",
                    found,
                    found + " bytes",
                    header.size() + ", the size of the disk");
        }
        return data;
    }

    /** The type named by the attach, the header or the file name; the latter two may not differ. */
    private static String backingType(Qcow2Header header, QemuName name, String path, DiskContext context)
            throws DiskException {
        String format = header.extensionText(Qcow2Header.EXT_BACKING_FORMAT);
        String byHeader = QemuName.typeOf(format);
        String byName = QemuName.typeOf(name.format());
        if (name.isRemote()) {
            // the header has the format of the bytes there
            return context.backingType(byName);
        }
        String type = context.backingType(byHeader == null ? byName : byHeader);
        if (byHeader != null && byName != null && !byHeader.equals(byName) && type.equals(byHeader)) {
            throw DiskException.corrupt(
                    path,
                    "backing file name",
                    header.length(),
                    "the format " + name.format(),
                    format + ", as the header's format name says; attach with -o backing-type=TYPE");
        }
        if (type == null) {
            throw new DiskException(
                    Reason.BAD_OPTION,
                    path + ": does not say of what format its backing file " + header.backingName()
                            + " is, and it is not guessed; attach with -o backing-type=TYPE (aio for raw)");
        }
        return type;
    }

    private static DiskInfo info(
            Qcow2Header header,
            IoFile file,
            long size,
            List<InternalSnapshot> snapshots,
            InternalSnapshot opened,
            String backing,
            boolean readOnly) {
        Map<String, String> details = new LinkedHashMap<>();
        details.put("format", TYPE);
        details.put("version", Integer.toString(header.version()));
        details.put("file", FileNames.text(file.path()));
        if (backing != null) {
            details.put("backing", backing);
        }
        details.put("cluster size", Integer.toString(header.clusterSize()));
        details.put("refcount bits", Integer.toString(1 << header.refcountOrder()));
        details.put("compression", header.compressionType() == Qcow2Header.ZSTD ? "zstd" : "zlib");
        if (header.has(Qcow2Header.EXTENDED_L2)) {
            details.put("extended L2", "yes");
        }
        if ((header.compatible() & Qcow2Header.LAZY_REFCOUNTS) != 0) {
            details.put("lazy refcounts", "yes");
        }
        if (header.has(Qcow2Header.DIRTY)) {
            details.put("dirty", "yes");
        }
        if (header.has(Qcow2Header.CORRUPT)) {
            details.put("corrupt", "yes");
        }
        if (!snapshots.isEmpty()) {
            details.put(DiskInfo.SNAPSHOTS, InternalSnapshot.list(snapshots, true));
        }
        if (opened != null) {
            details.put(DiskInfo.OPENED_SNAPSHOT, opened.name());
        }
        return DiskInfo.ofSize(DiskInfo.wholeSectors(size))
                .withBlocks(SECTOR, file.physicalSectorSize())
                .withOptimalIo(header.clusterSize())
                .with(Operation.DISCARD, Operation.WRITE_ZEROES)
                .withReadOnly(readOnly)
                .withDetails(details);
    }

    @Override
    public boolean recordsBackingState() {
        return false;
    }

    @Override
    public boolean recordsBackingType(String type) {
        return TapSpec.isRemote(type) || type.equals(QemuName.typeOf(QemuName.formatOf(type)));
    }

    @Override
    public void create(String path, long sizeBytes, TapSpec backing, DiskContext context) throws DiskException {
        Qcow2Create.create(FileNames.path(path), sizeBytes, backing, context);
    }

    @Override
    public CompressedImage createCompressed(String path, long sizeBytes, DiskContext context) throws DiskException {
        return Qcow2Create.compressed(FileNames.path(path), sizeBytes, context);
    }

    @Override
    public void resize(String path, long sizeBytes, DiskContext context) throws DiskException {
        long before;
        BitmapResize bitmaps;
        try (IoFile file = context.openFile(FileNames.path(path))) {
            prepareForWriting(Qcow2Header.read(file), file, context.loop());
            Qcow2Header header = Qcow2Header.read(file);
            try (IoFile data = dataFile(header, path, context)) {
                before = header.size();
                Qcow2Resize.check(header, file, sizeBytes);
                bitmaps = new BitmapResize(header, file);
                Qcow2Resize.lengthenL1(header, file, data, sizeBytes);
            }
        }
        LargerDisk.zeroNew(open(path, context, sizeBytes).disk, before, context.loop(), path);
        try (IoFile file = context.openFile(FileNames.path(path))) {
            Qcow2Resize.setSize(file, sizeBytes);
            bitmaps.finish(file);
        }
    }

    @Override
    public void rebase(String path, TapSpec backing, DiskContext context) throws DiskException {
        Path image = FileNames.path(path);
        try (IoFile file = context.openFile(image)) {
            HeaderChange header = new HeaderChange(file);
            if (backing == null) {
                header.backing(null, null);
                return;
            }
            String name = Qcow2Create.backingName(image, backing);
            // opened as an attach opens it: an image does not get a backing file with which it cannot be attached
            context.openBacking(backing.type(), context.confineBacking(backing.type(), image, name))
                    .close();
            header.backing(QemuName.encode(backing.type(), name), QemuName.formatOf(backing.type()));
        }
    }

    @Override
    public CheckReport check(String path, DiskContext context) throws DiskException {
        try (IoFile file = context.openFile(FileNames.path(path))) {
            return new Qcow2Check(Qcow2Header.read(file), file, context.loop(), !context.readOnly()).run();
        }
    }
}
