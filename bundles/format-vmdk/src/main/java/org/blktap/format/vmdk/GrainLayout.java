package org.blktap.format.vmdk;

import static org.blktap.api.memory.Alignment.SECTOR;

import org.blktap.api.memory.Alignment;

/**
 * Where a sparse extent has its tables and grains, independent of the kind of header. The grain directory has an entry
 * for each grain table, a grain table one for each grain; entries are 32-bit little-endian sector numbers.
 *
 * @param capacity bytes of the disk
 * @param grainBits log2 of a grain's bytes
 * @param tableBits log2 of the entries of a grain table
 * @param gdOffset bytes from the beginning of the file to the grain directory
 * @param rgdOffset to the redundant one, or 0
 * @param firstTable no grain table begins before this byte
 * @param firstGrain no grain begins before this byte
 * @param zeroedGrains whether entry 1 means zeros
 * @param compressed whether grains are zlib streams
 * @param markerBytes bytes of the marker before each compressed grain
 * @param freeSector where the header has the number of the next free sector, or 0
 * @param unclean whether its last writer did not close it in order; only reported
 * @param onlyRead why it cannot be written, or null
 */
record GrainLayout(
        long capacity,
        int grainBits,
        int tableBits,
        long gdOffset,
        long rgdOffset,
        long firstTable,
        long firstGrain,
        boolean zeroedGrains,
        boolean compressed,
        int markerBytes,
        int freeSector,
        boolean unclean,
        String onlyRead) {
    /** An entry of a grain directory or a grain table: a sector number. */
    static final int ENTRY_BYTES = 4;
    /** A grain table entry: the grain reads as zeros. */
    static final int ZEROED = 1;
    /** Sector numbers have 32 bits. */
    static final long LARGEST_FILE = SECTOR * (1L << 32);
    /** Largest grain, in sectors: 1 MiB. */
    static final long MAX_GRAIN = 2048;

    int grainBytes() {
        return 1 << grainBits;
    }

    int tableEntries() {
        return 1 << tableBits;
    }

    int tableBytes() {
        return ENTRY_BYTES << tableBits;
    }

    /** Bytes of the disk that a grain table stands for. */
    long slotBytes() {
        return 1L << grainBits + tableBits;
    }

    /** Entries of the grain directory. */
    long directoryEntries() {
        return (capacity + slotBytes() - 1) >>> grainBits + tableBits;
    }

    /** Bytes of the grain directory, in whole sectors. */
    long directoryBytes() {
        return Alignment.up(directoryEntries() * ENTRY_BYTES, SECTOR);
    }

    boolean isCowd() {
        return freeSector != 0;
    }

    /** Most bytes that a compressed grain takes: incompressible data grows slightly. */
    int mostCompressed() {
        return grainBytes() + (grainBytes() >> 8) + SECTOR;
    }

    /** Whether a grain can have this number of sectors. */
    static boolean isGrain(long sectors) {
        return sectors >= 1 && sectors <= MAX_GRAIN && Long.bitCount(sectors) == 1;
    }
}
