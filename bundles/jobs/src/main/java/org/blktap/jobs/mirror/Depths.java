package org.blktap.jobs.mirror;

/**
 * Which images of the source's chain are copied, by their depth as {@link org.blktap.api.engine.ExtentList#depth}
 * counts it.
 *
 * @param from the first depth that is copied
 * @param to the first one that is not
 * @param zeros whether zeros are copied as well; otherwise the target has them where nothing is copied
 */
record Depths(int from, int to, boolean zeros) {
    /** The disk as it reads. */
    static final Depths ALL = new Depths(0, Integer.MAX_VALUE, true);

    boolean all() {
        return this == ALL;
    }

    /** Whether it need not be known where zeros are. */
    boolean depthOnly() {
        return !all() && zeros;
    }

    boolean skips(int depth, boolean zero) {
        return depth < from || depth >= to || zero && !zeros;
    }
}
