package org.blktap.image.sim;

import java.nio.ByteBuffer;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.function.IntSupplier;
import org.blktap.api.engine.Errno;
import org.blktap.api.engine.ErrnoException;
import org.blktap.api.engine.ExtentList;
import org.blktap.api.engine.IoCallback;
import org.blktap.api.engine.IoFile;
import org.blktap.api.memory.Segments;

/**
 * A file in memory with a cache that a power failure loses. It remembers every change since {@link #settle}, so that a
 * test can get its contents after a crash at any moment. Moments are those of the loop, and so the same for all files;
 * a flush covers one file.
 */
public final class SimFile implements IoFile {
    private static final int SECTOR = 512;
    private static final int LARGEST = 256 << 20;

    private final SimLoop loop;
    private final Path path;
    private final List<Change> log = new ArrayList<>();
    private byte[] content;
    private byte[] settled;
    private int size;
    private int startedFlushes;
    private boolean open;
    private boolean closed;
    private Faults faults = kind -> 0;

    /** An operation of a file. */
    public enum Kind {
        READ,
        WRITE,
        FLUSH,
        DISCARD,
        ZERO,
        TRUNCATE,
        MAP,
        /** A blocking operation. */
        BLOCKING
    }

    /** Asked at the end of each operation. */
    @FunctionalInterface
    public interface Faults {
        /** @return 0, or the errno with which the operation fails without any change */
        int on(Kind kind);
    }

    /** One change, or the end of a flush. */
    private static final class Change {
        /** Bytes; null for a change of the size. */
        private final byte[] bytes;

        private final int offset;
        private final int newSize;
        /** For the end of a flush: changes before this index are on disk. */
        private final int covers;
        /** It has ended at all moments after this one. */
        private final int moment;

        private Change(int moment, byte[] bytes, int offset, int newSize, int covers) {
            this.moment = moment;
            this.bytes = bytes;
            this.offset = offset;
            this.newSize = newSize;
            this.covers = covers;
        }
    }

    public SimFile(SimLoop loop, Path path, byte[] initial) {
        this.loop = loop;
        this.path = path;
        content = initial.clone();
        size = initial.length;
        settled = initial.clone();
    }

    /** The bytes as a reader sees them. */
    public byte[] bytes() {
        return Arrays.copyOf(content, size);
    }

    /** Takes the current contents as on disk; the log begins anew. */
    public void settle() {
        settled = bytes();
        log.clear();
    }

    /** How many changes and flushes of this file have ended. */
    public int logLength() {
        return log.size();
    }

    /** Counts an opening by a driver. */
    SimFile opened() {
        open = true;
        closed = false;
        return this;
    }

    /** Whether a driver has opened it and not closed it. */
    public boolean isOpen() {
        return open && !closed;
    }

    /** Lets the asynchronous operations that change the file fail. */
    public void failWith(IntSupplier errno) {
        faults = kind -> kind == Kind.READ || kind == Kind.MAP || kind == Kind.BLOCKING ? 0 : errno.getAsInt();
    }

    /** Lets any operation fail. */
    public void failWith(Faults asked) {
        faults = asked;
    }

    public boolean isClosed() {
        return closed;
    }

    public int flushes() {
        return startedFlushes;
    }

    /** Returns the file's contents after an end of the process at a moment of the loop: the system's cache stays. */
    public byte[] afterKill(int moment) {
        int changes = changesBefore(moment);
        return replay(changes, changes, null);
    }

    /**
     * Returns the file's contents after a power failure at a moment of the loop: sectors that no flush has covered are
     * old or new, as the seed decides.
     */
    public byte[] afterPowerLoss(int moment, Random random) {
        int changes = changesBefore(moment);
        int safe = 0;
        for (int i = 0; i < changes; i++) {
            if (log.get(i).covers >= 0) {
                safe = Math.max(safe, log.get(i).covers);
            }
        }
        return replay(changes, safe, random);
    }

    private int changesBefore(int moment) {
        int changes = 0;
        while (changes < log.size() && log.get(changes).moment < moment) {
            changes++;
        }
        return changes;
    }

    private void note(byte[] bytes, int offset, int newSize, int covers) {
        log.add(new Change(loop.tick(), bytes, offset, newSize, covers));
    }

    private byte[] replay(int changes, int safe, Random random) {
        byte[] result = settled.clone();
        int mood = random == null ? 0 : random.nextInt(4);
        for (int i = 0; i < changes; i++) {
            Change change = log.get(i);
            if (change.covers >= 0) {
                continue;
            }
            boolean sure = i < safe || random == null;
            if (change.bytes == null) {
                if (sure || random.nextBoolean()) {
                    result = Arrays.copyOf(result, change.newSize);
                }
                continue;
            }
            boolean whole = sure || mood == 0 && random.nextBoolean();
            boolean torn = mood >= 2;
            if (!whole && mood == 1 && random.nextBoolean()) {
                continue;
            }
            for (int at = 0; at < change.bytes.length; ) {
                int to = Math.min(change.bytes.length, at + SECTOR - (change.offset + at) % SECTOR);
                if (whole || !torn && mood == 1 || torn && random.nextInt(mood) != 0) {
                    if (result.length < change.offset + to) {
                        result = Arrays.copyOf(result, change.offset + to);
                    }
                    System.arraycopy(change.bytes, at, result, change.offset + at, to - at);
                }
                at = to;
            }
        }
        return result;
    }

    private void put(byte[] bytes, int offset) {
        int end = offset + bytes.length;
        grow(end);
        System.arraycopy(bytes, 0, content, offset, bytes.length);
        note(bytes, offset, 0, -1);
    }

    private void grow(int end) {
        if (end > content.length) {
            content = Arrays.copyOf(content, Math.max(end, content.length + (content.length >> 2)));
        }
        size = Math.max(size, end);
    }

    private void resize(int newSize) {
        if (newSize < size) {
            Arrays.fill(content, newSize, size, (byte) 0);
        }
        grow(newSize);
        size = newSize;
        note(null, 0, newSize, -1);
    }

    private int checked(long value) {
        if (value < 0 || value > LARGEST) {
            throw new AssertionError("an offset or size of " + value + " in a file of " + size);
        }
        return (int) value;
    }

    private void start(Kind kind, IoCallback done, Runnable how) {
        if (closed) {
            throw new AssertionError("used after it was closed");
        }
        loop.later(() -> {
            int error = faults.on(kind);
            if (error == 0) {
                how.run();
            }
            done.done(error);
        });
    }

    @Override
    public void read(long offset, Segments into, long skip, long length, IoCallback done) {
        int at = checked(offset);
        int bytes = checked(length);
        Segments list = new Segments(1);
        list.sliceOf(into, skip, length);
        start(Kind.READ, done, () -> {
            byte[] found = new byte[bytes];
            if (at < size) {
                System.arraycopy(content, at, found, 0, Math.min(bytes, size - at));
            }
            list.copyFrom(ByteBuffer.wrap(found), 0);
        });
    }

    @Override
    public void write(long offset, Segments from, long skip, long length, IoCallback done) {
        int at = checked(offset);
        checked(offset + length);
        Segments list = new Segments(1);
        list.sliceOf(from, skip, length);
        byte[] bytes = new byte[checked(length)];
        start(Kind.WRITE, done, () -> {
            list.copyTo(ByteBuffer.wrap(bytes), 0);
            put(bytes, at);
        });
    }

    @Override
    public void flush(IoCallback done) {
        startedFlushes++;
        int covers = log.size();
        start(Kind.FLUSH, done, () -> note(null, 0, 0, covers));
    }

    @Override
    public void discard(long offset, long length, IoCallback done) {
        int from = Math.min(checked(offset), size);
        int to = Math.min(checked(offset + length), size);
        start(Kind.DISCARD, done, () -> put(new byte[to - from], from));
    }

    @Override
    public void zero(long offset, long length, boolean unmap, IoCallback done) {
        int from = checked(offset);
        int to = checked(offset + length);
        start(Kind.ZERO, done, () -> put(new byte[to - from], from));
    }

    @Override
    public void truncate(long newSize, IoCallback done) {
        int to = checked(newSize);
        start(Kind.TRUNCATE, done, () -> resize(to));
    }

    @Override
    public void map(long offset, long length, ExtentList into, IoCallback done) {
        int from = checked(offset);
        start(Kind.MAP, done, () -> {
            for (long at = from; at < offset + length; ) {
                long to = Math.min(offset + length, at + SECTOR - at % SECTOR);
                boolean zero = true;
                for (long i = at; i < Math.min(to, size); i++) {
                    zero &= content[(int) i] == 0;
                }
                into.add(to - at, zero ? ExtentList.HOLE | ExtentList.ZERO : ExtentList.DATA);
                at = to;
            }
        });
    }

    /** Throws an exception that tests which let nothing fail need not declare. */
    private void blocking(String doing) {
        int error = faults.on(Kind.BLOCKING);
        if (error != 0) {
            this.<RuntimeException>undeclared(new ErrnoException(doing, error));
        }
    }

    @SuppressWarnings("unchecked")
    private <T extends Exception> void undeclared(Exception e) throws T {
        throw (T) e;
    }

    @Override
    public void readFully(ByteBuffer into, long offset) {
        blocking("reading");
        while (into.hasRemaining()) {
            into.put(offset < size && offset >= 0 ? content[(int) offset] : 0);
            offset++;
        }
    }

    @Override
    public void writeFully(ByteBuffer from, long offset) {
        blocking("writing");
        byte[] bytes = new byte[from.remaining()];
        from.get(bytes);
        put(bytes, checked(offset));
    }

    @Override
    public void truncateNow(long newSize) {
        blocking("setting the size");
        resize(checked(newSize));
    }

    @Override
    public void flushNow() {
        blocking("flushing");
        note(null, 0, 0, log.size());
    }

    @Override
    public Path path() {
        return path;
    }

    @Override
    public boolean writable() {
        return true;
    }

    @Override
    public boolean blockDevice() {
        return false;
    }

    @Override
    public long size() {
        return size;
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
        closed = true;
    }

    /** Makes faults that fail any operation now and then. */
    public static Faults sometimes(Random random, int oneIn) {
        return kind -> random.nextInt(oneIn) != 0 ? 0 : random.nextBoolean() ? Errno.ENOSPC : Errno.EIO;
    }
}
