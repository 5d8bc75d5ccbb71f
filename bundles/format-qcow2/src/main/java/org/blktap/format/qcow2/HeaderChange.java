package org.blktap.format.qcow2;

import static org.blktap.api.memory.Alignment.SECTOR;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.LinkedHashMap;
import java.util.Map;
import org.blktap.api.disk.DiskException;
import org.blktap.api.disk.DiskException.Reason;
import org.blktap.api.disk.FileNames;
import org.blktap.api.engine.IoFile;
import org.blktap.api.memory.Alignment;

/**
 * Changes header extensions and the name of the backing file. A name that does not fit into the first sector goes to a
 * part of the header's cluster that is not in use, and is made durable; then one write of the first sector changes all
 * that there is together. Blocking, while nobody else writes the image.
 */
final class HeaderChange {
    private final IoFile file;
    private final Qcow2Header header;
    /** The first cluster. */
    private final ByteBuffer cluster;
    /** The end of the header extensions, with their end mark. */
    private final int extensionsEnd;

    private final boolean endMarked;
    private final int oldName;
    private final int oldNameEnd;

    HeaderChange(IoFile file) throws DiskException {
        this.file = file;
        header = Qcow2Header.read(file);
        if (header.has(Qcow2Header.CORRUPT)) {
            throw new DiskException(
                    Reason.CORRUPT, file.path() + ": is marked as corrupt; repair it first: blktap check --repair");
        }
        cluster = ByteBuffer.allocate(header.clusterSize());
        try {
            file.readFully(cluster, 0);
        } catch (IOException e) {
            throw DiskException.io(file.path(), "read the header", e);
        }
        cluster.clear();
        oldName = (int) cluster.getLong(Qcow2Header.AT_BACKING_OFFSET);
        oldNameEnd = oldName == 0 ? 0 : oldName + cluster.getInt(Qcow2Header.AT_BACKING_SIZE);
        int at = header.length();
        int limit = oldName == 0 ? cluster.capacity() : oldName;
        while (at + Qcow2Header.EXT_BYTES <= limit && cluster.getInt(at) != Qcow2Header.EXT_END) {
            // the header was read: they end inside the cluster
            at += Qcow2Header.EXT_BYTES + Alignment.up(cluster.getInt(at + Qcow2Header.AT_EXT_LENGTH), Long.BYTES);
        }
        endMarked = at + Qcow2Header.EXT_BYTES <= limit;
        extensionsEnd = endMarked ? at + Qcow2Header.EXT_BYTES : at;
    }

    /**
     * Gives the image another backing file, or none. Without one, a format that cannot be removed stays, and is
     * ignored.
     *
     * @param name as the image gets it, or null for none
     * @param format QEMU's name of its format, or null with it
     */
    void backing(String name, String format) throws DiskException {
        if (name != null && (header.autoclear() & Qcow2Header.RAW_EXTERNAL) != 0) {
            throw new DiskException(
                    Reason.UNSUPPORTED,
                    file.path() + ": its raw data file holds the whole disk: it has no backing file");
        }
        byte[] text = format == null ? null : format.getBytes(StandardCharsets.UTF_8);
        ByteBuffer sector = firstSector();
        int end = compose(sector, Qcow2Header.EXT_BACKING_FORMAT, text);
        if (end == 0) {
            sector = firstSector();
            end = inPlace(sector, Qcow2Header.EXT_BACKING_FORMAT, text, "another backing file");
        }
        write(sector, end, name, "change the name of its backing file");
    }

    /**
     * Sets or removes the bitmaps extension.
     *
     * @param data null to remove it
     * @param autoclear the feature bits that the header has with it
     */
    void bitmaps(byte[] data, long autoclear) throws DiskException {
        ByteBuffer sector = firstSector();
        int end = compose(sector, Qcow2Header.EXT_BITMAPS, data);
        if (end == 0) {
            // without the feature bit, one that stays is not valid
            sector = firstSector();
            end = inPlace(sector, Qcow2Header.EXT_BITMAPS, data, "bitmaps");
        }
        sector.putLong(Qcow2Header.AT_AUTOCLEAR, autoclear);
        write(sector, end, header.backingName(), "change the bitmaps in its header");
    }

    private ByteBuffer firstSector() {
        return ByteBuffer.allocate(SECTOR).put(cluster.slice(0, SECTOR)).clear();
    }

    private void write(ByteBuffer sector, int end, String name, String what) throws DiskException {
        try {
            byte[] bytes = name == null ? new byte[0] : FileNames.bytes(name);
            int at = 0;
            if (name != null && end + bytes.length <= SECTOR) {
                at = end;
                sector.put(at, bytes);
            } else if (name != null) {
                at = room(Math.max(Math.max(end, extensionsEnd), SECTOR), bytes.length);
                file.writeFully(ByteBuffer.wrap(bytes), at);
                file.flushNow();
            }
            sector.putLong(Qcow2Header.AT_BACKING_OFFSET, at).putInt(Qcow2Header.AT_BACKING_SIZE, bytes.length);
            file.writeFully(sector.clear(), 0);
            file.flushNow();
        } catch (IOException e) {
            throw DiskException.io(file.path(), what, e);
        }
    }

    /**
     * Makes a first sector that has all extensions, one of them with other data or not at all, without the names of
     * features if these do not fit. Returns the end of the extensions, or 0 if they do not fit.
     */
    private int compose(ByteBuffer sector, int changed, byte[] to) {
        Map<Integer, byte[]> extensions = new LinkedHashMap<>();
        if (to != null) {
            extensions.put(changed, to);
        }
        header.extensions().forEach((type, data) -> {
            if (type != changed && type != Qcow2Header.EXT_FEATURE_NAMES) {
                extensions.put(type, data);
            }
        });
        byte[] features = header.extensions().get(Qcow2Header.EXT_FEATURE_NAMES);
        if (features != null && bytes(extensions) + bytes(Map.of(0, features)) <= SECTOR - header.length()) {
            extensions.put(Qcow2Header.EXT_FEATURE_NAMES, features);
        }
        int at = header.length();
        if (at + bytes(extensions) + Qcow2Header.EXT_BYTES > SECTOR) {
            return 0;
        }
        sector.put(at, new byte[SECTOR - at]);
        for (Map.Entry<Integer, byte[]> extension : extensions.entrySet()) {
            sector.putInt(at, extension.getKey()).putInt(at + Qcow2Header.AT_EXT_LENGTH, extension.getValue().length);
            sector.put(at + Qcow2Header.EXT_BYTES, extension.getValue());
            at += Qcow2Header.EXT_BYTES + Alignment.up(extension.getValue().length, Long.BYTES);
        }
        return at + Qcow2Header.EXT_BYTES;
    }

    private static int bytes(Map<Integer, byte[]> extensions) {
        return extensions.values().stream()
                .mapToInt(data -> Qcow2Header.EXT_BYTES + Alignment.up(data.length, Long.BYTES))
                .sum();
    }

    /**
     * Changes one extension where it is, in the first sector; one that must go stays. Returns the end of the
     * extensions.
     *
     * @param what it is for
     */
    private int inPlace(ByteBuffer sector, int type, byte[] data, String what) throws DiskException {
        int at = find(type);
        int room = at == 0 ? 0 : Alignment.up(cluster.getInt(at + Qcow2Header.AT_EXT_LENGTH), Long.BYTES);
        boolean fits = data == null
                || at != 0
                        && at + Qcow2Header.EXT_BYTES + room <= SECTOR
                        && Alignment.up(data.length, Long.BYTES) == room;
        if (!endMarked || !fits) {
            throw new DiskException(
                    Reason.UNSUPPORTED,
                    file.path() + ": its header extensions, which are longer than " + SECTOR
                            + " bytes, leave no room for " + what + "; qemu-img rebase -u moves them");
        }
        if (data != null) {
            sector.putInt(at + Qcow2Header.AT_EXT_LENGTH, data.length);
            sector.put(at + Qcow2Header.EXT_BYTES, new byte[room]).put(at + Qcow2Header.EXT_BYTES, data);
        }
        return extensionsEnd;
    }

    /** Returns where the last extension of a type is; 0 if there is none. */
    private int find(int type) {
        int found = 0;
        for (int at = header.length(); at < extensionsEnd && cluster.getInt(at) != Qcow2Header.EXT_END; ) {
            found = cluster.getInt(at) == type ? at : found;
            at += Qcow2Header.EXT_BYTES + Alignment.up(cluster.getInt(at + Qcow2Header.AT_EXT_LENGTH), Long.BYTES);
        }
        return found;
    }

    /** Finds a place for a name, beside the old one, after {@code from}. */
    private int room(int from, int length) throws DiskException {
        int at = from + length <= oldName || from >= oldNameEnd ? from : Math.max(from, oldNameEnd);
        if (at + length > cluster.capacity()) {
            throw new DiskException(
                    Reason.UNSUPPORTED,
                    file.path() + ": the header's cluster of " + cluster.capacity()
                            + " bytes has no room for another backing file's name of " + length + " bytes");
        }
        return at;
    }
}
