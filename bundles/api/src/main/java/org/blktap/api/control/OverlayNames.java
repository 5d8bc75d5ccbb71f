package org.blktap.api.control;

import java.nio.file.Files;
import java.nio.file.Path;
import java.time.LocalDateTime;
import java.time.format.DateTimeFormatter;
import java.util.Set;
import org.blktap.api.disk.DiskException;
import org.blktap.api.disk.DiskException.Reason;
import org.blktap.api.disk.FileNames;
import org.blktap.api.disk.TapSpec;

/**
 * Names the overlays of one snapshot.
 *
 * @param name the overlay is {@code IMAGE.NAME.TYPE} beside the image; with a slash, it is the overlay's file; null for
 *     the time
 * @param type of the overlays; null for that of the image, or qcow2 if no overlay can be of that
 * @param time what stands in a name that is not given
 */
public record OverlayNames(String name, String type, String time) {
    /** Types of which an overlay can be; an image of one of them gets an overlay of its own type. */
    private static final Set<String> OVERLAYS = Set.of("qcow", "qcow2", "vhd", "vhdx", "vmdk");

    private static final String USUAL = "qcow2";
    private static final DateTimeFormatter NOW = DateTimeFormatter.ofPattern("yyyyMMdd-HHmmss");
    /** What a name ends with that was made here, so that names do not grow with each snapshot. */
    private static final String MADE_HERE = "\\.\\d{8}-\\d{6}(-\\d+)?\\.[a-z0-9]+$";

    /** Names of this moment. */
    public OverlayNames(String name, String type) {
        this(name, type, LocalDateTime.now().format(NOW));
    }

    /** Whether the name is that of a file, and so of one overlay only. */
    public boolean isFile() {
        return name != null && name.indexOf('/') >= 0;
    }

    /**
     * Returns the overlay of an image. A relative file stays so.
     *
     * @throws DiskException BAD_OPTION if the image is no file, and no file is named
     */
    public TapSpec of(TapSpec image) throws DiskException {
        String overlayType = type != null ? type : OVERLAYS.contains(image.type()) ? image.type() : USUAL;
        if (isFile()) {
            return TapSpec.parse("tap:" + overlayType + ":" + name);
        }
        if (!image.path().startsWith("/")) {
            throw new DiskException(
                    Reason.BAD_OPTION,
                    image
                            + ": is no file that an overlay could lie beside; give a name with a slash, which is a file's");
        }
        if (name != null) {
            return TapSpec.parse("tap:" + overlayType + ":" + image.path() + "." + name + "." + overlayType);
        }
        String stem = image.path().replaceFirst(MADE_HERE, "") + "." + time;
        Path path = FileNames.path(stem + "." + overlayType);
        for (int i = 2; Files.exists(path); i++) {
            path = FileNames.path(stem + "-" + i + "." + overlayType);
        }
        return TapSpec.parse("tap:" + overlayType + ":" + FileNames.text(path));
    }
}
