package org.blktap.format.qcow;

import static org.blktap.api.memory.Alignment.PAGE;
import static org.blktap.api.memory.Alignment.SECTOR;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import org.blktap.api.disk.DiskContext;
import org.blktap.api.disk.DiskException;
import org.blktap.api.disk.DiskException.Reason;
import org.blktap.api.disk.DiskInfo;
import org.blktap.api.disk.FileNames;
import org.blktap.api.disk.Options;
import org.blktap.api.disk.TapSpec;
import org.blktap.api.disk.VirtualDisk;
import org.blktap.api.engine.IoFile;
import org.blktap.api.memory.Alignment;
import org.blktap.image.BackingName;
import org.blktap.image.QemuName;

/**
 * Makes an empty image. Standalone it has the geometry of Xen's tools: clusters of 4 KiB, slots of 2 MiB that are
 * allocated as one, and the extension that says so.
 */
final class QcowCreate {
    private static final int CLUSTER_BITS = 12;
    /** An L2 table of 4 KiB, a slot of 2 MiB. */
    private static final int STANDALONE_L2_BITS = 9;
    /** An L2 table of 32 KiB, a slot of 16 MiB. */
    private static final int OVERLAY_L2_BITS = 12;

    private QcowCreate() {}

    static void create(Path path, long sizeBytes, TapSpec backing, DiskContext context) throws DiskException {
        int clusterBits = clusterBits(context.options());
        byte[] name = null;
        long size = sizeBytes;
        if (backing != null) {
            String named = backingName(path, backing);
            name = FileNames.bytes(QemuName.encode(backing.type(), named));
            // opened as an attach opens it: an image that cannot be attached is not made
            try (VirtualDisk below =
                    context.openBacking(backing.type(), context.confineBacking(backing.type(), path, named))) {
                size = sizeBytes == -1 ? below.info().sizeBytes() : sizeBytes;
            }
        } else if (size == -1) {
            throw new DiskException(Reason.BAD_OPTION, path + ": a size is needed, or a backing file to take it from");
        }
        QcowHeader header = header(
                path,
                size,
                clusterBits,
                name == null ? STANDALONE_L2_BITS : OVERLAY_L2_BITS,
                name == null && clusterBits == CLUSTER_BITS,
                name);
        try (IoFile file = context.createFile(path)) {
            file.writeFully(header.bytes(name), 0);
            // the L1 table is all holes
            file.truncateNow(Alignment.up(header.metadataEnd(), header.clusterSize()));
            file.flushNow();
        } catch (IOException e) {
            throw DiskException.io(path, "create", e);
        }
    }

    /** Returns the name of a backing file, without the mark of one that looks like a protocol. */
    static String backingName(Path path, TapSpec backing) throws DiskException {
        String name = BackingName.of(path, backing);
        int length = FileNames.bytes(QemuName.encode(backing.type(), name)).length;
        if (length > QcowHeader.MAX_BACKING_NAME) {
            throw new DiskException(
                    Reason.BAD_OPTION,
                    path + ": the backing file's name is " + length + " bytes long, more than "
                            + QcowHeader.MAX_BACKING_NAME);
        }
        return name;
    }

    /** Makes an image for compressed clusters. They are written one by one, so it has none of Xen's coarse slots. */
    static QcowCompressed compressed(Path path, long size, DiskContext context) throws DiskException {
        QcowHeader header = header(path, size, clusterBits(context.options()), OVERLAY_L2_BITS, false, null);
        IoFile file = context.createFile(path);
        try {
            file.writeFully(header.bytes(null), 0);
            return new QcowCompressed(header, file);
        } catch (IOException e) {
            throw DiskException.io(path, "create", e);
        }
    }

    private static int clusterBits(Options options) throws DiskException {
        long wanted = options.size("cluster-size", 1 << CLUSTER_BITS);
        int bits = Long.numberOfTrailingZeros(wanted);
        if (Long.bitCount(wanted) != 1 || bits < QcowHeader.MIN_CLUSTER_BITS || bits > QcowHeader.MAX_CLUSTER_BITS) {
            throw Options.bad("cluster-size", Long.toString(wanted), "a power of two from 512 to 64K");
        }
        return bits;
    }

    private static QcowHeader header(Path path, long size, int clusterBits, int l2Bits, boolean coarse, byte[] name)
            throws DiskException {
        long largest = QcowHeader.MAX_L1_ENTRIES << clusterBits + l2Bits;
        DiskInfo.checkSize(path, size, SECTOR, SECTOR, largest);
        int afterHeader = QcowHeader.XEN_OFFSET + QcowHeader.XEN_BYTES;
        long l1Offset = Alignment.up(afterHeader + (name == null ? 0 : name.length), PAGE);
        QcowHeader plain = new QcowHeader(
                name == null ? 0 : afterHeader,
                name == null ? 0 : name.length,
                size,
                clusterBits,
                l2Bits,
                l1Offset,
                null);
        return new QcowHeader(
                plain.backingOffset(),
                plain.backingLength(),
                size,
                clusterBits,
                l2Bits,
                l1Offset,
                new QcowHeader.XenExtension(
                        checksumOfZeros(8L * plain.l1Entries()),
                        coarse ? plain.l2Entries() : 1,
                        QcowHeader.XEN_FLAG_SPARSE | QcowHeader.XEN_FLAG_BIG_ENDIAN_L1));
    }

    private static int checksumOfZeros(long bytes) {
        try {
            MessageDigest md5 = MessageDigest.getInstance("MD5");
            byte[] zeros = new byte[8192];
            for (long left = bytes; left > 0; left -= zeros.length) {
                md5.update(zeros, 0, (int) Math.min(left, zeros.length));
            }
            return ByteBuffer.wrap(md5.digest()).order(ByteOrder.LITTLE_ENDIAN).getInt();
        } catch (NoSuchAlgorithmException e) {
            throw new IllegalStateException("every Java has MD5", e);
        }
    }
}
