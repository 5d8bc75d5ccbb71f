package org.blktap.format.vhd;

import static org.blktap.api.memory.Alignment.SECTOR;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.BitSet;
import java.util.List;
import org.blktap.api.disk.DiskDriver.CheckReport;
import org.blktap.api.disk.DiskException;
import org.blktap.api.disk.DiskException.Reason;
import org.blktap.api.engine.IoFile;
import org.blktap.image.Interruption;
import org.blktap.image.UseWindow;

/**
 * Looks for structures and blocks that lie outside the file or overlap, and for bits of the batmap whose blocks are not
 * full. What a crash leaves is no error: a damaged footer, two intact ones that differ, or a batmap with a wrong
 * checksum. With repair, and if there is no error, these are written anew and what is after the last block is cut off.
 * Blocking, on a control thread.
 *
 * <p>Takes 16 MiB of memory and the BAT, which is searched once for each 64 GiB of the file.
 */
final class VhdCheck {
    private static final int MOST_PROBLEMS = 100;
    /** Blocks that are checked between two looks at the thread's interrupt. */
    private static final int PATIENCE = 1 << 16;

    private final VhdImage image;
    private final Bat bat;
    private final IoFile file;
    private final boolean repair;
    private final List<String> problems = new ArrayList<>();
    private final List<String> leftovers = new ArrayList<>();
    /** Bytes of a block in the file; 0 for a fixed disk. */
    private final long blockBytes;

    private UseWindow window;
    private long blocks;
    private long leaked;

    /** @param bat null for a fixed disk */
    VhdCheck(VhdImage image, Bat bat, IoFile file, boolean repair) {
        this.image = image;
        this.bat = bat;
        this.file = file;
        this.repair = repair;
        blockBytes = image.footer().isFixed() ? 0 : image.header().blockBytes();
    }

    CheckReport run() throws DiskException {
        if (image.footer().isFixed()) {
            return new CheckReport(image.diskBytes() / SECTOR, 0, problems);
        }
        lookAtStructures();
        lookForLeftovers();
        window = new UseWindow(SECTOR, image.limit());
        while (window.next() && problems.size() < MOST_PROBLEMS) {
            for (VhdImage.Structure each : image.structures()) {
                // a rebase may have put the header after blocks
                window.claim(each.start(), each.end() - each.start());
            }
            claimBlocks();
        }
        // Gaps between blocks, which a resize leaves, are usual in VHD and cannot be freed. The rest of a block device
        // is not leaked: it is for more
        // blocks.
        leaked = file.blockDevice()
                ? 0
                : Math.max(0, image.limit() - bat.end()) / image.header().blockBytes();
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
            leftovers.add(
                    "copy of the footer at offset 0: damaged; written anew from the footer at the end of the file");
        } else if (image.copyDiffers()) {
            leftovers.add(
                    "copy of the footer at offset 0: differs from the footer at the end of the file; written anew from that");
        }
        if (image.batmap() != null && !image.batmap().isIntact()) {
            leftovers.add("batmap: its checksum does not fit; written anew, empty");
        }
    }

    private void lookAtStructures() {
        List<VhdImage.Structure> list = image.structures();
        for (int i = 0; i < list.size(); i++) {
            VhdImage.Structure one = list.get(i);
            for (VhdImage.Structure other : list.subList(0, i)) {
                if (other.overlaps(one.start(), one.end())) {
                    problem(
                            one.name(),
                            one.start(),
                            one.start() + " to " + one.end(),
                            "a place that the " + other.name() + " does not use");
                }
            }
            if (one.end() > image.limit()) {
                problem(
                        one.name(),
                        one.start(),
                        one.start() + " to " + one.end(),
                        "a place inside the file of " + image.limit() + " bytes");
            }
        }
        if (image.footer().type() == VhdFooter.DIFFERENCING) {
            for (VhdHeader.ParentLocator locator : image.header().locators()) {
                if (!locator.isInside(image.limit())) {
                    problem(
                            "parent locator",
                            locator.offset(),
                            locator.length() + " of " + locator.space() + " bytes",
                            "a name in whole sectors inside the file");
                }
            }
        }
    }

    /** Claims the part of the window that each block takes. */
    private void claimBlocks() throws DiskException {
        for (int block = 0; block < bat.entries(); block++) {
            if (block % PATIENCE == 0) {
                Interruption.check(file.path());
            }
            if (bat.isUsed(block) && (window.isFirst() || window.touches(bat.offset(block), blockBytes))) {
                claim(block);
            }
        }
    }

    private void claim(int block) {
        if (bat.isInvalid(block)) {
            if (window.isFirst()) {
                entryProblem(
                        block,
                        "the sector of a block inside the file of " + image.limit()
                                + " bytes and on no other structure");
            }
            return;
        }
        if (window.isFirst()) {
            blocks++;
        }
        if (!window.claim(bat.offset(block), blockBytes)) {
            entryProblem(block, "a block that no other overlaps");
        }
    }

    private void read(ByteBuffer into, long at, String what) throws DiskException {
        try {
            file.readFully(into, at);
        } catch (IOException e) {
            throw DiskException.io(file.path(), "read " + what + " at " + at, e);
        }
    }

    /** Checks that a bit of the batmap is set only where the block's bitmap is all ones. */
    private void batmap() throws DiskException {
        ByteBuffer bitmap = ByteBuffer.allocate(image.header().bitmapBytes());
        BitSet set = image.batmap().bits();
        BitSet wrong = set.get(0, image.blocks());
        for (int block = set.nextSetBit(0);
                block >= 0 && block < bat.entries() && problems.size() < MOST_PROBLEMS;
                block = set.nextSetBit(block + 1)) {
            if (bat.isUsed(block)) {
                Interruption.check(file.path());
                read(bitmap.clear(), bat.offset(block), "a bitmap");
                wrong.set(block, !isFull(bitmap));
            }
        }
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
            throw new DiskException(
                    Reason.UNSUPPORTED, file.path() + ": a VHD image on a block device is not repaired");
        }
        try {
            if (image.batmap() != null && !image.batmap().isIntact()) {
                image.batmap().write(file, new BitSet());
            }
            new LastFooter(
                            file,
                            image.footer(),
                            image.footerAt(),
                            image.header().blockBytes())
                    .putAt(bat.end());
            file.writeFully(image.footer().bytes(), 0);
            file.flushNow();
            leaked -= Math.max(0, image.limit() - bat.end()) / image.header().blockBytes();
        } catch (IOException e) {
            throw DiskException.io(file.path(), "write the footers", e);
        }
    }

    private void entryProblem(int block, String expected) {
        problem("BAT entry " + block, bat.entryAt(block), String.format("0x%x", bat.offset(block) / SECTOR), expected);
    }

    private void problem(String structure, long at, Object found, String expected) {
        if (problems.size() < MOST_PROBLEMS) {
            problems.add(DiskException.corrupt(file.path(), structure, at, found, expected)
                    .getMessage());
        }
    }
}
