package org.blktap.api.disk;

/** What a request asks of a disk. */
public enum Operation {
    /** Fills the scatter list from the disk. */
    READ,
    /** Writes the scatter list to the disk. */
    WRITE,
    /** Makes every write completed before survive power loss. No range. */
    FLUSH,
    /** The contents of the range are no longer needed. */
    DISCARD,
    /** The range reads as zeros afterwards. */
    WRITE_ZEROES,
    /** Reports how the range is stored, into {@link Request#extents}. */
    MAP;

    /** Whether the operation may change the disk's contents. */
    public boolean changes() {
        return this == WRITE || this == WRITE_ZEROES || this == DISCARD;
    }
}
