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
 * A bitmap of a disk in a mapped file: one bit for each {@link #granularity} bytes. A bit is set in the page cache
 * before the write that it stands for is submitted, so that it survives every end of this process. After a power loss
 * the file is {@link #stale}: bits may be missing.
 *
 * <p>Only the loop of the disk changes bits, and only while it runs; {@link #open}, {@link #create} and {@link #close}
 * write to the device, and are called on control threads where possible. Other threads may read bits, without an order
 * between them. One object at a time uses a file.
 */
public final class MappedBits implements AutoCloseable {
    private static final Logger LOG = System.getLogger("org.blktap.jobs");

    private volatile Path file;
    private final BitsHeader header;
    private final int shift;
    private final int fd;
    private final Mapping mapping;
    private final BitWords words;
    /** Size of the mapping; 0 once it is closed, so that no access reaches unmapped memory. */
    private long bytes;

    private volatile long count;
    private volatile boolean stale;
    private boolean released;
    private boolean wasClean;
    private boolean wasStored;
    private boolean stored;

    /** The bits of a new file. */
    public enum Initially {
        CLEAR,
        SET,
        /** All bits are set, and the file is {@link MappedBits#stale}. */
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
     * Makes a file, in place of any file of the same name. The new file appears as a whole or not at all.
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
        // in this order: if the power fails in between, the file is not clean, and has another boot id
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
     * Closes this and opens the file for a disk of another size. Bits of new space are set. If that fails, this stays
     * open.
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
     * Takes the file over from another object that also had it open and has {@linkplain #abandon abandoned} it: counts
     * the bits that the other object has set.
     */
    public void takeOver() {
        count = words.cardinality();
    }

    /**
     * Writes all bits to the device. The file is still stale after a power loss, since more bits may be set afterwards.
     */
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

    /** Unmaps the file and leaves it as it is, for example after {@link #moveTo} has replaced it. */
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

    // ---- properties

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

    /**
     * Whether bits may be missing, because the power was lost while the file was open. Stays true until
     * {@link #restart}.
     */
    public boolean stale() {
        return stale;
    }

    /** Whether the file had been closed when it was opened. */
    public boolean wasClean() {
        return wasClean;
    }

    /** Whether the image of the disk had these bits when the file was opened; see {@link #markStored}. */
    public boolean wasStored() {
        return wasStored;
    }

    /** Sets whether the file will say, when it is closed, that the image of the disk has the bits, too. */
    public void markStored(boolean inImage) {
        stored = inImage;
    }

    /** Makes the bitmap stale, with all bits set. */
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

    /** Sets all bits that a range touches. */
    public void set(long offset, long length) {
        Objects.checkFromIndexSize(offset, length, bytes);
        if (length > 0) {
            count += words.put(offset >> shift, (offset + length - 1 >> shift) + 1, true);
        }
    }

    /** Clears the bits whose bytes are all in a range; the bytes of the last bit end with the disk. */
    public void clear(long offset, long length) {
        Objects.checkFromIndexSize(offset, length, bytes);
        long first = offset + header.granularity() - 1 >> shift;
        long end = offset + length == bytes ? header.bits() : offset + length >> shift;
        count -= words.put(first, end, false);
    }

    /** Sets or clears all bits; the bitmap is not stale afterwards. */
    public void restart(boolean set) {
        Objects.checkFromIndexSize(0, header.diskBytes(), bytes);
        words.put(0, header.bits(), set);
        count = set ? header.bits() : 0;
        stale = false;
        BitsHeader.putFlags(mapping.address(), 0);
    }

    /**
     * Sets the bits that are set in another bitmap of the same size and granularity; makes this stale if the other is.
     */
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
