package org.blktap.jobs.bits;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.zip.CRC32;
import org.blktap.api.disk.DiskException;
import org.blktap.api.disk.DiskException.Reason;
import org.blktap.api.disk.Options;
import org.blktap.api.memory.Alignment;
import org.blktap.api.memory.Memory;

/**
 * The header of a bitmap's file: fields that never change, under a checksum, and two that do, the flags and the boot
 * id. Little-endian. The header is in one sector, which a device writes as a whole.
 *
 * @param diskBytes size of the disk
 * @param granularity bytes of the disk for each bit, a power of two
 * @param tag text of the owner
 */
record BitsHeader(long diskBytes, int granularity, String tag) {
    /** Bytes before the bits. */
    static final int BYTES = Alignment.PAGE;

    static final int MIN_GRANULARITY = Alignment.SECTOR;
    static final int MAX_GRANULARITY = 1 << 30;
    /** The greatest number of bits: a file of 256 MiB. */
    static final long MAX_BITS = 1L << 31;

    /** Flag: the bits were written to the device when the file was closed. */
    static final int CLEAN = 1;
    /** Flag: writes may be missing. */
    static final int STALE = 2;

    /** Flag: the image had the bits when the file was closed. */
    static final int STORED = 4;

    private static final long MAGIC = ByteBuffer.wrap("blktbits".getBytes(StandardCharsets.US_ASCII))
            .order(ByteOrder.LITTLE_ENDIAN)
            .getLong();
    private static final int VERSION = 1;
    // u64 magic
    private static final int AT_MAGIC = 0;
    // u32 version
    private static final int AT_VERSION = 8;
    // u32 flags
    private static final int AT_FLAGS = 12;
    // u64 size of the disk
    private static final int AT_DISK_BYTES = 16;
    // u64 granularity
    private static final int AT_GRANULARITY = 24;
    // the boot id of the kernel that had the file open last, padded with NULs
    private static final int AT_BOOT = 32;
    private static final int BOOT_BYTES = 40;
    // u32 CRC-32 of the version, and of what follows the boot id
    private static final int AT_CHECKSUM = 72;
    // the owner's text, padded with NULs
    private static final int AT_TAG = 80;
    private static final int TAG_BYTES = 128;
    private static final int FIELDS_BYTES = AT_TAG + TAG_BYTES;

    /** The smallest granularity for a disk. */
    static int smallestGranularity(long diskBytes) {
        int granularity = MIN_GRANULARITY;
        while (granularity < MAX_GRANULARITY && Alignment.units(diskBytes, granularity) > MAX_BITS) {
            granularity <<= 1;
        }
        return granularity;
    }

    /** Makes a header for the values of a caller, which it checks. */
    static BitsHeader of(Path file, long diskBytes, int granularity, String tag) throws DiskException {
        if (granularity < MIN_GRANULARITY || granularity > MAX_GRANULARITY || Integer.bitCount(granularity) != 1) {
            throw Options.bad("granularity", Integer.toString(granularity), "a power of two from 512 to 1G");
        }
        if (diskBytes < 0 || Alignment.units(diskBytes, granularity) > MAX_BITS) {
            throw new DiskException(
                    Reason.BAD_OPTION,
                    file + ": granularity " + Options.sizeText(granularity) + " is too small for a disk of " + diskBytes
                            + " bytes: expected at least "
                            + Options.sizeText(smallestGranularity(diskBytes)));
        }
        if (tag.getBytes(StandardCharsets.UTF_8).length > TAG_BYTES || tag.indexOf(0) >= 0) {
            throw new IllegalArgumentException("a tag has at most " + TAG_BYTES + " bytes: " + tag);
        }
        return new BitsHeader(diskBytes, granularity, tag);
    }

    /**
     * Reads the header of a file.
     *
     * @param bytes a copy of the beginning of the file, {@link #BYTES} long
     * @param fileBytes size of the file
     */
    static BitsHeader read(Path file, byte[] bytes, long fileBytes) throws DiskException {
        ByteBuffer header = ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN);
        long magic = header.getLong(AT_MAGIC);
        if (magic != MAGIC) {
            throw DiskException.notAnImage(
                    file,
                    fileBytes,
                    "a bitmap",
                    "magic",
                    AT_MAGIC,
                    "0x" + Long.toHexString(magic),
                    "0x" + Long.toHexString(MAGIC));
        }
        int version = header.getInt(AT_VERSION);
        if (version != VERSION) {
            throw DiskException.corrupt(file, "version", AT_VERSION, Integer.toUnsignedLong(version), VERSION);
        }
        int checksum = header.getInt(AT_CHECKSUM);
        if (checksum != checksum(bytes)) {
            throw DiskException.corrupt(
                    file,
                    "checksum",
                    AT_CHECKSUM,
                    "0x" + Integer.toHexString(checksum),
                    "0x" + Integer.toHexString(checksum(bytes)));
        }
        long granularity = header.getLong(AT_GRANULARITY);
        if (granularity < MIN_GRANULARITY || granularity > MAX_GRANULARITY || Long.bitCount(granularity) != 1) {
            throw DiskException.corrupt(
                    file, "granularity", AT_GRANULARITY, granularity, "a power of two from 512 to 1G");
        }
        long diskBytes = header.getLong(AT_DISK_BYTES);
        if (diskBytes < 0 || diskBytes > MAX_BITS * granularity) {
            throw DiskException.corrupt(
                    file, "size of the disk", AT_DISK_BYTES, diskBytes, "0 to " + MAX_BITS * granularity);
        }
        BitsHeader read = new BitsHeader(diskBytes, (int) granularity, text(bytes, AT_TAG, TAG_BYTES));
        if (fileBytes != read.fileBytes()) {
            throw DiskException.corrupt(file, "end of the file", fileBytes, fileBytes, read.fileBytes());
        }
        return read;
    }

    /** Returns the header of a new file, which is not clean. */
    byte[] bytes(int flags, String boot) {
        byte[] bytes = new byte[BYTES];
        ByteBuffer header = ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN);
        header.putLong(AT_MAGIC, MAGIC);
        header.putInt(AT_VERSION, VERSION);
        header.putInt(AT_FLAGS, flags);
        header.putLong(AT_DISK_BYTES, diskBytes);
        header.putLong(AT_GRANULARITY, granularity);
        header.put(AT_BOOT, bootField(boot));
        header.put(AT_TAG, tag.getBytes(StandardCharsets.UTF_8));
        header.putInt(AT_CHECKSUM, checksum(bytes));
        return bytes;
    }

    static int flags(byte[] bytes) {
        return ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN).getInt(AT_FLAGS);
    }

    static String boot(byte[] bytes) {
        return text(bytes, AT_BOOT, BOOT_BYTES);
    }

    /** Changes the flags of a mapped header. */
    static void putFlags(long address, int flags) {
        Memory.putInt(address + AT_FLAGS, flags);
    }

    /** Changes the boot of a mapped header. */
    static void putBoot(long address, String boot) {
        byte[] field = bootField(boot);
        for (int i = 0; i < field.length; i++) {
            Memory.putByte(address + AT_BOOT + i, field[i]);
        }
    }

    int shift() {
        return Integer.numberOfTrailingZeros(granularity);
    }

    long bits() {
        return Alignment.units(diskBytes, granularity);
    }

    long words() {
        return Alignment.units(bits(), Long.SIZE);
    }

    long fileBytes() {
        return BYTES + words() * Long.BYTES;
    }

    /** A word of a bitmap with all bits set. */
    long wordOfSet(long word) {
        long rest = bits() - (word << 6);
        return rest >= Long.SIZE ? -1 : rest <= 0 ? 0 : -1L >>> (Long.SIZE - rest);
    }

    private static byte[] bootField(String boot) {
        return Arrays.copyOf(boot.getBytes(StandardCharsets.US_ASCII), BOOT_BYTES);
    }

    private static String text(byte[] bytes, int from, int length) {
        int end = from;
        while (end < from + length && bytes[end] != 0) {
            end++;
        }
        return new String(bytes, from, end - from, StandardCharsets.UTF_8);
    }

    private static int checksum(byte[] bytes) {
        CRC32 crc = new CRC32();
        crc.update(bytes, AT_VERSION, AT_FLAGS - AT_VERSION);
        crc.update(bytes, AT_DISK_BYTES, AT_BOOT - AT_DISK_BYTES);
        crc.update(bytes, AT_TAG, FIELDS_BYTES - AT_TAG);
        return (int) crc.getValue();
    }
}
