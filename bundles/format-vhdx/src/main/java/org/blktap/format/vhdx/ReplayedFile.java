package org.blktap.format.vhdx;

import java.io.IOException;
import java.nio.ByteBuffer;
import org.blktap.api.engine.Errno;
import org.blktap.api.engine.ExtentList;
import org.blktap.api.engine.IoCallback;
import org.blktap.api.engine.IoFile;
import org.blktap.api.engine.IoLoop;
import org.blktap.api.engine.PassThroughFile;
import org.blktap.api.memory.Segments;

/** A file as it will be when its log has been replayed; for reading only. Reads of what the log changes allocate. */
final class ReplayedFile extends PassThroughFile {
    private final LogContents contents;
    private final VhdxLogMemory.Share memory;
    private final IoLoop loop;

    /** @param memory for the contents; returned when the file is closed */
    ReplayedFile(IoFile file, LogContents contents, VhdxLogMemory.Share memory, IoLoop loop) {
        super(file);
        this.memory = memory;
        this.contents = contents;
        this.loop = loop;
    }

    @Override
    public boolean writable() {
        return false;
    }

    @Override
    public long size() {
        return Math.max(file.size(), contents.lastFileOffset());
    }

    @Override
    public void read(long offset, Segments into, long skip, long length, IoCallback done) {
        if (!contents.overlaps(offset, length)) {
            file.read(offset, into, skip, length, done);
            return;
        }
        Segments target = new Segments(into.count());
        target.sliceOf(into, skip, length);
        file.read(offset, target, 0, length, error -> done.done(error != 0 ? error : replay(offset, target, length)));
    }

    private int replay(long offset, Segments target, long length) {
        try {
            contents.visit(offset, length, (from, bytes, data) -> {
                if (data == null) {
                    target.zero(from - offset, bytes);
                } else {
                    target.copyFrom(data, from - offset);
                }
            });
            return 0;
        } catch (IOException e) {
            return Errno.EIO;
        }
    }

    @Override
    public void readFully(ByteBuffer into, long offset) throws IOException {
        int start = into.position();
        int length = into.remaining();
        file.readFully(into, offset);
        contents.visit(offset, length, (from, bytes, data) -> {
            int at = start + (int) (from - offset);
            into.put(at, data == null ? new byte[(int) bytes] : copy(data));
        });
    }

    @Override
    public void close() {
        super.close();
        memory.close();
    }

    private static byte[] copy(ByteBuffer data) {
        byte[] bytes = new byte[data.remaining()];
        data.get(bytes);
        return bytes;
    }

    @Override
    public void map(long offset, long length, ExtentList into, IoCallback done) {
        if (contents.overlaps(offset, length)) {
            // the log, not the file below, has the contents of this range
            into.add(length, ExtentList.DATA);
            loop.execute(() -> done.done(0));
        } else {
            file.map(offset, length, into, done);
        }
    }
}
