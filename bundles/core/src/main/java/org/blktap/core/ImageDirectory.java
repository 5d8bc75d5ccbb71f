package org.blktap.core;

import java.nio.file.Path;
import org.blktap.api.disk.DiskException;
import org.blktap.api.disk.DiskException.Reason;
import org.blktap.linux.PinnedFile;

/** The directory in which an image lies, held open, so that renames do not change which one is used. */
final class ImageDirectory implements AutoCloseable {
    /** Attempts to find the image; each fails only if the path changes at that moment. */
    private static final int TRIES = 16;

    private final PinnedFile directory;
    private final boolean own;

    private ImageDirectory(PinnedFile directory, boolean own) {
        this.directory = directory;
        this.own = own;
    }

    /** The directory of an open image: one in which the very file that was opened has a name. */
    static ImageDirectory of(Path name, PinnedFile image) throws DiskException {
        for (int i = 0; i < TRIES; i++) {
            Path real = image.realPath();
            if (real.getParent() == null || image.status().links() == 0) {
                break;
            }
            PinnedFile directory = null;
            boolean found = false;
            try {
                directory = PinnedFile.of(real.getParent());
                try (PinnedFile entry = directory.named(real.getFileName())) {
                    found = entry.status().sameFile(image.status());
                }
                if (found) {
                    return new ImageDirectory(directory, !image.status().blockDevice());
                }
            } catch (DiskException e) {
                // moved or removed since; it is looked for again
            } finally {
                if (!found && directory != null) {
                    directory.close();
                }
            }
        }
        throw new DiskException(Reason.NOT_FOUND, name + ": was moved or removed while it was opened");
    }

    /** The directory in which an image is being made. */
    static ImageDirectory ofNew(Path image) throws DiskException {
        return new ImageDirectory(PinnedFile.of(image.toAbsolutePath().getParent()), true);
    }

    /** Whether what lies in it belongs to the image; the directory of a device's node holds all devices. */
    boolean own() {
        return own;
    }

    PinnedFile pinned() {
        return directory;
    }

    @Override
    public void close() {
        directory.close();
    }
}
