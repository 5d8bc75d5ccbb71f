package org.blktap.format.vmdk;

import static org.blktap.api.memory.Alignment.SECTOR;

import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
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
import org.blktap.image.BackingName;
import org.blktap.image.ClusterDisk;
import org.blktap.image.LargerDisk;
import org.blktap.image.OpenParents;
import org.blktap.image.ParentSearch;
import org.blktap.image.TableCache;
import org.osgi.service.component.annotations.Component;

/** {@code tap:vmdk:<file>}: VMware's disks, by their descriptor or by the one file that has all. */
@Component
@TapType(type = VmdkDriver.TYPE, summary = "VMware disks: sparse, flat, split, streamOptimized, COWD")
public final class VmdkDriver implements DiskDriver {
    /** The type of a parent: the format knows no other. */
    static final String TYPE = "vmdk";
    /** Key of the CID in {@link DiskInfo#details}, by which children know their parent. */
    static final String CID = "CID";

    private static final long DEFAULT_CACHE = 16 << 20;

    private final OpenParents parents = new OpenParents();

    @Override
    public VirtualDisk open(String path, DiskContext context) throws DiskException {
        VmdkImage image = VmdkImage.open(FileNames.path(path), context);
        ClusterDisk disk = open(path, image, context);
        // the target of a commit keeps its CID, by which the child knows it until the commit has ended
        boolean keepCid = parents.childOf(FileNames.path(path)) != null;
        return disk.info().readOnly() || keepCid || image.descriptor() == null
                ? disk
                : new VmdkDisk(disk, image, context.memory());
    }

    /** @param image closed with the disk, also if this fails */
    private ClusterDisk open(String path, VmdkImage image, DiskContext context) throws DiskException {
        try (CloseOnFailure opened = new CloseOnFailure(image::close)) {
            long cache = context.options().size("cache", DEFAULT_CACHE, TableCache.MIN_BYTES, TableCache.MAX_BYTES);
            VmdkMap map = new VmdkMap(image, context.readOnly(), context.loop(), context.memory(), cache);
            opened.addOwner(map::close);
            ParentSearch.Parent parent = parent(path, image.descriptor(), context);
            if (parent != null) {
                opened.add(parent.disk()::close);
                map.whenClosed(parents.add(parent.path(), FileNames.path(path)));
            }
            boolean readOnly = context.readOnly() || image.parts().stream().noneMatch(VmdkImage.Part::writable);
            return opened.keep(new ClusterDisk(
                    map,
                    image.dataFiles(),
                    parent == null ? null : parent.disk(),
                    info(image, readOnly, parent),
                    context.loop(),
                    context.memory()));
        }
    }

    private static ParentSearch.Parent parent(String path, Descriptor descriptor, DiskContext context)
            throws DiskException {
        if (descriptor == null || descriptor.parentFileNameHint() == null) {
            return null;
        }
        String type = context.backingType(TYPE);
        if (!type.equals(TYPE)) {
            throw Options.bad("backing-type", type, "vmdk, as the parent of a VMDK disk is one");
        }
        String cid = Descriptor.cidText(descriptor.parentCid());
        return ParentSearch.open(
                FileNames.path(path),
                new LinkedHashSet<>(List.of(
                        descriptor.parentFileNameHint().text(),
                        descriptor.parentFileNameHint().raw())),
                TYPE,
                context,
                candidate -> {
                    String found = candidate.info().details().get(CID);
                    return cid.equals(found)
                            ? null
                            : "has " + (found == null ? "no CID" : "the CID " + found) + ", expected " + cid
                                    + " (descriptor key parentCID): it was changed since, or is another";
                });
    }

    private static DiskInfo info(VmdkImage image, boolean readOnly, ParentSearch.Parent parent) {
        Map<String, String> details = new LinkedHashMap<>();
        details.put("format", TYPE);
        details.put("file", FileNames.text(image.file().path()));
        Descriptor descriptor = image.descriptor();
        if (descriptor == null) {
            details.put("createType", "COWD");
        } else {
            if (parent != null) {
                details.put("backing", TYPE + ":" + parent.name());
            }
            details.put("createType", descriptor.createType());
            details.put(CID, Descriptor.cidText(descriptor.cid()));
            if (parent != null) {
                details.put("parentCID", Descriptor.cidText(descriptor.parentCid()));
            }
        }
        details.put("extents", Integer.toString(image.parts().size()));
        int grain = image.largestGrain();
        boolean flat = image.parts().stream().allMatch(p -> p.grains() == null && p.seSparse() == null);
        if (!flat) {
            details.put("grain size", Integer.toString(grain));
        }
        if (image.parts().stream()
                .anyMatch(p -> p.grains() != null && p.grains().zeroedGrains())) {
            details.put("zeroed grains", "yes");
        }
        if (image.parts().stream()
                .anyMatch(p -> p.grains() != null && p.grains().unclean())) {
            details.put("unclean shutdown", "yes");
        }
        int physical = image.dataFiles().stream()
                .mapToInt(f -> f.physicalSectorSize())
                .max()
                .orElse(SECTOR);
        return DiskInfo.ofSize(image.size())
                .withBlocks(SECTOR, physical)
                .withOptimalIo(flat ? 0 : grain)
                .with(Operation.DISCARD, Operation.WRITE_ZEROES)
                .withReadOnly(readOnly)
                .withDetails(details)
                .withBacking(parent == null ? null : BackingName.spec(TYPE, parent.path()));
    }

    @Override
    public void create(String path, long sizeBytes, TapSpec backing, DiskContext context) throws DiskException {
        new VmdkCreate(FileNames.path(path), context).create(sizeBytes, backing);
    }

    @Override
    public CompressedImage createCompressed(String path, long sizeBytes, DiskContext context) throws DiskException {
        return StreamOptimized.create(FileNames.path(path), sizeBytes, context);
    }

    @Override
    public void rebase(String path, TapSpec backing, DiskContext context) throws DiskException {
        Path file = FileNames.path(path);
        VmdkCreate create = new VmdkCreate(file, context);
        try (VmdkImage image = VmdkImage.open(file, context)) {
            boolean overlay = image.parts().stream().anyMatch(part -> part.grains() != null);
            if (image.descriptor() == null || backing != null && !overlay) {
                throw new DiskException(
                        Reason.UNSUPPORTED,
                        path + ": has no " + (overlay ? "descriptor" : "sparse extents") + ", and so no parent");
            }
            DescriptorEdit edit = new DescriptorEdit(image.place().read());
            if (backing == null) {
                edit.parent(Descriptor.NO_PARENT, null);
            } else {
                try (VirtualDisk parent = create.parent(backing)) {
                    edit.parent(
                            create.parentCid(parent, backing), create.writable(BackingName.of(file, backing.path())));
                }
            }
            image.place().replace(edit.bytes());
        }
    }

    @Override
    public void resize(String path, long sizeBytes, DiskContext context) throws DiskException {
        Path file = FileNames.path(path);
        long before;
        boolean sparse;
        try (VmdkImage image = VmdkImage.open(file, context)) {
            before = image.size();
            VmdkResize resize = new VmdkResize(path, image, sizeBytes);
            sparse = resize.isSparse();
            resize.makeRoom(context.loop(), context.memory());
        }
        if (sparse && sizeBytes > before) {
            ClusterDisk larger = open(path, VmdkImage.open(file, context, sizeBytes), context);
            LargerDisk.zeroNew(larger, before, context.loop(), path);
        }
        try (VmdkImage image = VmdkImage.open(file, context)) {
            new VmdkResize(path, image, sizeBytes).setSize();
        }
    }

    @Override
    public CheckReport check(String path, DiskContext context) throws DiskException {
        try (VmdkImage image = VmdkImage.open(FileNames.path(path), context)) {
            return new VmdkCheck(image, !context.readOnly(), context.loop(), context.memory()).run();
        }
    }
}
