package org.blktap.format.vhd;

import static org.blktap.api.memory.Alignment.PAGE;
import static org.blktap.api.memory.Alignment.SECTOR;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.List;
import org.blktap.api.disk.DiskException;
import org.blktap.api.disk.DiskException.Reason;
import org.blktap.api.engine.IoFile;
import org.blktap.api.memory.Alignment;
import org.blktap.api.memory.NativeMemory;

/**
 * Gives an image another parent, or none. A new header with its locators is written to space that is not in use, and
 * made durable; then the footer at the end, one sector, points at it, and its copy follows. Until the footer is written
 * the image is the old one. Space that a former header had is used again. Blocking, on a control thread.
 */
final class VhdRebase {
    private final VhdImage image;
    private final VhdMetadata.Parent parent;
    private final IoFile file;
    /** What is in use before the first block, and what the new header takes. */
    private final List<VhdImage.Structure> used;
    /** The first block, or the footer if there are no blocks. */
    private final long limit;

    private VhdRebase(VhdImage image, Bat bat, IoFile file, VhdMetadata.Parent parent) {
        this.image = image;
        this.parent = parent;
        this.file = file;
        used = new ArrayList<>(image.structures());
        VhdHeader header = image.header();
        // the place of a batmap, or the sector that says that there is none
        long behindTable = header.tableOffset() + header.tableBytes();
        used.add(new VhdImage.Structure("sector after the BAT", behindTable, behindTable + SECTOR));
        long first = image.footerAt() >= 0 ? image.footerAt() : image.limit();
        for (int block = 0; block < bat.entries(); block++) {
            if (bat.isUsed(block)) {
                first = Math.min(first, bat.offset(block));
            }
        }
        limit = first;
    }

    static void rebase(IoFile file, VhdMetadata.Parent parent, NativeMemory memory) throws DiskException {
        VhdImage image = VhdImage.read(file);
        if (image.footer().isFixed()) {
            if (parent == VhdMetadata.Parent.NONE) {
                return;
            }
            throw new DiskException(Reason.UNSUPPORTED, file.path() + ": a fixed VHD image has no parent");
        }
        if (file.blockDevice()) {
            throw new DiskException(
                    Reason.UNSUPPORTED, file.path() + ": a VHD image on a block device keeps its parent");
        }
        try (Bat bat = new Bat(image, file, memory)) {
            new VhdRebase(image, bat, file, parent).run(Math.max(image.limit(), bat.end()));
        } catch (IOException e) {
            throw DiskException.io(file.path(), "change the parent", e);
        }
    }

    /** @param end of everything in the file but the last footer */
    private void run(long end) throws IOException {
        long[] places = new long[1 + parent.names().size()];
        if (image.copyDiffers()) {
            // after a crash; the copy counts while the footer at the end moves
            file.writeFully(image.footer().bytes(), 0);
            file.flushNow();
        }
        if (!inGaps(places)) {
            long at = Alignment.up(Math.max(end, image.footerAt() + VhdFooter.BYTES), PAGE);
            for (int i = 0; i < places.length; i++) {
                places[i] = at;
                at += bytes(i);
            }
            end = at;
        }
        long footerAt = image.footerAt() >= 0 && end < image.footerAt() + VhdFooter.BYTES ? image.footerAt() : end;
        if (footerAt != image.footerAt()) {
            // the old footer is at the end of the longer file before anything else changes
            file.writeFully(image.footer().bytes(), footerAt);
            file.flushNow();
        }
        List<VhdHeader.ParentLocator> locators = new ArrayList<>();
        for (int i = 1; i < places.length; i++) {
            ParentNames.Encoded name = parent.names().get(i - 1);
            locators.add(new VhdHeader.ParentLocator(name.code(), bytes(i), name.name().length, places[i]));
            file.writeFully(ByteBuffer.allocate((int) bytes(i)).put(name.name()).clear(), places[i]);
        }
        VhdHeader header = image.header().rebased(places[0], parent, locators);
        file.writeFully(header.bytes().clear(), places[0]);
        file.flushNow();
        ByteBuffer footer = image.footer()
                .rebased(places[0], parent != VhdMetadata.Parent.NONE)
                .bytes();
        file.writeFully(footer.duplicate(), footerAt);
        file.flushNow();
        file.writeFully(footer, 0);
        file.flushNow();
    }

    /** Bytes of the header, and then of each locator. */
    private long bytes(int i) {
        return i == 0 ? VhdHeader.BYTES : Alignment.up(parent.names().get(i - 1).name().length, SECTOR);
    }

    /** Finds a place before the first block for each; false if there is not enough. */
    private boolean inGaps(long[] places) {
        for (int i = 0; i < places.length; i++) {
            places[i] = gap(bytes(i));
            if (places[i] < 0) {
                return false;
            }
            used.add(new VhdImage.Structure("new", places[i], places[i] + bytes(i)));
        }
        return true;
    }

    private long gap(long bytes) {
        long at = VhdFooter.BYTES;
        for (boolean moved = true; moved; ) {
            moved = false;
            for (VhdImage.Structure each : used) {
                if (each.overlaps(at, at + bytes)) {
                    at = Alignment.up(each.end(), SECTOR);
                    moved = true;
                }
            }
        }
        return at + bytes <= limit ? at : -1;
    }
}
