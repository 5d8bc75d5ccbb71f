package org.blktap.format.vhdx;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.HashMap;
import java.util.Map;

/**
 * A second reader of VHDX images, as short as [MS-VHDX] allows, that shares no code with the driver: the whole disk
 * from a whole file whose log is empty. It looks at each sector by itself.
 */
final class PlainVhdx {
    private final ByteBuffer file;
    private final Map<String, Integer> items = new HashMap<>();
    private int bat;
    private final long blockSize;
    private final boolean hasParent;
    final int size;
    final int sectorSize;

    PlainVhdx(byte[] bytes) {
        file = ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN);
        expect(text(0, 8).equals("vhdxfile"), "file identifier");
        long first = file.getLong(0x10000 + 8);
        int header = file.getLong(0x20000 + 8) > first ? 0x20000 : 0x10000;
        expect(text(header, 4).equals("head"), "header");
        expect(file.getLong(header + 48) == 0 && file.getLong(header + 56) == 0, "the log must be replayed");
        expect(text(0x30000, 4).equals("regi"), "region table");
        int metadata = 0;
        for (int i = 0; i < file.getInt(0x30000 + 8); i++) {
            int entry = 0x30000 + 16 + 32 * i;
            if (file.getInt(entry) == 0x2dc27766) {
                bat = (int) file.getLong(entry + 16);
            } else if (file.getInt(entry) == 0x8b7ca206) {
                metadata = (int) file.getLong(entry + 16);
            }
        }
        expect(text(metadata, 8).equals("metadata"), "metadata table");
        for (int i = 0; i < file.getShort(metadata + 10); i++) {
            int entry = metadata + 32 + 32 * i;
            items.put(Integer.toHexString(file.getInt(entry)), metadata + file.getInt(entry + 16));
        }
        blockSize = file.getInt(items.get("caa16737"));
        hasParent = (file.getInt(items.get("caa16737") + 4) & 2) != 0;
        size = (int) file.getLong(items.get("2fa54224"));
        sectorSize = file.getInt(items.get("8141bf1d"));
        expect(hasParent == items.containsKey("a8d35f2d"), "parent locator");
    }

    private static void expect(boolean condition, String what) {
        if (!condition) {
            throw new AssertionError(what);
        }
    }

    private String text(int at, int length) {
        StringBuilder text = new StringBuilder();
        for (int i = 0; i < length; i++) {
            text.append((char) file.get(at + i));
        }
        return text.toString();
    }

    /** Returns the disk's bytes. */
    byte[] read(byte[] parent) {
        byte[] disk = new byte[size];
        long chunkBlocks = (1L << 23) * sectorSize / blockSize;
        for (int at = 0; at < size; at += sectorSize) {
            long block = at / blockSize;
            long entry = file.getLong((int) (bat + 8 * (block + block / chunkBlocks)));
            int from = (int) ((entry >>> 20 << 20) + at % blockSize);
            boolean parents = false;
            switch ((int) entry & 7) {
                case 0 -> parents = true;
                case 1, 2, 3 -> {
                    continue;
                }
                case 6 -> parents = false;
                case 7 -> {
                    expect(hasParent, "a partially present block without a parent");
                    long chunk = block / chunkBlocks;
                    long bitmap = file.getLong((int) (bat + 8 * ((chunk + 1) * (chunkBlocks + 1) - 1)));
                    expect((bitmap & 7) == 6, "a sector bitmap that is not present");
                    long sector = at / sectorSize % (1 << 23);
                    int bits = file.get((int) ((bitmap >>> 20 << 20) + sector / 8));
                    parents = (bits >>> sector % 8 & 1) == 0;
                }
                default -> throw new AssertionError("state of block " + block);
            }
            if (!parents) {
                file.get(from, disk, at, sectorSize);
            } else if (hasParent && at < parent.length) {
                System.arraycopy(parent, at, disk, at, Math.min(sectorSize, parent.length - at));
            }
        }
        return disk;
    }
}
