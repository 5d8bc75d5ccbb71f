package org.blktap.format.vhdx;

import java.nio.ByteBuffer;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.function.LongSupplier;
import org.blktap.api.engine.IoCallback;
import org.blktap.api.engine.IoFile;
import org.blktap.api.engine.IoLoop;
import org.blktap.api.engine.PassThroughFile;
import org.blktap.api.memory.Segments;
import org.blktap.image.Space;

/**
 * A file whose writes go through the log: first an entry, a flush, then the bytes in their place. The writes that are
 * given in one turn of the loop are a group, which takes one entry, or several if it is large; groups follow one
 * another. In a group those of {@link #first} come before the others. If a write fails, those after it are not tried,
 * and all of its group fail. For the BAT and the bitmaps. Loop only.
 */
final class LoggedFile extends PassThroughFile implements Space {
    private final LogWriter log;
    private final IoLoop loop;
    private final LongSupplier end;
    private final PassThroughFile first;
    private final ArrayDeque<Write> early = new ArrayDeque<>();
    private final ArrayDeque<Write> late = new ArrayDeque<>();
    private final ArrayDeque<Write> free = new ArrayDeque<>();
    /** The group, in order. */
    private final ArrayList<Write> group = new ArrayList<>();
    /** How many writes of the group are in their place, and how many are in the entry. */
    private int done;

    private int inEntry;
    private int pending;
    private int entryError;
    private final Segments entry = new Segments(1);
    private final ByteBuffer copy = Layout.allocate(LogWriter.MOST_BYTES);
    private final Runnable begin = this::begin;
    private final IoCallback restarted = this::restarted;
    private final IoCallback appended = this::appended;
    private final IoCallback flushed = this::flushed;
    private final IoCallback written = this::written;
    private boolean busy;
    private int flushError;
    private boolean torn;

    private static final class Write {
        private final Segments data = new Segments(1);
        private long offset;
        private IoCallback done;

        private int length() {
            return (int) data.total();
        }
    }

    /** @param end returns the end of all that is in use in the file, in bytes */
    LoggedFile(IoFile file, LogWriter log, IoLoop loop, LongSupplier end) {
        super(file);
        this.log = log;
        this.loop = loop;
        this.end = end;
        first = new PassThroughFile(file) {
            @Override
            public void write(long offset, Segments from, long skip, long length, IoCallback whenDone) {
                add(early, offset, from, skip, length, whenDone);
            }
        };
    }

    /** The same file for writes that others of their group refer to. */
    IoFile first() {
        return first;
    }

    /** Whole sectors of the log, {@link LogWriter#MOST_BYTES} at most. */
    @Override
    public void write(long offset, Segments from, long skip, long length, IoCallback whenDone) {
        add(late, offset, from, skip, length, whenDone);
    }

    private void add(ArrayDeque<Write> queue, long offset, Segments from, long skip, long length, IoCallback whenDone) {
        Write write = free.isEmpty() ? new Write() : free.pop();
        write.offset = offset;
        write.data.sliceOf(from, skip, length);
        write.done = whenDone;
        queue.add(write);
        if (!busy) {
            busy = true;
            loop.execute(begin);
        }
    }

    /** Runs the task at once: all writes here are the disk's, none is started by this object. */
    @Override
    public void whenIdle(Runnable task) {
        task.run();
    }

    /** Returns the error of a flush here, which may concern completed writes. */
    @Override
    public int takeFlushError() {
        int error = flushError;
        flushError = 0;
        return error;
    }

    /** Whether a write has failed whose log entry must be kept. */
    boolean torn() {
        return torn;
    }

    private void begin() {
        while (!early.isEmpty()) {
            group.add(early.poll());
        }
        while (!late.isEmpty()) {
            group.add(late.poll());
        }
        done = 0;
        next();
    }

    private void next() {
        inEntry = 0;
        int bytes = 0;
        for (int i = done; i < group.size() && bytes + group.get(i).length() <= LogWriter.MOST_BYTES; i++) {
            bytes += group.get(i).length();
            inEntry++;
        }
        if (log.hasRoom(bytes)) {
            append();
        } else {
            file.flush(restarted);
        }
    }

    private void restarted(int error) {
        if (error != 0) {
            flushError = error;
            ended(error);
        } else {
            log.restart();
            append();
        }
    }

    private void append() {
        log.start(end.getAsLong());
        for (int i = done; i < done + inEntry; i++) {
            Write write = group.get(i);
            copy.clear().limit(write.length());
            write.data.copyTo(copy, 0);
            log.add(write.offset, copy.flip());
        }
        log.finish();
        entry.clear();
        entry.add(log.entryAddress(), log.entryLength());
        file.write(log.entryOffset(), entry, 0, log.entryLength(), appended);
    }

    private void appended(int error) {
        if (error != 0) {
            ended(error);
        } else {
            file.flush(flushed);
        }
    }

    private void flushed(int error) {
        if (error != 0) {
            flushError = error;
            ended(error);
            return;
        }
        log.stable();
        entryError = 0;
        pending = inEntry;
        int to = done + inEntry;
        for (int i = done; i < to; i++) {
            Write write = group.get(i);
            file.write(write.offset, write.data, 0, write.length(), written);
        }
    }

    private void written(int error) {
        if (entryError == 0) {
            entryError = error;
        }
        if (--pending > 0) {
            return;
        }
        done += inEntry;
        if (entryError != 0) {
            torn = true;
            ended(entryError);
        } else if (done < group.size()) {
            next();
        } else {
            ended(0);
        }
    }

    /** Ends the group. What its writers start now is the next group. */
    private void ended(int error) {
        for (int i = 0; i < group.size(); i++) {
            Write write = group.get(i);
            IoCallback whenDone = write.done;
            write.done = null;
            free.push(write);
            whenDone.done(error);
        }
        group.clear();
        if (early.isEmpty() && late.isEmpty()) {
            busy = false;
        } else {
            begin();
        }
    }
}
