package org.blktap.format.vhdx;

import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.UUID;
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
import org.blktap.image.ClusterDisk;
import org.blktap.image.ParentSearch;
import org.blktap.image.TableCache;
import org.osgi.service.component.annotations.Activate;
import org.osgi.service.component.annotations.Component;
import org.osgi.service.component.annotations.Modified;

/** {@code tap:vhdx:<file>}: VHDX version 1, the format of Hyper-V. */
@Component(configurationPid = VhdxSettings.PID)
@TapType(type = VhdxDriver.TYPE, summary = "VHDX of Hyper-V: fixed, dynamic, differencing")
public final class VhdxDriver implements DiskDriver {
    static final String TYPE = "vhdx";

    /** The name under which a disk gives its DataWriteGuid to a child. */
    static final String DATA_WRITE_GUID = "data write GUID";

    private static final long DEFAULT_CACHE = 4 << 20;
    private static final Parent NO_PARENT = new Parent(null, null);

    private final VhdxLogMemory logs;

    @VhdxSettings
    private static final class Defaults {}

    /** @param name its type, and its name in the image */
    private record Parent(String name, VirtualDisk disk) {}

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
        VhdxImage image = VhdxImage.open(path, context, logs);
        Parent parent = NO_PARENT;
        try (CloseOnFailure opened = new CloseOnFailure(image::close)) {
            if (image.metadata().hasParent()) {
                if (!context.readOnly()) {
                    throw new DiskException(
                            Reason.UNSUPPORTED,
                            path + ": is a differencing image, which is only read; attach it read-only");
                }
                parent = parent(path, image.metadata().parentLocator(), context);
                opened.add(parent.disk()::close);
            }
            VhdxMap map = new VhdxMap(image, context, cache);
            VirtualDisk disk = new ClusterDisk(
                    map,
                    List.of(image.file()),
                    parent.disk(),
                    info(image, parent.name(), context),
                    context.loop(),
                    context.memory());
            return opened.keep(context.readOnly() ? disk : new VhdxDisk(disk, map.log(), context.loop()));
        }
    }

    private static Parent parent(String path, Map<String, String> locator, DiskContext context) throws DiskException {
        List<UUID> linkages = ParentLocator.linkages(locator, path);
        String type = context.backingType(TYPE);
        ParentSearch.Parent found = ParentSearch.open(
                FileNames.path(path),
                ParentLocator.paths(locator),
                type,
                context,
                candidate -> objection(linkages, candidate));
        return new Parent(type + ":" + found.name(), found.disk());
    }

    /** Refuses a parent that has changed since the child was made. */
    private static String objection(List<UUID> linkages, VirtualDisk candidate) {
        String found = candidate.info().details().get(DATA_WRITE_GUID);
        return linkages.stream().anyMatch(linkage -> linkage.toString().equals(found))
                ? null
                : "has " + (found == null ? "no DataWriteGuid" : "the DataWriteGuid " + found) + ", expected "
                        + linkages.get(0) + " (parent_linkage): it was changed since, or is another";
    }

    private static DiskInfo info(VhdxImage image, String backing, DiskContext context) {
        VhdxMetadata metadata = image.metadata();
        Map<String, String> details = new LinkedHashMap<>();
        details.put("format", TYPE);
        details.put("file", FileNames.text(image.file().path()));
        if (backing != null) {
            details.put("backing", backing);
        }
        details.put(
                "subformat",
                metadata.hasParent() ? "differencing" : metadata.leaveBlocksAllocated() ? "fixed" : "dynamic");
        details.put("block size", Integer.toString(metadata.blockSize()));
        details.put("virtual disk ID", metadata.virtualDiskId().toString());
        details.put(DATA_WRITE_GUID, image.headers().current().dataWriteGuid().toString());
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
}
