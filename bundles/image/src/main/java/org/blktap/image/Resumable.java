package org.blktap.image;

/** What waits for a table, for room in a cache or for the end of an allocation. Loop only. */
@FunctionalInterface
interface Resumable {
    /** @param error 0 if what was waited for has come, or an errno */
    void resume(int error);
}
