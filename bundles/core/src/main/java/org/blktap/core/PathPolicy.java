package org.blktap.core;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.InvalidPathException;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.blktap.api.disk.DiskException;
import org.blktap.api.disk.DiskException.Reason;

/**
 * Where a path that an image names may lead: under the image's own directory or a configured image root, after all links,
 * and only to a regular file or a block device.
 */
final class PathPolicy {
    private final List<Path> roots;

    PathPolicy(List<Path> roots) {
        this.roots = List.copyOf(roots);
    }

    /** Roots from a list separated by colons. */
    static PathPolicy of(String list) {
        List<Path> roots = new ArrayList<>();
        for (String root : list.split(":")) {
            if (!root.isBlank()) {
                roots.add(Path.of(root.strip()));
            }
        }
        return new PathPolicy(roots);
    }

    Path confine(Path image, String named) throws DiskException {
        Path directory;
        Path target;
        try {
            // an image that is being created is not there yet
            directory = Files.exists(image) ? image.toRealPath().getParent() : image.toAbsolutePath().getParent().toRealPath();
            target = directory.resolve(named).toRealPath();
        } catch (InvalidPathException e) {
            throw new DiskException(Reason.CORRUPT, image + ": names a file by an impossible path: " + e.getReason());
        } catch (NoSuchFileException e) {
            throw new DiskException(Reason.NOT_FOUND, image + ": the file that it names is missing: " + named);
        } catch (IOException e) {
            throw DiskException.io(image, "resolve the file that it names, " + named, e);
        }
        if (!target.startsWith(directory) && roots.stream().noneMatch(root -> under(root, target))) {
            throw new DiskException(Reason.FORBIDDEN_PATH, image + ": names " + named + ", which leads to " + target
                    + ", outside " + directory + (roots.isEmpty() ? "; BLKTAP_IMAGE_ROOTS may allow more directories"
                            : " and the image roots " + roots));
        }
        // a block device may be reached through a link in the image's directory; its node is judged, not its contents
        if (!Files.isRegularFile(target) && !isBlockDevice(target)) {
            throw new DiskException(Reason.FORBIDDEN_PATH, image + ": names " + named
                    + ", which is neither a regular file nor a block device");
        }
        return target;
    }

    private static boolean under(Path root, Path target) {
        try {
            return target.startsWith(root.toRealPath());
        } catch (IOException e) {
            // a root that does not exist holds nothing
            return false;
        }
    }

    static boolean isBlockDevice(Path path) {
        try {
            return ((Integer) Files.getAttribute(path, "unix:mode") & 0xf000) == 0x6000;
        } catch (IOException e) {
            return false;
        }
    }
}
