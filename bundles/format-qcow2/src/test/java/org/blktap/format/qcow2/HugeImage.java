package org.blktap.format.qcow2;

import java.nio.ByteBuffer;
import java.nio.file.Path;
import java.util.Map;
import org.blktap.api.disk.DiskDriver.CheckReport;
import org.blktap.api.engine.ExtentList;
import org.blktap.api.engine.IoCallback;
import org.blktap.api.engine.IoFile;
import org.blktap.api.memory.Segments;

/** An image of 64 TiB in clusters of 2 MiB, all in use and one leaked, whose bytes are made when they are read. */
final class HugeImage implements IoFile {
    private static final int BITS = 21;
    private static final long CLUSTER = 1L << BITS;
    /** Of the disk. */
    static final long CLUSTERS = 64L << 40 >> BITS;

    private static final int PER_TABLE = (int) (CLUSTER / 8);
    private static final int PER_BLOCK = (int) (CLUSTER / 2);
    private static final int TABLES = (int) (CLUSTERS / PER_TABLE);
    private static final int FIRST_BLOCK = 2;
    private static final int BLOCKS = 33;
    private static final int L1 = FIRST_BLOCK + BLOCKS;
    private static final int FIRST_TABLE = L1 + 1;
    private static final int FIRST_DATA = FIRST_TABLE + TABLES;
    /** The last one is leaked. */
    private static final long ALL = FIRST_DATA + CLUSTERS + 1;

    private final ByteBuffer header;

    private HugeImage() throws Exception {
        header = new Qcow2Header(
                        3,
                        null,
                        BITS,
                        CLUSTERS << BITS,
                        TABLES,
                        (long) L1 << BITS,
                        CLUSTER,
                        1,
                        0,
                        0,
                        0,
                        0,
                        0,
                        4,
                        Qcow2Header.FULL_LENGTH,
                        0,
                        Map.of())
                .bytes();
    }

    public static void main(String[] arguments) throws Exception {
        HugeImage file = new HugeImage();
        CheckReport report = new Qcow2Check(Qcow2Header.read(file), file, null, false).run();
        System.out.println(
                "clusters=" + report.clusters() + " leaked=" + report.leaked() + " problems=" + report.problems());
    }

    @Override
    public void readFully(ByteBuffer into, long offset) {
        for (long at = offset; into.hasRemaining(); at += 8) {
            long word = word(at >> BITS, (int) (at & CLUSTER - 1) / 8);
            if (into.remaining() < 8) {
                while (into.hasRemaining()) {
                    into.put((byte) 0);
                }
            } else {
                into.putLong(word);
            }
        }
    }

    private long word(long cluster, int i) {
        if (cluster == 0) {
            return header.getLong(i * 8);
        } else if (cluster == 1) {
            return i < BLOCKS ? (long) FIRST_BLOCK + i << BITS : 0;
        } else if (cluster < L1) {
            long counts = 0;
            for (int j = 0; j < 4; j++) {
                counts = counts << 16 | ((cluster - FIRST_BLOCK) * PER_BLOCK + i * 4L + j < ALL ? 1 : 0);
            }
            return counts;
        } else if (cluster == L1) {
            return i < TABLES ? (long) FIRST_TABLE + i << BITS | Qcow2Entry.COPIED : 0;
        } else if (cluster < FIRST_DATA) {
            return FIRST_DATA + (cluster - FIRST_TABLE) * PER_TABLE + i << BITS | Qcow2Entry.COPIED;
        }
        return 0;
    }

    @Override
    public long size() {
        return ALL << BITS;
    }

    @Override
    public Path path() {
        return Path.of("/sim/huge.qcow2");
    }

    @Override
    public boolean writable() {
        return false;
    }

    @Override
    public boolean blockDevice() {
        return false;
    }

    @Override
    public int alignment() {
        return 1;
    }

    @Override
    public boolean zeroesOnDiscard() {
        return true;
    }

    @Override
    public void close() {
        // nothing is open
    }

    private static UnsupportedOperationException readOnly() {
        return new UnsupportedOperationException("a check that repairs nothing only reads, and blocks");
    }

    @Override
    public void read(long offset, Segments into, long skip, long length, IoCallback done) {
        throw readOnly();
    }

    @Override
    public void write(long offset, Segments from, long skip, long length, IoCallback done) {
        throw readOnly();
    }

    @Override
    public void flush(IoCallback done) {
        throw readOnly();
    }

    @Override
    public void discard(long offset, long length, IoCallback done) {
        throw readOnly();
    }

    @Override
    public void zero(long offset, long length, boolean unmap, IoCallback done) {
        throw readOnly();
    }

    @Override
    public void truncate(long size, IoCallback done) {
        throw readOnly();
    }

    @Override
    public void map(long offset, long length, ExtentList into, IoCallback done) {
        throw readOnly();
    }

    @Override
    public void writeFully(ByteBuffer from, long offset) {
        throw readOnly();
    }

    @Override
    public void truncateNow(long size) {
        throw readOnly();
    }

    @Override
    public void flushNow() {
        throw readOnly();
    }
}
