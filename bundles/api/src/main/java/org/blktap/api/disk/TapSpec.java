package org.blktap.api.disk;

import java.util.Set;
import java.util.regex.Pattern;

/**
 * A tap spec, {@code tap:<type>:<path>}, as a Xen disk line names a disk: {@code tap:qcow:/vm/root.qcow}.
 *
 * @param type the driver's {@code tap.type}: lower-case letters, digits, {@code -} and {@code _}
 * @param path what the driver opens: mostly a file's path, never empty
 */
public record TapSpec(String type, String path) {
    /** Types of disks that others serve. */
    private static final Set<String> REMOTE = Set.of("nbd", "rbd");

    private static final Pattern TYPE = Pattern.compile("[a-z0-9][a-z0-9_-]{0,31}");

    public TapSpec {
        if (!TYPE.matcher(type).matches()) {
            throw new IllegalArgumentException("bad disk type '" + type + "': lower-case letters, digits, - and _");
        }
        if (path.isEmpty() || path.indexOf('\0') >= 0 || path.indexOf('\n') >= 0) {
            throw new IllegalArgumentException("bad path in tap:" + type + ": it is empty or has a line break");
        }
    }

    /**
     * Parses {@code tap:<type>:<path>}.
     *
     * @throws DiskException BAD_OPTION, with the expected form, for anything else
     */
    public static TapSpec parse(String text) throws DiskException {
        String[] part = text.split(":", 3);
        if (part.length != 3 || !part[0].equals("tap")) {
            throw new DiskException(
                    DiskException.Reason.BAD_OPTION,
                    "bad disk '" + text + "': expected tap:<type>:<path>, e.g. tap:aio:/vm/root.img");
        }
        try {
            return new TapSpec(part[1], part[2]);
        } catch (IllegalArgumentException e) {
            throw new DiskException(DiskException.Reason.BAD_OPTION, "bad disk '" + text + "': " + e.getMessage());
        }
    }

    /**
     * Whether others serve the disk, as an NBD server or a Ceph cluster does: then the path is a name of theirs, and
     * not that of a file or device of this host.
     */
    public boolean isRemote() {
        return isRemote(type);
    }

    /** Whether others serve disks of a type. */
    public static boolean isRemote(String type) {
        return REMOTE.contains(type);
    }

    @Override
    public String toString() {
        return "tap:" + type + ":" + path;
    }
}
