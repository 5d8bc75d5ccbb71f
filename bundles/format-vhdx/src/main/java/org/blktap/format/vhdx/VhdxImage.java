package org.blktap.format.vhdx;

import java.io.IOException;
import org.blktap.api.disk.DiskContext;
import org.blktap.api.disk.DiskException;
import org.blktap.api.disk.DiskException.Reason;
import org.blktap.api.disk.FileNames;
import org.blktap.api.engine.CloseOnFailure;
import org.blktap.api.engine.IoFile;
import org.blktap.api.memory.Alignment;

/**
 * An image that has been opened: its log is replayed, in the file if that may be written, else in memory, and its
 * structures are read.
 *
 * @param file to read from; to write to as well if the context is not read-only
 * @param replayed how many changes the log had that was replayed; -1 without a log
 */
record VhdxImage(
        IoFile file,
        HeaderSection headers,
        Regions regions,
        VhdxMetadata metadata,
        BlockAllocationTable bat,
        int replayed)
        implements AutoCloseable {
    /** A file with the changes of its log. */
    private record Replayed(IoFile file, int changes) {}

    static VhdxImage open(String path, DiskContext context, VhdxLogMemory logs) throws DiskException {
        IoFile file = context.openFile(FileNames.path(path));
        try (CloseOnFailure opened = new CloseOnFailure(file::close)) {
            if (file.blockDevice() && !context.readOnly()) {
                throw new DiskException(
                        Reason.UNSUPPORTED, path + ": a VHDX image on a block device cannot grow; attach it read-only");
            }
            HeaderSection headers = HeaderSection.read(file);
            int changes = -1;
            if (headers.current().hasLog()) {
                Replayed replayed = replayed(file, headers, context, logs);
                file = replayed.file();
                opened.addOwner(file::close);
                changes = replayed.changes();
            }
            Regions regions = Regions.read(file, headers.current());
            VhdxMetadata metadata = VhdxMetadata.read(file, regions.metadata());
            BlockAllocationTable bat = BlockAllocationTable.of(regions.bat().offset(), metadata);
            long batBytes = bat.entries() * BlockAllocationTable.ENTRY_BYTES;
            if (batBytes > regions.bat().length()) {
                throw DiskException.corrupt(
                        path,
                        "region BAT, length",
                        regions.bat().offset(),
                        regions.bat().length(),
                        batBytes + " bytes at least for a disk of " + metadata.size() + " bytes");
            }
            return opened.keep(new VhdxImage(file, headers, regions, metadata, bat, changes));
        }
    }

    private static Replayed replayed(IoFile raw, HeaderSection headers, DiskContext context, VhdxLogMemory logs)
            throws DiskException {
        VhdxLogMemory.Share memory = logs.take(LogReader.memory(raw, headers.current()), raw.path());
        // memory that no replayed file keeps is not needed after this
        try (CloseOnFailure taken = new CloseOnFailure(memory::close)) {
            LogContents contents = LogReader.read(raw, headers.current());
            int changes = contents.count();
            if (context.readOnly() && changes > 0) {
                memory.shrinkTo(contents.compact());
                return taken.keep(new Replayed(new ReplayedFile(raw, contents, memory, context.loop()), changes));
            }
            if (!context.readOnly()) {
                contents.writeTo(raw, context.loop());
                headers.write(headers.current().withoutLog());
            }
            return new Replayed(raw, changes);
        } catch (IOException e) {
            throw DiskException.io(raw.path(), "replay the log", e);
        }
    }

    /** Reads an entry of the BAT from the file. Blocking. */
    long batEntry(long index) throws DiskException {
        return Layout.read(
                        file,
                        "BAT",
                        bat.offset() + index * BlockAllocationTable.ENTRY_BYTES,
                        BlockAllocationTable.ENTRY_BYTES)
                .getLong();
    }

    /**
     * First offset for new blocks: past the end of the file and past the end of the last block, which may lie past the
     * end of the file.
     */
    long firstFree() throws DiskException {
        long end = file.size();
        long block = bat.payloadBlocks() - 1;
        long entry = batEntry(bat.index(block));
        if (bat.isPresent(bat.index(block), entry) && bat.isValid(bat.index(block), entry, regions, end)) {
            end = Math.max(end, BlockAllocationTable.fileOffset(entry) + bat.blockSize());
        }
        return Alignment.up(end, Layout.MIB);
    }

    @Override
    public void close() {
        file.close();
    }
}
