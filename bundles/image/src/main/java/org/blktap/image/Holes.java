package org.blktap.image;

import java.io.IOException;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import org.blktap.api.engine.ErrnoException;
import org.blktap.api.engine.ExtentList;
import org.blktap.api.engine.IoFile;
import org.blktap.api.engine.IoLoop;

/** Finds the holes of a file, so that checks need not read terabytes of zeros. One thread, not the loop's. */
public final class Holes {
    private final IoFile file;
    private final IoLoop loop;
    private long from;
    private long to;

    public Holes(IoFile file, IoLoop loop) {
        this.file = file;
        this.loop = loop;
    }

    /** Returns the bytes of a range that are not holes; the space past the end of the file counts as a hole. */
    public long dataBytes(long offset, long length) throws IOException {
        long end = Math.min(offset + length, file.size());
        long data = 0;
        for (long at = offset; at < end; ) {
            ExtentList extents = new ExtentList();
            if (map(at, end - at, extents) != 0 || extents.total() <= 0) {
                return data + end - at;
            }
            for (int i = 0; i < extents.count(); i++) {
                data += (extents.state(i) & ExtentList.HOLE) == 0 ? extents.length(i) : 0;
            }
            at += extents.total();
        }
        return data;
    }

    /** Frees the space of a range, where the file system can. */
    public void punch(long offset, long length) throws IOException {
        CompletableFuture<Integer> ended = new CompletableFuture<>();
        loop.execute(() -> file.discard(offset, length, ended::complete));
        int error = await(ended);
        if (error != 0) {
            throw new ErrnoException("cannot punch a hole at " + offset, error);
        }
    }

    private int map(long offset, long length, ExtentList extents) throws IOException {
        CompletableFuture<Integer> ended = new CompletableFuture<>();
        loop.execute(() -> file.map(offset, length, extents, ended::complete));
        return await(ended);
    }

    private static int await(CompletableFuture<Integer> ended) throws IOException {
        try {
            return ended.get();
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new IOException("interrupted", e);
        } catch (ExecutionException e) {
            throw new IOException(e.getCause());
        }
    }

    /** Whether the whole range reads as zeros because it is a hole or lies past the end; false if that is not known. */
    public boolean contains(long offset, long length) throws IOException {
        if (offset >= from && offset + length <= to) {
            return true;
        }
        if (offset >= file.size()) {
            return true;
        }
        ExtentList extents = new ExtentList();
        if (map(offset, file.size() - offset, extents) != 0
                || extents.count() == 0
                || (extents.state(0) & ExtentList.HOLE) == 0) {
            return false;
        }
        from = offset;
        to = offset + extents.length(0);
        return offset + length <= to;
    }
}
