package org.blktap.node.vhostuser;

import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.List;
import java.util.Queue;
import java.util.function.Consumer;
import org.blktap.api.disk.DiskInfo;
import org.blktap.api.disk.Operation;
import org.blktap.api.disk.Request;
import org.blktap.api.engine.Errno;
import org.blktap.api.memory.Memory;
import org.blktap.api.node.DiskPort;
import org.blktap.linux.Mapping;

/** A disk in memory behind a port that can be closed, and that can hold requests back. */
final class MemoryPort implements DiskPort, AutoCloseable {
    /** What was submitted. */
    record Seen(Operation operation, long offset, long length, int flags) {
    }

    final long bytes;
    final Mapping content;
    final List<Seen> seen = new ArrayList<>();
    final Queue<Request> held = new ArrayDeque<>();
    boolean open = true;
    boolean hold;
    boolean readOnly;
    boolean quiet;
    long sizeShown;

    /** Thrown by submit, if set. */
    Error failure;
    /** Performs requests later, if set. */
    Consumer<Runnable> later;

    MemoryPort(Mapping content) {
        this.bytes = content.size();
        this.sizeShown = bytes;
        this.content = content;
    }

    @Override
    public DiskInfo info() {
        return DiskInfo.ofSize(sizeShown).withBlocks(512, 4096).withOptimalIo(65536).with(Operation.DISCARD, Operation.WRITE_ZEROES).withReadOnly(readOnly);
    }

    @Override
    public boolean isOpen() {
        return open;
    }

    @Override
    public Request newRequest(Request.Completion owner, int pieces) {
        return new Request(owner, pieces);
    }

    @Override
    public void submit(Request request) {
        if (!open) {
            throw new IllegalStateException("submitted to a closed port");
        }
        if (failure != null) {
            throw failure;
        }
        if (!quiet) {
            seen.add(new Seen(request.operation(), request.offset(), request.length(), request.flags()));
        }
        if (hold) {
            held.add(request);
        } else if (later != null) {
            later.accept(() -> perform(request));
        } else {
            perform(request);
        }
    }

    void releaseAll() {
        hold = false;
        while (!held.isEmpty()) {
            perform(held.remove());
        }
    }

    private void perform(Request request) {
        if (request.operation() != Operation.FLUSH
                && (request.offset() > bytes || request.length() > bytes - request.offset())) {
            request.complete(Errno.EINVAL);
            return;
        }
        long at = content.address() + request.offset();
        switch (request.operation()) {
            case READ -> request.data().copyFrom(at, 0, request.length());
            case WRITE -> {
                if (readOnly) {
                    request.complete(Errno.EROFS);
                    return;
                }
                request.data().copyTo(at, 0, request.length());
            }
            case DISCARD, WRITE_ZEROES -> Memory.fill(at, request.length(), (byte) 0);
            case FLUSH, MAP -> {
                // nothing is cached
            }
        }
        request.complete(0);
    }

    @Override
    public void close() {
        content.close();
    }
}
