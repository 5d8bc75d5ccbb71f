package org.blktap.jobs.fleece;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.FileAttribute;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.List;
import java.util.Set;
import org.blktap.api.disk.DiskException;
import org.blktap.api.disk.DiskException.Reason;
import org.blktap.api.disk.DiskInfo;
import org.blktap.api.engine.CloseOnFailure;
import org.blktap.api.engine.Errno;
import org.blktap.api.memory.Alignment;
import org.blktap.jobs.bits.MappedBits;
import org.blktap.linux.Libc;
import org.blktap.linux.Mapping;
import org.blktap.linux.ProcFile;

/**
 * The two files of a point in time: {@code <id>.point}, mapped, with a header and the bits, and {@code <id>.scratch},
 * sparse, with old data at the offsets that it has on the disk. What is in them outlives the process; it does not
 * outlive the boot, and says so. One thread at a time, except for the scratch file.
 */
final class PointFile implements AutoCloseable {
    private static final long MAGIC = 0x42_54_50_4f_49_4e_54_31L; // BTPOINT1
    private static final int HEADER = Alignment.PAGE;
    private static final int STATE_AT = 8;
    private static final int RANGE_AT = 12;
    private static final int SIZE_AT = 16;
    private static final int BLOCK_AT = 24;
    private static final int PHYSICAL_AT = 28;
    private static final int BOOT_AT = 64;
    private static final int OWNER_AT = 128;
    private static final int NAME_AT = 256;
    private static final int SINCE_AT = 512;
    private static final int REASON_AT = 1024;
    private static final int TEXT_MAX = 255;

    /** Others must not read what a disk had. */
    private static final FileAttribute<?> OWN =
            PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rw-------"));

    /** What the file says of the point in time. */
    enum State {
        /** Asked for; the filter is not open yet. */
        ASKED,
        /** The disk is guarded from its first request on. */
        BEGUN,
        /** Given up: its contents are lost. */
        LOST
    }

    /**
     * What a point in time is.
     *
     * @param range bytes that are saved as one, a power of two
     * @param owner a mark of what cannot go on without it, in this run of the bundle; empty if it outlives the daemon
     */
    record Asked(String name, int range, String owner) {}

    private final Mapping map;
    private final ByteBuffer header;
    private final int scratch;
    private final long ranges;
    /** Ranges that need no saving any more. */
    final RangeBits settled;
    /** Of these, those whose old data is kept. */
    final RangeBits saved;
    /** Of these, those that are in the scratch file; the others are zeros. */
    final RangeBits stored;
    /** Ranges that have changed since the bitmap was cleared. */
    final RangeBits changed;

    private PointFile(Mapping map, int scratch) {
        this.map = map;
        this.header = map.bytes(0, HEADER);
        this.scratch = scratch;
        ranges = ranges(sizeBytes(), range());
        long bytes = RangeBits.bytes(ranges);
        long at = map.address() + HEADER;
        settled = new RangeBits(at, ranges);
        saved = new RangeBits(at + bytes, ranges);
        stored = new RangeBits(at + 2 * bytes, ranges);
        changed = new RangeBits(at + 3 * bytes, ranges);
    }

    private static long ranges(long size, int range) {
        return Alignment.units(size, range);
    }

    private static Path point(Path directory, String id) {
        return directory.resolve(id + ".point");
    }

    private static Path scratch(Path directory, String id) {
        return directory.resolve(id + ".scratch");
    }

    /** Makes the files of a point in time that the filter then begins. */
    static void ask(Path directory, String id, Asked asked) throws DiskException {
        ByteBuffer page = ByteBuffer.allocate(HEADER);
        page.putLong(0, MAGIC);
        page.putInt(STATE_AT, State.ASKED.ordinal());
        page.putInt(RANGE_AT, asked.range());
        put(page, BOOT_AT, bootId());
        put(page, OWNER_AT, asked.owner());
        put(page, NAME_AT, asked.name());
        try {
            Files.createDirectories(directory);
            remove(directory, id);
            Files.createFile(scratch(directory, id), OWN);
            Files.createFile(point(directory, id), OWN);
            Files.write(point(directory, id), page.array());
        } catch (IOException e) {
            throw DiskException.io(point(directory, id), "make", e);
        }
    }

    /** Removes the files, if they are there. */
    static void remove(Path directory, String id) throws DiskException {
        for (Path each : List.of(point(directory, id), scratch(directory, id))) {
            try {
                Files.deleteIfExists(each);
            } catch (IOException e) {
                throw DiskException.io(each, "remove", e);
            }
        }
    }

    /** Removes the files of all attachments but these. */
    static void removeOthers(Path directory, Set<String> ids) throws DiskException {
        if (!Files.isDirectory(directory)) {
            return;
        }
        try (DirectoryStream<Path> files = Files.newDirectoryStream(directory, "*.{point,scratch}")) {
            for (Path each : files) {
                String name = each.getFileName().toString();
                if (!ids.contains(name.substring(0, name.lastIndexOf('.')))) {
                    Files.deleteIfExists(each);
                }
            }
        } catch (IOException e) {
            throw DiskException.io(directory, "remove old files", e);
        }
    }

    /**
     * What a reader sees of the disk, as it was at the point in time, without a look at the disk itself.
     *
     * @throws DiskException NOT_FOUND if there is no point in time of the name, or it is lost
     */
    static DiskInfo info(Path directory, String id, String name) throws DiskException {
        ByteBuffer page = header(directory, id);
        if (!name.isEmpty() && !name.equals(text(page, NAME_AT))) {
            throw new DiskException(
                    Reason.NOT_FOUND,
                    "attachment '" + id + "' has no point in time '" + name + "' but '" + text(page, NAME_AT) + "'");
        }
        if (state(page) != State.BEGUN) {
            throw new DiskException(
                    Reason.NOT_FOUND,
                    "the point in time '" + text(page, NAME_AT) + "' of attachment '" + id + "' "
                            + (state(page) == State.LOST ? "is lost: " + text(page, REASON_AT) : "has not begun"));
        }
        DiskInfo info = DiskInfo.ofSize(page.getLong(SIZE_AT))
                .withBlocks(page.getInt(BLOCK_AT), page.getInt(PHYSICAL_AT))
                .withReadOnly(true);
        String since = text(page, SINCE_AT);
        return since.isEmpty() ? info : info.withContext("dirty-bitmap:" + since);
    }

    /** Why a point in time is lost; empty if it is not, or is not there. */
    static String lostReason(Path directory, String id) {
        try {
            ByteBuffer page = header(directory, id);
            return state(page) == State.LOST ? text(page, REASON_AT) : "";
        } catch (DiskException e) {
            return "";
        }
    }

    /** The bitmap whose bits a point in time has; empty for none, and if it is not there. */
    static String since(Path directory, String id) {
        try {
            return text(header(directory, id), SINCE_AT);
        } catch (DiskException e) {
            return "";
        }
    }

    /**
     * Notes what has changed before the point in time. Before anybody reads it; the disk may be open.
     *
     * @param since the bitmap
     * @param bits do not change meanwhile
     */
    static void note(Path directory, String id, String since, MappedBits bits) throws DiskException {
        Path path = point(directory, id);
        int fd = Libc.open(path.toString(), Libc.O_RDWR | Libc.O_CLOEXEC, 0);
        if (fd < 0) {
            throw new DiskException(Reason.NOT_FOUND, path + ": " + Errno.text(Libc.errno()));
        }
        try (PointFile file = mapped(path, fd, -1)) {
            long size = file.sizeBytes();
            for (long at = bits.nextSet(0); at >= 0 && at < size; at = bits.nextSet(at)) {
                long end = Math.min(size, bits.nextClear(at));
                file.changed.put(at / file.range(), (end - 1) / file.range() + 1, true);
                at = end;
            }
            if (bits.diskBytes() < size) {
                file.changed.put(bits.diskBytes() / file.range(), file.ranges(), true);
            }
            put(file.header, SINCE_AT, since);
        } finally {
            Libc.close(fd);
        }
    }

    private static ByteBuffer header(Path directory, String id) throws DiskException {
        ByteBuffer page = ByteBuffer.allocate(HEADER);
        try (FileChannel file = FileChannel.open(point(directory, id), StandardOpenOption.READ)) {
            while (page.hasRemaining() && file.read(page) > 0) {
                // until it is full or the file ends
            }
        } catch (IOException e) {
            throw new DiskException(Reason.NOT_FOUND, "attachment '" + id + "' has no point in time", e);
        }
        if (page.hasRemaining() || page.getLong(0) != MAGIC) {
            throw DiskException.corrupt(point(directory, id), "header", 0, "something else", "BTPOINT1");
        }
        return page;
    }

    /**
     * Opens the files for the filter, and completes them if the point in time begins.
     *
     * @param disk what it is of
     * @param owner the mark of this run of the bundle
     * @throws DiskException if there is nothing that could be used
     */
    static PointFile open(Path directory, String id, String name, DiskInfo disk, String owner) throws DiskException {
        Path path = point(directory, id);
        int fd = Libc.open(path.toString(), Libc.O_RDWR | Libc.O_CLOEXEC, 0);
        if (fd < 0) {
            throw new DiskException(Reason.NOT_FOUND, path + ": " + Errno.text(Libc.errno()));
        }
        try {
            PointFile opened = open(directory, id, fd, disk);
            if (!name.equals(text(opened.header, NAME_AT))) {
                opened.close();
                throw new DiskException(Reason.NOT_FOUND, path + ": is of '" + text(opened.header, NAME_AT) + "'");
            }
            String of = text(opened.header, OWNER_AT);
            if (!bootId().equals(text(opened.header, BOOT_AT))) {
                opened.lose("the host has been started anew since");
                opened.empty();
            } else if (!of.isEmpty() && !of.equals(owner)) {
                opened.lose("what it was for has ended with the daemon");
                opened.empty();
            }
            return opened;
        } finally {
            Libc.close(fd);
        }
    }

    private static PointFile open(Path directory, String id, int fd, DiskInfo disk) throws DiskException {
        Path path = point(directory, id);
        try (Mapping first = Mapping.ofFile(fd, 0, HEADER)) {
            if (first == null) {
                throw new DiskException(Reason.IO, path + ": mmap: " + Errno.text(Libc.errno()));
            }
            ByteBuffer header = first.bytes(0, HEADER);
            if (header.getLong(0) != MAGIC) {
                throw DiskException.corrupt(path, "header", 0, Long.toHexString(header.getLong(0)), "BTPOINT1");
            }
            if (state(header) == State.ASKED) {
                // all of it has space: a mapped page without any would end the process
                if (Libc.fallocate(fd, 0, 0, bytes(disk.sizeBytes(), header.getInt(RANGE_AT))) != 0) {
                    throw new DiskException(Reason.NO_SPACE, path + ": " + Errno.text(Libc.errno()));
                }
                header.putLong(SIZE_AT, disk.sizeBytes());
                header.putInt(BLOCK_AT, disk.blockSize());
                header.putInt(PHYSICAL_AT, disk.physicalBlockSize());
                header.putInt(STATE_AT, State.BEGUN.ordinal());
            }
        }
        Path data = scratch(directory, id);
        int scratch = Libc.open(data.toString(), Libc.O_RDWR | Libc.O_CLOEXEC, 0);
        if (scratch < 0) {
            throw new DiskException(Reason.NOT_FOUND, data + ": " + Errno.text(Libc.errno()));
        }
        try (CloseOnFailure opened = new CloseOnFailure(() -> Libc.close(scratch))) {
            return opened.keep(mapped(path, fd, scratch));
        }
    }

    private static PointFile mapped(Path path, int fd, int scratch) throws DiskException {
        try (Mapping header = Mapping.ofFile(fd, 0, HEADER)) {
            if (header == null) {
                throw new DiskException(Reason.IO, path + ": mmap: " + Errno.text(Libc.errno()));
            }
            ByteBuffer fields = header.bytes(0, HEADER);
            long bytes = bytes(fields.getLong(SIZE_AT), fields.getInt(RANGE_AT));
            Mapping map = Mapping.ofFile(fd, 0, bytes);
            if (map == null) {
                throw new DiskException(Reason.IO, path + ": mmap: " + Errno.text(Libc.errno()));
            }
            return new PointFile(map, scratch);
        }
    }

    private static long bytes(long size, int range) {
        return HEADER + 4 * RangeBits.bytes(ranges(size, range));
    }

    private static String bootId() throws DiskException {
        try {
            return ProcFile.read(Path.of("/proc/sys/kernel/random/boot_id"));
        } catch (IOException e) {
            throw DiskException.io("/proc/sys/kernel/random/boot_id", "read", e);
        }
    }

    private static State state(ByteBuffer header) {
        int state = header.getInt(STATE_AT);
        return state == State.ASKED.ordinal() ? State.ASKED : state == State.BEGUN.ordinal() ? State.BEGUN : State.LOST;
    }

    private static void put(ByteBuffer header, int at, String text) {
        byte[] bytes = text.getBytes(StandardCharsets.UTF_8);
        int length = Math.min(bytes.length, TEXT_MAX);
        header.put(at, (byte) length);
        for (int i = 0; i < length; i++) {
            header.put(at + 1 + i, bytes[i]);
        }
    }

    private static String text(ByteBuffer header, int at) {
        byte[] bytes = new byte[header.get(at) & TEXT_MAX];
        for (int i = 0; i < bytes.length; i++) {
            bytes[i] = header.get(at + 1 + i);
        }
        return new String(bytes, StandardCharsets.UTF_8);
    }

    // ---- the header

    boolean lost() {
        return state(header) != State.BEGUN;
    }

    String reason() {
        return text(header, REASON_AT);
    }

    String name() {
        return text(header, NAME_AT);
    }

    /** Gives the point in time up; {@link #empty} gives the space back. */
    void lose(String reason) {
        put(header, REASON_AT, reason);
        header.putInt(STATE_AT, State.LOST.ordinal());
    }

    int range() {
        return header.getInt(RANGE_AT);
    }

    long sizeBytes() {
        return header.getLong(SIZE_AT);
    }

    /** How many ranges the disk had; the last may be shorter. */
    long ranges() {
        return ranges;
    }

    // ---- the scratch file: any thread

    /** Writes old data, blocking. Returns 0 or an errno. */
    int write(long address, long bytes, long offset) {
        while (bytes > 0) {
            long done = Libc.pwrite(scratch, address, bytes, offset);
            if (done <= 0) {
                return done == 0 ? Errno.EIO : Libc.errno();
            }
            address += done;
            offset += done;
            bytes -= done;
        }
        return 0;
    }

    /** Reads old data, blocking. Returns 0 or an errno. */
    int read(long address, long bytes, long offset) {
        while (bytes > 0) {
            long done = Libc.pread(scratch, address, bytes, offset);
            if (done <= 0) {
                return done == 0 ? Errno.EIO : Libc.errno();
            }
            address += done;
            offset += done;
            bytes -= done;
        }
        return 0;
    }

    /** Frees the space of old data, blocking; it is not read any more. Returns 0. */
    int free(long offset, long bytes) {
        Libc.fallocate(scratch, Libc.FALLOC_FL_PUNCH_HOLE | Libc.FALLOC_FL_KEEP_SIZE, offset, bytes);
        return 0;
    }

    /** Frees the space of all old data, blocking. Returns 0. */
    int empty() {
        Libc.ftruncate(scratch, 0);
        return 0;
    }

    @Override
    public void close() {
        map.close();
        if (scratch >= 0) {
            Libc.close(scratch);
        }
    }
}
