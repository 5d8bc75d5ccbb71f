package org.blktap.format.vhd;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.blktap.api.disk.DiskDriver.CheckReport;
import org.blktap.api.disk.DiskException;
import org.blktap.api.engine.IoFile;

/**
 * Looks for structures and blocks that lie outside the file or on each other, and for a batmap that says more than the bitmaps. What a
 * crash leaves is no problem: a damaged last footer, two intact ones that differ, or a batmap whose checksum does not fit. With repair, and
 * if there is no problem, the footers are written anew and what is behind the last block is cut off. Blocking, on a control thread.
 */
final class VhdCheck {
    private static final int MOST_PROBLEMS = 100;
    private static final int SECTOR = 512;
    private static final int BLOCK_NUMBER_BITS = 24;

    private final VhdImage image;
    private final IoFile file;
    private final boolean repair;
    private final List<String> problems = new ArrayList<>();

    VhdCheck(VhdImage image, IoFile file, boolean repair) {
        this.image = image;
        this.file = file;
        this.repair = repair;
    }

    CheckReport run() throws DiskException {
        if (image.footer().isFixed()) {
            long tail = image.footerAt() - image.diskBytes();
            return new CheckReport(image.diskBytes() / SECTOR, tail / SECTOR, problems);
        }
        ByteBuffer copy = ByteBuffer.allocate(VhdFooter.BYTES);
        read(copy, 0, "the copy of the footer");
        if (!VhdFooter.isValid(copy) && !repair) {
            problem("copy of the footer", 0, "a cookie or checksum that is wrong", "that of the footer at the end of the file");
        }
        List<VhdImage.Structure> structures = structures();
        ByteBuffer bat = bat();
        long[] blocks = blocks(bat, structures);
        long leaked = gaps(blocks, VhdImage.end(structures));
        if (image.batmap() != null) {
            batmap(bat);
        }
        if (repair && problems.isEmpty()) {
            long last = blocks.length == 0 ? 0 : offset(blocks[blocks.length - 1]) + image.header().blockBytes();
            leaked -= mend(Math.max(last, VhdImage.end(structures)));
        }
        return new CheckReport(blocks.length, leaked, problems);
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

    private ByteBuffer bat() throws DiskException {
        ByteBuffer bat = ByteBuffer.allocate(image.blocks() * 4);
        read(bat, image.header().tableOffset(), "the BAT");
        return bat;
    }

    private void read(ByteBuffer into, long at, String what) throws DiskException {
        try {
            file.readFully(into, at);
        } catch (IOException e) {
            throw DiskException.io(file.path(), "read " + what + " at " + at, e);
        }
    }

    private static long offset(long packed) {
        return (packed >>> BLOCK_NUMBER_BITS) * SECTOR;
    }

    /** The valid blocks in the order of the file: the sector, and the block's number in the lowest bits. */
    private long[] blocks(ByteBuffer bat, List<VhdImage.Structure> structures) {
        long[] blocks = new long[image.blocks()];
        int count = 0;
        for (int block = 0; block < blocks.length; block++) {
            long sector = Integer.toUnsignedLong(bat.getInt(block * 4));
            if (bat.getInt(block * 4) == Bat.UNUSED) {
                continue;
            }
            if (image.isBlock(sector * SECTOR, structures)) {
                blocks[count++] = sector << BLOCK_NUMBER_BITS | block;
            } else {
                entryProblem(block, sector, "the sector of a block inside the file of " + image.limit() + " bytes and on no other structure");
            }
        }
        long[] sorted = Arrays.copyOf(blocks, count);
        Arrays.sort(sorted);
        return sorted;
    }

    /** Finds blocks that overlap; returns how many would fit into what nothing uses. */
    private long gaps(long[] blocks, long end) {
        long blockBytes = image.header().blockBytes();
        long gaps = 0;
        long used = end;
        for (int i = 0; i < blocks.length; i++) {
            long start = offset(blocks[i]);
            if (i > 0 && start < offset(blocks[i - 1]) + blockBytes) {
                entryProblem((int) (blocks[i] & (1 << BLOCK_NUMBER_BITS) - 1), start / SECTOR, "a block that no other overlaps");
            }
            gaps += Math.max(0, start - used) / blockBytes;
            used = Math.max(used, start + blockBytes);
        }
        return gaps + Math.max(0, image.limit() - used) / blockBytes;
    }

    /** A bit of the batmap is set only where the block's bitmap is all ones. */
    private void batmap(ByteBuffer bat) throws DiskException {
        ByteBuffer bitmap = ByteBuffer.allocate(image.header().bitmapBytes());
        for (int block = image.batmap().bits().nextSetBit(0); block >= 0 && block < image.blocks();
                block = image.batmap().bits().nextSetBit(block + 1)) {
            long sector = Integer.toUnsignedLong(bat.getInt(block * 4));
            boolean full = false;
            if (bat.getInt(block * 4) != Bat.UNUSED) {
                read(bitmap.clear(), sector * SECTOR, "a bitmap");
                full = isFull(bitmap);
            }
            if (!full) {
                problem("batmap bit " + block, image.batmap().at() + block / 8, "set", "clear, as the block is not full");
            }
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

    /** Returns how many blocks were cut off. */
    private long mend(long end) throws DiskException {
        try {
            long before = Math.max(0, image.limit() - end) / image.header().blockBytes();
            new LastFooter(file, image.footer(), image.footerAt(), image.header().blockBytes()).putAt(end);
            file.writeFully(image.footer().bytes(), 0);
            file.flushNow();
            return before;
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
