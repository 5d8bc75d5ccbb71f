package org.blktap.format.vhdx;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.List;
import org.blktap.api.disk.DiskDriver.CheckReport;
import org.blktap.api.disk.DiskException;
import org.blktap.api.disk.DiskException.Reason;
import org.blktap.api.engine.IoFile;
import org.blktap.api.engine.IoLoop;
import org.blktap.image.Holes;
import org.blktap.image.UsedRanges;

/** Reads the whole BAT and finds entries that break the rules, blocks in use twice, and space in use by nobody. */
final class VhdxCheck {
    private static final int MOST_PROBLEMS = 100;
    private static final int PIECE = 1 << 20;

    private final VhdxImage image;
    private final IoFile file;
    private final BlockAllocationTable bat;
    private final Holes holes;
    private final UsedRanges used = new UsedRanges((int) Layout.MIB);
    private final List<String> problems = new ArrayList<>();
    private long blocks;

    VhdxCheck(VhdxImage image, IoLoop loop) {
        this.image = image;
        file = image.file();
        bat = image.bat();
        holes = new Holes(file, loop);
    }

    CheckReport run() throws DiskException {
        try {
            image.regions().taken().forEach(region -> used.add(region.offset(), region.length()));
            long entries = bat.entries();
            int inPiece = PIECE / BlockAllocationTable.ENTRY_BYTES;
            for (long first = 0; first < entries && problems.size() < MOST_PROBLEMS; first += inPiece) {
                piece(first, (int) Math.min(inPiece, entries - first));
            }
        } catch (UsedRanges.TooScattered e) {
            throw new DiskException(Reason.UNSUPPORTED, file.path() + ": " + e.getMessage(), e);
        }
        long leaked = Math.max(0, file.size() - used.bytesBelow(file.size())) / bat.blockSize();
        return new CheckReport(blocks, leaked, problems);
    }

    private void piece(long first, int count) throws DiskException {
        long at = bat.offset() + first * BlockAllocationTable.ENTRY_BYTES;
        int bytes = count * BlockAllocationTable.ENTRY_BYTES;
        try {
            if (holes.contains(at, bytes)) {
                return;
            }
        } catch (IOException e) {
            throw DiskException.io(file.path(), "find holes", e);
        }
        ByteBuffer piece = Layout.read(file, "BAT", at, bytes);
        for (int i = 0; i < count && problems.size() < MOST_PROBLEMS; i++) {
            entry(first + i, piece.getLong());
        }
    }

    private void entry(long index, long entry) {
        if (!bat.isValid(index, entry, image.regions(), file.size())) {
            problem(index, entry, "a known state, and an offset inside the file of " + file.size() + " bytes, behind its regions");
        } else if (bat.isPresent(index, entry) && bat.length(index) > 0) {
            long offset = BlockAllocationTable.fileOffset(entry);
            // the last block takes as much as any other, whether the disk needs it or not
            long length = bat.isBitmap(index) ? bat.length(index) : bat.blockSize();
            blocks += bat.isBitmap(index) ? 0 : 1;
            if (used.overlaps(offset, length)) {
                problem(index, entry, "an offset that nothing else uses");
            }
            used.add(offset, length);
        }
    }

    private void problem(long index, long entry, String expected) {
        problems.add(DiskException.corrupt(file.path(), "BAT entry " + index, bat.offset() + index * BlockAllocationTable.ENTRY_BYTES,
                Layout.hex(entry), expected).getMessage());
    }
}
