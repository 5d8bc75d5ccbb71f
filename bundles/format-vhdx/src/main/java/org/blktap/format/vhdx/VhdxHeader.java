package org.blktap.format.vhdx;

import java.nio.ByteBuffer;
import java.util.UUID;

/**
 * A header: 4 KiB, in two copies of which the one with the higher sequence number is current. [MS-VHDX] section 2.2.2.
 *
 * @param sequenceNumber unsigned
 * @param fileWriteGuid changes with the first change of the file after it was opened
 * @param dataWriteGuid changes with the first change of the disk's contents
 * @param logGuid of the log entries that must be replayed; all zeros if there are none
 * @param logVersion 0
 * @param version 1
 * @param logLength bytes of the log
 * @param logOffset bytes from the beginning of the file to the log
 */
record VhdxHeader(
        long sequenceNumber,
        UUID fileWriteGuid,
        UUID dataWriteGuid,
        UUID logGuid,
        int logVersion,
        int version,
        long logLength,
        long logOffset) {
    /** "head". */
    static final int SIGNATURE = 0x64616568;

    static final long FIRST_OFFSET = 64 << 10;
    static final long SECOND_OFFSET = 128 << 10;
    static final int VERSION = 1;
    private static final int AT_SIGNATURE = 0;
    static final int AT_SEQUENCE_NUMBER = 8;
    private static final int AT_FILE_WRITE_GUID = 16;
    private static final int AT_DATA_WRITE_GUID = 32;
    private static final int AT_LOG_GUID = 48;
    private static final int AT_LOG_VERSION = 64;
    private static final int AT_VERSION = 66;
    static final int AT_LOG_LENGTH = 68;
    static final int AT_LOG_OFFSET = 72;

    /** The header in these 4 KiB, or null if signature or checksum do not fit. */
    static VhdxHeader parse(ByteBuffer bytes) {
        if (bytes.getInt(AT_SIGNATURE) != SIGNATURE || bytes.getInt(Layout.AT_CHECKSUM) != Layout.checksum(bytes)) {
            return null;
        }
        return new VhdxHeader(
                bytes.getLong(AT_SEQUENCE_NUMBER),
                Layout.guid(bytes, AT_FILE_WRITE_GUID),
                Layout.guid(bytes, AT_DATA_WRITE_GUID),
                Layout.guid(bytes, AT_LOG_GUID),
                Short.toUnsignedInt(bytes.getShort(AT_LOG_VERSION)),
                Short.toUnsignedInt(bytes.getShort(AT_VERSION)),
                Integer.toUnsignedLong(bytes.getInt(AT_LOG_LENGTH)),
                bytes.getLong(AT_LOG_OFFSET));
    }

    ByteBuffer bytes() {
        ByteBuffer bytes = Layout.allocate(Layout.SECTOR);
        bytes.putInt(AT_SIGNATURE, SIGNATURE).putLong(AT_SEQUENCE_NUMBER, sequenceNumber);
        Layout.putGuid(bytes, AT_FILE_WRITE_GUID, fileWriteGuid);
        Layout.putGuid(bytes, AT_DATA_WRITE_GUID, dataWriteGuid);
        Layout.putGuid(bytes, AT_LOG_GUID, logGuid);
        bytes.putShort(AT_LOG_VERSION, (short) logVersion).putShort(AT_VERSION, (short) version);
        bytes.putInt(AT_LOG_LENGTH, (int) logLength).putLong(AT_LOG_OFFSET, logOffset);
        return bytes.putInt(Layout.AT_CHECKSUM, Layout.checksum(bytes));
    }

    VhdxHeader numbered(long sequence) {
        return new VhdxHeader(
                sequence, fileWriteGuid, dataWriteGuid, logGuid, logVersion, version, logLength, logOffset);
    }

    /** The header while the file is being changed. */
    VhdxHeader changing(UUID newLogGuid, UUID newDataWriteGuid) {
        return new VhdxHeader(
                sequenceNumber, UUID.randomUUID(), newDataWriteGuid, newLogGuid, 0, version, logLength, logOffset);
    }

    /** The header once no log entry counts any more. */
    VhdxHeader withoutLog() {
        return new VhdxHeader(
                sequenceNumber, fileWriteGuid, dataWriteGuid, Layout.NO_GUID, 0, version, logLength, logOffset);
    }

    boolean hasLog() {
        return !logGuid.equals(Layout.NO_GUID);
    }
}
