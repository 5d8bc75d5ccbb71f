package org.blktap.client.rbd;

import org.blktap.api.disk.DiskException;
import org.blktap.api.disk.DiskException.Reason;

/**
 * The path of a spec: {@code pool/[namespace/]image[@snapshot]}.
 *
 * @param namespace empty for the default one
 * @param snapshot null for the image as it is now
 */
record RbdName(String pool, String namespace, String image, String snapshot) {
    private static final int MOST_PARTS = 3;

    /** @throws DiskException BAD_OPTION */
    static RbdName parse(String path) throws DiskException {
        int at = path.indexOf('@', path.lastIndexOf('/') + 1);
        String snapshot = at < 0 ? null : path.substring(at + 1);
        String[] parts = (at < 0 ? path : path.substring(0, at)).split("/", -1);
        boolean bad = parts.length < 2 || parts.length > MOST_PARTS || snapshot != null && snapshot.isEmpty();
        for (String part : parts) {
            bad |= part.isEmpty() || part.indexOf('@') >= 0;
        }
        if (bad) {
            throw new DiskException(
                    Reason.BAD_OPTION,
                    "bad name of an image '" + path
                            + "': expected pool/image, pool/namespace/image or pool/image@snapshot");
        }
        return new RbdName(parts[0], parts.length == MOST_PARTS ? parts[1] : "", parts[parts.length - 1], snapshot);
    }

    /** Returns the name of the image without the snapshot. */
    String whole() {
        return pool + "/" + (namespace.isEmpty() ? "" : namespace + "/") + image;
    }

    @Override
    public String toString() {
        return "rbd:" + whole() + (snapshot == null ? "" : "@" + snapshot);
    }
}
