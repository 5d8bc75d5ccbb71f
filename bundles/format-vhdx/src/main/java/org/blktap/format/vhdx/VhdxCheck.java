package org.blktap.format.vhdx;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.List;
import org.blktap.api.disk.DiskContext;
import org.blktap.api.disk.DiskDriver.CheckReport;
import org.blktap.api.disk.DiskException;
import org.blktap.api.disk.DiskException.Reason;
import org.blktap.api.engine.IoFile;
import org.blktap.api.engine.IoLoop;
import org.blktap.api.memory.Alignment;
import org.blktap.image.Holes;
import org.blktap.image.UseWindow;

/**
 * Reads the whole BAT and finds invalid entries, blocks that are used twice, and space that nothing uses. A repair
 * opens the image, which replays its log, and cuts off unused space at the end of the file. Takes a bit of memory for
 * each MiB of the file.
 */
final class VhdxCheck {
    private static final int MOST_PROBLEMS = 100;
    private static final int PIECE = 1 << 20;

    private final VhdxImage image;
    private final IoFile file;
    private final boolean repair;
    private final BlockAllocationTable bat;
    private final Holes holes;
    private final List<String> problems = new ArrayList<>();
    /** One window, over the whole file. */
    private UseWindow used;
    /** The end of all that is in use in the file. */
    private long end;

    private long blocks;
    /** The bitmap's entry that was looked at last, and whether it is present. */
    private long bitmapSeen = -1;

    private boolean bitmapThere;

    VhdxCheck(VhdxImage image, boolean repair, IoLoop loop) {
        this.image = image;
        file = image.file();
        this.repair = repair;
        bat = image.bat();
        holes = new Holes(file, loop);
    }

    /** Refuses a change of an image that has problems. */
    static void refuseDamaged(VhdxImage image, DiskContext context) throws DiskException {
        List<String> problems =
                new VhdxCheck(image, false, context.loop()).run().problems();
        if (!problems.isEmpty()) {
            throw new DiskException(
                    Reason.CORRUPT, image.file().path() + ": is not changed as it is damaged: " + problems.get(0));
        }
    }

    CheckReport run() throws DiskException {
        if (file.size() > Layout.MOST_FILE_BYTES) {
            throw new DiskException(
                    Reason.UNSUPPORTED,
                    file.path() + ": has " + file.size() + " bytes; files of up to " + Layout.MOST_FILE_BYTES
                            + " bytes are checked");
        }
        used = new UseWindow((int) Layout.MIB, file.size());
        used.next();
        image.regions().taken().forEach(region -> claim(region.offset(), region.length()));
        long entries = bat.entries();
        int inPiece = PIECE / BlockAllocationTable.ENTRY_BYTES;
        for (long first = 0; first < entries && problems.size() < MOST_PROBLEMS; first += inPiece) {
            piece(first, (int) Math.min(inPiece, entries - first));
        }
        if (repair && problems.isEmpty()) {
            trim();
        }
        return new CheckReport(blocks, leaked(), problems, leftovers());
    }

    private boolean claim(long offset, long length) {
        end = Math.max(end, offset + length);
        return used.claim(offset, length);
    }

    private List<String> leftovers() {
        return switch (image.replayed()) {
            case -1 -> List.of();
            case 0 ->
                List.of("log without changes, of a disk that was not closed: the mark of it removed from the headers");
            case 1 -> List.of("log with 1 change: replayed into the file");
            default -> List.of("log with " + image.replayed() + " changes: replayed into the file");
        };
    }

    private long leaked() {
        // a part of a MiB at the end of the file counts as one
        long bytes = Alignment.up(file.size(), Layout.MIB);
        return Math.max(0, bytes - used.markedBytes()) / bat.blockSize();
    }

    private void trim() throws DiskException {
        try {
            if (leaked() > 0 && end < file.size()) {
                file.truncateNow(end);
                file.flushNow();
            }
        } catch (IOException e) {
            throw DiskException.io(file.path(), "cut off what is unused", e);
        }
    }

    private void piece(long first, int count) throws DiskException {
        if (Thread.currentThread().isInterrupted()) {
            throw new DiskException(Reason.IO, file.path() + ": the check was interrupted");
        }
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

    private void entry(long index, long entry) throws DiskException {
        if (!bat.isValid(index, entry, image.regions(), file.size())) {
            problem(
                    index,
                    entry,
                    "a known state, and an offset inside the file of " + file.size() + " bytes, after its regions");
        } else if (bat.isPresent(index, entry) && bat.length(index) > 0) {
            // the last block takes as much space as any other, even if the disk ends inside it
            long length = bat.isBitmap(index) ? bat.length(index) : bat.blockSize();
            blocks += bat.isBitmap(index) ? 0 : 1;
            if (!claim(BlockAllocationTable.fileOffset(entry), length)) {
                problem(index, entry, "an offset that nothing else uses");
            } else if (BlockAllocationTable.state(entry) == BlockAllocationTable.PAYLOAD_BLOCK_PARTIALLY_PRESENT
                    && !hasBitmap(bat.block(index))) {
                problem(index, entry, "a block that is not partially present, as its chunk has no sector bitmap");
            }
        }
    }

    private boolean hasBitmap(long block) throws DiskException {
        long index = bat.bitmapIndex(block);
        if (index != bitmapSeen) {
            bitmapSeen = index;
            bitmapThere = bat.isPresent(index, image.batEntry(index));
        }
        return bitmapThere;
    }

    private void problem(long index, long entry, String expected) {
        problems.add(DiskException.corrupt(
                        file.path(),
                        "BAT entry " + index,
                        bat.offset() + index * BlockAllocationTable.ENTRY_BYTES,
                        Layout.hex(entry),
                        expected)
                .getMessage());
    }
}
