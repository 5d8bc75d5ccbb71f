package org.blktap.core;

import java.nio.file.Path;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.Map;
import org.blktap.api.disk.DiskDriver;
import org.blktap.api.disk.DiskException;
import org.blktap.api.disk.DiskInfo;
import org.blktap.api.disk.FileNames;
import org.blktap.api.disk.Options;
import org.blktap.api.disk.TapSpec;
import org.blktap.linux.FileStatus;

/**
 * The file of an overlay that is being made for an image of an attachment. It has no name until its journal says that
 * it may be there, and a mark by which a restart knows it. For control threads, one at a time.
 */
final class NewOverlay {
    private final TapSpec image;
    private final DiskDriver driver;
    private final Map<String, String> options;
    private final String mark;
    private OpenContext making;
    private FileStatus named;

    NewOverlay(TapSpec image, DiskDriver driver, Map<String, String> options, String mark) {
        this.image = image;
        this.driver = driver;
        this.options = options;
        this.mark = mark;
    }

    Path path() {
        return FileNames.path(image.path());
    }

    /**
     * Makes the file.
     *
     * @param backingTypes of the new chain, from the backing image down
     * @param open the backing image, if it is open for writing; null if it is closed
     * @param info of that
     */
    void make(TapSpec backing, String backingTypes, OpenContext open, DiskInfo info, OpenEnvironment environment)
            throws DiskException {
        Map<String, String> all = new LinkedHashMap<>(options);
        all.put(OpenContext.BACKING_TYPE, backingTypes);
        Options asked = new Options(all);
        making = new OpenContext(environment.using(new HashSet<>()), false, asked);
        making.lend(open, info);
        driver.create(image.path(), -1, backing, making);
        asked.checkAllKnown("tap:" + image.type());
    }

    /** Gives it its name. */
    void name() throws DiskException {
        named = making.nameMarked(mark);
        making.close();
        making = null;
    }

    /** Removes it under whatever name. */
    void remove() throws DiskException {
        if (making != null) {
            making.undo();
            making.close();
            making = null;
        }
        if (named != null) {
            NewFiles.removeIf(path(), named::sameFile);
            named = null;
        }
    }
}
