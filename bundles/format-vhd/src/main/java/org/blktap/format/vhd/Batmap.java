package org.blktap.format.vhd;

import static org.blktap.api.memory.Alignment.SECTOR;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.util.BitSet;
import org.blktap.api.disk.DiskException;
import org.blktap.api.disk.DiskException.Reason;
import org.blktap.api.engine.IoFile;
import org.blktap.api.memory.Alignment;

/**
 * XenServer's batmap: a bit for each block, the highest of a byte first, set only if the block's sector bitmap is all
 * ones. Its header of 512 bytes follows the BAT. A clear bit makes no statement, so the batmap need only be written
 * when the image is closed. Layout: libvhd (xapi-project/blktap, include/vhd.h, dd_batmap_hdr).
 *
 * @param headerAt bytes from the beginning of the file to its header
 * @param at bytes from the beginning of the file to the bits
 * @param sectors that are set aside for the bits
 * @param summedBytes bytes of the bits that the checksum covers; bits after them do not count
 * @param version 1.1 sums signed bytes, 1.2 unsigned ones
 * @param bits as they were found, {@code summedBytes} of them; empty if the checksum does not fit them
 */
record Batmap(long headerAt, long at, long sectors, int summedBytes, int version, BitSet bits, boolean isIntact) {
    private static final long COOKIE = 0x7464_6261_746d_6170L;
    private static final int VERSION_1_1 = 0x0001_0001;
    static final int VERSION_1_2 = 0x0001_0002;
    private static final int AT_COOKIE = 0;
    private static final int AT_OFFSET = 8;
    private static final int AT_SECTORS = 16;
    private static final int AT_VERSION = 20;
    private static final int AT_CHECKSUM = 24;
    private static final int AT_KEY_HASH = 29;

    /** The batmap of an image, or null if it has none that can be used. */
    static Batmap read(IoFile file, VhdFooter footer, VhdHeader header, long limit) throws DiskException {
        if (!footer.isByTapdisk() || Integer.compareUnsigned(footer.creatorVersion(), VhdFooter.TAP_1_1) < 0) {
            return null;
        }
        long headerAt = header.tableOffset() + header.tableBytes();
        ByteBuffer b = ByteBuffer.allocate(SECTOR);
        try {
            file.readFully(b, headerAt);
            if (b.getLong(AT_COOKIE) != COOKIE) {
                return null;
            }
            if (b.get(AT_KEY_HASH) != 0) {
                throw new DiskException(
                        Reason.UNSUPPORTED,
                        file.path() + ": is encrypted (batmap field keyhash), which is not supported");
            }
            long at = b.getLong(AT_OFFSET);
            long sectors = Integer.toUnsignedLong(b.getInt(AT_SECTORS));
            int version = b.getInt(AT_VERSION);
            int summed = summedBytes(footer.diskBytes());
            if (at < headerAt + SECTOR
                    || !Alignment.isAligned(at, SECTOR)
                    || at > limit - sectors * SECTOR
                    || sectors * SECTOR < summed
                    || version != VERSION_1_1 && version != VERSION_1_2) {
                return null;
            }
            ByteBuffer map = ByteBuffer.allocate(summed);
            file.readFully(map, at);
            boolean intact = checksum(map, version) == b.getInt(AT_CHECKSUM);
            return new Batmap(headerAt, at, sectors, summed, version, intact ? bits(map) : new BitSet(), intact);
        } catch (IOException e) {
            throw DiskException.io(file.path(), "read the batmap", e);
        }
    }

    /** libvhd counts blocks of 2 MiB, whatever the image has, and rounds down to bytes and then up to sectors. */
    static int summedBytes(long diskBytes) {
        return (int) Math.max(SECTOR, Alignment.up(diskBytes >> 24, SECTOR));
    }

    /** Writes header and bits, by one write if they follow each other, so that a crash is unlikely to separate them. */
    void write(IoFile file, BitSet full) throws IOException {
        ByteBuffer map = ByteBuffer.allocate(summedBytes);
        for (int i = full.nextSetBit(0); i >= 0 && i < summedBytes * 8; i = full.nextSetBit(i + 1)) {
            map.put(i >> 3, (byte) (map.get(i >> 3) | 0x80 >> (i & 7)));
        }
        ByteBuffer b = ByteBuffer.allocate(SECTOR + summedBytes);
        // the marker, and whatever else libvhd keeps in its header, stays
        file.readFully(b.limit(SECTOR), headerAt);
        b.clear()
                .putLong(AT_COOKIE, COOKIE)
                .putLong(AT_OFFSET, at)
                .putInt(AT_SECTORS, (int) sectors)
                .putInt(AT_VERSION, version);
        b.putInt(AT_CHECKSUM, checksum(map, version));
        if (at == headerAt + SECTOR) {
            file.writeFully(b.position(SECTOR).put(map).flip(), headerAt);
        } else {
            file.writeFully(map, at);
            file.writeFully(b.clear().limit(SECTOR), headerAt);
        }
    }

    private static int checksum(ByteBuffer map, int version) {
        int sum = 0;
        for (int i = 0; i < map.capacity(); i++) {
            sum += version == VERSION_1_1 ? map.get(i) : map.get(i) & 0xff;
        }
        return ~sum;
    }

    private static BitSet bits(ByteBuffer map) {
        BitSet bits = new BitSet();
        for (int i = 0; i < map.capacity() * 8; i++) {
            if ((map.get(i >> 3) & 0x80 >> (i & 7)) != 0) {
                bits.set(i);
            }
        }
        return bits;
    }
}
