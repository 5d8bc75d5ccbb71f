package org.blktap.format.vhdx;

import java.io.IOException;
import java.nio.file.Path;
import org.blktap.api.disk.DiskContext;
import org.blktap.api.disk.DiskException;
import org.blktap.api.disk.DiskException.Reason;
import org.blktap.api.engine.IoFile;

/**
 * An image that has been opened: its log is replayed, in the file if that may be written, else in memory, and its structures are read.
 *
 * @param file to read from; to write to as well if the context is not read-only
 */
record VhdxImage(IoFile file, Headers headers, Regions regions, Metadata metadata, BlockAllocationTable bat) implements AutoCloseable {
    /** Of a log that is looked through instead of replayed: a chain may have many. */
    private static final int MOST_OVERLAID = 2 << 20;


    static VhdxImage open(String path, DiskContext context) throws DiskException {
        IoFile raw = context.openFile(Path.of(path));
        boolean done = false;
        try {
            if (raw.blockDevice() && !context.readOnly()) {
                throw new DiskException(Reason.UNSUPPORTED, path + ": a VHDX image on a block device cannot grow; attach it read-only");
            }
            Headers headers = Headers.read(raw);
            IoFile file = headers.current().hasLog() ? replayed(raw, headers, context) : raw;
            Regions regions = Regions.read(file, headers.current());
            Metadata metadata = Metadata.read(file, regions.metadata());
            BlockAllocationTable bat = BlockAllocationTable.of(regions.bat().offset(), metadata);
            long batBytes = bat.entries() * BlockAllocationTable.ENTRY_BYTES;
            if (batBytes > regions.bat().length()) {
                throw DiskException.corrupt(path, "region BAT, length", regions.bat().offset(), regions.bat().length(),
                        batBytes + " bytes at least for a disk of " + metadata.size() + " bytes");
            }
            done = true;
            return new VhdxImage(file, headers, regions, metadata, bat);
        } finally {
            if (!done) {
                raw.close();
            }
        }
    }

    private static IoFile replayed(IoFile raw, Headers headers, DiskContext context) throws DiskException {
        if (context.readOnly() && headers.current().logLength() > MOST_OVERLAID) {
            throw new DiskException(Reason.UNSUPPORTED, raw.path() + ": has a log of " + headers.current().logLength()
                    + " bytes to be replayed, more than " + MOST_OVERLAID + " that are held in memory; attach it writable once");
        }
        LogContents contents = LogReader.read(raw, headers.current());
        if (context.readOnly()) {
            return contents.isEmpty() ? raw : new ReplayedFile(raw, contents, context.loop());
        }
        try {
            contents.writeTo(raw, context.loop());
            headers.write(headers.current().withoutLog());
            return raw;
        } catch (IOException e) {
            throw DiskException.io(raw.path(), "replay the log", e);
        }
    }

    /** An entry of the BAT, as it is in the file. Blocking. */
    long batEntry(long index) throws DiskException {
        return Layout.read(file, "BAT", bat.offset() + index * BlockAllocationTable.ENTRY_BYTES, BlockAllocationTable.ENTRY_BYTES).getLong();
    }

    /** Where new blocks may go: past the end of the file, and past the last block's end, which the file need not reach. */
    long firstFree() throws DiskException {
        long end = file.size();
        long block = bat.payloadBlocks() - 1;
        long entry = batEntry(bat.index(block));
        if (bat.isPresent(bat.index(block), entry) && bat.isValid(bat.index(block), entry, regions, end)) {
            end = Math.max(end, BlockAllocationTable.fileOffset(entry) + bat.blockSize());
        }
        return end + Layout.MIB - 1 & -Layout.MIB;
    }

    @Override
    public void close() {
        file.close();
    }
}
