package org.blktap.format.vhdx;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.UUID;
import java.util.zip.CRC32C;
import org.blktap.api.disk.DiskException;
import org.blktap.api.engine.IoFile;

/** Encodings that all structures of the format use: little-endian numbers, GUIDs, CRC-32C. [MS-VHDX] section 2. */
final class Layout {
    /** Regions and payload blocks begin and end at multiples of it. */
    static final long MIB = 1 << 20;
    /** Unit of changes in the log, and size of a header. */
    static final int SECTOR = 4096;
    /** No file is longer: twice the largest disk. */
    static final long MOST_FILE_BYTES = 128L << 40;

    static final int GUID_BYTES = 16;
    /** Offset of the checksum in headers, region tables and log entries. */
    static final int AT_CHECKSUM = 4;

    static final UUID NO_GUID = new UUID(0, 0);

    private Layout() {}

    static ByteBuffer allocate(int bytes) {
        return ByteBuffer.allocate(bytes).order(ByteOrder.LITTLE_ENDIAN);
    }

    /** Reads bytes of the file; past its end, zeros. */
    static ByteBuffer read(IoFile file, String what, long offset, int bytes) throws DiskException {
        ByteBuffer buffer = allocate(bytes);
        try {
            file.readFully(buffer, offset);
        } catch (IOException e) {
            throw DiskException.io(file.path(), "read the " + what, e);
        }
        return buffer.flip();
    }

    /** The first three fields of a GUID are little-endian numbers, the rest is bytes. [MS-DTYP] section 2.3.4.2. */
    static UUID guid(ByteBuffer bytes, int at) {
        long high = Integer.toUnsignedLong(bytes.getInt(at)) << 32
                | Short.toUnsignedLong(bytes.getShort(at + 4)) << 16
                | Short.toUnsignedLong(bytes.getShort(at + 6));
        return new UUID(high, Long.reverseBytes(bytes.getLong(at + 8)));
    }

    static void putGuid(ByteBuffer bytes, int at, UUID guid) {
        long high = guid.getMostSignificantBits();
        bytes.putInt(at, (int) (high >>> 32))
                .putShort(at + 4, (short) (high >>> 16))
                .putShort(at + 6, (short) high);
        bytes.putLong(at + 8, Long.reverseBytes(guid.getLeastSignificantBits()));
    }

    /** The checksum of a structure, computed with zeros in the checksum's own field. */
    static int checksum(ByteBuffer bytes) {
        CRC32C crc = new CRC32C();
        crc.update(bytes.duplicate().clear().limit(AT_CHECKSUM));
        crc.update(new byte[Integer.BYTES]);
        crc.update(bytes.duplicate().clear().position(AT_CHECKSUM + Integer.BYTES));
        return (int) crc.getValue();
    }

    static String hex(long value) {
        return "0x" + Long.toHexString(value);
    }
}
