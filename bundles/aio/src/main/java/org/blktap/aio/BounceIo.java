package org.blktap.aio;

import java.util.ArrayDeque;
import org.blktap.api.engine.IoCallback;
import org.blktap.api.memory.Alignment;
import org.blktap.api.memory.Memory;
import org.blktap.api.memory.Segments;
import org.blktap.linux.Mapping;

/**
 * The slow path of a file: requests with an offset, length or memory that the device does not accept are copied through
 * an aligned buffer. A write of part of a device sector reads the sector first, and so must be alone: it waits for the
 * writes under way, and later writes wait for it. One at a time; loop only.
 */
final class BounceIo {
    /** Most bytes that are copied at once; longer requests are done in steps. */
    private static final int BUFFER = 1 << 18;

    private final DiskFile file;
    private final int alignment;
    private final ArrayDeque<SlowRequest> waiting = new ArrayDeque<>();
    private final Segments aligned = new Segments(1);
    private SlowRequest current;
    private int writes;
    private Mapping buffer;

    BounceIo(DiskFile file) {
        this.file = file;
        // without O_DIRECT only requests with too many pieces come here, at any offset
        this.alignment = file.file.alignment();
    }

    /** A request on the slow path, done in steps of one buffer. */
    private static final class SlowRequest {
        final boolean write;
        final boolean zero;
        final Segments data;
        final IoCallback done;
        long offset;
        long at;
        long left;

        SlowRequest(boolean write, long offset, Segments data, long skip, long length, IoCallback done) {
            this.write = write;
            this.zero = data == null;
            this.offset = offset;
            this.left = length;
            this.done = done;
            this.data = new Segments(data == null ? 0 : data.count());
            if (data != null) {
                this.data.sliceOf(data, skip, length);
            }
        }
    }

    /** Whether writes may start at once: no request on the slow path must be alone. */
    boolean idle() {
        return current == null && waiting.isEmpty();
    }

    void writeStarted() {
        writes++;
    }

    void writeEnded() {
        writes--;
        next();
    }

    void read(long offset, Segments into, long skip, long length, IoCallback done) {
        add(new SlowRequest(false, offset, into, skip, length, done));
    }

    void write(long offset, Segments from, long skip, long length, IoCallback done) {
        add(new SlowRequest(true, offset, from, skip, length, done));
    }

    void zero(long offset, long length, IoCallback done) {
        add(new SlowRequest(true, offset, null, 0, length, done));
    }

    private void add(SlowRequest step) {
        waiting.add(step);
        next();
    }

    private void next() {
        if (current != null || waiting.isEmpty() || waiting.peek().write && writes > 0) {
            return;
        }
        current = waiting.poll();
        if (buffer == null) {
            buffer = Mapping.anonymous(BUFFER);
        }
        step();
    }

    /** Moves the next part of the current request. */
    private void step() {
        SlowRequest s = current;
        if (s.left == 0) {
            end(0);
            return;
        }
        long begin = Alignment.down(s.offset, alignment);
        int skip = (int) (s.offset - begin);
        int part = (int) Math.min(s.left, BUFFER - skip);
        int whole = Alignment.up(skip + part, alignment);
        aligned.clear();
        aligned.add(buffer.address(), whole);
        if (s.write && skip == 0 && part == whole) {
            fillAndWrite(s, begin, skip, part, whole);
        } else {
            file.startRead(begin, aligned, 0, whole, error -> {
                if (error != 0) {
                    end(error);
                } else if (s.write) {
                    fillAndWrite(s, begin, skip, part, whole);
                } else {
                    s.data.copyFrom(buffer.address() + skip, s.at, part);
                    advance(s, part);
                }
            });
        }
    }

    private void fillAndWrite(SlowRequest s, long begin, int skip, int part, int whole) {
        if (s.zero) {
            Memory.fill(buffer.address() + skip, part, (byte) 0);
        } else {
            s.data.copyTo(buffer.address() + skip, s.at, part);
        }
        long size = Math.max(file.size(), s.offset + part);
        writes++;
        file.startWrite(begin, aligned, 0, whole, error -> {
            if (error != 0) {
                end(error);
            } else if (begin + whole > size && !file.blockDevice()) {
                // the last sector was written as a whole; the file must end where the request did
                file.cutTail(size, failed -> {
                    if (failed != 0) {
                        end(failed);
                    } else {
                        advance(s, part);
                    }
                });
            } else {
                advance(s, part);
            }
        });
    }

    private void advance(SlowRequest s, int part) {
        s.offset += part;
        s.at += part;
        s.left -= part;
        step();
    }

    private void end(int error) {
        SlowRequest s = current;
        current = null;
        s.done.done(error);
        next();
    }

    void close() {
        if (buffer != null) {
            buffer.close();
        }
    }
}
