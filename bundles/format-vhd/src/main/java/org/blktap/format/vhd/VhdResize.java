package org.blktap.format.vhd;

import static org.blktap.api.memory.Alignment.PAGE;
import static org.blktap.api.memory.Alignment.SECTOR;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.BitSet;
import java.util.List;
import org.blktap.api.disk.DiskContext;
import org.blktap.api.disk.DiskDriver.CheckReport;
import org.blktap.api.disk.DiskException;
import org.blktap.api.disk.DiskException.Reason;
import org.blktap.api.disk.Options;
import org.blktap.api.disk.VirtualDisk;
import org.blktap.api.engine.IoFile;
import org.blktap.api.memory.Alignment;

/**
 * Makes a disk larger. Where the BAT has no entries to spare, a new header, BAT and batmap are written past the old
 * ones, after the blocks that are in the way have been copied to the end of the file. The size is changed by the footer
 * at the end, one sector; until that is written the image is the old one, after a crash too. Blocking, on a control
 * thread.
 */
final class VhdResize {
    private static final int PIECE = 1 << 20;

    private final VhdImage image;
    private final VhdHeader header;
    private final IoFile file;
    private final long size;
    private final Bat bat;

    private VhdResize(VhdImage image, Bat bat, IoFile file, long size) {
        this.image = image;
        this.header = image.header();
        this.file = file;
        this.size = size;
        this.bat = bat;
    }

    static void resize(Path path, long sizeBytes, DiskContext context) throws DiskException {
        try (IoFile file = context.openFile(path)) {
            VhdImage image = VhdImage.read(file);
            long size = VhdCreate.checked(
                    path,
                    sizeBytes,
                    image.header() == null
                            ? VhdHeader.USUAL_BLOCK
                            : image.header().blockSize());
            if (size < image.diskBytes()) {
                throw new DiskException(
                        Reason.UNSUPPORTED,
                        path + ": " + Options.sizeText(size) + " is smaller than the present "
                                + Options.sizeText(image.diskBytes()) + "; a VHD disk does not become smaller");
            }
            if (file.blockDevice()) {
                throw new DiskException(Reason.UNSUPPORTED, path + ": a VHD image on a block device keeps its size");
            }
            if (size == image.diskBytes()) {
                return;
            }
            if (image.footer().isFixed()) {
                growFixed(image, file, size);
                return;
            }
            try (Bat bat = new Bat(image, file, context.memory())) {
                CheckReport report = new VhdCheck(image, bat, file, false).run();
                if (!report.clean()) {
                    throw new DiskException(
                            Reason.CORRUPT, report.problems().get(0) + " (images with problems keep their size)");
                }
                refuseIfParentWouldShow(image, file, context);
                new VhdResize(image, bat, file, size).grow();
            }
        } catch (IOException e) {
            throw DiskException.io(path, "resize", e);
        }
    }

    private static void refuseIfParentWouldShow(VhdImage image, IoFile file, DiskContext context) throws DiskException {
        if (image.footer().type() != VhdFooter.DIFFERENCING) {
            return;
        }
        try (VirtualDisk parent = VhdDriver.parent(image, file, context).disk()) {
            if (parent.info().sizeBytes() > image.diskBytes()) {
                throw new DiskException(
                        Reason.UNSUPPORTED,
                        file.path() + ": its parent is larger, and what is new would show the parent's data");
            }
        }
    }

    private static void growFixed(VhdImage image, IoFile file, long size) throws IOException {
        long oldEnd = image.footerAt() + VhdFooter.BYTES;
        long footerAt = size <= image.footerAt() ? image.footerAt() : Math.max(size, Alignment.up(oldEnd, SECTOR));
        if (footerAt != image.footerAt()) {
            // a footer with the old size: the place of the old footer becomes part of the disk, and must be zeros
            file.writeFully(image.footer().bytes(), footerAt);
            file.flushNow();
        }
        zero(file, image.diskBytes(), footerAt == image.footerAt() ? size : oldEnd);
        file.flushNow();
        file.writeFully(image.footer().resized(size).bytes(), footerAt);
        file.flushNow();
    }

    private static void zero(IoFile file, long from, long to) throws IOException {
        byte[] zeros = new byte[(int) Math.min(PIECE, to - from)];
        for (long at = from; at < to; at += zeros.length) {
            file.writeFully(ByteBuffer.wrap(zeros, 0, (int) Math.min(zeros.length, to - at)), at);
        }
    }

    private void grow() throws IOException {
        zeroBehindTheDisk();
        int blocks = header.blocks(size);
        Batmap batmap = image.batmap();
        if (blocks <= header.maxTableEntries()
                && (batmap == null || Batmap.summedBytes(size) <= batmap.sectors() * SECTOR)) {
            useSpareEntries(blocks, batmap);
        } else {
            moveMetadata();
        }
    }

    /** Zeroes the rest of the last block, which becomes part of the disk. */
    private void zeroBehindTheDisk() throws IOException {
        int block = image.blocks() - 1;
        long inBlock = image.diskBytes() - (long) block * header.blockSize();
        if (inBlock < header.blockSize() && bat.isUsed(block)) {
            long data = bat.offset(block) + header.bitmapBytes();
            zero(file, data + inBlock, data + Math.min(header.blockSize(), size - (long) block * header.blockSize()));
            file.flushNow();
        }
    }

    private BitSet fullBlocks() {
        return image.batmap() == null ? new BitSet() : image.batmap().bits().get(0, image.blocks());
    }

    private void useSpareEntries(int blocks, Batmap batmap) throws IOException {
        VhdMetadata.fillUnused(file, bat.entryAt(image.blocks()), bat.entryAt(blocks));
        if (batmap != null) {
            new Batmap(
                            batmap.headerAt(),
                            batmap.at(),
                            batmap.sectors(),
                            Batmap.summedBytes(size),
                            batmap.version(),
                            null,
                            true)
                    .write(file, fullBlocks());
        }
        file.flushNow();
        switchTo(image.footer().resized(size), image.footerAt() < 0 ? lastEnd() : image.footerAt());
    }

    private void moveMetadata() throws IOException {
        VhdMetadata metadata = VhdMetadata.plan(VhdImage.end(image.structures()), size, header.blockSize(), parent());
        List<Integer> inTheWay = new ArrayList<>();
        for (int block = 0; block < image.blocks(); block++) {
            if (bat.isUsed(block)
                    && bat.offset(block) < metadata.end()
                    && bat.offset(block) + header.blockBytes()
                            > metadata.header().at()) {
                inTheWay.add(block);
            }
        }
        long to = Alignment.up(Math.max(lastEnd(), metadata.end()) + header.bitmapBytes(), PAGE) - header.bitmapBytes();
        long stride = Alignment.up(header.blockBytes(), PAGE);
        long footerAt = to + inTheWay.size() * stride;
        new LastFooter(file, image.footer(), image.footerAt(), stride).putAt(footerAt);
        for (int i = 0; i < inTheWay.size(); i++) {
            copy(bat.offset(inTheWay.get(i)), to + i * stride);
        }
        file.flushNow();
        for (int i = 0; i < inTheWay.size(); i++) {
            bat.write(inTheWay.get(i), to + i * stride);
        }
        file.flushNow();
        metadata.write(file, bat.bytes(), fullBlocks());
        file.flushNow();
        switchTo(image.footer().resized(size).with(metadata.header().at(), metadata.creatorVersion()), footerAt);
    }

    /** Returns the end of everything in the file. */
    private long lastEnd() {
        return Math.max(image.limit(), bat.end());
    }

    private void copy(long from, long to) throws IOException {
        ByteBuffer piece = ByteBuffer.allocate((int) Math.min(PIECE, header.blockBytes()));
        for (long done = 0; done < header.blockBytes(); done += piece.capacity()) {
            piece.clear().limit((int) Math.min(piece.capacity(), header.blockBytes() - done));
            file.readFully(piece, from + done);
            file.writeFully(piece.flip(), to + done);
        }
    }

    /** Returns the parent as the old header has it, with the locators' bytes. */
    private VhdMetadata.Parent parent() throws IOException {
        List<ParentNames.Encoded> names = new ArrayList<>();
        for (VhdHeader.ParentLocator locator : header.locators()) {
            if (locator.isInside(image.limit()) && locator.length() <= ParentNames.LONGEST) {
                ByteBuffer name = ByteBuffer.allocate((int) locator.length());
                file.readFully(name, locator.offset());
                names.add(new ParentNames.Encoded(locator.code(), name.array()));
            }
        }
        return new VhdMetadata.Parent(header.parentUuid(), header.parentTimestamp(), header.parentName(), names);
    }

    private void switchTo(VhdFooter footer, long at) throws IOException {
        file.writeFully(footer.bytes(), at);
        file.flushNow();
        file.writeFully(footer.bytes(), 0);
        file.flushNow();
    }
}
