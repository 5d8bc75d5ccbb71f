package org.blktap.format.qcow2;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.List;
import org.blktap.api.disk.DiskException;
import org.blktap.api.disk.DiskException.Reason;
import org.blktap.api.disk.FileNames;
import org.blktap.api.engine.IoFile;
import org.blktap.api.memory.Alignment;
import org.blktap.image.Interruption;

/**
 * An internal snapshot: qcow2.txt, "Snapshots".
 *
 * @param name cut off at {@link #SHOWN_NAME} bytes, and null for most of a long list: so the memory does not depend on
 *     the image
 * @param size bytes of the disk as it was
 */
record InternalSnapshot(String id, String name, long l1Offset, int l1Entries, long size) {
    private static final int AT_L1_OFFSET = 0;
    private static final int AT_L1_ENTRIES = 8;
    private static final int AT_ID_BYTES = 12;
    private static final int AT_NAME_BYTES = 14;
    private static final int AT_EXTRA_BYTES = 36;
    private static final int FIXED = 40;
    /** Offset of the disk's size in the extra data. */
    private static final int AT_DISK_SIZE = 8;

    private static final int MAX_EXTRA = 1024;
    /** Largest table in bytes, QEMU's limit. */
    private static final long MAX_TABLE = 64 << 20;
    /** QEMU's own names have at most 255. */
    private static final int SHOWN_NAME = 255;
    /** Snapshots whose names are kept. */
    private static final int NAMED = 64;

    /** Reads all snapshots of an image; only the first {@value #NAMED} have names. */
    static List<InternalSnapshot> read(Qcow2Header header, IoFile file, long[] end) throws DiskException {
        return read(header, file, end, null);
    }

    /**
     * Reads the table.
     *
     * @param end gets its end in the file, if it is not null
     * @param wanted the name or id of a snapshot that has its name, wherever it stands; or null
     */
    private static List<InternalSnapshot> read(Qcow2Header header, IoFile file, long[] end, String wanted)
            throws DiskException {
        List<InternalSnapshot> all = new ArrayList<>();
        long at = header.snapshotsOffset();
        for (int i = 0; i < header.snapshots(); i++) {
            Interruption.check(file.path());
            if (at - header.snapshotsOffset() > MAX_TABLE || at >= file.size()) {
                throw DiskException.corrupt(
                        file.path(),
                        "snapshot table entry " + i,
                        at,
                        "an entry past the end",
                        "a table of at most " + MAX_TABLE + " bytes inside the file");
            }
            ByteBuffer fixed = bytes(file, at, FIXED);
            long l1Offset = fixed.getLong(AT_L1_OFFSET);
            long l1Entries = Integer.toUnsignedLong(fixed.getInt(AT_L1_ENTRIES));
            int idLength = Short.toUnsignedInt(fixed.getShort(AT_ID_BYTES));
            int nameLength = Short.toUnsignedInt(fixed.getShort(AT_NAME_BYTES));
            long extra = Integer.toUnsignedLong(fixed.getInt(AT_EXTRA_BYTES));
            if (extra > MAX_EXTRA) {
                throw DiskException.corrupt(
                        file.path(),
                        "extra data size of snapshot " + i,
                        at + AT_EXTRA_BYTES,
                        extra,
                        "at most " + MAX_EXTRA);
            }
            if (l1Offset < header.clusterSize()
                    || l1Offset % header.clusterSize() != 0
                    || l1Offset > Long.MAX_VALUE / 4
                    || l1Entries > Qcow2Header.MAX_L1_ENTRIES) {
                throw DiskException.corrupt(
                        file.path(),
                        "L1 table of snapshot " + i,
                        at,
                        l1Entries + " entries at " + Long.toUnsignedString(l1Offset),
                        "a table inside the file");
            }
            ByteBuffer rest = bytes(file, at + FIXED, (int) extra + idLength + nameLength);
            long size = extra >= AT_DISK_SIZE + Long.BYTES ? rest.getLong(AT_DISK_SIZE) : header.size();
            long largest = l1Entries << Math.min(header.slotBits(), 40);
            if (size < 0 || header.slotBits() <= 40 && size > largest) {
                throw DiskException.corrupt(
                        file.path(),
                        "disk size of snapshot " + i,
                        at + FIXED + AT_DISK_SIZE,
                        Long.toUnsignedString(size),
                        "at most " + largest + ", as its L1 table has " + l1Entries + " entries");
            }
            String id = text(rest, (int) extra, idLength);
            String name = text(rest, (int) extra + idLength, nameLength);
            boolean named = i < NAMED || name.equals(wanted) || id.equals(wanted);
            all.add(new InternalSnapshot(
                    named ? shown(id) : null, named ? shown(name) : null, l1Offset, (int) l1Entries, size));
            if (name.equals(wanted)) {
                return List.of(all.get(i));
            }
            at += Alignment.up(FIXED + extra + idLength + nameLength, Long.BYTES);
        }
        if (end != null) {
            end[0] = at;
        }
        return all;
    }

    private static ByteBuffer bytes(IoFile file, long at, int length) throws DiskException {
        ByteBuffer bytes = ByteBuffer.allocate(length);
        try {
            file.readFully(bytes, at);
        } catch (IOException e) {
            throw DiskException.io(file.path(), "read the snapshot table", e);
        }
        return bytes.flip();
    }

    private static String text(ByteBuffer bytes, int at, int length) {
        return FileNames.text(bytes.slice(at, length));
    }

    private static String shown(String text) {
        return text.length() <= SHOWN_NAME ? text : text.substring(0, SHOWN_NAME);
    }

    /** Finds a snapshot by its name or id. */
    static InternalSnapshot find(Qcow2Header header, IoFile file, String wanted) throws DiskException {
        List<InternalSnapshot> all = read(header, file, null, wanted);
        if (all.size() == 1 && shown(wanted).equals(all.get(0).name())) {
            return all.get(0);
        }
        return all.stream()
                .filter(s -> wanted.equals(s.id()))
                .findFirst()
                .orElseThrow(() -> new DiskException(
                        Reason.BAD_OPTION,
                        file.path() + ": has no snapshot '" + wanted + "'; it has: " + list(all, false)));
    }

    /** Lists the first ones for the operator, and how many more there are. */
    static String list(List<InternalSnapshot> all, boolean withIds) {
        if (all.isEmpty()) {
            return "none";
        }
        List<String> named = all.stream()
                .filter(s -> s.name() != null)
                .map(s -> withIds ? s.id() + ":" + s.name() : s.name())
                .toList();
        return String.join(", ", named)
                + (named.size() == all.size() ? "" : " and " + (all.size() - named.size()) + " more");
    }
}
