package org.blktap.format.vhd;

import static org.blktap.api.memory.Alignment.SECTOR;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.BitSet;
import java.util.List;
import java.util.UUID;
import org.blktap.api.engine.IoFile;
import org.blktap.api.memory.Alignment;

/**
 * The structures of a new dynamic or differencing image, one after the other as libvhd lays them out: header, BAT,
 * batmap, parent locators. They are complete before a footer points at them.
 *
 * @param header with its locators
 * @param batmap null if the blocks are not those that libvhd counts
 * @param names the locators' bytes
 * @param end the first byte after all, a multiple of 512
 */
record VhdMetadata(VhdHeader header, Batmap batmap, List<byte[]> names, long end) {
    private static final int PIECE = 1 << 20;

    /** Parent fields of a differencing image's header; all empty for a dynamic one. */
    record Parent(UUID uuid, int timestamp, String name, List<ParentNames.Encoded> names) {
        static final Parent NONE = new Parent(VhdHeader.NO_UUID, 0, "", List.of());
    }

    /** @param at where the header goes, a multiple of 512 */
    static VhdMetadata plan(long at, long diskBytes, int blockSize, Parent parent) {
        long tableOffset = at + VhdHeader.BYTES;
        long entries = Alignment.units(diskBytes, blockSize);
        VhdHeader header = new VhdHeader(
                at, tableOffset, entries, blockSize, parent.uuid(), parent.timestamp(), parent.name(), List.of());
        long end = tableOffset + header.tableBytes();
        Batmap batmap = null;
        if (blockSize == VhdHeader.USUAL_BLOCK) {
            long sectors = Alignment.units(Alignment.units(entries, 8), SECTOR);
            batmap = new Batmap(
                    end, end + SECTOR, sectors, Batmap.summedBytes(diskBytes), Batmap.VERSION_1_2, new BitSet(), true);
            end = batmap.at() + sectors * SECTOR;
        } else {
            // a sector of zeros, so that nobody finds a batmap there
            end += SECTOR;
        }
        List<VhdHeader.ParentLocator> locators = new ArrayList<>();
        List<byte[]> names = new ArrayList<>();
        for (ParentNames.Encoded name : parent.names()) {
            long space = Alignment.up(name.name().length, SECTOR);
            locators.add(new VhdHeader.ParentLocator(name.code(), space, name.name().length, end));
            names.add(name.name());
            end += space;
        }
        VhdHeader complete = new VhdHeader(
                at,
                tableOffset,
                entries,
                blockSize,
                parent.uuid(),
                parent.timestamp(),
                parent.name(),
                List.copyOf(locators));
        return new VhdMetadata(complete, batmap, names, end);
    }

    /** The creator version by which libvhd knows whether there is a batmap. */
    int creatorVersion() {
        return batmap == null ? VhdFooter.TAP_1_1 : VhdFooter.TAP_1_3;
    }

    /**
     * Writes all structures.
     *
     * @param entries the first BAT entries, the rest is unused
     * @param full the bits of the batmap
     */
    void write(IoFile file, ByteBuffer entries, BitSet full) throws IOException {
        file.writeFully(header.bytes().clear(), header.at());
        long at = header.tableOffset();
        long used = entries.remaining();
        file.writeFully(entries, at);
        fillUnused(file, at + used, at + header.tableBytes());
        file.writeFully(ByteBuffer.allocate(SECTOR), at + header.tableBytes());
        if (batmap != null) {
            batmap.write(file, full);
        }
        for (int i = 0; i < names.size(); i++) {
            VhdHeader.ParentLocator locator = header.locators().get(i);
            file.writeFully(
                    ByteBuffer.allocate((int) locator.space()).put(names.get(i)).clear(), locator.offset());
        }
    }

    static void fillUnused(IoFile file, long from, long to) throws IOException {
        byte[] unused = new byte[(int) Math.min(PIECE, to - from)];
        java.util.Arrays.fill(unused, (byte) Bat.UNUSED);
        for (long at = from; at < to; at += unused.length) {
            file.writeFully(ByteBuffer.wrap(unused, 0, (int) Math.min(unused.length, to - at)), at);
        }
    }
}
