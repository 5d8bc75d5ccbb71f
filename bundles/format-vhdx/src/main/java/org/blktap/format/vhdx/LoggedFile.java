package org.blktap.format.vhdx;

import java.nio.ByteBuffer;
import java.util.ArrayDeque;
import java.util.function.LongSupplier;
import org.blktap.api.engine.IoCallback;
import org.blktap.api.engine.IoFile;
import org.blktap.api.memory.Segments;
import org.blktap.image.FilterFile;
import org.blktap.image.Space;

/**
 * A file whose writes go through the log: first an entry, a flush, then the bytes in their place. One write at a time;
 * they are few, one for a group of new blocks. For the BAT. Loop only.
 */
final class LoggedFile extends FilterFile implements Space {
    private final LogWriter log;
    private final LongSupplier end;
    private final ArrayDeque<Write> queue = new ArrayDeque<>();
    private final Segments entry = new Segments(1);
    private final ByteBuffer copy = Layout.allocate(LogWriter.MOST_BYTES);
    private final IoCallback restarted = this::restarted;
    private final IoCallback appended = this::appended;
    private final IoCallback flushed = this::flushed;
    private final IoCallback written = this::written;
    private Write now;
    private int flushError;
    private boolean torn;

    private static final class Write {
        private final long offset;
        private final Segments data;
        private final IoCallback done;

        private Write(long offset, Segments data, IoCallback done) {
            this.offset = offset;
            this.data = data;
            this.done = done;
        }

        private int length() {
            return (int) data.total();
        }
    }

    /** @param end returns the end of all that is in use in the file, in bytes */
    LoggedFile(IoFile file, LogWriter log, LongSupplier end) {
        super(file);
        this.log = log;
        this.end = end;
    }

    /** Whole sectors, {@link LogWriter#MOST_BYTES} at most. */
    @Override
    public void write(long offset, Segments from, long skip, long length, IoCallback done) {
        Segments data = new Segments(from.count());
        data.sliceOf(from, skip, length);
        queue.add(new Write(offset, data, done));
        if (now == null) {
            next();
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

    private void next() {
        now = queue.poll();
        if (now == null) {
            return;
        }
        if (log.hasRoom(now.length())) {
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
        copy.clear().limit(now.length());
        now.data.copyTo(copy, 0);
        log.build(now.offset, copy.flip(), end.getAsLong());
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
        } else {
            log.stable();
            file.write(now.offset, now.data, 0, now.length(), written);
        }
    }

    private void written(int error) {
        torn |= error != 0;
        ended(error);
    }

    private void ended(int error) {
        IoCallback done = now.done;
        now = null;
        done.done(error);
        if (now == null) {
            next();
        }
    }
}
