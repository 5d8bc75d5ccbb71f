package org.blktap.format.vhd;

import static org.blktap.api.memory.Alignment.SECTOR;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.BitSet;
import java.util.UUID;
import org.blktap.api.disk.DiskContext;
import org.blktap.api.disk.DiskException;
import org.blktap.api.disk.DiskException.Reason;
import org.blktap.api.disk.FileNames;
import org.blktap.api.disk.Options;
import org.blktap.api.disk.TapSpec;
import org.blktap.api.disk.VirtualDisk;
import org.blktap.api.engine.IoFile;
import org.blktap.api.memory.Alignment;
import org.blktap.image.BackingName;

/** Makes an empty image, as XenServer's libvhd lays it out. */
final class VhdCreate {
    private VhdCreate() {}

    static void create(Path path, long sizeBytes, TapSpec backing, DiskContext context) throws DiskException {
        Options options = context.options();
        boolean fixed =
                options.oneOf("subformat", "dynamic", "dynamic", "fixed").equals("fixed");
        int blockSize = blockSize(options);
        if (fixed && backing != null) {
            throw Options.bad("subformat", "fixed", "dynamic, for an image with a backing file");
        }
        long size = sizeBytes;
        VhdMetadata.Parent parent = VhdMetadata.Parent.NONE;
        if (backing != null) {
            Path file = context.confine(path, backing.path());
            // opened as an attach opens it: an image that cannot be attached is not made
            try (VirtualDisk below = context.openBacking(backing.type(), file)) {
                size = sizeBytes == -1 ? below.info().sizeBytes() : sizeBytes;
                parent = parent(path, backing, file, below);
            }
        } else if (size == -1) {
            throw new DiskException(Reason.BAD_OPTION, path + ": a size is needed, or a backing file to take it from");
        }
        size = checked(path, size, fixed ? VhdHeader.USUAL_BLOCK : blockSize);
        int type = fixed ? VhdFooter.FIXED : backing == null ? VhdFooter.DYNAMIC : VhdFooter.DIFFERENCING;
        VhdFooter footer =
                VhdFooter.create(type, size, System.currentTimeMillis() / 1000 - VhdFooter.EPOCH, UUID.randomUUID());
        try (IoFile file = context.createFile(path)) {
            if (fixed) {
                file.truncateNow(size);
                file.writeFully(footer.bytes(), size);
            } else {
                VhdMetadata metadata = VhdMetadata.plan(VhdFooter.BYTES, size, blockSize, parent);
                VhdFooter complete = footer.with(metadata.header().at(), metadata.creatorVersion());
                metadata.write(file, ByteBuffer.allocate(0), new BitSet());
                file.writeFully(complete.bytes(), 0);
                file.writeFully(complete.bytes(), metadata.end());
            }
            file.flushNow();
        } catch (IOException e) {
            throw DiskException.io(path, "create", e);
        }
    }

    private static int blockSize(Options options) throws DiskException {
        long wanted = options.size("block-size", VhdHeader.USUAL_BLOCK);
        if (Long.bitCount(wanted) != 1 || wanted < VhdHeader.SMALLEST_BLOCK || wanted > VhdHeader.LARGEST_BLOCK) {
            throw Options.bad("block-size", Long.toString(wanted), "a power of two from 4K to 256M");
        }
        return (int) wanted;
    }

    /** Returns a size rounded up to sectors; refuses sizes that the format cannot have. */
    static long checked(Path path, long size, int blockSize) throws DiskException {
        long largest = Math.min(VhdFooter.LARGEST_DISK, VhdHeader.MOST_BLOCKS * blockSize);
        if (size < 1 || size > largest) {
            throw new DiskException(Reason.BAD_OPTION, path + ": size " + size + ": expected 512 to " + largest);
        }
        return Alignment.up(size, SECTOR);
    }

    /** Returns what a child records of its parent, which is open. */
    static VhdMetadata.Parent parent(Path path, TapSpec backing, Path file, VirtualDisk below) throws DiskException {
        UUID uuid = VhdHeader.NO_UUID;
        if (backing.type().equals(VhdDriver.TYPE)) {
            uuid = UUID.fromString(below.info().details().get(VhdDriver.UUID_DETAIL));
            if (uuid.equals(VhdHeader.NO_UUID)) {
                throw new DiskException(Reason.UNSUPPORTED, file + ": has no UUID by which a VHD image could know it");
            }
        } else if (!VhdDriver.RAW_TYPES.contains(backing.type())) {
            throw new DiskException(
                    Reason.UNSUPPORTED,
                    path + ": the backing file of a VHD image is a VHD image or raw (tap:aio), not tap:"
                            + backing.type());
        }
        int timestamp = 0;
        try {
            timestamp = (int) (Files.getLastModifiedTime(file).toMillis() / 1000 - VhdFooter.EPOCH);
        } catch (IOException e) {
            // the time stays 0: an attach reports that the parent's time differs
        }
        return new VhdMetadata.Parent(
                uuid,
                timestamp,
                FileNames.text(file.getFileName()),
                ParentNames.encode(path, BackingName.of(path, backing.path())));
    }
}
