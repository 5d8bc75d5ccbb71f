package org.blktap.core;

import java.nio.file.InvalidPathException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.blktap.api.disk.DiskException;
import org.blktap.api.disk.DiskException.Reason;
import org.blktap.api.disk.FileNames;
import org.blktap.api.disk.TapSpec;
import org.blktap.linux.PinnedFile;

/**
 * Where a path that an image names may lead: under the image's own directory or a configured image root, after all
 * links, and only to a regular file or a block device. The path is followed once, and what it led to is judged and
 * held: names may be changed by others at any time.
 */
final class PathPolicy {
    /** Attempts to follow a path; each fails only if the path changes at that moment. */
    private static final int TRIES = 16;

    /** What roots begin with that are no directories. */
    private static final String REMOTE = "tap:";

    private final List<Path> roots;
    /** As {@code tap:rbd:bases}. */
    private final List<String> remoteRoots;

    private PathPolicy(List<Path> roots, List<String> remoteRoots) {
        this.roots = List.copyOf(roots);
        this.remoteRoots = List.copyOf(remoteRoots);
    }

    /** Makes a policy with these roots; leaves blank ones out. */
    static PathPolicy of(List<String> names) {
        List<Path> roots = new ArrayList<>();
        List<String> remoteRoots = new ArrayList<>();
        for (String name : names) {
            String root = name.strip();
            if (root.startsWith(REMOTE)) {
                remoteRoots.add(root.replaceFirst("/+$", ""));
            } else if (!root.isEmpty()) {
                roots.add(FileNames.path(root));
            }
        }
        return new PathPolicy(roots, remoteRoots);
    }

    /**
     * Refuses what an image names and others serve, unless it is a root, or below one.
     *
     * @param image for messages
     * @throws DiskException FORBIDDEN_PATH
     */
    void checkRemote(Path image, TapSpec named) throws DiskException {
        String text = named.toString();
        for (String root : remoteRoots) {
            String rest = text.startsWith(root) ? text.substring(root.length()) : null;
            // names of a cluster have no ..
            if (rest != null && (rest.isEmpty() || rest.charAt(0) == '/' || rest.charAt(0) == '@')) {
                return;
            }
        }
        throw new DiskException(
                Reason.FORBIDDEN_PATH,
                FileNames.text(image) + ": names " + text + ", outside "
                        + (remoteRoots.isEmpty() ? "any image root" : "the image roots " + remoteRoots)
                        + "; image.roots in etc/blktap.json may allow it, as " + root(named));
    }

    /** The least that would allow something and its like: the pool of an image. */
    private static String root(TapSpec named) {
        int slash = named.path().indexOf('/');
        return REMOTE + named.type() + ":"
                + (slash < 0 ? named.path() : named.path().substring(0, slash));
    }

    /**
     * A file that an image may name.
     *
     * @param path where it is, without links
     * @param file itself
     * @param beside whether it lies in the image's own directory, not below
     */
    record Confined(Path path, PinnedFile file, boolean beside) {}

    /**
     * Finds what an image names.
     *
     * @param image for messages
     * @return to be closed by the caller
     */
    Confined confine(Path image, ImageDirectory directory, String named) throws DiskException {
        Path path;
        try {
            path = FileNames.path(named);
        } catch (InvalidPathException e) {
            throw new DiskException(
                    Reason.CORRUPT, FileNames.text(image) + ": names a file by an impossible path: " + e.getReason());
        }
        for (int i = 0; i < TRIES; i++) {
            PinnedFile target = follow(image, directory.pinned(), path);
            Confined result = null;
            try {
                result = judge(image, directory, named, target);
            } finally {
                if (result == null || result.file() != target) {
                    target.close();
                }
            }
            if (result != null) {
                return result;
            }
        }
        throw new DiskException(
                Reason.FORBIDDEN_PATH,
                FileNames.text(image) + ": names " + named + ", which others keep changing while it is opened");
    }

    private static PinnedFile follow(Path image, PinnedFile directory, Path named) throws DiskException {
        try {
            return directory.at(named);
        } catch (DiskException e) {
            if (e.reason() == Reason.NOT_FOUND) {
                throw new DiskException(
                        Reason.NOT_FOUND,
                        FileNames.text(image) + ": the file that it names is missing: " + FileNames.text(named));
            }
            throw new DiskException(e.reason(), FileNames.text(image) + ": names " + e.getMessage());
        }
    }

    /** Judges an opened file; null if it has been moved meanwhile. */
    private Confined judge(Path image, ImageDirectory directory, String named, PinnedFile target) throws DiskException {
        Path real = target.realPath();
        if (target.status().links() == 0) {
            return null;
        }
        Path own = directory.pinned().realPath();
        if (directory.own() && real.startsWith(own)) {
            checkType(image, named, target);
            return proven(directory.pinned(), own, real, target, own.equals(real.getParent()));
        }
        for (Path root : roots) {
            try (PinnedFile top = PinnedFile.of(root)) {
                Path under = top.realPath();
                if (real.startsWith(under)) {
                    checkType(image, named, target);
                    return proven(top, under, real, target, false);
                }
            } catch (DiskException e) {
                if (e.reason() != Reason.NOT_FOUND) {
                    throw e;
                }
                // a root that does not exist holds nothing
            }
        }
        throw new DiskException(
                Reason.FORBIDDEN_PATH,
                FileNames.text(image) + ": names " + named + ", which leads to " + FileNames.text(real) + ", outside "
                        + (directory.own()
                                ? own + (roots.isEmpty() ? "" : " and ")
                                : roots.isEmpty() ? "any image root" : "")
                        + (roots.isEmpty()
                                ? "; image.roots in etc/blktap.json, or BLKTAP_IMAGE_ROOTS, may allow more directories"
                                : "the image roots " + roots));
    }

    /** A block device may be reached through a link in the image's directory; its node is judged, not its contents. */
    private static void checkType(Path image, String named, PinnedFile target) throws DiskException {
        if (!target.status().regularFile() && !target.status().blockDevice()) {
            throw new DiskException(
                    Reason.FORBIDDEN_PATH,
                    FileNames.text(image) + ": names " + named
                            + ", which is neither a regular file nor a block device");
        }
    }

    /** Checks by the kernel, not by name, that the file lies under a directory; null if it has been moved meanwhile. */
    private static Confined proven(PinnedFile top, Path topPath, Path real, PinnedFile target, boolean beside) {
        PinnedFile found;
        try {
            found = top.beneath(topPath.relativize(real));
        } catch (DiskException e) {
            return null;
        }
        if (found == null) {
            // the kernel has no openat2; the path was that of the open file itself
            return new Confined(real, target, beside);
        }
        if (!found.status().sameFile(target.status())) {
            found.close();
            return null;
        }
        return new Confined(real, found, beside);
    }

    /** Whether a path leads to a block device. */
    static boolean isBlockDevice(Path path) {
        try (PinnedFile file = PinnedFile.of(path)) {
            return file.status().blockDevice();
        } catch (DiskException e) {
            return false;
        }
    }
}
