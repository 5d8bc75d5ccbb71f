package org.blktap.core;

import java.util.Set;
import java.util.function.Predicate;
import java.util.regex.Pattern;
import org.blktap.api.disk.DiskException;
import org.blktap.api.disk.DiskException.Reason;
import org.blktap.api.disk.TapSpec;

/**
 * What attachments are called: by it a record, a socket and a log of requests in flight are found, so it is the name of
 * a file.
 */
final class AttachmentIds {
    private static final Set<String> RESERVED = Set.of("control", "nbd");
    private static final Pattern ID = Pattern.compile("[A-Za-z0-9][A-Za-z0-9._-]{0,63}");
    /** Characters of the image's name; a number may follow. */
    private static final int MOST_OF_A_NAME = 48;

    private AttachmentIds() {}

    static String check(String id) throws DiskException {
        if (!ID.matcher(id).matches()) {
            throw new DiskException(
                    Reason.BAD_OPTION,
                    "bad id '" + id + "': letters, digits and . _ - only, at most 64, beginning"
                            + " with a letter or digit");
        }
        if (RESERVED.contains(id)) {
            // a node's socket is called after the id
            throw new DiskException(Reason.BAD_OPTION, "bad id '" + id + "': the daemon's own socket is called so");
        }
        return id;
    }

    /** A name made of the image's, with a number if it is taken. */
    static String free(TapSpec spec, Predicate<String> taken) {
        String name = spec.path()
                .replaceAll(",.*", "")
                .replaceAll(".*/", "")
                .replaceAll("\\.[^.]*$", "")
                .replaceAll("[^A-Za-z0-9._-]", "-")
                .replaceAll("^[^A-Za-z0-9]+", "");
        String base = name.isEmpty() || RESERVED.contains(name)
                ? spec.type()
                : name.substring(0, Math.min(MOST_OF_A_NAME, name.length()));
        String id = base;
        // a type may be called as a socket is, too
        for (int i = 2; RESERVED.contains(id) || taken.test(id); i++) {
            id = base + "-" + i;
        }
        return id;
    }
}
