package org.blktap.api.disk;

import java.util.LinkedHashMap;
import java.util.Map;

/**
 * What a disk is and can do.
 *
 * @param sizeBytes a multiple of 512
 * @param blockSize the sector size in bytes that guests should use: 512 or 4096
 * @param physicalBlockSize bytes that are written at once below; at least {@code blockSize}
 * @param optimalIoSize bytes that a request is best a multiple of, or 0
 * @param readOnly whether writes are refused
 * @param canDiscard whether DISCARD gives space back
 * @param canWriteZeroes whether WRITE_ZEROES is faster than writing zeros (NBD's FAST_ZERO)
 * @param shareable whether several attachments may write it at once
 * @param details what {@code info} shows besides, in order: format, backing chain, geometry
 */
public record DiskInfo(long sizeBytes, int blockSize, int physicalBlockSize, int optimalIoSize, boolean readOnly,
        boolean canDiscard, boolean canWriteZeroes, boolean shareable, Map<String, String> details) {

    /** Details that tell a disk from any other, where its format records one: VHD's unique ID, VHDX's virtual disk ID. */
    private static final String[] IDENTITIES = {"uuid", "virtual disk ID"};

    public DiskInfo {
        if (sizeBytes < 0 || sizeBytes % 512 != 0) {
            throw new IllegalArgumentException("disk size " + sizeBytes + " is not a multiple of 512");
        }
        details = java.util.Collections.unmodifiableMap(new LinkedHashMap<>(details));
    }

    /** A writable disk of 512-byte sectors that can do nothing special. */
    public static DiskInfo ofSize(long sizeBytes) {
        return new DiskInfo(sizeBytes, 512, 512, 0, false, false, false, false, Map.of());
    }

    /** The size in 512-byte sectors. */
    public long sectors() {
        return sizeBytes / 512;
    }

    /** What tells the disk from any other, as its format records it; empty for formats that record nothing of the kind. */
    public String identity() {
        for (String key : IDENTITIES) {
            if (details.containsKey(key)) {
                return details.get(key);
            }
        }
        return "";
    }
}
