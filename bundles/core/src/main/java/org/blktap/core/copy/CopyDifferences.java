package org.blktap.core.copy;

import org.blktap.api.control.Images.Progress;
import org.blktap.api.disk.DiskInfo;
import org.blktap.api.disk.TapSpec;

/**
 * The differences between a copy and its source, one line each for the operator, so that nothing is lost without a
 * message.
 */
public final class CopyDifferences {
    /** Most characters of the list of snapshot names, which an image chooses. */
    private static final int LONGEST_LIST = 200;

    private final TapSpec from;
    private final DiskInfo source;
    private final TapSpec to;
    private final DiskInfo target;

    public CopyDifferences(TapSpec from, DiskInfo source, TapSpec to, DiskInfo target) {
        this.from = from;
        this.source = source;
        this.to = to;
        this.target = target;
    }

    /** @param device whether the target existed before, with its own contents */
    public void report(boolean device, Progress progress) {
        if (target.blockSize() != source.blockSize()) {
            progress.note(
                    to + ": has sectors of " + target.blockSize() + " bytes, " + from + " has " + source.blockSize()
                            + ": what counts in sectors, such as a partition table, does not fit any more");
        }
        long filled = (device ? source.sizeBytes() : target.contentBytes()) - source.contentBytes();
        if (filled > 0) {
            progress.note(to + ": has " + filled + " bytes of zeros after the " + source.contentBytes() + " bytes of "
                    + from);
        }
        if (device && target.sizeBytes() > source.sizeBytes()) {
            progress.note(to + ": keeps what it held after " + source.sizeBytes() + " bytes, the size of " + from);
        }
        String snapshots = source.details().get(DiskInfo.SNAPSHOTS);
        if (snapshots != null) {
            String named = snapshots.length() <= LONGEST_LIST ? snapshots : snapshots.substring(0, LONGEST_LIST) + "…";
            String copied = source.details().get(DiskInfo.OPENED_SNAPSHOT);
            progress.note(to + ": has no snapshots; "
                    + (copied == null ? "the current contents were copied" : "snapshot " + copied + " was copied")
                    + ", not the snapshots of " + from + ": " + named);
        }
    }
}
