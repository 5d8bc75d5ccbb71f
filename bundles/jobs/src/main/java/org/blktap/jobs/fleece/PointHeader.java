package org.blktap.jobs.fleece;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import org.blktap.api.disk.DiskException;
import org.blktap.api.disk.DiskInfo;
import org.blktap.api.memory.Alignment;
import org.blktap.linux.ProcFile;

/** The first page of a {@link PointFile}, as a copy or mapped. Big-endian. */
final class PointHeader {
    static final int BYTES = Alignment.PAGE;

    private static final long MAGIC = 0x42_54_50_4f_49_4e_54_31L; // BTPOINT1
    private static final int STATE_AT = 8;
    private static final int RANGE_AT = 12;
    private static final int SIZE_AT = 16;
    private static final int BLOCK_AT = 24;
    private static final int PHYSICAL_AT = 28;
    private static final int NOTED_AT = 32;
    // texts: one byte with the length, then UTF-8
    private static final int BOOT_AT = 64;
    private static final int OWNER_AT = 128;
    private static final int NAME_AT = 256;
    private static final int SINCE_AT = 512;
    private static final int REASON_AT = 1024;
    private static final int TEXT_MAX = 255;

    private static final Path BOOT_ID = Path.of("/proc/sys/kernel/random/boot_id");

    private final ByteBuffer page;

    /** The state of a point in time. */
    enum State {
        /** Asked for; the filter is not open yet. */
        ASKED,
        /** The disk is guarded from its first request on. */
        BEGUN,
        /** Its contents are lost. */
        LOST
    }

    /**
     * The properties of a point in time.
     *
     * @param range bytes that are saved as a unit, a power of two
     * @param owner mark of the run of the bundle on which it depends; empty if it survives the daemon
     * @param since the bitmap whose bits it uses; empty for none
     */
    record Asked(String name, int range, String owner, String since) {}

    private PointHeader(ByteBuffer page) {
        this.page = page;
    }

    /** Returns the page of a new point in time. */
    static byte[] of(Asked asked) throws DiskException {
        ByteBuffer page = ByteBuffer.allocate(BYTES);
        page.putLong(0, MAGIC);
        page.putInt(STATE_AT, State.ASKED.ordinal());
        page.putInt(RANGE_AT, asked.range());
        PointHeader header = new PointHeader(page);
        header.put(BOOT_AT, bootId());
        header.put(OWNER_AT, asked.owner());
        header.put(NAME_AT, asked.name());
        header.put(SINCE_AT, asked.since());
        return page.array();
    }

    /** Reads the page of a point in time. */
    static PointHeader in(ByteBuffer page, Path file) throws DiskException {
        PointHeader header = new PointHeader(page);
        if (page.getLong(0) != MAGIC) {
            throw DiskException.corrupt(file, "magic", 0, Long.toHexString(page.getLong(0)), Long.toHexString(MAGIC));
        }
        if (header.range() < Alignment.SECTOR || Integer.bitCount(header.range()) != 1) {
            throw DiskException.corrupt(file, "range", RANGE_AT, header.range(), "a power of two");
        }
        if (header.sizeBytes() < 0 || !Alignment.isAligned(header.sizeBytes(), Alignment.SECTOR)) {
            throw DiskException.corrupt(file, "size", SIZE_AT, header.sizeBytes(), "whole sectors");
        }
        return header;
    }

    private static String bootId() throws DiskException {
        try {
            return ProcFile.read(BOOT_ID);
        } catch (IOException e) {
            throw DiskException.io(BOOT_ID, "read", e);
        }
    }

    private void put(int at, String text) {
        byte[] bytes = text.getBytes(StandardCharsets.UTF_8);
        int length = Math.min(bytes.length, TEXT_MAX);
        page.put(at, (byte) length);
        for (int i = 0; i < length; i++) {
            page.put(at + 1 + i, bytes[i]);
        }
    }

    private String text(int at) {
        byte[] bytes = new byte[page.get(at) & TEXT_MAX];
        for (int i = 0; i < bytes.length; i++) {
            bytes[i] = page.get(at + 1 + i);
        }
        return new String(bytes, StandardCharsets.UTF_8);
    }

    State state() {
        int state = page.getInt(STATE_AT);
        return state == State.ASKED.ordinal() ? State.ASKED : state == State.BEGUN.ordinal() ? State.BEGUN : State.LOST;
    }

    /** Returns why the point in time is lost. */
    String reason() {
        return text(REASON_AT);
    }

    String name() {
        return text(NAME_AT);
    }

    String owner() {
        return text(OWNER_AT);
    }

    String since() {
        return text(SINCE_AT);
    }

    int range() {
        return page.getInt(RANGE_AT);
    }

    long sizeBytes() {
        return page.getLong(SIZE_AT);
    }

    boolean isOfThisBoot() throws DiskException {
        return bootId().equals(text(BOOT_AT));
    }

    /** Returns what a reader sees of the disk. */
    DiskInfo info() {
        DiskInfo info = DiskInfo.ofSize(sizeBytes())
                .withBlocks(page.getInt(BLOCK_AT), page.getInt(PHYSICAL_AT))
                .withReadOnly(true);
        return page.getInt(NOTED_AT) == 0 ? info : info.withContext("dirty-bitmap:" + since());
    }

    /** Records that the filter is open on a disk. */
    void begin(DiskInfo disk) {
        page.putLong(SIZE_AT, disk.sizeBytes());
        page.putInt(BLOCK_AT, disk.blockSize());
        page.putInt(PHYSICAL_AT, disk.physicalBlockSize());
        page.putInt(STATE_AT, State.BEGUN.ordinal());
    }

    /** Records that the file has the changes since the bitmap was cleared. */
    void noted() {
        page.putInt(NOTED_AT, 1);
    }

    void lose(String reason) {
        put(REASON_AT, reason);
        page.putInt(STATE_AT, State.LOST.ordinal());
    }
}
