package org.blktap.format.vhd;

import static org.blktap.api.memory.Alignment.SECTOR;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.List;
import org.blktap.api.disk.DiskException;
import org.blktap.api.engine.IoFile;
import org.blktap.api.memory.Alignment;

/**
 * The metadata of an image: its footer, and the structures of a dynamic or differencing one, read and bounded. All
 * numbers are bytes.
 *
 * @param footer the one that is used
 * @param footerAt where it is at the end of the file, or -1 if only its copy at offset 0 is intact, as after a crash
 * @param copyDiffers whether the copy at offset 0 differs from it, as after a crash during a change of size
 * @param limit where the last footer begins; the end of the file, in whole sectors, if that is damaged
 * @param header null for a fixed disk
 * @param batmap null without one
 */
record VhdImage(VhdFooter footer, long footerAt, boolean copyDiffers, long limit, VhdHeader header, Batmap batmap) {

    /** A structure other than a block. */
    record Structure(String name, long start, long end) {
        boolean overlaps(long from, long to) {
            return from < end && start < to;
        }
    }

    static VhdImage read(IoFile file) throws DiskException {
        long size = file.size();
        if (size < VhdFooter.BYTES - 1) {
            throw DiskException.notAnImage(
                    file.path(),
                    size,
                    "a VHD image",
                    "footer",
                    0,
                    "a file of " + size + " bytes",
                    "at least " + VhdFooter.BYTES);
        }
        // Virtual PC's first versions wrote 511 bytes
        long last = size % SECTOR == SECTOR - 1 ? size - (SECTOR - 1) : size - SECTOR;
        ByteBuffer atEnd = sector(file, last);
        ByteBuffer atStart = sector(file, 0);
        if (VhdFooter.isValid(atEnd)) {
            VhdFooter footer = VhdFooter.parse(atEnd, last, file.path());
            if (footer.isFixed()) {
                // it has no copy: the first sector is the guest's
                return fixed(file, footer, last);
            }
            if (!VhdFooter.isValid(atStart) || VhdFooter.uuid(atStart).equals(footer.uuid())) {
                return read(file, footer, last, !footer.bytes().equals(atStart), last);
            }
            // the end of a file that was cut off may be anything, also what a guest wrote
        }
        if (!VhdFooter.isValid(atStart)) {
            throw VhdFooter.damaged(atEnd, last, file.path());
        }
        VhdFooter copy = VhdFooter.parse(atStart, 0, file.path());
        if (copy.isFixed()) {
            throw VhdFooter.damaged(atEnd, last, file.path());
        }
        return read(file, copy, -1, false, Alignment.up(size, SECTOR));
    }

    private static VhdImage fixed(IoFile file, VhdFooter footer, long footerAt) throws DiskException {
        if (footer.diskBytes() > footerAt) {
            throw DiskException.corrupt(
                    file.path(),
                    "footer field current_size",
                    footerAt + VhdFooter.AT_CURRENT_SIZE,
                    footer.diskBytes(),
                    "at most the " + footerAt + " bytes before the footer");
        }
        return new VhdImage(footer, footerAt, false, footerAt, null, null);
    }

    private static VhdImage read(IoFile file, VhdFooter footer, long footerAt, boolean copyDiffers, long limit)
            throws DiskException {
        VhdHeader header = VhdHeader.read(file, footer, limit);
        return new VhdImage(footer, footerAt, copyDiffers, limit, header, Batmap.read(file, footer, header, limit));
    }

    private static ByteBuffer sector(IoFile file, long at) throws DiskException {
        ByteBuffer b = ByteBuffer.allocate(SECTOR);
        try {
            file.readFully(b, Math.max(0, at));
            return b.clear();
        } catch (IOException e) {
            throw DiskException.io(file.path(), "read the footer", e);
        }
    }

    /** Bytes of the disk. */
    long diskBytes() {
        return footer.diskBytes();
    }

    int blocks() {
        return header.blocks(diskBytes());
    }

    /** All structures except blocks and the last footer; locators that lie outside the file are left out. */
    List<Structure> structures() {
        List<Structure> list = new ArrayList<>();
        list.add(new Structure("copy of the footer", 0, VhdFooter.BYTES));
        list.add(new Structure("header", header.at(), header.at() + VhdHeader.BYTES));
        list.add(new Structure("BAT", header.tableOffset(), header.tableOffset() + header.tableBytes()));
        if (batmap != null) {
            list.add(new Structure("batmap header", batmap.headerAt(), batmap.headerAt() + SECTOR));
            list.add(new Structure("batmap", batmap.at(), batmap.at() + batmap.sectors() * SECTOR));
        }
        for (VhdHeader.ParentLocator locator : header.locators()) {
            if (locator.isInside(limit)) {
                list.add(new Structure("parent locator", locator.offset(), locator.offset() + locator.space()));
            }
        }
        return list;
    }

    /** The end of all structures. */
    static long end(List<Structure> structures) {
        return structures.stream().mapToLong(Structure::end).max().orElse(0);
    }

    /** Whether a block may be there: inside the file, and on no structure. */
    boolean isBlock(long start, List<Structure> structures) {
        long end = start + header.blockBytes();
        if (end > (footerAt >= 0 ? footerAt : limit)) {
            return false;
        }
        for (int i = 0; i < structures.size(); i++) {
            if (structures.get(i).overlaps(start, end)) {
                return false;
            }
        }
        return true;
    }
}
