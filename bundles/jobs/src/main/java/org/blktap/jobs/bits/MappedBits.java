package org.blktap.jobs.bits;

import java.io.IOException;
import java.lang.System.Logger;
import java.lang.System.Logger.Level;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.Objects;
import org.blktap.api.disk.DiskException;
import org.blktap.api.disk.DiskException.Reason;
import org.blktap.linux.FileStatus;
import org.blktap.linux.Libc;
import org.blktap.linux.Mapping;
import org.blktap.linux.PinnedFile;
import org.blktap.linux.WholeFile;

/**
 * A bitmap of a disk in a mapped file: one bit for each {@link #granularity} bytes. A bit that is set is in the page
 * cache, so that it survives the end of this process in whatever way; it is set before the write is submitted that it
 * stands for. After a power loss the file says that it is {@link #stale}: bits may be missing.
 *
 * <p>Only the loop of the disk changes bits, and only while it runs; {@link #open}, {@link #create} and {@link #close}
 * write to the device, and are for control threads where that is possible. Other threads may read bits: they see those
 * of some moment. One object at a time has a file.
 */
public final class MappedBits implements AutoCloseable {
    private static final Logger LOG = System.getLogger("org.blktap.jobs");

    private volatile Path file;
    private final BitsHeader header;
    private final int shift;
    private final int fd;
    private final Mapping mapping;
    private final BitWords words;
    /** 0 once it is closed, so that no access reaches memory that is gone. */
    private long bytes;

    private volatile long count;
    private volatile boolean stale;
    private boolean released;
    private boolean wasClean;
    private boolean wasStored;
    private boolean stored;

    /** What the bits of a new file are. */
    public enum Initially {
        CLEAR,
        SET,
        /** All are set, and it is {@link MappedBits#stale}. */
        STALE
    }

    private MappedBits(Path file, BitsHeader header, int fd, Mapping mapping, boolean stale) {
        this.file = file;
        this.header = header;
        this.shift = header.shift();
        this.fd = fd;
        this.mapping = mapping;
        this.words = new BitWords(mapping.address() + BitsHeader.BYTES, header.bits());
        this.bytes = header.diskBytes();
        this.stale = stale;
    }

    // ---- files

    /** Makes a file with all bits clear; see {@link #create(Path, long, int, String, Initially)}. */
    public static MappedBits create(Path file, long diskBytes, int granularity) throws DiskException {
        return create(file, diskBytes, granularity, "", Initially.CLEAR);
    }

    /**
     * Makes a file in place of one of the name, if there is one. It is there as a whole or not at all.
     *
     * @param granularity a power of two from 512 to 1 GiB
     * @param tag a text of the owner that says what the bits belong to, of 128 bytes at most
     */
    public static MappedBits create(Path file, long diskBytes, int granularity, String tag, Initially initially)
            throws DiskException {
        BitsHeader header = BitsHeader.of(file, diskBytes, granularity, tag);
        boolean set = initially != Initially.CLEAR;
        BitsFile.write(
                file,
                header,
                initially == Initially.STALE ? BitsHeader.STALE : 0,
                BitsFile.bootId(),
                word -> set ? header.wordOfSet(word) : 0);
        return open(file);
    }

    /**
     * Opens a file.
     *
     * @throws DiskException NOT_FOUND; CORRUPT if it is not a bitmap, or damaged
     */
    public static MappedBits open(Path file) throws DiskException {
        String boot = BitsFile.bootId();
        try (PinnedFile pinned = PinnedFile.ofName(file)) {
            FileStatus status = pinned.status();
            if (!status.regularFile()) {
                throw new DiskException(Reason.WRONG_TYPE, file + ": not a regular file");
            }
            if (status.size() < BitsHeader.BYTES) {
                throw DiskException.corrupt(
                        file, "end of the file", status.size(), status.size(), "at least " + BitsHeader.BYTES);
            }
            int fd = pinned.reopen(Libc.O_RDWR);
            if (fd < 0) {
                throw BitsFile.failed(file, "open", Libc.errno());
            }
            Mapping mapping = null;
            MappedBits opened = null;
            try {
                mapping = Mapping.ofFile(fd, 0, status.size());
                if (mapping == null) {
                    throw BitsFile.failed(file, "map", Libc.errno());
                }
                opened = opened(file, fd, mapping, boot);
                return opened;
            } catch (InternalError e) {
                throw DiskException.io(file, "read the bitmap", new IOException("the device does not return it", e));
            } finally {
                if (opened == null) {
                    if (mapping != null) {
                        mapping.close();
                    }
                    Libc.close(fd);
                }
            }
        }
    }

    private static MappedBits opened(Path file, int fd, Mapping mapping, String boot) throws DiskException {
        byte[] copy = new byte[BitsHeader.BYTES];
        mapping.bytes(0, copy.length).get(copy);
        BitsHeader header = BitsHeader.read(file, copy, mapping.size());
        int flags = BitsHeader.flags(copy);
        boolean lost = (flags & BitsHeader.CLEAN) == 0 && !BitsHeader.boot(copy).equals(boot);
        boolean stale = lost || (flags & BitsHeader.STALE) != 0;
        // in this order: if the power goes in between, the file is not clean, and of another boot
        BitsHeader.putFlags(mapping.address(), stale ? BitsHeader.STALE : 0);
        BitsHeader.putBoot(mapping.address(), boot);
        BitsFile.sync(file, fd);
        MappedBits bits = new MappedBits(file, header, fd, mapping, stale);
        bits.count = bits.words.cardinality();
        bits.wasClean = (flags & BitsHeader.CLEAN) != 0;
        bits.wasStored = (flags & BitsHeader.STORED) != 0;
        bits.stored = bits.wasStored;
        return bits;
    }

    /**
     * Closes this and opens it for a disk of another size. Bits of the bytes that are new are set. If it fails, this
     * stays open.
     */
    public MappedBits resized(long diskBytes) throws DiskException {
        BitsHeader other = BitsHeader.of(file, diskBytes, header.granularity(), header.tag());
        long from = header.diskBytes() >> shift;
        BitsFile.write(file, other, stale ? BitsHeader.STALE : 0, BitsFile.bootId(), word -> {
            long old = word < header.words() ? words.word(word) : 0;
            long first = word << 6;
            long added = from <= first ? -1 : from - first >= Long.SIZE ? 0 : -1L << (from - first);
            return (old | added) & other.wordOfSet(word);
        });
        MappedBits resized = open(file);
        release();
        return resized;
    }

    /**
     * Takes the file over from an object that had it open as well until now, and has {@linkplain #abandon abandoned}
     * it: bits that it has set are counted.
     */
    public void takeOver() {
        count = words.cardinality();
    }

    /** Writes all bits to the device. It still is stale after a power loss, since others may be set afterwards. */
    public void sync() throws DiskException {
        BitsFile.sync(file, fd);
    }

    /**
     * Writes all bits to the device, marks the file as clean, and unmaps it. If that fails, the file is stale after a
     * power loss.
     */
    @Override
    public void close() {
        if (released) {
            return;
        }
        try {
            sync();
            BitsHeader.putFlags(
                    mapping.address(),
                    BitsHeader.CLEAN | (stale ? BitsHeader.STALE : 0) | (stored ? BitsHeader.STORED : 0));
            sync();
        } catch (DiskException e) {
            LOG.log(Level.WARNING, e.getMessage() + "; after a power loss it will be stale");
        } finally {
            release();
        }
    }

    /** Closes and deletes the file. */
    public void delete() throws DiskException {
        release();
        try {
            WholeFile.remove(file);
        } catch (IOException e) {
            throw DiskException.io(file, "delete the bitmap", e);
        }
    }

    /** Unmaps the file and leaves it as it is, such as for one that {@link #moveTo} has replaced. */
    public void abandon() {
        release();
    }

    /** Gives the file another name, in place of a file that has it. */
    public void moveTo(Path other) throws DiskException {
        try {
            Files.move(file, other, StandardCopyOption.ATOMIC_MOVE);
            file = other;
        } catch (IOException e) {
            throw DiskException.io(file, "rename the bitmap to " + other.getFileName(), e);
        }
        try {
            WholeFile.syncDirectory(other.toAbsolutePath().getParent());
        } catch (IOException e) {
            // it is renamed; only a power loss undoes that
            LOG.log(
                    Level.WARNING,
                    DiskException.io(other, "flush its directory", e).getMessage());
        }
    }

    private void release() {
        if (!released) {
            released = true;
            bytes = 0;
            mapping.close();
            Libc.close(fd);
        }
    }

    // ---- what it is

    /** The smallest granularity that a disk of a size can have. */
    public static int smallestGranularity(long diskBytes) {
        return BitsHeader.smallestGranularity(diskBytes);
    }

    public Path file() {
        return file;
    }

    public String tag() {
        return header.tag();
    }

    /** Size of the disk. */
    public long diskBytes() {
        return header.diskBytes();
    }

    /** Bytes of the disk for each bit, a power of two. */
    public int granularity() {
        return header.granularity();
    }

    /** Whether bits may be missing, since the power was lost while it was open. It stays so until {@link #restart}. */
    public boolean stale() {
        return stale;
    }

    /** Whether the file had been closed when it was opened. */
    public boolean wasClean() {
        return wasClean;
    }

    /** Whether the image of the disk had these bits when the file was opened: {@link #markStored}. */
    public boolean wasStored() {
        return wasStored;
    }

    /**
     * Sets whether the file says, when it is closed, that the image of the disk has the bits, too; as before if not.
     */
    public void markStored(boolean inImage) {
        stored = inImage;
    }

    /** Makes it stale, with all bits set. */
    public void markStale() {
        set(0, header.diskBytes());
        stale = true;
        BitsHeader.putFlags(mapping.address(), BitsHeader.STALE);
    }

    /** The number of bits that are set. Any thread. */
    public long count() {
        return count;
    }

    // ---- bits

    /** Sets the bits of all that a range touches. */
    public void set(long offset, long length) {
        Objects.checkFromIndexSize(offset, length, bytes);
        if (length > 0) {
            count += words.put(offset >> shift, (offset + length - 1 >> shift) + 1, true);
        }
    }

    /** Clears the bits of all that a range contains as a whole; a range may end with the disk. */
    public void clear(long offset, long length) {
        Objects.checkFromIndexSize(offset, length, bytes);
        long first = offset + header.granularity() - 1 >> shift;
        long end = offset + length == bytes ? header.bits() : offset + length >> shift;
        count -= words.put(first, end, false);
    }

    /** Sets or clears all bits; it is not stale from then on. */
    public void restart(boolean set) {
        Objects.checkFromIndexSize(0, header.diskBytes(), bytes);
        words.put(0, header.bits(), set);
        count = set ? header.bits() : 0;
        stale = false;
        BitsHeader.putFlags(mapping.address(), 0);
    }

    /** Sets the bits that are set in another bitmap of the same size and granularity; it is stale if the other is. */
    public void merge(MappedBits other) {
        if (other.header.granularity() != header.granularity() || other.header.diskBytes() != header.diskBytes()) {
            throw new IllegalArgumentException(other.file + " and " + file + " differ in size or granularity");
        }
        count += words.merge(other.words);
        if (other.stale) {
            stale = true;
            BitsHeader.putFlags(mapping.address(), BitsHeader.STALE);
        }
    }

    /** Whether the bit of a byte of the disk is set. */
    public boolean isSet(long offset) {
        Objects.checkIndex(offset, bytes);
        return words.get(offset >> shift);
    }

    /** Returns the first byte from {@code from} on whose bit is set; -1 if there is none. */
    public long nextSet(long from) {
        if (from >= bytes) {
            return -1;
        }
        long found = words.nextSet(Objects.checkIndex(from, bytes) >> shift, header.bits());
        return found < header.bits() ? Math.max(from, found << shift) : -1;
    }

    /** Returns the first byte from {@code from} on whose bit is clear; the size of the disk if there is none. */
    public long nextClear(long from) {
        if (from >= bytes) {
            return bytes;
        }
        long found = words.nextClear(Objects.checkIndex(from, bytes) >> shift, header.bits());
        return Math.min(bytes, Math.max(from, found << shift));
    }
}
