package org.blktap.jobs;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.BasicFileAttributes;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.Set;
import java.util.function.Consumer;
import org.blktap.api.engine.Errno;
import org.blktap.api.engine.ExtentList;
import org.blktap.api.engine.IoCallback;
import org.blktap.api.engine.IoEngine;
import org.blktap.api.engine.IoFile;
import org.blktap.api.engine.IoLoop;
import org.blktap.api.engine.IoQueue;
import org.blktap.api.memory.Segments;
import org.blktap.core.RealFiles;

/**
 * An engine whose operations on real files are done one at a time, each a step that a test sees. It knows what no flush
 * has covered, which a power loss may take. Whoever holds the monitor of this object stops all files.
 */
final class SteppedFiles implements IoEngine {
    private static final int MAP_UNIT = 4096;

    private final Map<Object, CachedContent> contents = new HashMap<>();
    /** Called after each step, with the monitor held. */
    private Consumer<String> onStep = step -> {};

    /** Something that is done as one step. */
    interface Step {
        void run() throws IOException;
    }

    synchronized void onStep(Consumer<String> action) {
        onStep = action;
    }

    /** Notes a step that has been done. */
    synchronized void step(String name) {
        onStep.accept(name);
    }

    /** What a power loss leaves of a file; null if no engine has had it open. */
    synchronized byte[] afterPowerLoss(Path file, Random random) throws IOException {
        CachedContent content = contents.get(key(file));
        return content == null ? null : content.afterPowerLoss(random);
    }

    /** The files of a host that starts are on disk. */
    synchronized void forget() {
        contents.clear();
    }

    private static Object key(Path file) throws IOException {
        return Files.readAttributes(file, BasicFileAttributes.class).fileKey();
    }

    @Override
    public IoQueue open(IoLoop loop) {
        return new RealFiles() {
            @Override
            public IoFile open(Path path, int descriptor, boolean writable, List<IoFile> own) throws IOException {
                synchronized (SteppedFiles.this) {
                    return super.open(path, descriptor, writable, own);
                }
            }

            @Override
            protected RealFile opened(Path path, int fd, boolean writable) throws IOException {
                Path held = Path.of("/proc/self/fd/" + fd);
                byte[] found = Files.readAllBytes(held);
                CachedContent content = contents.get(key(held));
                if (content == null || !Arrays.equals(content.now(), found)) {
                    // new, or with the number of one that was removed
                    content = new CachedContent(found);
                    contents.put(key(held), content);
                }
                step("open " + path.getFileName());
                return new SteppedFile(path, fd, writable, loop, content);
            }
        };
    }

    private final class SteppedFile extends RealFiles.RealFile {
        private final IoLoop loop;
        private final CachedContent content;
        private final FileChannel channel;

        SteppedFile(Path path, int fd, boolean writable, IoLoop loop, CachedContent content) throws IOException {
            super(path, fd, writable);
            this.loop = loop;
            this.content = content;
            channel = FileChannel.open(
                    Path.of("/proc/self/fd/" + fd), Set.of(StandardOpenOption.READ, StandardOpenOption.WRITE));
        }

        private void change(String what, Step how) throws IOException {
            synchronized (SteppedFiles.this) {
                how.run();
                step(what + " " + path().getFileName());
            }
        }

        private void later(IoCallback done, String what, Step how) {
            int error = 0;
            try {
                change(what, how);
            } catch (IOException e) {
                error = Errno.EIO;
            }
            int ended = error;
            loop.execute(() -> done.done(ended));
        }

        private void put(byte[] bytes, long offset) throws IOException {
            for (ByteBuffer rest = ByteBuffer.wrap(bytes); rest.hasRemaining(); ) {
                channel.write(rest, offset + rest.position());
            }
            content.put(bytes, offset);
        }

        private void resize(long size) throws IOException {
            long present = channel.size();
            if (size < present) {
                channel.truncate(size);
            } else if (size > present) {
                channel.write(ByteBuffer.allocate(1), size - 1);
            }
            content.resize(size);
        }

        private byte[] get(long offset, long length) throws IOException {
            ByteBuffer bytes = ByteBuffer.allocate((int) length);
            readFully(bytes, offset);
            return bytes.array();
        }

        @Override
        public void read(long offset, Segments into, long skip, long length, IoCallback done) {
            Segments list = new Segments(1);
            list.sliceOf(into, skip, length);
            int error = 0;
            try {
                list.copyFrom(ByteBuffer.wrap(get(offset, length)), 0);
            } catch (IOException e) {
                error = Errno.EIO;
            }
            int ended = error;
            loop.execute(() -> done.done(ended));
        }

        @Override
        public void write(long offset, Segments from, long skip, long length, IoCallback done) {
            Segments list = new Segments(1);
            list.sliceOf(from, skip, length);
            byte[] bytes = new byte[(int) length];
            list.copyTo(ByteBuffer.wrap(bytes), 0);
            later(done, "write", () -> put(bytes, offset));
        }

        @Override
        public void flush(IoCallback done) {
            later(done, "flush", content::settle);
        }

        @Override
        public void discard(long offset, long length, IoCallback done) {
            later(done, "discard", () -> {
                long end = Math.min(channel.size(), offset + length);
                put(new byte[(int) Math.max(0, end - offset)], offset);
            });
        }

        @Override
        public void zero(long offset, long length, boolean unmap, IoCallback done) {
            later(done, "zero", () -> put(new byte[(int) length], offset));
        }

        @Override
        public void truncate(long size, IoCallback done) {
            later(done, "truncate", () -> resize(size));
        }

        @Override
        public void map(long offset, long length, ExtentList into, IoCallback done) {
            int error = 0;
            try {
                byte[] bytes = get(offset, length);
                for (int at = 0; at < bytes.length; ) {
                    int to = Math.min(bytes.length, at + MAP_UNIT);
                    boolean zero = true;
                    for (int i = at; i < to; i++) {
                        zero &= bytes[i] == 0;
                    }
                    into.add(to - at, zero ? ExtentList.HOLE | ExtentList.ZERO : ExtentList.DATA);
                    at = to;
                }
            } catch (IOException e) {
                error = Errno.EIO;
            }
            int ended = error;
            loop.execute(() -> done.done(ended));
        }

        @Override
        public void readFully(ByteBuffer into, long offset) throws IOException {
            int start = into.position();
            while (into.hasRemaining()) {
                int read = channel.read(into, offset + into.position() - start);
                if (read < 0) {
                    into.put(new byte[into.remaining()]);
                }
            }
        }

        @Override
        public void writeFully(ByteBuffer from, long offset) throws IOException {
            byte[] bytes = new byte[from.remaining()];
            from.get(bytes);
            change("write", () -> put(bytes, offset));
        }

        @Override
        public void truncateNow(long size) throws IOException {
            change("truncate", () -> resize(size));
        }

        @Override
        public void flushNow() throws IOException {
            change("flush", content::settle);
        }

        @Override
        public void close() {
            synchronized (SteppedFiles.this) {
                super.close();
                try {
                    channel.close();
                } catch (IOException e) {
                    throw new UncheckedIOException(e);
                }
            }
        }
    }
}
