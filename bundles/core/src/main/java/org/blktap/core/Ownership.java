package org.blktap.core;

import java.lang.System.Logger.Level;
import java.nio.file.Path;
import java.util.Arrays;
import org.blktap.api.engine.Errno;
import org.blktap.linux.PinnedFile;

/**
 * Which image a file belongs to: an extended attribute of the file holds the image's file name. An image's contents are
 * its author's choice; the attribute is with the file that would be written. Set on what is created together with an
 * image, where the file system has such attributes.
 */
final class Ownership {
    private static final String ATTRIBUTE = "user.blktap.image";

    private Ownership() {}

    /** Notes that a file is the image's. */
    static void mark(PinnedFile file, Path image) {
        int error = file.attribute(ATTRIBUTE, name(image));
        if (error != 0) {
            System.getLogger("org.blktap.core")
                    .log(
                            Level.INFO,
                            image + ": its file system cannot note what files belong to it (" + Errno.text(error)
                                    + "); attaching it for writing may take -o " + NamedFiles.OPTION + "=writable");
        }
    }

    /** Whether it was noted; the file lies beside the image. */
    static boolean marked(PinnedFile file, Path image) {
        byte[] found = file.attribute(ATTRIBUTE);
        return found != null && Arrays.equals(found, name(image));
    }

    private static byte[] name(Path image) {
        return PinnedFile.bytes(image.getFileName());
    }
}
