package org.blktap.node.xen;

import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Random;
import java.util.function.ToIntFunction;
import org.blktap.api.disk.DiskInfo;
import org.blktap.api.disk.Operation;
import org.blktap.api.disk.Request;
import org.blktap.api.engine.Errno;
import org.blktap.api.engine.LoopStage;
import org.blktap.api.memory.Memory;
import org.blktap.api.node.DiskPort;
import org.blktap.linux.Libc;
import org.blktap.linux.Mapping;

/**
 * A disk in memory behind a port that can be closed, that performs requests at once, or some turns later and in another order, or holds them, and that
 * fails those it is told to. Loop only.
 */
final class MemoryPort implements DiskPort, LoopStage {
    /** What was submitted. */
    record Seen(Operation operation, long offset, long length, int flags) {
    }

    final Mapping content;
    final List<Seen> seen = new ArrayList<>();
    final List<Request> pending = new ArrayList<>();
    boolean open = true;
    boolean hold;
    boolean readOnly;
    boolean canDiscard = true;
    boolean quiet;
    long sizeShown;
    /** Ends requests later and out of order, if set. */
    Random shuffle;
    /** The errno that a request ends with, without effect; 0 for none. */
    ToIntFunction<Request> fails = request -> 0;
    /** Runs before each call; one that throws is a process that dies there. */
    Runnable beforeCall = () -> { };

    MemoryPort(Mapping content) {
        this.content = content;
        sizeShown = content.size();
    }

    @Override
    public DiskInfo info() {
        DiskInfo disk = DiskInfo.ofSize(sizeShown).withBlocks(512, 4096).withOptimalIo(65536).with(Operation.WRITE_ZEROES).withReadOnly(readOnly);
        return canDiscard ? disk.with(Operation.DISCARD) : disk;
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
        beforeCall.run();
        if (!open) {
            throw new IllegalStateException("submitted to a closed port");
        }
        if (!quiet) {
            seen.add(new Seen(request.operation(), request.offset(), request.length(), request.flags()));
        }
        if (hold || shuffle != null) {
            pending.add(request);
        } else {
            perform(request);
        }
    }

    /** Ends some of what is pending. */
    @Override
    public boolean poll() {
        if (hold || pending.isEmpty()) {
            return false;
        }
        if (shuffle == null) {
            end(pending.size());
        } else if (shuffle.nextInt(4) != 0) {
            Collections.shuffle(pending, shuffle);
            end(1 + shuffle.nextInt(pending.size()));
        }
        return true;
    }

    /** Ends all that is pending, and what comes of it: the port is closed or about to be. */
    void drain() {
        hold = false;
        while (!pending.isEmpty()) {
            end(pending.size());
        }
    }

    private void end(int count) {
        for (int i = 0; i < count; i++) {
            beforeCall.run();
            perform(pending.remove(pending.size() - 1));
        }
    }

    @Override
    public void flush() {
        // all is done in poll
    }

    @Override
    public boolean arm() {
        return !hold && !pending.isEmpty();
    }

    private void perform(Request request) {
        int errno = fails.applyAsInt(request);
        if (errno != 0) {
            request.complete(errno);
            return;
        }
        boolean ranged = request.operation() != Operation.FLUSH;
        if (ranged && (request.offset() < 0 || request.length() <= 0 || request.offset() > content.size() - request.length())) {
            request.complete(Errno.EINVAL);
            return;
        }
        if (readOnly && ranged && request.operation() != Operation.READ) {
            request.complete(Errno.EROFS);
            return;
        }
        request.complete(moved(request, content.address() + request.offset()) ? 0 : Errno.EFAULT);
    }

    /** False if the memory of the guest was gone. */
    private static boolean moved(Request request, long at) {
        try {
            switch (request.operation()) {
                case READ -> request.data().copyFrom(at, 0, request.length());
                case WRITE -> request.data().copyTo(at, 0, request.length());
                case DISCARD, WRITE_ZEROES -> Memory.fill(at, request.length(), (byte) 0);
                case FLUSH, MAP -> {
                    // nothing is cached
                }
            }
            // the error may come late, and must not in the midst of something else
            Libc.getuid();
            return !request.data().faulted();
        } catch (InternalError e) {
            return false;
        }
    }
}
