package org.blktap.core;

import java.nio.file.Path;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.Map;
import org.blktap.api.disk.DiskDriver;
import org.blktap.api.disk.DiskException;
import org.blktap.api.disk.DiskException.Reason;
import org.blktap.api.disk.DiskInfo;
import org.blktap.api.disk.FileNames;
import org.blktap.api.disk.Options;
import org.blktap.api.disk.TapSpec;
import org.blktap.linux.FileStatus;
import org.blktap.linux.PinnedFile;

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
        making = context(backingTypes, environment);
        making.lend(open, info);
        create(backing, making);
    }

    /** Makes the contents once more, of a backing image that is closed now; the file has its name already. */
    void makeAgain(TapSpec backing, String backingTypes, OpenEnvironment environment) throws DiskException {
        try (OpenContext again = context(backingTypes, environment)) {
            try {
                PinnedFile there = PinnedFile.ofName(path());
                again.createAgain(path(), there);
                if (!named.sameFile(there.status())) {
                    throw new DiskException(Reason.BUSY, image + ": was replaced while the snapshot was taken");
                }
                create(backing, again);
            } finally {
                // closes the file, which keeps its name
                again.undo();
            }
        }
    }

    private OpenContext context(String backingTypes, OpenEnvironment environment) {
        Map<String, String> all = new LinkedHashMap<>(options);
        all.put(OpenContext.BACKING_TYPE, backingTypes);
        return new OpenContext(environment.using(new HashSet<>()), false, new Options(all));
    }

    private void create(TapSpec backing, OpenContext context) throws DiskException {
        driver.create(image.path(), -1, backing, context);
        context.options().checkAllKnown("tap:" + image.type());
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
