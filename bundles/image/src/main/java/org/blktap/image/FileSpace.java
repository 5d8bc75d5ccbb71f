package org.blktap.image;

import java.io.IOException;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.List;
import org.blktap.api.engine.IoCallback;
import org.blktap.api.engine.IoFile;
import org.blktap.api.engine.IoLoop;
import org.blktap.api.memory.Alignment;

/**
 * Where the next clusters go in a regular file: at its end. The file is extended ahead in steps, and each step is
 * flushed, so that no table points past an end that a power loss could take back. Reserved space reads as zeros until
 * it is written. Loop only.
 */
public final class FileSpace implements Space {
    private static final long SMALLEST_STEP = 1 << 20;
    private static final long LARGEST_STEP = 64 << 20;
    private static final long END_UNIT = 64 << 10;

    private final IoFile file;
    private final IoLoop loop;
    private final Growth growth;
    private final long step;
    private final ArrayDeque<Waiter> waiters = new ArrayDeque<>();
    private final ArrayDeque<Extension> planned = new ArrayDeque<>();
    private final ArrayDeque<Extension> toDo = new ArrayDeque<>();
    private final List<long[]> unused = new ArrayList<>();
    private final Extend extend = new Extend();
    private final ArrayDeque<Later> whenIdle = new ArrayDeque<>();
    private int flushError;
    /** Offset of the next cluster. */
    private long end;
    /** End of the space reserved so far. */
    private long limit;
    /** End of the space whose use is planned. */
    private long plannedEnd;
    /** End of the space that survives power loss. */
    private long durable;

    private boolean extending;

    /** Writes a format's own structures when its file grows, such as reference counts. */
    public interface Growth {
        /**
         * Plans the use of new bytes {@code [from, to)}, which begin at the current end. On the loop, without waiting.
         */
        Extension plan(long from, long to);
    }

    /** A planned part of the file. */
    public interface Extension {
        /** Offset of the first cluster: the beginning of the part, or the end of the format's own structures there. */
        long start();

        /** The end of the part. */
        long end();

        /**
         * Writes the format's structures for the part. Blocking, on a helper thread. They are flushed before any of the
         * part is used.
         */
        void write() throws IOException;
    }

    /** Called when the file is long enough. */
    interface Waiter {
        /** @param error 0 or an errno */
        void roomReady(int error);

        /** Length that the file must have. */
        long roomEnd();
    }

    private record Plain(long start, long end) implements Extension {
        @Override
        public void write() {
            // new space needs nothing
        }
    }

    /** @see #FileSpace(IoFile, IoLoop, long, long, Growth) */
    public FileSpace(IoFile file, IoLoop loop, long end, long diskSize) {
        this(file, loop, end, diskSize, null);
    }

    /**
     * @param end offset of the next cluster: past the end of the file and past everything that its tables point at
     * @param diskSize bytes of the disk: a small one is extended by small steps
     * @param growth plans the format's structures in new space, or null for none
     */
    public FileSpace(IoFile file, IoLoop loop, long end, long diskSize, Growth growth) {
        this.file = file;
        this.loop = loop;
        this.growth = growth;
        this.end = end;
        this.limit = end;
        this.plannedEnd = end;
        this.durable = Math.min(end, file.size());
        this.step = Math.max(SMALLEST_STEP, Math.min(LARGEST_STEP, Long.highestOneBit(Math.max(diskSize / 16, 1))));
    }

    /** Reserves bytes at the end, in one piece. */
    public long reserve(long bytes) {
        while (end + bytes > limit) {
            if (planned.isEmpty()) {
                plan(bytes);
            }
            Extension next = planned.poll();
            if (next.start() != limit) {
                if (end < limit) {
                    unused.add(new long[] {end, limit});
                }
                end = next.start();
            }
            limit = next.end();
        }
        long at = end;
        end += bytes;
        return at;
    }

    /** Whether the file must grow once {@code bytes} more are reserved. */
    public boolean isLow(long bytes) {
        return planned.isEmpty() && end + bytes > limit - step / 2;
    }

    /** The end of the reserved space; no table points past it. */
    public long end() {
        return end;
    }

    private void plan(long bytes) {
        // a device must not write both sides of the end at once
        long to = Alignment.up(plannedEnd + step + bytes, END_UNIT);
        Extension next = growth == null ? new Plain(plannedEnd, to) : growth.plan(plannedEnd, to);
        plannedEnd = next.end();
        planned.add(next);
        toDo.add(next);
        if (!extending) {
            extend.start();
        }
    }

    /** Calls the waiter when the file is as long as it asks; at once if it is already. */
    void ensure(Waiter waiter) {
        if (waiter.roomEnd() > durable) {
            waiters.add(waiter);
            if (!extending) {
                extend.start();
            }
            return;
        }
        if (!extending && isLow(0) && limit > end) {
            // early, so that the next writes need not wait
            plan(0);
        }
        waiter.roomReady(0);
    }

    private record Later(Runnable task, long durable) {}

    /** Returns the error of a flush here, which may concern completed writes. */
    @Override
    public int takeFlushError() {
        int error = flushError;
        flushError = 0;
        return error;
    }

    /** Runs the task when all extensions planned so far have ended. */
    @Override
    public void whenIdle(Runnable task) {
        if (extending) {
            whenIdle.add(new Later(task, plannedEnd));
        } else {
            task.run();
        }
    }

    /** Returns the parts of the file that were made and not used, as begin and end; the last one ends with the file. */
    public List<long[]> unused() {
        List<long[]> all = new ArrayList<>(unused);
        if (end < limit) {
            all.add(new long[] {end, limit});
        }
        for (Extension ahead : planned) {
            all.add(new long[] {ahead.start(), ahead.end()});
        }
        return all;
    }

    /** Cuts off the unused end of the file. Blocking; nothing is in flight. */
    public void trim() throws IOException {
        trim(end);
    }

    /**
     * Like {@link #trim()}, and also cuts off free space below.
     *
     * @param used the end of the reserved space that is in use
     */
    public void trim(long used) throws IOException {
        long keep = used;
        long before = limit;
        for (Extension ahead : planned) {
            // the format's own structures stay
            keep = ahead.start() == before ? keep : ahead.start();
            before = ahead.end();
        }
        if (file.size() > keep) {
            file.truncateNow(keep);
        }
    }

    private final class Extend implements IoCallback, IoLoop.BlockingCall {
        private final IoCallback flushed = e -> {
            flushError = e != 0 ? e : flushError;
            flushed(e);
        };
        private Extension now;
        private long target;
        private int stage;

        void start() {
            extending = true;
            stage = 0;
            now = toDo.peek();
            // no extension is planned: a reservation lies past an end that was cut off
            target = now == null ? plannedEnd : now.end();
            file.truncate(target, this);
        }

        @Override
        public int run() throws IOException {
            now.write();
            return 0;
        }

        @Override
        public void done(int error) {
            stage++;
            if (error == 0 && stage == 1 && growth != null && now != null) {
                loop.offload(this, this);
                return;
            }
            if (error == 0 && stage <= 2) {
                stage = 2;
                file.flush(flushed);
                return;
            }
            if (stage == 2) {
                // the format's writes may include flushes
                flushError = error;
            }
            flushed(error);
        }

        private void flushed(int error) {
            extending = false;
            if (error == 0) {
                durable = target;
                if (now != null) {
                    toDo.poll();
                }
            }
            // a failed extension stays planned, and the next waiter tries it again
            for (int n = waiters.size(); n > 0; n--) {
                Waiter waiter = waiters.poll();
                if (error == 0 && waiter.roomEnd() > durable) {
                    waiters.add(waiter);
                } else {
                    waiter.roomReady(error);
                }
            }
            if (!extending && (!waiters.isEmpty() || error == 0 && !toDo.isEmpty())) {
                start();
            }
            while (!whenIdle.isEmpty() && (!extending || whenIdle.peek().durable() <= durable)) {
                whenIdle.poll().task().run();
            }
        }
    }
}
