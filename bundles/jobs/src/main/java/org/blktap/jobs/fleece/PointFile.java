package org.blktap.jobs.fleece;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
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
import org.blktap.jobs.bits.BitWords;
import org.blktap.jobs.bits.MappedBits;
import org.blktap.jobs.fleece.PointHeader.State;
import org.blktap.linux.Libc;
import org.blktap.linux.Mapping;

/**
 * The two files of a point in time: {@code <id>.point}, mapped, with a header and the bits, and {@code <id>.scratch},
 * sparse, with old data at its offsets on the disk. The contents survive the process, but count as lost after a restart
 * of the host. One thread at a time, except for the scratch file.
 */
final class PointFile implements AutoCloseable {
    /** Permissions: other users must not read old data of a disk. */
    private static final FileAttribute<?> OWN =
            PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rw-------"));
    /** The number of bits for each range. */
    private static final int BITS = 4;

    private final Mapping map;
    private final PointHeader header;
    /** Descriptor of the scratch file, or -1. */
    private final int scratch;

    private final long ranges;
    /** Ranges that need no saving any more. */
    final BitWords settled;
    /** Settled ranges whose old data is kept. */
    final BitWords saved;
    /** Saved ranges whose data is in the scratch file; the others are zeros. */
    final BitWords stored;
    /** Ranges that have changed since the bitmap was cleared. */
    final BitWords changed;

    private PointFile(Mapping map, PointHeader header, int scratch) {
        this.map = map;
        this.header = header;
        this.scratch = scratch;
        ranges = Alignment.units(header.sizeBytes(), header.range());
        long bytes = BitWords.bytes(ranges);
        long at = map.address() + PointHeader.BYTES;
        settled = new BitWords(at, ranges);
        saved = new BitWords(at + bytes, ranges);
        stored = new BitWords(at + 2 * bytes, ranges);
        changed = new BitWords(at + 3 * bytes, ranges);
    }

    private static Path point(Path directory, String id) {
        return directory.resolve(id + ".point");
    }

    private static Path scratch(Path directory, String id) {
        return directory.resolve(id + ".scratch");
    }

    private static long bytes(long size, int range) {
        return PointHeader.BYTES + BITS * BitWords.bytes(Alignment.units(size, range));
    }

    // ---- without the disk

    /** Makes the files of a point in time, which the filter then begins. */
    static void ask(Path directory, String id, PointHeader.Asked asked) throws DiskException {
        try {
            Files.createDirectories(directory);
            remove(directory, id);
            Files.createFile(scratch(directory, id), OWN);
            Files.createFile(point(directory, id), OWN);
            Files.write(point(directory, id), PointHeader.of(asked));
        } catch (IOException e) {
            throw DiskException.io(point(directory, id), "make", e);
        }
    }

    /** Removes the files, if they exist. */
    static void remove(Path directory, String id) throws DiskException {
        for (Path each : List.of(point(directory, id), scratch(directory, id))) {
            try {
                Files.deleteIfExists(each);
            } catch (IOException e) {
                throw DiskException.io(each, "remove", e);
            }
        }
    }

    /** Removes the files of all attachments but those given. */
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

    private static PointHeader read(Path directory, String id) throws DiskException {
        ByteBuffer page = ByteBuffer.allocate(PointHeader.BYTES);
        try (FileChannel file = FileChannel.open(point(directory, id), StandardOpenOption.READ)) {
            while (page.hasRemaining() && file.read(page) > 0) {
                // until the buffer is full or the file ends
            }
        } catch (IOException e) {
            throw new DiskException(Reason.NOT_FOUND, "attachment '" + id + "' has no point in time", e);
        }
        return PointHeader.in(page, point(directory, id));
    }

    /**
     * Returns what a reader sees of the disk as it was at the point in time, from the file alone.
     *
     * @param name of the point in time; empty for any
     * @throws DiskException NOT_FOUND if there is no point in time of the name, or it is lost
     */
    static DiskInfo info(Path directory, String id, String name) throws DiskException {
        PointHeader header = read(directory, id);
        if (!name.isEmpty() && !name.equals(header.name())) {
            throw new DiskException(
                    Reason.NOT_FOUND,
                    "attachment '" + id + "' has no point in time '" + name + "' but '" + header.name() + "'");
        }
        if (header.state() != State.BEGUN) {
            throw new DiskException(
                    Reason.NOT_FOUND,
                    "the point in time '" + header.name() + "' of attachment '" + id + "' "
                            + (header.state() == State.LOST ? "is lost: " + header.reason() : "has not begun"));
        }
        return header.info();
    }

    /** Returns why a point in time is lost; empty if it is not, or does not exist. */
    static String lostReason(Path directory, String id) {
        try {
            PointHeader header = read(directory, id);
            return header.state() == State.LOST ? header.reason() : "";
        } catch (DiskException e) {
            return "";
        }
    }

    /** Returns the name of a point in time; empty if there is none. */
    static String name(Path directory, String id) {
        try {
            return read(directory, id).name();
        } catch (DiskException e) {
            return "";
        }
    }

    /** Returns the bitmap whose bits a point in time uses; empty for none, and if there is no point in time. */
    static String since(Path directory, String id) {
        try {
            return read(directory, id).since();
        } catch (DiskException e) {
            return "";
        }
    }

    /**
     * Notes what has changed before the point in time. Called before anybody reads that; the disk may be open.
     *
     * @param bits the changes; they must not change meanwhile
     */
    static void note(Path directory, String id, MappedBits bits) throws DiskException {
        Path path = point(directory, id);
        int fd = descriptor(path);
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
            file.header.noted();
        } finally {
            Libc.close(fd);
        }
    }

    // ---- for the filter

    /**
     * Opens the files for the filter, and completes them if the point in time begins with that.
     *
     * @param disk the disk whose point in time it is
     * @param owner the mark of this run of the bundle
     * @throws DiskException if the files cannot be used
     */
    static PointFile open(Path directory, String id, String name, DiskInfo disk, String owner) throws DiskException {
        Path path = point(directory, id);
        int fd = descriptor(path);
        try {
            begin(path, fd, disk);
            int scratch = descriptor(scratch(directory, id));
            try (CloseOnFailure closing = new CloseOnFailure(() -> Libc.close(scratch))) {
                PointFile opened = mapped(path, fd, scratch);
                closing.addOwner(opened::close);
                opened.check(path, name, owner);
                return closing.keep(opened);
            }
        } finally {
            Libc.close(fd);
        }
    }

    private static int descriptor(Path path) throws DiskException {
        int fd = Libc.open(path.toString(), Libc.O_RDWR | Libc.O_CLOEXEC | Libc.O_NOFOLLOW, 0);
        if (fd < 0) {
            throw new DiskException(Reason.NOT_FOUND, path + ": " + Errno.text(Libc.errno()));
        }
        return fd;
    }

    private static Mapping map(Path path, int fd, long bytes) throws DiskException {
        // an access past the end would end the process
        if (Libc.lseek(fd, 0, Libc.SEEK_END) < bytes) {
            throw DiskException.corrupt(path, "end of the file", 0, Libc.lseek(fd, 0, Libc.SEEK_END), bytes);
        }
        Mapping map = Mapping.ofFile(fd, 0, bytes);
        if (map == null) {
            throw new DiskException(Reason.IO, path + ": mmap: " + Errno.text(Libc.errno()));
        }
        return map;
    }

    private static void begin(Path path, int fd, DiskInfo disk) throws DiskException {
        try (Mapping first = map(path, fd, PointHeader.BYTES)) {
            PointHeader header = PointHeader.in(first.bytes(0, PointHeader.BYTES), path);
            if (header.state() != State.ASKED) {
                return;
            }
            // the whole file has space: access to a mapped page without space would end the process
            if (Libc.fallocate(fd, 0, 0, bytes(disk.sizeBytes(), header.range())) != 0) {
                throw new DiskException(Reason.NO_SPACE, path + ": " + Errno.text(Libc.errno()));
            }
            header.begin(disk);
        }
    }

    private static PointFile mapped(Path path, int fd, int scratch) throws DiskException {
        long bytes;
        try (Mapping first = map(path, fd, PointHeader.BYTES)) {
            PointHeader header = PointHeader.in(first.bytes(0, PointHeader.BYTES), path);
            bytes = bytes(header.sizeBytes(), header.range());
        }
        Mapping map = map(path, fd, bytes);
        return new PointFile(map, PointHeader.in(map.bytes(0, PointHeader.BYTES), path), scratch);
    }

    private void check(Path path, String name, String owner) throws DiskException {
        if (!name.equals(header.name())) {
            throw new DiskException(Reason.NOT_FOUND, path + ": is of '" + header.name() + "'");
        }
        if (!header.isOfThisBoot()) {
            lose("the host has been started anew since");
            empty();
        } else if (!header.owner().isEmpty() && !header.owner().equals(owner)) {
            lose("what it was for has ended with the daemon");
            empty();
        }
    }

    boolean lost() {
        return header.state() != State.BEGUN;
    }

    String reason() {
        return header.reason();
    }

    String name() {
        return header.name();
    }

    int range() {
        return header.range();
    }

    long sizeBytes() {
        return header.sizeBytes();
    }

    /** Returns the number of ranges; the last one may be shorter. */
    long ranges() {
        return ranges;
    }

    /** Marks the point in time as lost; {@link #empty} frees the space. */
    void lose(String reason) {
        header.lose(reason);
    }

    // ---- the scratch file: any thread

    /** Writes old data, blocking. Returns 0 or an errno. */
    int write(long address, long bytes, long offset) {
        for (long at = 0; at < bytes; ) {
            long done = Libc.pwrite(scratch, address + at, bytes - at, offset + at);
            if (done <= 0) {
                return done == 0 ? Errno.EIO : Libc.errno();
            }
            at += done;
        }
        return 0;
    }

    /** Reads old data, blocking. Returns 0 or an errno. */
    int read(long address, long bytes, long offset) {
        for (long at = 0; at < bytes; ) {
            long done = Libc.pread(scratch, address + at, bytes - at, offset + at);
            if (done <= 0) {
                return done == 0 ? Errno.EIO : Libc.errno();
            }
            at += done;
        }
        return 0;
    }

    /** Frees the space of old data that is not read any more, blocking. Returns 0. */
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
