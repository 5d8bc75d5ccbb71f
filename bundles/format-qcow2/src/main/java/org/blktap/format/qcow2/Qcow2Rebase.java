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
 * Gives an image another backing file, or none. The new name goes to a part of the header's cluster that is not in use,
 * and is made durable; then one write of the first sector changes the name's place and the format extension together.
 * Blocking, on a control thread.
 */
final class Qcow2Rebase {
    private final IoFile file;
    private final Qcow2Header header;
    /** The first cluster. */
    private final ByteBuffer cluster;
    /** The end of the header extensions, with their end mark. */
    private final int extensionsEnd;

    private final boolean endMarked;
    /** The format extension, or 0 if there is none. */
    private final int formatAt;

    private final int oldName;
    private final int oldNameEnd;

    Qcow2Rebase(IoFile file) throws DiskException {
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
        int format = 0;
        while (at + Qcow2Header.EXT_BYTES <= limit && cluster.getInt(at) != Qcow2Header.EXT_END) {
            format = cluster.getInt(at) == Qcow2Header.EXT_BACKING_FORMAT ? at : format;
            // the header was read: they end inside the cluster
            at += Qcow2Header.EXT_BYTES + Alignment.up(cluster.getInt(at + Qcow2Header.AT_EXT_LENGTH), Long.BYTES);
        }
        endMarked = at + Qcow2Header.EXT_BYTES <= limit;
        extensionsEnd = endMarked ? at + Qcow2Header.EXT_BYTES : at;
        formatAt = format;
    }

    /**
     * Changes the header.
     *
     * @param name as the image gets it, or null for none
     * @param format QEMU's name of its format, or null with it
     */
    void run(String name, String format) throws DiskException {
        if (name != null && (header.autoclear() & Qcow2Header.RAW_EXTERNAL) != 0) {
            throw new DiskException(
                    Reason.UNSUPPORTED,
                    file.path() + ": its raw data file holds the whole disk: it has no backing file");
        }
        ByteBuffer sector =
                ByteBuffer.allocate(SECTOR).put(cluster.slice(0, SECTOR)).clear();
        int end = compose(sector, format);
        if (end == 0) {
            sector.put(cluster.slice(0, SECTOR)).clear();
            end = inPlace(sector, format);
        }
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
            throw DiskException.io(file.path(), "change the name of its backing file", e);
        }
    }

    /**
     * Makes a first sector that has all extensions, without the names of features if these do not fit. Returns the end
     * of the extensions, or 0 if they do not fit.
     */
    private int compose(ByteBuffer sector, String format) {
        Map<Integer, byte[]> extensions = new LinkedHashMap<>();
        if (format != null) {
            extensions.put(Qcow2Header.EXT_BACKING_FORMAT, format.getBytes(StandardCharsets.UTF_8));
        }
        header.extensions().forEach((type, data) -> {
            if (type != Qcow2Header.EXT_BACKING_FORMAT && type != Qcow2Header.EXT_FEATURE_NAMES) {
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
     * Changes the format extension where it is. Without a backing file it is ignored, and stays. Returns the end of the
     * extensions.
     */
    private int inPlace(ByteBuffer sector, String format) throws DiskException {
        int room = formatAt == 0 ? 0 : Alignment.up(cluster.getInt(formatAt + Qcow2Header.AT_EXT_LENGTH), Long.BYTES);
        byte[] text = format == null ? new byte[0] : format.getBytes(StandardCharsets.UTF_8);
        boolean fits = format == null
                || formatAt != 0
                        && formatAt + Qcow2Header.EXT_BYTES + room <= SECTOR
                        && Alignment.up(text.length, Long.BYTES) == room;
        if (!endMarked || !fits) {
            throw new DiskException(
                    Reason.UNSUPPORTED,
                    file.path() + ": its header extensions, which are longer than " + SECTOR
                            + " bytes, leave no room for another backing file; qemu-img rebase -u moves them");
        }
        if (format != null) {
            sector.putInt(formatAt + Qcow2Header.AT_EXT_LENGTH, text.length);
            sector.put(formatAt + Qcow2Header.EXT_BYTES, new byte[room]).put(formatAt + Qcow2Header.EXT_BYTES, text);
        }
        return extensionsEnd;
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
