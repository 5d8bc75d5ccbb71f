package org.blktap.format.vmdk;

import java.nio.file.Path;
import java.util.regex.Pattern;
import org.blktap.api.disk.FileNames;

/**
 * The names that VMware and QEMU give to the files of a disk's extents: {@code disk-flat.vmdk}, {@code disk-f001.vmdk},
 * {@code disk-s001.vmdk}.
 */
final class ExtentName {
    /** Also the names on VMFS: {@code disk-000001-delta.vmdk} of {@code disk-000001.vmdk}. */
    private static final Pattern ADDED = Pattern.compile("-(?:flat|delta|sesparse|[fs][0-9]{3,6})");

    private final String stem;
    private final String suffix;

    /** @param disk the file with the disk's descriptor */
    ExtentName(Path disk) {
        String name = FileNames.text(disk.getFileName());
        int dot = name.lastIndexOf('.');
        stem = dot > 0 ? name.substring(0, dot) : name;
        suffix = dot > 0 ? name.substring(dot) : "";
    }

    /** The file of a flat disk that is not split. */
    String flat() {
        return stem + "-flat" + suffix;
    }

    /** @param number from 1 */
    String split(boolean flat, int number) {
        return stem + String.format(flat ? "-f%03d" : "-s%03d", number) + suffix;
    }

    /** Whether a file has a name that an extent of this disk would get, and so belongs to no other disk. */
    boolean matches(Path file) {
        String name = FileNames.text(file.getFileName());
        int end = name.length() - suffix.length();
        return name.startsWith(stem)
                && name.endsWith(suffix)
                && end >= stem.length()
                && ADDED.matcher(name.substring(stem.length(), end)).matches();
    }
}
