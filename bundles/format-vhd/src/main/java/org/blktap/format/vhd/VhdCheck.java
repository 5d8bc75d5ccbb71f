package org.blktap.format.vhd;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.BitSet;
import java.util.List;
import org.blktap.api.disk.DiskDriver.CheckReport;
import org.blktap.api.disk.DiskException;
import org.blktap.api.disk.DiskException.Reason;
import org.blktap.api.engine.IoFile;
import org.blktap.image.UseWindow;

/**
 * Looks for structures and blocks that lie outside the file or on each other, and for a batmap that says more than the bitmaps. What a
 * crash leaves is no error: a damaged footer, two intact ones that differ, or a batmap whose checksum does not fit. With repair, and
 * if there is no error, these are written anew and what is after the last block is cut off. Blocking, on a control thread.
 *
 * <p>Memory: 16 MiB, and 1 MiB of the BAT, which is gone through once for each 64 GiB of the file.
 */
final class VhdCheck {
    private static final int MOST_PROBLEMS = 100;
    private static final int SECTOR = 512;
    private static final int PIECE = 1 << 20;

    private final VhdImage image;
    private final IoFile file;
    private final boolean repair;
    private final List<String> problems = new ArrayList<>();
    private final List<String> leftovers = new ArrayList<>();
    private final ByteBuffer piece;
    /** Bytes of a block in the file; 0 for a fixed disk. */
    private final long blockBytes;
    private List<VhdImage.Structure> structures;
    private UseWindow window;
    private long blocks;
    private long leaked;
    /** The end of all that is in use in the file. */
    private long end;

    VhdCheck(VhdImage image, IoFile file, boolean repair) {
        this.image = image;
        this.file = file;
        this.repair = repair;
        blockBytes = image.footer().isFixed() ? 0 : image.header().blockBytes();
        piece = ByteBuffer.allocate(image.footer().isFixed() ? 0 : Math.min(PIECE, image.blocks() * 4));
    }

    CheckReport run() throws DiskException {
        if (image.footer().isFixed()) {
            return new CheckReport(image.diskBytes() / SECTOR, 0, problems);
        }
        structures = structures();
        end = VhdImage.end(structures);
        lookForLeftovers();
        window = new UseWindow(SECTOR, image.limit());
        while (window.next() && problems.size() < MOST_PROBLEMS) {
            window.claim(0, VhdImage.end(structures));
            eachEntry(this::block);
        }
        // Gaps between blocks, as a resize leaves, are usual in VHD and cannot be given back. The rest of a device is there for more blocks.
        leaked = file.blockDevice() ? 0 : Math.max(0, image.limit() - end) / image.header().blockBytes();
        if (image.batmap() != null) {
            batmap();
        }
        if (repair && problems.isEmpty()) {
            mend();
        }
        return new CheckReport(blocks, leaked, problems, leftovers);
    }

    private void lookForLeftovers() throws DiskException {
        ByteBuffer copy = ByteBuffer.allocate(VhdFooter.BYTES);
        read(copy, 0, "the copy of the footer");
        if (image.footerAt() < 0) {
            leftovers.add("footer at the end of the file: damaged; written anew from its copy");
        } else if (!VhdFooter.isValid(copy)) {
            leftovers.add("copy of the footer at offset 0: damaged; written anew from the footer at the end of the file");
        } else if (image.copyDiffers()) {
            leftovers.add("copy of the footer at offset 0: differs from the footer at the end of the file; written anew from that");
        }
        if (image.batmap() != null && !image.batmap().isIntact()) {
            leftovers.add("batmap: its checksum does not fit; written anew, empty");
        }
    }

    private List<VhdImage.Structure> structures() {
        List<VhdImage.Structure> list = image.structures();
        for (int i = 0; i < list.size(); i++) {
            VhdImage.Structure one = list.get(i);
            for (VhdImage.Structure other : list.subList(0, i)) {
                if (other.overlaps(one.start(), one.end())) {
                    problem(one.name(), one.start(), one.start() + " to " + one.end(), "a place that the " + other.name() + " does not use");
                }
            }
            if (one.end() > image.limit()) {
                problem(one.name(), one.start(), one.start() + " to " + one.end(), "a place inside the file of " + image.limit() + " bytes");
            }
        }
        if (image.footer().type() == VhdFooter.DIFFERENCING) {
            for (VhdHeader.ParentLocator locator : image.header().locators()) {
                if (!locator.isInside(image.limit())) {
                    problem("parent locator", locator.offset(), locator.length() + " of " + locator.space() + " bytes",
                            "a name in whole sectors inside the file");
                }
            }
        }
        return list;
    }

    /** An entry that is in use. */
    private interface Entry {
        void entry(int block, long offset) throws DiskException;
    }

    private void eachEntry(Entry visitor) throws DiskException {
        int inPiece = piece.capacity() / 4;
        int all = image.blocks();
        for (int first = 0; first < all; first += inPiece) {
            if (Thread.currentThread().isInterrupted()) {
                throw new DiskException(Reason.IO, file.path() + ": the check was interrupted");
            }
            int count = Math.min(inPiece, all - first);
            read(piece.clear().limit(count * 4), image.header().tableOffset() + first * 4L, "the BAT");
            for (int i = 0; i < count; i++) {
                if (piece.getInt(i * 4) != Bat.UNUSED) {
                    visitor.entry(first + i, Integer.toUnsignedLong(piece.getInt(i * 4)) * SECTOR);
                }
            }
        }
    }

    private void block(int block, long offset) {
        if (!window.isFirst() && !window.touches(offset, blockBytes)) {
            return;
        }
        if (!image.isBlock(offset, structures)) {
            if (window.isFirst()) {
                entryProblem(block, offset / SECTOR, "the sector of a block inside the file of " + image.limit() + " bytes and on no other structure");
            }
            return;
        }
        if (window.isFirst()) {
            blocks++;
            end = Math.max(end, offset + blockBytes);
        }
        if (!window.claim(offset, blockBytes)) {
            entryProblem(block, offset / SECTOR, "a block that no other overlaps");
        }
    }

    private void read(ByteBuffer into, long at, String what) throws DiskException {
        try {
            file.readFully(into, at);
        } catch (IOException e) {
            throw DiskException.io(file.path(), "read " + what + " at " + at, e);
        }
    }

    /** A bit of the batmap is set only where the block's bitmap is all ones. */
    private void batmap() throws DiskException {
        ByteBuffer bitmap = ByteBuffer.allocate(image.header().bitmapBytes());
        BitSet set = image.batmap().bits();
        BitSet wrong = set.get(0, image.blocks());
        eachEntry((block, offset) -> {
            if (set.get(block) && problems.size() < MOST_PROBLEMS) {
                read(bitmap.clear(), offset, "a bitmap");
                wrong.set(block, !isFull(bitmap));
            }
        });
        for (int block = wrong.nextSetBit(0); block >= 0; block = wrong.nextSetBit(block + 1)) {
            problem("batmap bit " + block, image.batmap().at() + block / 8, "set", "clear, as the block is not full");
        }
    }

    private boolean isFull(ByteBuffer bitmap) {
        int sectors = image.header().blockSize() / SECTOR;
        for (int i = 0; i < sectors / 8; i++) {
            if (bitmap.get(i) != -1) {
                return false;
            }
        }
        return true;
    }

    private void mend() throws DiskException {
        if (file.blockDevice()) {
            throw new DiskException(Reason.UNSUPPORTED, file.path() + ": a VHD image on a block device is not repaired");
        }
        try {
            if (image.batmap() != null && !image.batmap().isIntact()) {
                image.batmap().write(file, new BitSet());
            }
            new LastFooter(file, image.footer(), image.footerAt(), image.header().blockBytes()).putAt(end);
            file.writeFully(image.footer().bytes(), 0);
            file.flushNow();
            leaked -= Math.max(0, image.limit() - end) / image.header().blockBytes();
        } catch (IOException e) {
            throw DiskException.io(file.path(), "write the footers", e);
        }
    }

    private void entryProblem(int block, long sector, String expected) {
        problem("BAT entry " + block, image.header().tableOffset() + block * 4L, String.format("0x%x", sector), expected);
    }

    private void problem(String structure, long at, Object found, String expected) {
        if (problems.size() < MOST_PROBLEMS) {
            problems.add(DiskException.corrupt(file.path(), structure, at, found, expected).getMessage());
        }
    }
}
