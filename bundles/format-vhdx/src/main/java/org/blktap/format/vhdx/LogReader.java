package org.blktap.format.vhdx;

import java.nio.ByteBuffer;
import java.util.UUID;
import java.util.stream.IntStream;
import java.util.zip.CRC32C;
import org.blktap.api.disk.DiskException;
import org.blktap.api.disk.DiskException.Reason;
import org.blktap.api.engine.IoFile;

/**
 * Finds in a log what must be replayed. The entries that count have the header's LogGuid, follow each other in place
 * and in number, and reach from the last one back to the one that its Tail names. The log is a ring: entries may go on
 * at its beginning. Positions are bytes from its beginning. [MS-VHDX] sections 2.3.1 and 2.3.2.
 */
final class LogReader {
    /** A log is held in memory while it is replayed. */
    static final long MOST_BYTES = 64 << 20;

    private final IoFile file;
    private final VhdxHeader header;
    private final UUID guid;
    private final byte[] bytes;
    private final ByteBuffer log;
    private final int sectors;
    /** Sequence number of the entry that begins in each sector; 0 where none does. */
    private final long[] sequence;
    /** For each entry, where the first entry of the sequence that leads to it begins. */
    private final int[] first;

    private LogReader(IoFile file, VhdxHeader header) throws DiskException {
        this.file = file;
        this.header = header;
        this.guid = header.logGuid();
        this.log = Layout.read(file, "log", header.logOffset(), (int) header.logLength());
        this.bytes = log.array();
        this.sectors = bytes.length / Layout.SECTOR;
        this.sequence = new long[sectors];
        this.first = new int[sectors];
    }

    /** Returns the most memory, in bytes, that a log takes while it is read; refuses logs that are not replayed. */
    static long memory(IoFile file, VhdxHeader header) throws DiskException {
        if (header.logVersion() != 0) {
            throw new DiskException(
                    Reason.UNSUPPORTED,
                    file.path() + ": has to be put right by its log, which is of version " + header.logVersion()
                            + "; version 0 is supported");
        }
        if (header.logLength() > MOST_BYTES) {
            throw new DiskException(
                    Reason.UNSUPPORTED,
                    file.path() + ": has to be put right by its log, which is " + header.logLength() + " bytes long; "
                            + MOST_BYTES + " are supported");
        }
        long descriptors = header.logLength() / LogEntry.DESCRIPTOR_BYTES;
        return header.logLength() + Math.min(descriptors, LogContents.MOST_PIECES + 1) * LogContents.PIECE_BYTES;
    }

    /**
     * Reads the log of an image. The header must have a LogGuid, and the caller has taken the log's {@link #memory}.
     */
    static LogContents read(IoFile file, VhdxHeader header) throws DiskException {
        LogReader reader = new LogReader(file, header);
        reader.findEntries();
        reader.join();
        return reader.contents(reader.head());
    }

    private void findEntries() {
        for (int sector = 0; sector < sectors; sector++) {
            int at = sector * Layout.SECTOR;
            if (log.getInt(at) == LogEntry.SIGNATURE && isEntry(at)) {
                sequence[sector] = log.getLong(at + LogEntry.SEQUENCE_NUMBER);
            }
        }
    }

    /** Cheap checks come first, so that a log full of entry headers takes no longer than any other. */
    private boolean isEntry(int at) {
        long length = Integer.toUnsignedLong(log.getInt(at + LogEntry.ENTRY_LENGTH));
        long tail = Integer.toUnsignedLong(log.getInt(at + LogEntry.TAIL));
        long number = log.getLong(at + LogEntry.SEQUENCE_NUMBER);
        long descriptors = Integer.toUnsignedLong(log.getInt(at + LogEntry.DESCRIPTOR_COUNT));
        if (length == 0
                || length % Layout.SECTOR != 0
                || length > bytes.length
                || tail % Layout.SECTOR != 0
                || tail >= bytes.length
                || number == 0
                || descriptors > (length - LogEntry.HEADER_BYTES) / LogEntry.DESCRIPTOR_BYTES
                || !guid.equals(Layout.guid(log, at + LogEntry.LOG_GUID))) {
            return false;
        }
        int data = LogEntry.descriptorSectors((int) descriptors);
        for (int i = 0; i < descriptors; i++) {
            int descriptor = descriptor(at, i);
            int signature = log.getInt(descriptor);
            if (log.getLong(descriptor + LogEntry.DESCRIPTOR_SEQUENCE_NUMBER) != number
                    || signature != LogEntry.ZERO_DESCRIPTOR && signature != LogEntry.DATA_DESCRIPTOR) {
                return false;
            }
            if (signature == LogEntry.DATA_DESCRIPTOR && !isDataSector(at, data++, number, length)) {
                return false;
            }
        }
        for (int i = 1; i < length / Layout.SECTOR; i++) {
            if (log.getInt(wrapped(at, i)) == LogEntry.SIGNATURE) {
                return false;
            }
        }
        return data * (long) Layout.SECTOR <= length
                && log.getInt(at + LogEntry.CHECKSUM) == checksum(at, (int) length);
    }

    private boolean isDataSector(int at, int index, long number, long length) {
        int sector = wrapped(at, index);
        return (long) index * Layout.SECTOR < length
                && log.getInt(sector) == LogEntry.DATA_SECTOR
                && log.getInt(sector + LogEntry.SEQUENCE_HIGH) == (int) (number >>> 32)
                && log.getInt(sector + LogEntry.SEQUENCE_LOW) == (int) number;
    }

    private int checksum(int at, int length) {
        CRC32C crc = new CRC32C();
        crc.update(bytes, at, LogEntry.CHECKSUM);
        crc.update(new byte[4]);
        crc.update(bytes, at + LogEntry.CHECKSUM + 4, Layout.SECTOR - LogEntry.CHECKSUM - 4);
        for (int i = 1; i < length / Layout.SECTOR; i++) {
            crc.update(bytes, wrapped(at, i), Layout.SECTOR);
        }
        return (int) crc.getValue();
    }

    /** Position of the n-th sector after a position, wrapping around. */
    private int wrapped(int at, int n) {
        return (at / Layout.SECTOR + n) % sectors * Layout.SECTOR;
    }

    private int descriptor(int at, int i) {
        int inEntry = LogEntry.HEADER_BYTES + i * LogEntry.DESCRIPTOR_BYTES;
        return wrapped(at, inEntry / Layout.SECTOR) + inEntry % Layout.SECTOR;
    }

    private int length(int at) {
        return log.getInt(at + LogEntry.ENTRY_LENGTH);
    }

    private int next(int at) {
        return wrapped(at, length(at) / Layout.SECTOR);
    }

    /**
     * Finds the sequences of entries that follow each other in place and in number. No two entries overlap, so each is
     * visited once.
     */
    private void join() {
        boolean[] follows = new boolean[sectors];
        for (int sector = 0; sector < sectors; sector++) {
            int next = sequence[sector] == 0 ? sector : next(sector * Layout.SECTOR) / Layout.SECTOR;
            if (next != sector && sequence[next] != 0 && sequence[next] == sequence[sector] + 1) {
                follows[next] = true;
            }
        }
        for (int sector = 0; sector < sectors; sector++) {
            if (sequence[sector] != 0 && !follows[sector]) {
                int at = sector;
                long number;
                do {
                    first[at] = sector;
                    number = sequence[at];
                    at = next(at * Layout.SECTOR) / Layout.SECTOR;
                } while (sequence[at] != 0 && sequence[at] == number + 1);
            }
        }
    }

    /** Returns the newest entry that can be reached from the one that its Tail names. */
    private int head() throws DiskException {
        int[] newestFirst = IntStream.range(0, sectors)
                .filter(s -> sequence[s] != 0)
                .boxed()
                .sorted((a, b) -> Long.compareUnsigned(sequence[b], sequence[a]))
                .mapToInt(s -> s * Layout.SECTOR)
                .toArray();
        for (int head : newestFirst) {
            if (reaches(log.getInt(head + LogEntry.TAIL), head)) {
                return head;
            }
        }
        throw DiskException.corrupt(
                file.path(),
                "log",
                header.logOffset(),
                "no entries that count",
                "some, as the header has the LogGuid " + guid);
    }

    private boolean reaches(int tail, int head) {
        int from = tail / Layout.SECTOR;
        int to = head / Layout.SECTOR;
        return sequence[from] != 0
                && first[from] == first[to]
                && Long.compareUnsigned(sequence[from], sequence[to]) <= 0;
    }

    private LogContents contents(int head) throws DiskException {
        long flushed = log.getLong(head + LogEntry.FLUSHED_FILE_OFFSET);
        if (flushed < 0 || flushed > file.size()) {
            throw DiskException.corrupt(
                    file.path(),
                    "log entry field FlushedFileOffset",
                    header.logOffset() + head + LogEntry.FLUSHED_FILE_OFFSET,
                    Long.toUnsignedString(flushed),
                    "the size of the file, " + file.size() + " bytes, at most: it was cut off");
        }
        LogContents contents = new LogContents(bytes);
        for (int at = log.getInt(head + LogEntry.TAIL); ; at = next(at)) {
            entry(at, contents);
            if (at == head) {
                return contents;
            }
        }
    }

    private void entry(int at, LogContents contents) throws DiskException {
        long last = log.getLong(at + LogEntry.LAST_FILE_OFFSET);
        if (last < 0 || last > Layout.MOST_FILE_BYTES) {
            throw DiskException.corrupt(
                    file.path(),
                    "log entry field LastFileOffset",
                    header.logOffset() + at + LogEntry.LAST_FILE_OFFSET,
                    Long.toUnsignedString(last),
                    "up to " + Layout.MOST_FILE_BYTES);
        }
        contents.lastFileOffset(last);
        int descriptors = log.getInt(at + LogEntry.DESCRIPTOR_COUNT);
        int data = LogEntry.descriptorSectors(descriptors);
        for (int i = 0; i < descriptors; i++) {
            int descriptor = descriptor(at, i);
            long offset = log.getLong(descriptor + LogEntry.FILE_OFFSET);
            boolean zeros = log.getInt(descriptor) == LogEntry.ZERO_DESCRIPTOR;
            long length = zeros ? log.getLong(descriptor + LogEntry.ZERO_LENGTH) : Layout.SECTOR;
            validate(descriptor, offset, length);
            if (zeros) {
                contents.zeros(offset, length);
            } else {
                int sector = wrapped(at, data++);
                // restores the sector: the descriptor holds its first and last bytes
                log.putLong(sector, log.getLong(descriptor + LogEntry.LEADING_BYTES));
                log.putInt(sector + LogEntry.SEQUENCE_LOW, log.getInt(descriptor + LogEntry.TRAILING_BYTES));
                contents.sector(offset, sector);
            }
            if (contents.count() > LogContents.MOST_PIECES) {
                throw new DiskException(
                        Reason.UNSUPPORTED,
                        file.path() + ": its log has more than " + LogContents.MOST_PIECES + " changes");
            }
        }
    }

    private void validate(int descriptor, long offset, long length) throws DiskException {
        boolean sane = offset >= Regions.FIRST_OFFSET
                && offset % Layout.SECTOR == 0
                && length > 0
                && length % Layout.SECTOR == 0
                && offset <= Layout.MOST_FILE_BYTES
                && length <= Layout.MOST_FILE_BYTES;
        if (!sane || offset < header.logOffset() + header.logLength() && header.logOffset() < offset + length) {
            throw DiskException.corrupt(
                    file.path(),
                    "log descriptor",
                    header.logOffset() + descriptor,
                    Long.toUnsignedString(offset) + " and " + Long.toUnsignedString(length) + " bytes",
                    "whole sectors after the headers and outside the log");
        }
    }
}
