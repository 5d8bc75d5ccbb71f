package org.blktap.jobs;

import java.io.IOException;
import java.lang.System.Logger;
import java.lang.System.Logger.Level;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.nio.file.attribute.BasicFileAttributes;
import java.util.Arrays;
import org.blktap.api.disk.FileNames;
import org.blktap.api.disk.TapSpec;
import org.blktap.linux.PinnedFile;
import org.blktap.linux.WholeFile;

/** Looks for the files of images, and removes them. */
public final class ImageFiles {
    private static final Logger LOG = System.getLogger("org.blktap.jobs");
    /** Attribute that the core sets on files that were created together with an image: the name of that image. */
    private static final String OWNER = "user.blktap.image";

    private static final int S_IFMT = 0170000;
    private static final int S_IFBLK = 0060000;

    private ImageFiles() {}

    /** Whether a disk exists already and is not created: a block device, or another server's export. */
    public static boolean exists(TapSpec spec) {
        return spec.type().equals("nbd") || !spec.isRemote() && isBlockDevice(FileNames.path(spec.path()));
    }

    private static boolean isBlockDevice(Path path) {
        try {
            return ((int) Files.getAttribute(path, "unix:mode") & S_IFMT) == S_IFBLK;
        } catch (IOException | RuntimeException e) {
            return false;
        }
    }

    /** Whether two specs lead to one file or device. */
    public static boolean same(TapSpec one, TapSpec other) {
        if (one.isRemote() || other.isRemote()) {
            return one.equals(other);
        }
        try {
            return Files.isSameFile(FileNames.path(one.path()), FileNames.path(other.path()));
        } catch (IOException | RuntimeException e) {
            return false;
        }
    }

    /** Whether an image has a file that could be removed. */
    public static boolean isFile(TapSpec spec) {
        return !spec.isRemote() && Files.isRegularFile(FileNames.path(spec.path()), LinkOption.NOFOLLOW_LINKS);
    }

    /**
     * The inode number of an image's file, which identifies the file also after a restart of the host; null if there is
     * no file.
     */
    public static String number(TapSpec spec) {
        try {
            return isFile(spec)
                    ? Files.getAttribute(FileNames.path(spec.path()), "unix:ino", LinkOption.NOFOLLOW_LINKS)
                            .toString()
                    : null;
        } catch (IOException | RuntimeException e) {
            return null;
        }
    }

    /**
     * Whether the file of an image exists, and was made after a time. Where the file system does not record that, the
     * time of the last change counts: the caller must know that the file did not exist before.
     */
    public static boolean madeSince(TapSpec spec, long millis) {
        try {
            BasicFileAttributes found = Files.readAttributes(
                    FileNames.path(spec.path()), BasicFileAttributes.class, LinkOption.NOFOLLOW_LINKS);
            return found.isRegularFile() && found.creationTime().toMillis() >= millis;
        } catch (IOException | RuntimeException e) {
            return false;
        }
    }

    /** Removes an image, with the files that were created together with it; only regular files. */
    public static void remove(TapSpec spec) {
        if (!isFile(spec)) {
            return;
        }
        Path image = FileNames.path(spec.path());
        Path directory = image.toAbsolutePath().getParent();
        byte[] name = PinnedFile.bytes(image.getFileName());
        try (DirectoryStream<Path> beside = Files.newDirectoryStream(directory)) {
            for (Path each : beside) {
                if (!each.getFileName().equals(image.getFileName()) && belongsTo(each, name)) {
                    Files.delete(each);
                }
            }
            // it does not come back after a power loss
            WholeFile.remove(image);
            LOG.log(Level.INFO, "removed " + FileNames.text(image));
        } catch (IOException e) {
            LOG.log(Level.WARNING, "cannot remove " + FileNames.text(image) + ": " + e);
        }
    }

    private static boolean belongsTo(Path file, byte[] image) {
        try {
            return Files.isRegularFile(file, LinkOption.NOFOLLOW_LINKS)
                    && Arrays.equals((byte[]) Files.getAttribute(file, "user:" + OWNER.substring(5)), image);
        } catch (IOException | RuntimeException e) {
            return false;
        }
    }
}
