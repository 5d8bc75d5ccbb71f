package org.blktap.node.xen;

import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * The number under which a guest knows a disk: Xen's docs/man/xen-vbd-interface.7. {@code xvda}, or {@code d0}, is disk
 * 0, {@code xvda1} or {@code d0p1} its first partition.
 */
final class VirtualDevice {
    private static final Pattern NAME =
            Pattern.compile("(?:/?dev/)?(?:(xvd|sd|hd)([a-z]{1,3})([0-9]{1,3})?|d([0-9]{1,7})(?:p([0-9]{1,3}))?)");
    /** xvd: major 202, 16 disks of 15 partitions; above, an extended number. */
    private static final int XVD = 202 << 8;

    private static final int EXTENDED = 1 << 28;
    private static final int SD = 8 << 8;
    private static final int HD = 3 << 8;
    private static final int HD_SECOND = 22 << 8;
    private static final int DISKS_MAX = 1 << 20;

    private VirtualDevice() {}

    /** @throws IllegalArgumentException if the text is neither a name nor a number */
    static int number(String text) {
        if (text.matches("[0-9]{1,9}|0x[0-9a-fA-F]{1,7}")) {
            return Integer.decode(text.startsWith("0x") ? text : text.replaceFirst("^0+(?=.)", ""));
        }
        Matcher name = NAME.matcher(text);
        if (!name.matches()) {
            throw unknown(text);
        }
        boolean counted = name.group(1) == null;
        int disk = counted ? Integer.parseInt(name.group(4)) : disk(name.group(2));
        String part = name.group(counted ? 5 : 3);
        int partition = part == null ? 0 : Integer.parseInt(part);
        return switch (counted ? "xvd" : name.group(1)) {
            case "xvd" -> {
                if (disk < 16 && partition < 16) {
                    yield XVD | disk << 4 | partition;
                }
                if (disk < DISKS_MAX && partition < 256) {
                    yield EXTENDED | disk << 8 | partition;
                }
                throw unknown(text);
            }
            case "sd" -> {
                if (disk < 16 && partition < 16) {
                    yield SD | disk << 4 | partition;
                }
                throw unknown(text);
            }
            default -> {
                if (disk < 4 && partition < 64) {
                    yield (disk < 2 ? HD : HD_SECOND) | (disk & 1) << 6 | partition;
                }
                throw unknown(text);
            }
        };
    }

    /** a to z, then aa: as Linux counts disks. */
    private static int disk(String text) {
        int disk = 0;
        for (char letter : text.toCharArray()) {
            disk = disk * 26 + letter - 'a' + 1;
        }
        return disk - 1;
    }

    private static IllegalArgumentException unknown(String text) {
        return new IllegalArgumentException("'" + text
                + "' is no virtual device; expected a name such as xvda, xvdb1 or sda, or a number such as 51712");
    }
}
