package org.blktap.format.vhdx;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Map;
import java.util.UUID;
import java.util.zip.CRC32C;
import org.blktap.api.engine.IoFile;
import org.blktap.api.memory.Alignment;
import org.blktap.api.memory.NativeBuffer;
import org.blktap.api.memory.NativeMemory;

/**
 * Writes the log from its beginning to its end, then from its beginning again. Only the changes of the last entry may
 * be missing in their place, and a flush makes these durable before the log begins again. So no entry wraps around the
 * end, and the log is never full. One thread at a time.
 */
final class LogWriter implements AutoCloseable {
    /** The most bytes of changes in one entry. */
    static final int MOST_BYTES = 128 << 10;

    private final IoFile file;
    private final HeaderSection headers;
    private final NativeBuffer memory;
    private final ByteBuffer entry;
    private UUID guid;
    private long sequence;
    /** Offset of the next entry in the log. */
    private int position;
    /** The oldest entry whose changes may be missing in their place. */
    private int tail;

    /** Of the entry that is being built. */
    private int descriptors;

    private int entryLength;
    private long flushedFileOffset;
    private boolean begun;

    LogWriter(IoFile file, HeaderSection headers, NativeMemory nativeMemory) {
        this.file = file;
        this.headers = headers;
        memory = nativeMemory.allocate(MOST_BYTES + Layout.SECTOR);
        entry = memory.bytes().order(ByteOrder.LITTLE_ENDIAN);
    }

    /** Whether the image is marked as being changed. */
    boolean begun() {
        return begun;
    }

    /**
     * Marks the image as being changed, before the first change of its disk: a log with an empty entry, then headers
     * with new GUIDs. Blocking.
     */
    void begin() throws IOException {
        begin(UUID.randomUUID());
    }

    /**
     * Marks the image as being changed, as {@link #begin()} does.
     *
     * @param dataWriteGuid the present one if what the disk holds does not change
     */
    void begin(UUID dataWriteGuid) throws IOException {
        file.flushNow();
        if (guid == null) {
            // one GUID, also when this is repeated after an error: a header may have it already
            guid = UUID.randomUUID();
        }
        sequence = 1;
        position = 0;
        tail = 0;
        // the size that the flush has made durable; it only grows from here on
        flushedFileOffset = Alignment.down(file.size(), Layout.MIB);
        start(flushedFileOffset);
        finish();
        file.writeFully(bytes(), headers.current().logOffset());
        file.flushNow();
        stable();
        headers.write(headers.current().changing(guid, dataWriteGuid));
        begun = true;
    }

    /** Says in the headers that what the disk holds changes. The image is marked already. Blocking. */
    void contentsChange(UUID dataWriteGuid) throws IOException {
        file.flushNow();
        headers.write(headers.current().changing(guid, dataWriteGuid));
    }

    /** Clears the mark that the image is being changed. All changes must be in their place. Blocking. */
    void end() throws IOException {
        file.flushNow();
        headers.write(headers.current().withoutLog());
        begun = false;
    }

    /**
     * Begins to build the next entry.
     *
     * @param lastFileOffset the end of all that is in use, a multiple of 1 MiB
     */
    void start(long lastFileOffset) {
        descriptors = 0;
        for (int i = 0; i < Layout.SECTOR; i += 8) {
            entry.putLong(i, 0);
        }
        entry.putInt(0, LogEntry.SIGNATURE).putInt(LogEntry.TAIL, tail);
        entry.putLong(LogEntry.SEQUENCE_NUMBER, sequence);
        Layout.putGuid(entry, LogEntry.LOG_GUID, guid);
        entry.putLong(LogEntry.FLUSHED_FILE_OFFSET, flushedFileOffset)
                .putLong(LogEntry.LAST_FILE_OFFSET, lastFileOffset);
    }

    /**
     * Adds a change to the entry; all of it together has {@link #MOST_BYTES} at most.
     *
     * @param offset of the changed bytes in the file, a multiple of 4096
     * @param from their new contents, little-endian; whole sectors
     */
    void add(long offset, ByteBuffer from) {
        int base = from.position();
        int sectors = from.remaining() / Layout.SECTOR;
        for (int i = 0; i < sectors; i++) {
            int source = base + i * Layout.SECTOR;
            int descriptor = LogEntry.HEADER_BYTES + descriptors * LogEntry.DESCRIPTOR_BYTES;
            int sector = ++descriptors * Layout.SECTOR;
            entry.putInt(descriptor, LogEntry.DATA_DESCRIPTOR);
            entry.putInt(descriptor + LogEntry.TRAILING_BYTES, from.getInt(source + Layout.SECTOR - 4));
            entry.putLong(descriptor + LogEntry.LEADING_BYTES, from.getLong(source));
            entry.putLong(descriptor + LogEntry.FILE_OFFSET, offset + (long) i * Layout.SECTOR);
            entry.putLong(descriptor + LogEntry.DESCRIPTOR_SEQUENCE_NUMBER, sequence);
            entry.put(sector, from, source, Layout.SECTOR);
            entry.putInt(sector, LogEntry.DATA_SECTOR).putInt(sector + LogEntry.SEQUENCE_HIGH, (int) (sequence >>> 32));
            entry.putInt(sector + LogEntry.SEQUENCE_LOW, (int) sequence);
        }
    }

    /** Ends the building of the entry. */
    void finish() {
        entryLength = (1 + descriptors) * Layout.SECTOR;
        entry.putInt(LogEntry.ENTRY_LENGTH, entryLength).putInt(LogEntry.DESCRIPTOR_COUNT, descriptors);
        CRC32C crc = new CRC32C();
        crc.update(bytes());
        entry.putInt(LogEntry.CHECKSUM, (int) crc.getValue());
    }

    /** Whether an entry of so many bytes of changes has room before the end of the log. */
    boolean hasRoom(int bytes) {
        return position + Layout.SECTOR + bytes <= headers.current().logLength();
    }

    /** Continues at the beginning of the log. All changes must be in their place and flushed. */
    void restart() {
        position = 0;
        tail = 0;
    }

    /**
     * Called when a flush has made the entry durable, and with it the changes of all entries before it in their place.
     */
    void stable() {
        tail = position;
        position += entryLength;
        sequence++;
    }

    /** Offset in the file at which the built entry must be written. */
    long entryOffset() {
        return headers.current().logOffset() + position;
    }

    long entryAddress() {
        return memory.address();
    }

    int entryLength() {
        return entryLength;
    }

    /**
     * Makes changes, all or none: writes them to the log, then to their places. Blocking.
     *
     * @param changes by their offsets, as for {@link #add}
     */
    void writeNow(Map<Long, ByteBuffer> changes, long lastFileOffset) throws IOException {
        int bytes = changes.values().stream().mapToInt(ByteBuffer::remaining).sum();
        if (!hasRoom(bytes)) {
            file.flushNow();
            restart();
        }
        start(lastFileOffset);
        changes.forEach(this::add);
        finish();
        file.writeFully(bytes(), entryOffset());
        file.flushNow();
        stable();
        for (Map.Entry<Long, ByteBuffer> change : changes.entrySet()) {
            file.writeFully(change.getValue().duplicate(), change.getKey());
        }
    }

    private ByteBuffer bytes() {
        return entry.duplicate().clear().limit(entryLength);
    }

    @Override
    public void close() {
        memory.close();
    }
}
