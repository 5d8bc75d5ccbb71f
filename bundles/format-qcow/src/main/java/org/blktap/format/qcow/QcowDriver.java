package org.blktap.format.qcow;

import static org.blktap.api.memory.Alignment.SECTOR;

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
import org.blktap.api.disk.TapSpec;
import org.blktap.api.disk.TapType;
import org.blktap.api.disk.VirtualDisk;
import org.blktap.api.engine.CloseOnFailure;
import org.blktap.api.engine.IoFile;
import org.blktap.image.BackingName;
import org.blktap.image.ClusterDisk;
import org.blktap.image.FirstSector;
import org.blktap.image.LargerDisk;
import org.blktap.image.QemuName;
import org.blktap.image.TableCache;
import org.osgi.service.component.annotations.Component;

/** {@code tap:qcow:<file>}: qcow version 1, as QEMU and Xen's blktap wrote it. */
@Component
@TapType(type = QcowDriver.TYPE, summary = "qcow version 1: sparse, with a backing file")
public final class QcowDriver implements DiskDriver {
    static final String TYPE = "qcow";
    private static final long DEFAULT_CACHE = 16 << 20;
    /** The type of a backing file that the attach does not name: the format has no field for it. */
    private static final String BACKING_TYPE = "aio";

    @Override
    public VirtualDisk open(String path, DiskContext context) throws DiskException {
        return open(path, context, 0);
    }

    /** @param size bytes of the disk if the header says less; the L1 table has entries for them */
    private static ClusterDisk open(String path, DiskContext context, long size) throws DiskException {
        long cache = context.options().size("cache", DEFAULT_CACHE, TableCache.MIN_BYTES, TableCache.MAX_BYTES);
        IoFile file = context.openFile(FileNames.path(path));
        try (CloseOnFailure opened = new CloseOnFailure(file::close)) {
            if (file.blockDevice() && !context.readOnly()) {
                throw new DiskException(
                        Reason.UNSUPPORTED, path + ": a qcow image on a block device cannot grow; attach it read-only");
            }
            QcowHeader found = QcowHeader.read(file);
            QcowHeader header = found.with(found.l1Offset(), Math.max(size, found.size()));
            QcowMap map =
                    new QcowMap(header, file, context.loop(), context.memory(), header.backingOffset() == 0, cache);
            opened.addOwner(map::close);
            if (!context.readOnly()) {
                map.mendFirstTable();
            }
            String named = header.backingName(file);
            QemuName parsed = named == null ? null : QemuName.parse(path, "backing file name", named);
            String backingName = parsed == null ? null : parsed.file();
            String namedType = context.backingType(parsed == null ? null : QemuName.typeOf(parsed.format()));
            String backingType = namedType == null ? BACKING_TYPE : namedType;
            VirtualDisk backing = null;
            TapSpec backingSpec = null;
            if (backingName != null) {
                Path backingFile = context.confineBacking(backingType, FileNames.path(path), backingName);
                backing = context.openBacking(backingType, backingFile);
                opened.add(backing::close);
                backingSpec = BackingName.spec(backingType, backingFile);
                if (namedType == null) {
                    refuseOtherImages(path, backing, backingFile, context);
                }
            }
            DiskInfo info = info(
                            header,
                            map,
                            file,
                            context.readOnly(),
                            backing == null ? null : backingType + ":" + backingName)
                    .withBacking(backingSpec);
            return opened.keep(new ClusterDisk(map, List.of(file), backing, info, context.loop(), context.memory()));
        }
    }

    /**
     * Refuses a raw backing file that begins like a qcow image, unless the attach names its type: it may be either, and
     * types are not guessed.
     */
    private static void refuseOtherImages(String path, VirtualDisk backing, Path file, DiskContext context)
            throws DiskException {
        ByteBuffer first = FirstSector.of(backing, context.loop(), context.memory(), file);
        if (first.hasRemaining() && first.getInt() == QcowHeader.MAGIC) {
            throw new DiskException(
                    Reason.BAD_OPTION,
                    path + ": the backing file " + FileNames.text(file) + " begins as a qcow image does, and the format"
                            + " does not say what it is; attach with -o backing-type=qcow, qcow2, or aio if it is raw all the same");
        }
    }

    private static DiskInfo info(QcowHeader header, QcowMap map, IoFile file, boolean readOnly, String backing) {
        Map<String, String> details = new LinkedHashMap<>();
        details.put("format", TYPE);
        details.put("file", FileNames.text(file.path()));
        if (backing != null) {
            details.put("backing", backing);
        }
        details.put("cluster size", Integer.toString(header.clusterSize()));
        details.put("L2 entries", Integer.toString(header.l2Entries()));
        if (header.xen() != null) {
            details.put("Xen extension", map.coarseSlots() ? "in use" : "present, not in use");
        }
        if (map.littleEndianL1()) {
            details.put("L1 table", "little-endian (Xen 3.0 to 3.2)");
        }
        return DiskInfo.ofSize(DiskInfo.wholeSectors(header.size()))
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
        return type.equals(BACKING_TYPE);
    }

    @Override
    public void create(String path, long sizeBytes, TapSpec backing, DiskContext context) throws DiskException {
        QcowCreate.create(FileNames.path(path), sizeBytes, backing, context);
    }

    @Override
    public CompressedImage createCompressed(String path, long sizeBytes, DiskContext context) throws DiskException {
        return QcowCreate.compressed(FileNames.path(path), sizeBytes, context);
    }

    @Override
    public void resize(String path, long sizeBytes, DiskContext context) throws DiskException {
        QcowResize resize;
        try (IoFile file = context.openFile(FileNames.path(path))) {
            resize = new QcowResize(QcowHeader.read(file), file, sizeBytes);
            resize.lengthenL1(file);
        }
        LargerDisk.zeroNew(open(path, context, sizeBytes), resize.before(), context.loop(), path);
        try (IoFile file = context.openFile(FileNames.path(path))) {
            resize.setSize(file);
            resize.freeOldL1(file, context.loop());
        }
    }

    /** The image has no field for the type: who attaches it names the type with {@code -o backing-type=}. */
    @Override
    public void rebase(String path, TapSpec backing, DiskContext context) throws DiskException {
        Path image = FileNames.path(path);
        byte[] name = null;
        try (IoFile file = context.openFile(image)) {
            if (backing != null) {
                String named = QcowCreate.backingName(image, backing);
                // opened as an attach opens it: an image does not get a backing file with which it cannot be attached
                context.openBacking(backing.type(), context.confineBacking(backing.type(), image, named))
                        .close();
                name = FileNames.bytes(QemuName.encode(backing.type(), named));
            }
            new QcowRebase(file).run(name, context.memory());
        }
    }

    @Override
    public CheckReport check(String path, DiskContext context) throws DiskException {
        try (IoFile file = context.openFile(FileNames.path(path))) {
            QcowHeader header = QcowHeader.read(file);
            try (L1Table l1 = new L1Table(header, file, context.memory())) {
                return new QcowCheck(header, file, l1, context.loop(), !context.readOnly()).run();
            }
        }
    }
}
