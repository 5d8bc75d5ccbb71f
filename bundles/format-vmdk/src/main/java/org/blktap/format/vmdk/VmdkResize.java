package org.blktap.format.vmdk;

import static org.blktap.api.memory.Alignment.SECTOR;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Locale;
import org.blktap.api.disk.DiskDriver.CheckReport;
import org.blktap.api.disk.DiskException;
import org.blktap.api.disk.DiskException.Reason;
import org.blktap.api.disk.Options;
import org.blktap.api.engine.IoFile;
import org.blktap.api.engine.IoLoop;
import org.blktap.api.memory.Alignment;
import org.blktap.api.memory.NativeMemory;

/**
 * Makes the last extent of a disk larger. First it gets room: a flat one a longer file, a sparse one more grain tables,
 * and directories at the end of the file where the old ones have no more sectors. When the new part holds zeros, the
 * size is changed: by the header of a sparse extent that holds the descriptor, by the descriptor's line otherwise. So a
 * crash leaves the old size or the new one. Blocking, on a control thread.
 */
final class VmdkResize {
    private static final int PIECE = 1 << 20;

    private final VmdkImage image;
    private final VmdkImage.Part last;
    private final String path;
    private final long size;
    /** Bytes of the last extent. */
    private final long extentBytes;

    /** @throws DiskException if the disk cannot have this size */
    VmdkResize(String path, VmdkImage image, long size) throws DiskException {
        this.path = path;
        this.image = image;
        this.size = size;
        last = image.parts().get(image.parts().size() - 1);
        extentBytes = size - last.start();
        if (size < image.size()) {
            throw new DiskException(
                    Reason.BAD_OPTION,
                    path + ": " + Options.sizeText(size) + " is smaller than the present "
                            + Options.sizeText(image.size()) + "; a VMDK disk does not become smaller");
        }
        Descriptor.Type type = last.line().type();
        boolean grows = type == Descriptor.Type.SPARSE && !last.grains().isCowd()
                || type == Descriptor.Type.FLAT
                || type == Descriptor.Type.VMFS;
        if (!grows || image.descriptor() == null || last.line().access() != Descriptor.Access.RW) {
            throw new DiskException(
                    Reason.UNSUPPORTED,
                    path + ": its last extent is " + last.line().access() + " "
                            + (image.descriptor() == null ? "COWD" : type)
                            + ", which keeps its size; RW SPARSE, FLAT and VMFS extents can grow");
        }
        long largest = isSplit()
                ? VmdkCreate.SPLIT
                : isSparse() ? VmdkCreate.largestSparse(last.grains().grainBytes()) : 1L << 49;
        if (extentBytes > largest && size > image.size()) {
            throw new DiskException(
                    Reason.UNSUPPORTED,
                    path + ": its last extent can grow to " + Options.sizeText(largest) + ", and the disk to "
                            + Options.sizeText(last.start() + largest) + "; convert it to a disk of one extent");
        }
    }

    private boolean isSplit() {
        return image.descriptor()
                .createType()
                .toLowerCase(Locale.ROOT)
                .replace("twogb", "2gb")
                .startsWith("2gbmaxextent");
    }

    /** Whether the new part must be made zeros through the disk. */
    boolean isSparse() {
        return last.grains() != null;
    }

    /** Makes room; the disk keeps its size. */
    void makeRoom(IoLoop loop, NativeMemory memory) throws DiskException {
        if (size == image.size()) {
            return;
        }
        try {
            if (isSparse()) {
                CheckReport report = new VmdkCheck(image, false, loop, memory).run();
                if (!report.clean()) {
                    throw new DiskException(
                            Reason.CORRUPT, report.problems().get(0) + " (images with problems keep their size)");
                }
                moreTables(last.file(), last.grains());
            } else {
                longerFile(last.file());
            }
        } catch (IOException e) {
            throw DiskException.io(path, "resize", e);
        }
    }

    private void longerFile(IoFile file) throws DiskException, IOException {
        long from = last.line().offset() * SECTOR;
        long end = from + extentBytes;
        for (VmdkImage.Part other : image.parts()) {
            long start = other.line().offset() * SECTOR;
            if (other != last && other.file() == file && start < end && start + other.end() - other.start() > from) {
                throw new DiskException(
                        Reason.UNSUPPORTED,
                        path + ": another extent lies after the last one in the file " + file.path());
            }
        }
        if (file.blockDevice() && end > file.size()) {
            throw new DiskException(Reason.UNSUPPORTED, file.path() + ": is a block device, which keeps its size");
        }
        long until = Math.min(end, file.size());
        byte[] zeros = new byte[PIECE];
        for (long at = from + last.end() - last.start(); at < until; at += PIECE) {
            file.writeFully(ByteBuffer.wrap(zeros, 0, (int) Math.min(PIECE, until - at)), at);
        }
        if (file.size() < end) {
            file.truncateNow(end);
        }
        file.flushNow();
    }

    /** Adds grain tables for the new size, as all of QEMU's and VMware's disks have them, and their entries. */
    private void moreTables(IoFile file, GrainLayout old) throws DiskException, IOException {
        int before = (int) old.directoryEntries();
        long slots = Alignment.units(extentBytes, old.slotBytes());
        long directory = Alignment.up(slots * GrainLayout.ENTRY_BYTES, SECTOR);
        if (slots <= before) {
            return;
        }
        long[] directories =
                old.rgdOffset() == 0 ? new long[] {old.gdOffset()} : new long[] {old.rgdOffset(), old.gdOffset()};
        boolean moves = directory != old.directoryBytes();
        long room = (moves ? directory : 0) + (slots - before) * old.tableBytes();
        long at = Alignment.up(Math.max(file.size(), old.firstGrain()), old.grainBytes());
        long end = at + directories.length * room;
        if (end > GrainLayout.LARGEST_FILE || directory * directories.length > VmdkImage.MAX_DIRECTORIES) {
            throw new DiskException(Reason.UNSUPPORTED, path + ": has no room for the tables of a disk of this size");
        }
        // zeros, durable before anything points at them
        file.truncateNow(end);
        file.flushNow();
        ByteBuffer header = SparseHeader.sector(file, 0, "read the header");
        for (int i = 0; i < directories.length; i++) {
            long tables = at + (moves ? directory : 0);
            ByteBuffer entries =
                    ByteBuffer.allocate((int) slots * GrainLayout.ENTRY_BYTES).order(ByteOrder.LITTLE_ENDIAN);
            file.readFully(entries.limit(before * GrainLayout.ENTRY_BYTES), directories[i]);
            entries.limit(entries.capacity());
            for (int slot = before; slot < slots; slot++) {
                entries.putInt((int) ((tables + (long) (slot - before) * old.tableBytes()) / SECTOR));
            }
            if (moves) {
                file.writeFully(entries.flip(), at);
                header.putLong(
                        i == directories.length - 1 ? SparseHeader.AT_GD_OFFSET : SparseHeader.AT_RGD_OFFSET,
                        at / SECTOR);
            } else {
                // after the old ones, where the old size has none
                int from = before * GrainLayout.ENTRY_BYTES;
                file.writeFully(entries.flip().position(from), directories[i] + from);
            }
            at += room;
        }
        file.flushNow();
        if (moves) {
            file.writeFully(header.clear(), 0);
            file.flushNow();
        }
    }

    /** Makes the new size valid, as the last step. */
    void setSize() throws DiskException {
        try {
            if (isSparse()) {
                ByteBuffer header = SparseHeader.sector(last.file(), 0, "read the header");
                header.putLong(SparseHeader.AT_CAPACITY, extentBytes / SECTOR);
                last.file().writeFully(header.clear(), 0);
                last.file().flushNow();
            }
        } catch (IOException e) {
            throw DiskException.io(path, "resize", e);
        }
        DescriptorEdit edit = new DescriptorEdit(image.place().read());
        edit.lastExtent(extentBytes / SECTOR, size / SECTOR);
        image.place().replace(edit.bytes());
    }
}
