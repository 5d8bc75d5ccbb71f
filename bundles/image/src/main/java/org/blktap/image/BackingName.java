package org.blktap.image;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.InvalidPathException;
import java.nio.file.Path;
import org.blktap.api.disk.DiskInfo;
import org.blktap.api.disk.FileNames;
import org.blktap.api.disk.TapSpec;

/**
 * How an overlay names its backing image. A file in the overlay's directory, or below it, is named from there, so that
 * both can be moved together; any other by the path that was given.
 */
public final class BackingName {
    private BackingName() {}

    /**
     * Returns the name that an image gets for its backing image.
     *
     * @param image the overlay, which need not exist yet
     * @param backing an absolute path, or one from the overlay's directory
     */
    public static String of(Path image, String backing) {
        Path path;
        try {
            path = FileNames.path(backing);
        } catch (InvalidPathException e) {
            // whoever opens it reports that
            return backing;
        }
        Path directory = image.toAbsolutePath().getParent();
        if (!path.isAbsolute() || directory == null || Files.isSymbolicLink(image)) {
            return backing;
        }
        String beside = below(directory, path);
        if (beside == null) {
            beside = below(withoutLinks(image).getParent(), path);
        }
        return beside == null ? backing : beside;
    }

    /** Returns the name that an image gets for its backing image: of a file as {@link #of(Path, String)} says. */
    public static String of(Path image, TapSpec backing) {
        return backing.isRemote() ? backing.path() : of(image, backing.path());
    }

    private static String below(Path directory, Path path) {
        // a path with .. leads elsewhere where a directory is a link
        return path.startsWith(directory) && !path.equals(directory) && path.equals(path.normalize())
                ? FileNames.text(directory.relativize(path))
                : null;
    }

    /**
     * Returns the absolute path of an image with the links among its directories resolved: {@code ..} leads from there
     * to where the kernel finds it.
     */
    public static Path withoutLinks(Path image) {
        Path path = image.toAbsolutePath();
        try {
            return path.getParent().toRealPath().resolve(path.getFileName());
        } catch (IOException e) {
            return path;
        }
    }

    /**
     * Returns the spec of a backing image that has been opened, for {@link DiskInfo#withBacking}. Null if it has none,
     * because its name has a line break.
     *
     * @param type by which it was opened
     * @param path by which it was opened
     */
    public static TapSpec spec(String type, Path path) {
        try {
            return new TapSpec(type, FileNames.text(path));
        } catch (IllegalArgumentException e) {
            return null;
        }
    }
}
