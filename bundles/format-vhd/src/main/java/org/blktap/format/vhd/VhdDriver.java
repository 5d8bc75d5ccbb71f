package org.blktap.format.vhd;

import static org.blktap.api.memory.Alignment.SECTOR;

import java.io.IOException;
import java.lang.System.Logger;
import java.lang.System.Logger.Level;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
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
import org.blktap.api.engine.IoFile;
import org.blktap.image.BackingName;
import org.blktap.image.ClusterDisk;
import org.blktap.image.ClusterMap;
import org.blktap.image.ParentSearch;
import org.osgi.service.component.annotations.Component;

/** {@code tap:vhd:<file>}: VHD, as Microsoft specified it and XenServer extended it. */
@Component
@TapType(type = VhdDriver.TYPE, summary = "VHD: fixed, dynamic, differencing")
public final class VhdDriver implements DiskDriver {
    /** Key of the UUID in {@link DiskInfo#details}, by which a child knows its parent. */
    static final String UUID_DETAIL = "UUID";

    static final String TYPE = "vhd";
    /** The type of a parent that has no UUID. */
    static final String RAW = "aio";
    /** Types that a raw parent may have when a child is made. */
    static final Set<String> RAW_TYPES = Set.of("raw", RAW, "sync");

    private static final Logger LOG = System.getLogger("org.blktap.format.vhd");
    private static final long DEFAULT_CACHE = 4 << 20;
    private static final long MIN_CACHE = 64 << 10;
    private static final long MAX_CACHE = 128 << 20;

    /** A parent and what the image calls it. */
    record Parent(VirtualDisk disk, String name, TapSpec spec) {}

    @Override
    public VirtualDisk open(String path, DiskContext context) throws DiskException {
        long cache = context.options().size("cache", DEFAULT_CACHE, MIN_CACHE, MAX_CACHE);
        IoFile file = context.openFile(FileNames.path(path));
        try (CloseOnFailure opened = new CloseOnFailure(file::close)) {
            VhdImage image = VhdImage.read(file);
            ClusterMap map = image.footer().isFixed() ? new FixedMap(file) : map(image, file, cache, context);
            opened.addOwner(map::close);
            Parent parent = null;
            if (image.footer().type() == VhdFooter.DIFFERENCING) {
                parent = parent(image, file, context);
                opened.add(parent.disk()::close);
            }
            DiskInfo info = info(image, file, context.readOnly(), parent);
            return opened.keep(new ClusterDisk(
                    map, List.of(file), parent == null ? null : parent.disk(), info, context.loop(), context.memory()));
        }
    }

    private static ClusterMap map(VhdImage image, IoFile file, long cache, DiskContext context) throws DiskException {
        if (file.blockDevice() && !context.readOnly()) {
            throw new DiskException(
                    Reason.UNSUPPORTED,
                    file.path() + ": a VHD image that is not fixed cannot grow on a block device;"
                            + " attach it read-only");
        }
        VhdMap map = new VhdMap(image, file, context.loop(), context.memory(), cache);
        if (!context.readOnly()) {
            try (CloseOnFailure opened = new CloseOnFailure(map::close)) {
                map.mendFooters();
                opened.keep();
            }
        }
        return map;
    }

    static Parent parent(VhdImage image, IoFile file, DiskContext context) throws DiskException {
        UUID uuid = image.header().parentUuid();
        boolean raw = uuid.equals(VhdHeader.NO_UUID);
        String type = context.backingType(raw ? RAW : TYPE);
        ParentSearch.Parent found = ParentSearch.open(
                file.path(),
                ParentNames.names(image, file),
                type,
                context,
                raw ? null : candidate -> objection(uuid, candidate));
        tellOfChange(image, file, found.path());
        return new Parent(found.disk(), type + ":" + found.name(), BackingName.spec(type, found.path()));
    }

    private static String objection(UUID uuid, VirtualDisk candidate) {
        String found = candidate.info().details().get(UUID_DETAIL);
        return uuid.toString().equals(found)
                ? null
                : "has " + (found == null ? "no UUID" : "the UUID " + found) + ", expected " + uuid
                        + " (header field parent_unique_id)";
    }

    /**
     * Logs a parent whose time of change differs: it may have been written to, which makes its children wrong, or only
     * copied.
     */
    private static void tellOfChange(VhdImage image, IoFile file, Path parent) {
        try {
            long changed = Files.getLastModifiedTime(parent).toMillis() / 1000 - VhdFooter.EPOCH;
            if ((int) changed != image.header().parentTimestamp()) {
                LOG.log(
                        Level.INFO,
                        file.path() + ": the parent " + parent
                                + " has another time of change than when this image was made");
            }
        } catch (IOException e) {
            LOG.log(Level.DEBUG, parent + ": has no time of change", e);
        }
    }

    private static DiskInfo info(VhdImage image, IoFile file, boolean readOnly, Parent parent) {
        Map<String, String> details = new LinkedHashMap<>();
        details.put("format", TYPE);
        details.put("file", FileNames.text(file.path()));
        if (parent != null) {
            details.put("backing", parent.name());
        }
        VhdFooter footer = image.footer();
        details.put(
                "subformat",
                footer.isFixed() ? "fixed" : footer.type() == VhdFooter.DYNAMIC ? "dynamic" : "differencing");
        details.put(UUID_DETAIL, footer.uuid().toString());
        details.put("creator", footer.creator());
        if (!footer.isFixed()) {
            details.put("block size", Integer.toString(image.header().blockSize()));
            details.put(
                    "batmap",
                    image.batmap() == null ? "none" : image.batmap().isIntact() ? "in use" : "present, not in use");
        }
        if (image.footerAt() < 0) {
            details.put("footer", "damaged at the end of the file; its copy is used");
        }
        return DiskInfo.ofSize(image.diskBytes())
                .withBlocks(SECTOR, file.physicalSectorSize())
                .withOptimalIo(4096)
                .with(Operation.DISCARD, Operation.WRITE_ZEROES)
                .withReadOnly(readOnly)
                .withDetails(details)
                .withBacking(parent == null ? null : parent.spec());
    }

    @Override
    public boolean recordsBackingType(String type) {
        return type.equals(TYPE) || type.equals(RAW);
    }

    @Override
    public void create(String path, long sizeBytes, TapSpec backing, DiskContext context) throws DiskException {
        VhdCreate.create(FileNames.path(path), sizeBytes, backing, context);
    }

    @Override
    public CheckReport check(String path, DiskContext context) throws DiskException {
        try (IoFile file = context.openFile(FileNames.path(path))) {
            VhdImage image = VhdImage.read(file);
            try (Bat bat = image.footer().isFixed() ? null : new Bat(image, file, context.memory())) {
                return new VhdCheck(image, bat, file, !context.readOnly()).run();
            }
        }
    }

    @Override
    public void resize(String path, long sizeBytes, DiskContext context) throws DiskException {
        VhdResize.resize(FileNames.path(path), sizeBytes, context);
    }

    @Override
    public void rebase(String path, TapSpec backing, DiskContext context) throws DiskException {
        Path image = FileNames.path(path);
        try (IoFile file = context.openFile(image)) {
            VhdMetadata.Parent parent = VhdMetadata.Parent.NONE;
            if (backing != null) {
                Path found = context.confine(image, BackingName.of(image, backing.path()));
                try (VirtualDisk disk = context.openBacking(backing.type(), found)) {
                    parent = VhdCreate.parent(image, backing, found, disk);
                }
            }
            VhdRebase.rebase(file, parent, context.memory());
        }
    }
}
