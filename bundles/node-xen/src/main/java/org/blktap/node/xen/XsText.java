package org.blktap.node.xen;

import java.io.IOException;
import org.blktap.api.disk.FileNames;
import org.blktap.api.disk.Printable;

/** What may be sent to xenstored. */
final class XsText {
    /** Characters that a message shows of a path. */
    private static final int SHOWN = 100;

    private XsText() {}

    /** Refuses what xenstored would (is_valid_nodename), and above all a NUL, which would end the path early. */
    static String path(String path) throws IOException {
        boolean good = !path.isEmpty()
                && path.length() <= XenStore.PATH_MAX
                && !path.contains("//")
                && (path.length() == 1 || !path.endsWith("/"));
        for (int i = 0; good && i < path.length(); i++) {
            char c = path.charAt(i);
            good = c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || "-/_@".indexOf(c) >= 0;
        }
        if (!good) {
            throw new IOException("XenStore: '" + Printable.of(path, SHOWN)
                    + "': not a path: expected letters, digits and -_@ between single slashes, at most "
                    + XenStore.PATH_MAX + " bytes");
        }
        return path;
    }

    static byte[] value(String path, String value) throws IOException {
        byte[] bytes = FileNames.bytes(value);
        if (bytes.length + path.length() + 1 > XenStore.VALUE_MAX) {
            throw new IOException("XenStore: " + path + ": a value of " + bytes.length + " bytes, expected at most "
                    + XenStore.VALUE_MAX + " together with the path");
        }
        return bytes;
    }
}
