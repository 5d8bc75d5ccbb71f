package org.blktap.node.nbd;

import org.blktap.api.engine.ExtentList;

/**
 * The lists for what the disk says about allocation: few, for all clients of an export, since a list may be long before
 * it is cut to an answer. Made when they are needed. One thread.
 */
final class ExtentLists {
    /** Questions at the disk at once. */
    private static final int MOST = 4;
    /** A list that had more runs is not kept. */
    private static final int MOST_KEPT = 8192;

    private final ExtentList[] free = new ExtentList[MOST];
    private int freeCount;
    private int taken;

    boolean hasOne() {
        return taken < MOST;
    }

    /** An empty list. */
    ExtentList take() {
        taken++;
        if (freeCount == 0) {
            return new ExtentList();
        }
        ExtentList list = free[--freeCount];
        list.clear();
        return list;
    }

    /** An empty list in place of one. */
    ExtentList renew(ExtentList list) {
        give(list);
        return take();
    }

    void give(ExtentList list) {
        taken--;
        if (list.count() <= MOST_KEPT) {
            free[freeCount++] = list;
        }
    }
}
