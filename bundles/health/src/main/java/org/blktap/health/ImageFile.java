package org.blktap.health;

import java.nio.file.Files;
import java.nio.file.InvalidPathException;
import java.nio.file.Path;
import org.blktap.api.control.AttachmentStatus;
import org.blktap.api.disk.DiskException;
import org.blktap.api.disk.FileNames;
import org.blktap.api.disk.TapSpec;
import org.blktap.linux.FileStatus;
import org.blktap.linux.PinnedFile;

/**
 * The file of a writable disk that may take more space.
 *
 * @param id of the attachment
 * @param device the number of the file system
 * @param path path of the file. The file system is found by a file's path, since a process in a chroot or container may
 *     have no list of mounts
 * @param growth bytes that the file may still take: the size of the disk less what it occupies
 */
record ImageFile(String id, long device, Path path, long growth) {
    /**
     * Returns the file of an attachment; null if it has none that can grow, for example because the disk is a block
     * device.
     */
    static ImageFile of(AttachmentStatus attachment) throws DiskException {
        Path path = path(attachment.spec());
        if (attachment.readOnly() || path == null || !Files.exists(path)) {
            return null;
        }
        try (PinnedFile file = PinnedFile.of(path)) {
            FileStatus status = file.status();
            long growth = attachment.sizeBytes() - status.allocated();
            return status.regularFile() && growth > 0
                    ? new ImageFile(attachment.id(), status.device(), path, growth)
                    : null;
        }
    }

    private static Path path(String spec) throws DiskException {
        String name = TapSpec.parse(spec).path();
        try {
            return name.startsWith("/") ? FileNames.path(name) : null;
        } catch (InvalidPathException e) {
            // no file
            return null;
        }
    }
}
