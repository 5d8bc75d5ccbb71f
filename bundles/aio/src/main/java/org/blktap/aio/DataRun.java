package org.blktap.aio;

/**
 * The run of data that a map of a file has found last. A file that is mapped in windows is so asked for each run's end
 * once: tmpfs looks at each page up to the next hole. Thread-safe.
 */
final class DataRun {
    private long begin;
    private long end;
    private int holes;

    /** How often holes were made; to be taken before the file is asked. */
    synchronized int holes() {
        return holes;
    }

    /** Where the data ends in which an offset lies; -1 if that is not known. */
    synchronized long endAround(long offset) {
        return begin <= offset && offset < end ? end : -1;
    }

    /** Keeps what was found, unless a hole was made since {@link #holes} was asked. */
    synchronized void found(long from, long to, int asOf) {
        if (asOf == holes) {
            begin = from;
            end = to;
        }
    }

    /** A hole was made somewhere. */
    synchronized void holeMade() {
        holes++;
        end = begin;
    }
}
