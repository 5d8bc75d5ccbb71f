package org.blktap.format.vhdx;

import org.blktap.api.memory.Alignment;

/**
 * Offsets and signatures of an entry of the log: a header and descriptors, then data sectors. [MS-VHDX] section 2.3.1.
 */
final class LogEntry {
    /** "loge". */
    static final int SIGNATURE = 0x65676f6c;

    static final int HEADER_BYTES = 64;
    static final int CHECKSUM = 4;
    static final int ENTRY_LENGTH = 8;
    static final int TAIL = 12;
    static final int SEQUENCE_NUMBER = 16;
    static final int DESCRIPTOR_COUNT = 24;
    static final int LOG_GUID = 32;
    static final int FLUSHED_FILE_OFFSET = 48;
    static final int LAST_FILE_OFFSET = 56;

    static final int DESCRIPTOR_BYTES = 32;
    /** "desc". */
    static final int DATA_DESCRIPTOR = 0x63736564;
    /** "zero". */
    static final int ZERO_DESCRIPTOR = 0x6f72657a;
    /** Offsets in a data descriptor: the last four bytes of the sector, and the first eight. */
    static final int TRAILING_BYTES = 4;

    static final int LEADING_BYTES = 8;
    /** Offset in a zero descriptor. */
    static final int ZERO_LENGTH = 8;

    static final int FILE_OFFSET = 16;
    static final int DESCRIPTOR_SEQUENCE_NUMBER = 24;

    /** "data". */
    static final int DATA_SECTOR = 0x61746164;

    static final int SEQUENCE_HIGH = 4;
    static final int SEQUENCE_LOW = Layout.SECTOR - 4;

    private LogEntry() {}

    /** Sectors that the header and its descriptors take. */
    static int descriptorSectors(int descriptors) {
        return Alignment.units(HEADER_BYTES + descriptors * DESCRIPTOR_BYTES, Layout.SECTOR);
    }
}
