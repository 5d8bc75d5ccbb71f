package org.blktap.format.vmdk;

import static org.blktap.api.memory.Alignment.SECTOR;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.zip.CRC32;
import org.blktap.api.disk.DiskException;
import org.blktap.api.disk.DiskException.Reason;
import org.blktap.api.engine.IoFile;
import org.blktap.api.memory.Alignment;

/**
 * Where a disk's descriptor is, and how it is replaced so that a crash leaves the old or the new one. If one sector
 * differs, it is written. Otherwise the new text goes to the end of the file first: of a sparse extent, whose header
 * then points there until the text is at its usual place too; or of a descriptor that is a file, with a record at its
 * end, which says that this text counts. Blocking, on a control thread.
 */
final class DescriptorPlace {
    /** Sector 1, where QEMU looks for it, whatever the header says. */
    private static final long USUAL_SECTOR = 1;
    /** "blktap: the text before this counts". */
    private static final byte[] RECORD = "\0blktap vmdk text".getBytes(StandardCharsets.US_ASCII);

    private static final int AT_LENGTH = 24;
    private static final int AT_START = 32;
    private static final int AT_CHECKSUM = 40;

    private final IoFile file;
    /** The header of the extent that holds it; null if it is a file. */
    private final SparseHeader header;

    DescriptorPlace(IoFile file, SparseHeader header) {
        this.file = file;
        this.header = header;
    }

    /** Bytes from the beginning of the file to the descriptor. */
    long at() {
        return header == null ? 0 : header.descriptorOffset() * SECTOR;
    }

    /** Reads the text that counts, with what follows it. */
    byte[] read() throws DiskException {
        try {
            byte[] text = header == null ? recorded() : null;
            return text != null ? text : bytes(at(), header == null ? (int) file.size() : room());
        } catch (IOException e) {
            throw DiskException.io(file.path(), "read the descriptor", e);
        }
    }

    private int room() {
        return (int) header.descriptorSize() * SECTOR;
    }

    private byte[] bytes(long at, int length) throws IOException {
        byte[] bytes = new byte[length];
        file.readFully(ByteBuffer.wrap(bytes), at);
        return bytes;
    }

    /** The text of an intact record at the end of the file, or null. */
    private byte[] recorded() throws IOException {
        long size = file.size();
        if (size < 2 * SECTOR || !Alignment.isAligned(size, SECTOR)) {
            return null;
        }
        ByteBuffer record = ByteBuffer.wrap(bytes(size - SECTOR, SECTOR)).order(ByteOrder.LITTLE_ENDIAN);
        long length = record.getLong(AT_LENGTH);
        long start = record.getLong(AT_START);
        if (!Arrays.equals(Arrays.copyOf(record.array(), RECORD.length), RECORD)
                || start < SECTOR
                || start > size - SECTOR
                || length < 1
                || length > size - SECTOR - start) {
            return null;
        }
        byte[] text = bytes(start, (int) length);
        return record.getLong(AT_CHECKSUM) == checksum(text) ? text : null;
    }

    private static long checksum(byte[] text) {
        CRC32 crc = new CRC32();
        crc.update(text);
        return crc.getValue();
    }

    /**
     * Finishes a replacement that a crash has interrupted, after the point from which the new text counts. Returns
     * where the descriptor is then.
     */
    DescriptorPlace finished() throws DiskException {
        try {
            if (header == null) {
                byte[] text = recorded();
                if (text != null) {
                    overwrite(text);
                }
                return this;
            }
            long end = USUAL_SECTOR + header.descriptorSize();
            boolean moved = header.overHead() >= end
                    && header.descriptorOffset() >= header.overHead()
                    && header.gdOffset() >= end
                    && (header.rgdOffset() == 0 || header.rgdOffset() >= end);
            return moved ? moveBack(bytes(at(), room())) : this;
        } catch (IOException e) {
            throw DiskException.io(file.path(), "write the descriptor", e);
        }
    }

    /** Replaces the text. */
    void replace(byte[] text) throws DiskException {
        try {
            if (header == null) {
                inFile(text);
            } else {
                inExtent(text);
            }
        } catch (IOException e) {
            throw DiskException.io(file.path(), "write the descriptor", e);
        }
    }

    private void inExtent(byte[] text) throws DiskException, IOException {
        if (text.length > room()) {
            throw new DiskException(
                    Reason.UNSUPPORTED,
                    file.path() + ": the descriptor would have " + text.length + " bytes; it has room for " + room());
        }
        byte[] padded = Arrays.copyOf(text, room());
        if (oneSector(bytes(at(), room()), padded, at())) {
            return;
        }
        long sector = Alignment.units(file.size(), SECTOR);
        if (sector + header.descriptorSize() >= 1L << 32) {
            throw new DiskException(Reason.NO_SPACE, file.path() + ": has no room for another descriptor");
        }
        file.writeFully(ByteBuffer.wrap(padded), sector * SECTOR);
        file.flushNow();
        pointTo(sector);
        new DescriptorPlace(file, SparseHeader.read(file)).moveBack(padded, at() / SECTOR);
    }

    private DescriptorPlace moveBack(byte[] text) throws DiskException, IOException {
        return moveBack(text, USUAL_SECTOR);
    }

    private DescriptorPlace moveBack(byte[] text, long to) throws DiskException, IOException {
        file.writeFully(ByteBuffer.wrap(text), to * SECTOR);
        file.flushNow();
        pointTo(to);
        if (at() + room() == file.size()) {
            file.truncateNow(at());
            file.flushNow();
        }
        return new DescriptorPlace(file, SparseHeader.read(file));
    }

    private void pointTo(long sector) throws DiskException, IOException {
        ByteBuffer bytes = SparseHeader.sector(file, 0, "read the header");
        bytes.putLong(SparseHeader.AT_DESCRIPTOR_OFFSET, sector);
        file.writeFully(bytes.clear(), 0);
        file.flushNow();
    }

    private void inFile(byte[] text) throws DiskException, IOException {
        byte[] all = bytes(0, (int) file.size());
        int length = DescriptorEdit.length(all);
        byte[] padded = Arrays.copyOf(text, Math.max(text.length, length));
        Arrays.fill(padded, text.length, padded.length, (byte) '\n');
        if (length == all.length && oneSector(all, padded, 0)) {
            return;
        }
        // a zero byte ends the old text for whoever does not know the record
        int start = Alignment.up(Math.max(text.length, length) + 1, SECTOR);
        int end = start + Alignment.up(text.length, SECTOR) + SECTOR;
        if (end > Descriptor.MAX_BYTES) {
            throw new DiskException(
                    Reason.UNSUPPORTED,
                    file.path() + ": a descriptor of " + text.length + " bytes is too long to be replaced");
        }
        ByteBuffer record = ByteBuffer.allocate(end - length).order(ByteOrder.LITTLE_ENDIAN);
        record.put(start - length, text);
        int at = record.capacity() - SECTOR;
        record.put(at, RECORD)
                .putLong(at + AT_LENGTH, text.length)
                .putLong(at + AT_START, start)
                .putLong(at + AT_CHECKSUM, checksum(text));
        if (file.size() > end) {
            file.truncateNow(end);
        }
        file.writeFully(record, length);
        file.flushNow();
        overwrite(text);
    }

    private void overwrite(byte[] text) throws IOException {
        file.writeFully(ByteBuffer.wrap(text), 0);
        file.flushNow();
        file.truncateNow(text.length);
        file.flushNow();
    }

    /** Writes the only sector that differs; false, with nothing written, if there are more. */
    private boolean oneSector(byte[] before, byte[] after, long at) throws IOException {
        int first = Arrays.mismatch(before, after);
        if (first < 0) {
            return true;
        }
        int from = Alignment.down(first, SECTOR);
        int to = Math.min(from + SECTOR, after.length);
        byte[] rest = Arrays.copyOfRange(after, to, after.length);
        if (to < before.length
                ? !Arrays.equals(Arrays.copyOfRange(before, to, before.length), rest)
                : rest.length > 0) {
            return false;
        }
        file.writeFully(ByteBuffer.wrap(after, from, to - from), at + from);
        file.flushNow();
        return true;
    }
}
