package org.blktap.jobs.mirror;

/**
 * The images of the source's chain that are copied, by their depth as {@link org.blktap.api.engine.ExtentList#depth}
 * counts it.
 *
 * @param from the first depth that is copied
 * @param to the first depth that is not copied
 * @param zeros whether zeros are copied too; if not, the target reads as zeros where nothing is copied
 */
record Depths(int from, int to, boolean zeros) {
    /** The whole chain. */
    static final Depths ALL = new Depths(0, Integer.MAX_VALUE, true);

    boolean all() {
        return this == ALL;
    }

    /** Whether only the depth of a range matters, and not whether it reads as zeros. */
    boolean depthOnly() {
        return !all() && zeros;
    }

    boolean skips(int depth, boolean zero) {
        return depth < from || depth >= to || zero && !zeros;
    }
}
