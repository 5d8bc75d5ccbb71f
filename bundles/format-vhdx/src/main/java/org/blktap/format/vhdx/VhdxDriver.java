package org.blktap.format.vhdx;

import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.UUID;
import org.blktap.api.disk.DiskContext;
import org.blktap.api.disk.DiskDriver;
import org.blktap.api.disk.DiskException;
import org.blktap.api.disk.DiskInfo;
import org.blktap.api.disk.FileNames;
import org.blktap.api.disk.Operation;
import org.blktap.api.disk.TapSpec;
import org.blktap.api.disk.TapType;
import org.blktap.api.disk.VirtualDisk;
import org.blktap.api.engine.CloseOnFailure;
import org.blktap.image.ClusterDisk;
import org.blktap.image.OpenParents;
import org.blktap.image.TableCache;
import org.osgi.service.component.annotations.Activate;
import org.osgi.service.component.annotations.Component;
import org.osgi.service.component.annotations.Modified;

/** {@code tap:vhdx:<file>}: VHDX version 1, the format of Hyper-V. */
@Component(configurationPid = VhdxSettings.PID)
@TapType(type = VhdxDriver.TYPE, summary = "VHDX of Hyper-V: fixed, dynamic, differencing")
public final class VhdxDriver implements DiskDriver {
    static final String TYPE = "vhdx";

    private static final long DEFAULT_CACHE = 4 << 20;

    private final VhdxLogMemory logs;
    private final OpenParents parents = new OpenParents();

    @VhdxSettings
    private static final class Defaults {}

    @Activate
    public VhdxDriver(VhdxSettings settings) {
        logs = new VhdxLogMemory(settings.log$_$memory());
    }

    /** Makes a driver with the default settings. */
    VhdxDriver() {
        this(Defaults.class.getAnnotation(VhdxSettings.class));
    }

    @Modified
    public void configure(VhdxSettings settings) {
        logs.limit(settings.log$_$memory());
    }

    @Override
    public VirtualDisk open(String path, DiskContext context) throws DiskException {
        long cache = context.options().size("cache", DEFAULT_CACHE, TableCache.MIN_BYTES, TableCache.MAX_BYTES);
        Path file = FileNames.path(path);
        VhdxImage image = VhdxImage.open(path, context, logs);
        VhdxParent parent = null;
        try (CloseOnFailure opened = new CloseOnFailure(image::close)) {
            Runnable noParent = () -> {};
            if (image.metadata().hasParent()) {
                parent = VhdxParent.open(file, image.metadata().parentLocator(), context);
                opened.add(parent.disk()::close);
                noParent = parents.add(parent.path(), file);
                opened.add(noParent);
            }
            VirtualDisk below = parent == null ? null : parent.disk();
            VhdxMap map =
                    new VhdxMap(image, context, below == null ? 0 : below.info().sizeBytes(), cache, noParent);
            VirtualDisk disk = new ClusterDisk(
                    map, List.of(image.file()), below, info(image, parent, context), context.loop(), context.memory());
            return opened.keep(context.readOnly() ? disk : writable(disk, file, image, map.log(), context));
        }
    }

    private VirtualDisk writable(VirtualDisk disk, Path file, VhdxImage image, LogWriter log, DiskContext context) {
        Path child = parents.childOf(file);
        if (child == null) {
            return new VhdxDisk(disk, log::begin, context.loop());
        }
        CommitMark mark = CommitMark.next(image, FileNames.text(child.getFileName()));
        return new VhdxDisk(disk, () -> mark.begin(image, log), context.loop());
    }

    private static DiskInfo info(VhdxImage image, VhdxParent parent, DiskContext context) {
        VhdxMetadata metadata = image.metadata();
        Map<String, String> details = new LinkedHashMap<>();
        details.put("format", TYPE);
        details.put("file", FileNames.text(image.file().path()));
        if (parent != null) {
            details.put("backing", parent.spec().type() + ":" + parent.spec().path());
        }
        details.put(
                "subformat",
                metadata.hasParent() ? "differencing" : metadata.leaveBlocksAllocated() ? "fixed" : "dynamic");
        details.put("block size", Integer.toString(metadata.blockSize()));
        details.put(VhdxParent.VIRTUAL_DISK_ID, metadata.virtualDiskId().toString());
        UUID dataWriteGuid = image.headers().current().dataWriteGuid();
        details.put(VhdxParent.DATA_WRITE_GUID, dataWriteGuid.toString());
        if (metadata.commit() != null && metadata.commit().counts(dataWriteGuid)) {
            details.put(
                    VhdxParent.committed(metadata.commit().child()),
                    metadata.commit().from().toString());
        }
        if (image.file() instanceof ReplayedFile) {
            details.put("log", "replayed in memory");
        }
        int physical = Math.max(
                metadata.physicalSectorSize(),
                Math.max(metadata.logicalSectorSize(), image.file().physicalSectorSize()));
        return DiskInfo.ofSize(metadata.size())
                .withBlocks(metadata.logicalSectorSize(), physical)
                .with(Operation.DISCARD, Operation.WRITE_ZEROES)
                .withReadOnly(context.readOnly())
                .withBacking(parent == null ? null : new TapSpec(parent.spec().type(), FileNames.text(parent.path())))
                .withDetails(details);
    }

    @Override
    public void create(String path, long sizeBytes, TapSpec backing, DiskContext context) throws DiskException {
        VhdxCreate.create(FileNames.path(path), sizeBytes, backing, VhdxCreate.DEFAULT_SECTOR_SIZE, context);
    }

    /**
     * Makes a disk with the sector size of {@code source}, if this format has that size and it divides the disk's size.
     */
    @Override
    public void createFor(DiskInfo source, String path, DiskContext context) throws DiskException {
        int sectorSize =
                source.blockSize() == 4096 && source.sizeBytes() % 4096 == 0 ? 4096 : VhdxCreate.DEFAULT_SECTOR_SIZE;
        VhdxCreate.create(FileNames.path(path), source.sizeBytes(), null, sectorSize, context);
    }

    @Override
    public CheckReport check(String path, DiskContext context) throws DiskException {
        try (VhdxImage image = VhdxImage.open(path, context, logs)) {
            return new VhdxCheck(image, !context.readOnly(), context.loop()).run();
        }
    }

    @Override
    public void resize(String path, long sizeBytes, DiskContext context) throws DiskException {
        try (VhdxImage image = VhdxImage.open(path, context, logs)) {
            VhdxResize.grow(image, sizeBytes, context);
        }
    }

    @Override
    public void rebase(String path, TapSpec backing, DiskContext context) throws DiskException {
        try (VhdxImage image = VhdxImage.open(path, context, logs)) {
            VhdxRebase.rebase(image, backing, context);
        }
    }
}
