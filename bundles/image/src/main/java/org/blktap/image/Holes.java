package org.blktap.image;

import java.io.IOException;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import org.blktap.api.disk.ExtentList;
import org.blktap.api.engine.IoFile;
import org.blktap.api.engine.IoLoop;

/** Tells where a file has holes, for work that would otherwise read through terabytes of nothing. One thread, not the loop's. */
public final class Holes {
    private final IoFile file;
    private final IoLoop loop;
    private long from;
    private long to;

    public Holes(IoFile file, IoLoop loop) {
        this.file = file;
        this.loop = loop;
    }

    /** Whether the whole range reads as zeros because it is a hole or lies past the end; false where that is not known. */
    public boolean contains(long offset, long length) throws IOException {
        if (offset >= from && offset + length <= to) {
            return true;
        }
        if (offset >= file.size()) {
            return true;
        }
        ExtentList extents = new ExtentList();
        CompletableFuture<Integer> ended = new CompletableFuture<>();
        loop.execute(() -> file.map(offset, file.size() - offset, extents, ended::complete));
        try {
            if (ended.get() != 0 || extents.count() == 0 || (extents.state(0) & ExtentList.HOLE) == 0) {
                return false;
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new IOException("interrupted", e);
        } catch (ExecutionException e) {
            throw new IOException(e.getCause());
        }
        from = offset;
        to = offset + extents.length(0);
        return offset + length <= to;
    }
}
