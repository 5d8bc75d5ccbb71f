package org.blktap.core;

import java.nio.file.Path;
import java.util.HashMap;
import java.util.Map;
import org.blktap.api.disk.DiskException;
import org.blktap.api.disk.DiskException.Reason;
import org.blktap.api.disk.FileNames;
import org.blktap.api.disk.Options;
import org.blktap.api.disk.TapSpec;
import org.blktap.core.PathPolicy.Confined;
import org.blktap.linux.PinnedFile;

/** What one image names, from when it was found until it is opened, and where the image itself is. */
final class NamedFiles implements AutoCloseable {
    /** Option of an attach: {@code writable} lets an image write any file that it may name. */
    static final String OPTION = "external-files";

    private final PathPolicy policy;
    private final Options options;
    /** Files by the path that the driver knows; null for those that have been opened. */
    private final Map<Path, Confined> confined = new HashMap<>();

    private Path imagePath;
    private PinnedFile image;
    private ImageDirectory directory;

    NamedFiles(PathPolicy policy, Options options) {
        this.policy = policy;
        this.options = options;
    }

    /** Notes the first file that is opened or made: the image. */
    void image(Path path, PinnedFile file) throws DiskException {
        if (image == null) {
            image = file.again();
            imagePath = path;
        }
    }

    /** Finds what the image names. */
    Path confine(Path from, String named) throws DiskException {
        // asked for in any case, so that it is a known option of every image that names a file
        writable();
        Confined found = policy.confine(from, directory(from), named);
        Confined before = confined.put(found.path(), found);
        close(before);
        return found.path();
    }

    /** Judges the name of a backing image that others serve. */
    Path confineRemote(Path from, String type, String named) throws DiskException {
        try {
            policy.checkRemote(from, new TapSpec(type, named));
            return FileNames.path(named);
        } catch (IllegalArgumentException e) {
            throw new DiskException(
                    Reason.CORRUPT,
                    FileNames.text(from) + ": names its backing image by a bad name: " + e.getMessage());
        }
    }

    private boolean writable() throws DiskException {
        return options.oneOf(OPTION, "own", "own", "writable").equals("writable");
    }

    private ImageDirectory directory(Path from) throws DiskException {
        if (directory == null) {
            directory = image == null ? ImageDirectory.ofNew(from) : ImageDirectory.of(imagePath, image);
        }
        return directory;
    }

    /**
     * Takes a file that was found before; the caller's to close. Null if the image does not name such a path.
     *
     * @throws DiskException if it was taken already: it has to be found anew
     */
    Confined take(Path path) throws DiskException {
        if (!confined.containsKey(path)) {
            return null;
        }
        Confined found = confined.put(path, null);
        if (found == null) {
            throw new DiskException(
                    Reason.FORBIDDEN_PATH,
                    FileNames.text(path)
                            + ": is named by an image, and was not looked up again before it was opened again");
        }
        if (image != null && found.file().status().sameFile(image.status())) {
            found.file().close();
            throw new DiskException(
                    Reason.CORRUPT, FileNames.text(imagePath) + ": names itself as a file that it uses");
        }
        return found;
    }

    /** Held, but not taken; null if there is none. */
    PinnedFile held(Path path) {
        Confined found = confined.get(path);
        return found == null ? null : found.file();
    }

    /**
     * Refuses to write a file that is not proven to belong to the image.
     *
     * @param part whether the format's rules of naming say that it is
     */
    void checkOwn(Confined found, boolean part) throws DiskException {
        boolean own = found.beside() && (part || image != null && Ownership.marked(found.file(), imageName()));
        if (!own && !writable()) {
            throw new DiskException(
                    Reason.FORBIDDEN_PATH,
                    FileNames.text(imagePath) + ": would write " + found.path()
                            + ", which it names, and nothing shows that this file is" + " its own; if it is, give -o "
                            + OPTION + "=writable, else attach it read-only");
        }
    }

    private Path imageName() throws DiskException {
        return image.realPath();
    }

    private static void close(Confined found) {
        if (found != null) {
            found.file().close();
        }
    }

    /** Lets go of all that was found and not opened. */
    @Override
    public void close() {
        confined.values().forEach(NamedFiles::close);
        confined.replaceAll((path, found) -> null);
        if (directory != null) {
            directory.close();
            directory = null;
        }
        if (image != null) {
            image.close();
            image = null;
        }
    }
}
