package org.blktap.image;

import org.blktap.api.engine.IoFile;

/** Destination of an allocating write's data, set by the map in one call. Part of an {@link Allocation}. Loop only. */
public final class Target {
    private IoFile file;
    private long fileOffset;
    private int unit;
    private boolean used;

    void clear() {
        file = null;
        used = false;
    }

    /**
     * The data goes to new space, which reads as zeros.
     *
     * @param at bytes from the beginning of the file to the first unit
     * @param unitBytes bytes that are replaced as one: {@link ClusterMap#clusterSize}, or
     *     {@link ClusterMap#largestUnit} where more is copied
     */
    public void fresh(IoFile inFile, long at, int unitBytes) {
        file = inFile;
        fileOffset = at;
        unit = unitBytes;
        used = false;
    }

    /**
     * The data goes to clusters that may hold old bytes: the disk overwrites the bytes around the write too. Otherwise
     * as {@link #fresh}.
     */
    public void used(IoFile inFile, long at, int unitBytes) {
        fresh(inFile, at, unitBytes);
        used = true;
    }

    IoFile file() {
        return file;
    }

    long fileOffset() {
        return fileOffset;
    }

    int unit() {
        return unit;
    }

    boolean isUsed() {
        return used;
    }
}
