package org.blktap.format.vmdk;

import static org.blktap.api.memory.Alignment.SECTOR;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Path;
import java.util.List;
import java.util.zip.Deflater;
import org.blktap.api.disk.CompressedImage;
import org.blktap.api.disk.DiskContext;
import org.blktap.api.disk.DiskException;
import org.blktap.api.disk.DiskInfo;
import org.blktap.api.disk.FileNames;
import org.blktap.api.engine.CloseOnFailure;
import org.blktap.api.engine.IoFile;
import org.blktap.api.memory.Alignment;

/**
 * Writes a streamOptimized disk from its beginning to its end: header, descriptor, compressed grains, each after its
 * marker, a grain table after the grains that it maps, the grain directory, the footer, the end. Source: VMware Virtual
 * Disk Format 5.0, "Stream-Optimized Compressed".
 */
final class StreamOptimized implements CompressedImage {
    private static final int GRAIN = 64 << 10;
    private static final long SLOT = (long) GRAIN * SparseHeader.NUM_GTES_PER_GT;
    private static final int VERSION = 3;
    private static final int OVERHEAD = 128;

    private final IoFile file;
    private final SparseHeader header;
    private final ByteBuffer directory;
    private final ByteBuffer table = sectors(SparseHeader.NUM_GTES_PER_GT * GrainLayout.ENTRY_BYTES / SECTOR);
    /** A grain with its marker, in whole sectors. */
    private final ByteBuffer stored = sectors(2 * GRAIN / SECTOR);

    private int slot = -1;
    private long end = (long) OVERHEAD * SECTOR;

    private StreamOptimized(IoFile file, SparseHeader header) {
        this.file = file;
        this.header = header;
        long tables = Alignment.units(header.capacity() * SECTOR, SLOT);
        directory = sectors((int) Alignment.units(tables * GrainLayout.ENTRY_BYTES, SECTOR));
    }

    static CompressedImage create(Path path, long sizeBytes, DiskContext context) throws DiskException {
        context.options().oneOf("subformat", "streamOptimized", "streamOptimized");
        DiskInfo.checkSize(path, sizeBytes, SECTOR, SECTOR, GrainLayout.LARGEST_FILE);
        long sectors = sizeBytes / SECTOR;
        String name = FileNames.text(path.getFileName()).replaceAll("[\"\\p{Cntrl}]", "_");
        String descriptor = Descriptor.text(
                VmdkCreate.newCid(),
                Descriptor.NO_PARENT,
                null,
                "streamOptimized",
                List.of(new Descriptor.Line(
                        Descriptor.Access.RW, sectors, Descriptor.Type.SPARSE, Descriptor.FileName.of(name), 0)));
        SparseHeader header = new SparseHeader(
                VERSION,
                SparseHeader.FLAG_NEWLINE_TEST | SparseHeader.FLAG_COMPRESSED | SparseHeader.FLAG_MARKERS,
                sectors,
                GRAIN / SECTOR,
                VmdkCreate.DESCRIPTOR_OFFSET,
                VmdkCreate.DESCRIPTOR_SIZE,
                0,
                SparseHeader.GD_AT_END,
                OVERHEAD,
                false,
                SparseHeader.DEFLATE);
        IoFile file = context.createFile(path);
        try (CloseOnFailure opened = new CloseOnFailure(file::close)) {
            file.writeFully(header.bytes(), 0);
            file.writeFully(ByteBuffer.wrap(FileNames.bytes(descriptor)), (long) VmdkCreate.DESCRIPTOR_OFFSET * SECTOR);
            return opened.keep(new StreamOptimized(file, header));
        } catch (IOException e) {
            throw DiskException.io(path, "create", e);
        }
    }

    private static ByteBuffer sectors(int count) {
        return ByteBuffer.allocate(count * SECTOR).order(ByteOrder.LITTLE_ENDIAN);
    }

    @Override
    public int clusterSize() {
        return GRAIN;
    }

    @Override
    public ByteBuffer compress(ByteBuffer cluster) {
        Deflater deflater = new Deflater();
        try {
            deflater.setInput(cluster.duplicate());
            deflater.finish();
            ByteBuffer result = ByteBuffer.allocate(GRAIN + GRAIN / 256 + SECTOR);
            while (!deflater.finished()) {
                deflater.deflate(result);
            }
            return result.flip();
        } finally {
            deflater.end();
        }
    }

    @Override
    public void append(long offset, ByteBuffer cluster, ByteBuffer compressed) throws IOException {
        if (offset / SLOT != slot) {
            finishTable();
            slot = (int) (offset / SLOT);
        }
        int size = compressed.remaining();
        stored.clear().putLong(offset / SECTOR).putInt(size).put(compressed.duplicate());
        while (!Alignment.isAligned(stored.position(), SECTOR)) {
            stored.put((byte) 0);
        }
        table.putInt((int) (offset % SLOT / GRAIN) * GrainLayout.ENTRY_BYTES, sector());
        write(stored.flip());
    }

    /** The number of the next sector. */
    private int sector() throws IOException {
        if (end + 4 * SLOT > GrainLayout.LARGEST_FILE) {
            throw new IOException("the image gets larger than sector numbers of 32 bits can address");
        }
        return (int) (end / SECTOR);
    }

    private void write(ByteBuffer bytes) throws IOException {
        int length = bytes.remaining();
        file.writeFully(bytes, end);
        end += length;
    }

    /** Writes the marker of what follows. */
    private void marker(int type, long sectors) throws IOException {
        ByteBuffer marker = sectors(1);
        marker.putLong(sectors).putInt(0).putInt(type);
        write(marker.clear());
    }

    private void finishTable() throws IOException {
        if (slot >= 0) {
            marker(SparseHeader.MARKER_GT, table.capacity() / SECTOR);
            directory.putInt(slot * GrainLayout.ENTRY_BYTES, sector());
            write(table.clear());
            table.clear().put(new byte[table.capacity()]).clear();
            slot = -1;
        }
    }

    @Override
    public void finish() throws IOException {
        finishTable();
        marker(SparseHeader.MARKER_GD, directory.capacity() / SECTOR);
        long gd = Integer.toUnsignedLong(sector());
        write(directory.clear());
        marker(SparseHeader.MARKER_FOOTER, 1);
        write(new SparseHeader(
                        header.version(),
                        header.flags(),
                        header.capacity(),
                        header.grainSize(),
                        header.descriptorOffset(),
                        header.descriptorSize(),
                        0,
                        gd,
                        header.overHead(),
                        false,
                        header.compressAlgorithm())
                .bytes());
        marker(SparseHeader.MARKER_EOS, 0);
        file.flushNow();
    }

    @Override
    public void close() {
        file.close();
    }
}
