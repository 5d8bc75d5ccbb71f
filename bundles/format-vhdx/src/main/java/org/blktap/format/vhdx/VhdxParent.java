package org.blktap.format.vhdx;

import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.UUID;
import org.blktap.api.disk.DiskContext;
import org.blktap.api.disk.DiskException;
import org.blktap.api.disk.DiskException.Reason;
import org.blktap.api.disk.DiskInfo;
import org.blktap.api.disk.FileNames;
import org.blktap.api.disk.Printable;
import org.blktap.api.disk.TapSpec;
import org.blktap.api.disk.VirtualDisk;
import org.blktap.image.ParentSearch;

/**
 * The parent of a differencing image.
 *
 * @param spec its type, and the name by which it was found
 * @param path where it was found
 */
record VhdxParent(TapSpec spec, Path path, VirtualDisk disk) {
    /** The name under which a disk gives its DataWriteGuid to a child. */
    static final String DATA_WRITE_GUID = "data write GUID";

    private static final int LONGEST_NAME = 1024;

    static final String VIRTUAL_DISK_ID = "virtual disk ID";

    /**
     * What an image must know of a parent that it is given.
     *
     * @param size bytes of its disk
     * @param sectorSize logical sector, in bytes
     */
    record Link(Map<String, String> locator, long size, int sectorSize, UUID virtualDiskId) {}

    /**
     * The name under which the target of a commit gives its earlier DataWriteGuid to the child that is committed.
     *
     * @param child the name of its file, which may come from an image
     */
    static String committed(String child) {
        return "data write GUID for the committed " + Printable.of(child, LONGEST_NAME);
    }

    /** Opens the parent that an image names. */
    static VhdxParent open(Path image, Map<String, String> locator, DiskContext context) throws DiskException {
        List<UUID> linkages = ParentLocator.linkages(locator, image);
        String type = context.backingType(VhdxDriver.TYPE);
        String child = FileNames.text(image.getFileName());
        ParentSearch.Parent found = ParentSearch.open(
                image,
                ParentLocator.paths(locator),
                type,
                context,
                candidate -> objection(linkages, child, candidate.info().details()));
        return new VhdxParent(new TapSpec(type, found.name()), found.path(), found.disk());
    }

    /** Refuses a parent that has changed since the child was made, other than by a commit of this child. */
    private static String objection(List<UUID> linkages, String child, Map<String, String> details) {
        String found = details.get(DATA_WRITE_GUID);
        String committed = details.get(committed(child));
        return linkages.stream()
                        .map(UUID::toString)
                        .anyMatch(linkage -> linkage.equals(found) || linkage.equals(committed))
                ? null
                : "has " + (found == null ? "no DataWriteGuid" : "the DataWriteGuid " + found) + ", expected "
                        + linkages.get(0) + " (parent_linkage): it was changed since, or is another";
    }

    /** Opens an image that becomes the parent of another, as an attach would, and returns how that names it. */
    static Link link(Path image, TapSpec backing, DiskContext context) throws DiskException {
        if (!backing.type().equals(VhdxDriver.TYPE)) {
            throw new DiskException(
                    Reason.UNSUPPORTED,
                    image + ": the backing file of a VHDX image is a VHDX image, as its format says, not tap:"
                            + backing.type());
        }
        Path file = context.confine(image, backing.path());
        if (file.normalize().equals(image.normalize())) {
            throw new DiskException(Reason.UNSUPPORTED, image + ": cannot be its own backing file");
        }
        try (VirtualDisk below = context.openBacking(backing.type(), file)) {
            DiskInfo info = below.info();
            UUID linkage = UUID.fromString(info.details().get(DATA_WRITE_GUID));
            return new Link(
                    ParentLocator.of(image, backing.path(), linkage),
                    info.sizeBytes(),
                    info.blockSize(),
                    UUID.fromString(info.details().get(VIRTUAL_DISK_ID)));
        }
    }
}
