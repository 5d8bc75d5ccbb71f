package org.blktap.format.vhdx;

import java.nio.ByteBuffer;
import java.util.UUID;

/**
 * A header: 4 KiB, in two copies of which the one with the higher sequence number is current. [MS-VHDX] section 2.2.2.
 *
 * @param sequenceNumber unsigned
 * @param fileWriteGuid changes with the first change of the file after it was opened
 * @param dataWriteGuid changes with the first change of what the disk holds
 * @param logGuid of the entries in the log that count; all zeros when there is nothing to replay
 * @param logVersion 0
 * @param version 1
 * @param logLength bytes of the log
 * @param logOffset bytes from the beginning of the file to the log
 */
record VhdxHeader(long sequenceNumber, UUID fileWriteGuid, UUID dataWriteGuid, UUID logGuid, int logVersion, int version, long logLength,
        long logOffset) {
    /** "head". */
    static final int SIGNATURE = 0x64616568;
    static final long FIRST_OFFSET = 64 << 10;
    static final long SECOND_OFFSET = 128 << 10;
    static final int VERSION = 1;

    /** The header in these 4 KiB, or null if signature or checksum do not fit. */
    static VhdxHeader parse(ByteBuffer bytes) {
        if (bytes.getInt(0) != SIGNATURE || bytes.getInt(4) != Layout.checksum(bytes)) {
            return null;
        }
        return new VhdxHeader(bytes.getLong(8), Layout.guid(bytes, 16), Layout.guid(bytes, 32), Layout.guid(bytes, 48),
                Short.toUnsignedInt(bytes.getShort(64)), Short.toUnsignedInt(bytes.getShort(66)), Integer.toUnsignedLong(bytes.getInt(68)),
                bytes.getLong(72));
    }

    ByteBuffer bytes() {
        ByteBuffer bytes = Layout.allocate(Layout.SECTOR);
        bytes.putInt(0, SIGNATURE).putLong(8, sequenceNumber);
        Layout.putGuid(bytes, 16, fileWriteGuid);
        Layout.putGuid(bytes, 32, dataWriteGuid);
        Layout.putGuid(bytes, 48, logGuid);
        bytes.putShort(64, (short) logVersion).putShort(66, (short) version).putInt(68, (int) logLength).putLong(72, logOffset);
        return bytes.putInt(4, Layout.checksum(bytes));
    }

    VhdxHeader numbered(long sequence) {
        return new VhdxHeader(sequence, fileWriteGuid, dataWriteGuid, logGuid, logVersion, version, logLength, logOffset);
    }

    /** The header while the file is being changed. */
    VhdxHeader changing(UUID newLogGuid) {
        return new VhdxHeader(sequenceNumber, UUID.randomUUID(), UUID.randomUUID(), newLogGuid, 0, version, logLength, logOffset);
    }

    /** The header once no log entry counts any more. */
    VhdxHeader withoutLog() {
        return new VhdxHeader(sequenceNumber, fileWriteGuid, dataWriteGuid, Layout.NO_GUID, 0, version, logLength, logOffset);
    }

    boolean hasLog() {
        return !logGuid.equals(Layout.NO_GUID);
    }
}
