package org.blktap.api.disk;

import java.util.LinkedHashMap;
import java.util.Map;

/**
 * What a disk is and can do.
 *
 * @param sizeBytes the size that VMs see, a multiple of 512
 * @param contentBytes where the stored contents end: {@code sizeBytes}, or inside the last sector for a file or export whose size is not
 *        a multiple of 512. What is past it reads as zeros; a disk that cannot store other bytes there fails such a write
 * @param blockSize the sector size in bytes that guests should use: 512 or 4096
 * @param physicalBlockSize bytes that are written at once below; at least {@code blockSize}
 * @param optimalIoSize bytes that a request is best a multiple of, or 0
 * @param readOnly whether writes are refused
 * @param canDiscard whether DISCARD frees space
 * @param canWriteZeroes whether WRITE_ZEROES is faster than writing zeros (NBD's FAST_ZERO)
 * @param shareable whether several attachments may write it at once
 * @param details what {@code info} shows besides, in order: format, backing chain, geometry
 */
public record DiskInfo(long sizeBytes, long contentBytes, int blockSize, int physicalBlockSize, int optimalIoSize, boolean readOnly,
        boolean canDiscard, boolean canWriteZeroes, boolean shareable, Map<String, String> details) {

    /** The key of {@link #details} that lists internal snapshots, which a copy of the disk does not contain. */
    public static final String SNAPSHOTS = "snapshots";
    /** The key of {@link #details} that names the internal snapshot that is read in place of the current contents. */
    public static final String OPENED_SNAPSHOT = "opened snapshot";
    /** Details that distinguish a disk from any other, where its format records one: VHD's unique ID, VHDX's virtual disk ID. */
    private static final String[] IDENTITIES = {"uuid", "virtual disk ID"};

    private static final int SECTOR = 512;

    public DiskInfo {
        if (sizeBytes < 0 || sizeBytes % SECTOR != 0) {
            throw new IllegalArgumentException("disk size " + sizeBytes + " is not a multiple of 512");
        }
        if (wholeSectors(contentBytes) != sizeBytes) {
            throw new IllegalArgumentException("contents of " + contentBytes + " bytes do not end in the last sector of " + sizeBytes + " bytes");
        }
        details = java.util.Collections.unmodifiableMap(new LinkedHashMap<>(details));
    }

    /** A disk whose contents are whole sectors. */
    public DiskInfo(long sizeBytes, int blockSize, int physicalBlockSize, int optimalIoSize, boolean readOnly, boolean canDiscard,
            boolean canWriteZeroes, boolean shareable, Map<String, String> details) {
        this(sizeBytes, sizeBytes, blockSize, physicalBlockSize, optimalIoSize, readOnly, canDiscard, canWriteZeroes, shareable, details);
    }

    /** A writable disk of 512-byte sectors that can do nothing special. */
    public static DiskInfo ofSize(long sizeBytes) {
        return new DiskInfo(sizeBytes, SECTOR, SECTOR, 0, false, false, false, false, Map.of());
    }

    /** A number of bytes, rounded up to whole sectors of 512. */
    public static long wholeSectors(long bytes) {
        return bytes + SECTOR - 1 & -SECTOR;
    }

    /** The size in 512-byte sectors. */
    public long sectors() {
        return sizeBytes / SECTOR;
    }

    /** Identity of the disk, as its format records it; empty for formats that record none. */
    public String identity() {
        for (String key : IDENTITIES) {
            if (details.containsKey(key)) {
                return details.get(key);
            }
        }
        return "";
    }
}
