package org.blktap.image;

/** An operation that waits for a table, for room in a cache or for the end of an allocation. Loop only. */
@FunctionalInterface
interface Resumable {
    /** @param error 0, or the errno of what it waited for */
    void resume(int error);
}
