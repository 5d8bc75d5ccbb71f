package org.blktap.api.testkit;

import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Random;
import java.util.function.Consumer;
import java.util.function.ToIntFunction;
import org.blktap.api.disk.DiskInfo;
import org.blktap.api.disk.Operation;
import org.blktap.api.disk.Request;
import org.blktap.api.disk.VirtualDisk;
import org.blktap.api.engine.Errno;
import org.blktap.api.engine.ExtentList;
import org.blktap.api.engine.IoLoop;
import org.blktap.api.engine.LoopStage;
import org.blktap.api.memory.Memory;
import org.blktap.api.memory.NativeBuffer;
import org.blktap.api.node.DiskPort;

/**
 * A disk in native memory, for filters, and behind a port, for nodes. It does as a test says: it closes, performs
 * requests at once, later or in another order, holds them, and fails them.
 *
 * <p>Methods run on the loop, except where noted. Fields may be set by any thread; one that lets held requests go
 * should be set on the loop, which may sleep otherwise. Requests that are held or shuffled complete in turns of the
 * loop once the port is added to it ({@link IoLoop#addEngine}).
 */
public final class MemoryPort implements DiskPort, VirtualDisk, LoopStage {
    /** A request as it was submitted; as a string, e.g. {@code WRITE 0 4096 0}. */
    public record Seen(Operation operation, long offset, long length, int flags) {
        @Override
        public String toString() {
            return operation + " " + offset + " " + length + " " + flags;
        }
    }

    /** The contents of the disk. */
    public final NativeBuffer content;
    /** The requests that were submitted, in their order, while {@link #quiet} was not set. */
    public final List<Seen> seen = Collections.synchronizedList(new ArrayList<>());

    /** Describes the disk to nodes; its size may be larger than the contents. */
    public volatile DiskInfo info;
    /** Whether the port takes requests. */
    public volatile boolean open = true;
    /** Nothing is recorded while this is set. */
    public volatile boolean quiet;
    /** Requests are held while this is set. */
    public volatile boolean hold;
    /** Completes requests in later turns and in another order, if set. */
    public volatile Random shuffle;
    /** Performs requests later, if set: it is given what performs one. */
    public volatile Consumer<Runnable> later;
    /** Thrown by {@link #submit}, if set: a {@link RuntimeException} or an {@link Error}. */
    public volatile Throwable thrown;
    /** The errno that a request fails with, without effect; 0 for none. */
    public volatile ToIntFunction<Request> fails = request -> 0;
    /** Runs before each request is submitted or performed; if it throws, that is where the process dies. */
    public volatile Runnable beforeCall = () -> {};
    /**
     * Runs after data was moved. An error because a guest's memory has gone may come as late as the next native call:
     * one that makes such a call has it come here.
     */
    public volatile Runnable afterMove = () -> {};
    /** From this offset on, sparse reads find zeros. */
    public volatile long zerosFrom = Long.MAX_VALUE;
    /** The length of the runs in answer to MAP: data and holes by turns, beginning with data. */
    public volatile long runBytes = 1 << 20;
    /** Answers a MAP in place of {@link #runBytes}, if set. */
    public volatile Consumer<Request> maps;

    /** Whether pending requests are held because the disk has failed them, so that a node may take them back. */
    public volatile boolean withdrawable;

    private final List<Request> pending = new ArrayList<>();
    private volatile int pendingCount;
    private volatile int mostPending;

    /** A disk of the size of its contents, which can discard and write zeros. */
    public MemoryPort(NativeBuffer content) {
        this.content = content;
        info = DiskInfo.ofSize(content.size())
                .withBlocks(512, 4096)
                .withOptimalIo(65536)
                .with(Operation.DISCARD, Operation.WRITE_ZEROES);
    }

    @Override
    public DiskInfo info() {
        return info;
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
        if (thrown instanceof RuntimeException e) {
            throw e;
        }
        if (thrown instanceof Error e) {
            throw e;
        }
        if (!quiet) {
            seen.add(new Seen(request.operation(), request.offset(), request.length(), request.flags()));
        }
        Consumer<Runnable> executor = later;
        if (hold || shuffle != null) {
            pending.add(request);
            pendingCount = pending.size();
            mostPending = Math.max(mostPending, pendingCount);
        } else if (executor != null) {
            executor.accept(() -> perform(request));
        } else {
            perform(request);
        }
    }

    @Override
    public boolean withdraw(Request request) {
        boolean held = withdrawable && pending.remove(request);
        pendingCount = pending.size();
        return held;
    }

    /** The number of requests that are held or shuffled. Any thread. */
    public int pending() {
        return pendingCount;
    }

    /** The largest number of requests that were pending at once. Any thread. */
    public int mostPending() {
        return mostPending;
    }

    /**
     * Takes away the pending requests, in their order, without completing them: the process dies, or the caller
     * completes them.
     */
    public List<Request> take() {
        List<Request> taken = List.copyOf(pending);
        pending.clear();
        pendingCount = 0;
        return taken;
    }

    /** Performs all pending requests, and those that come of it, and holds no more. */
    public void release() {
        hold = false;
        while (!pending.isEmpty()) {
            perform(pending.size());
        }
    }

    @Override
    public boolean poll() {
        if (hold || pending.isEmpty()) {
            return false;
        }
        Random order = shuffle;
        if (order == null) {
            perform(pending.size());
        } else if (order.nextInt(4) != 0) {
            Collections.shuffle(pending, order);
            perform(1 + order.nextInt(pending.size()));
        }
        return true;
    }

    @Override
    public void flush() {
        // all is done in poll
    }

    @Override
    public boolean arm() {
        return !hold && !pending.isEmpty();
    }

    private void perform(int count) {
        for (int i = 0; i < count; i++) {
            beforeCall.run();
            Request request = pending.remove(0);
            pendingCount = pending.size();
            perform(request);
        }
    }

    private void perform(Request request) {
        int errno = fails.applyAsInt(request);
        request.complete(errno != 0 ? errno : result(request));
    }

    /** Checks a request as the core's gate does, and performs it. */
    private int result(Request request) {
        Operation operation = request.operation();
        if (operation == Operation.FLUSH) {
            return 0;
        }
        boolean writes = operation != Operation.READ && operation != Operation.MAP;
        if (writes && info.readOnly()) {
            return Errno.EROFS;
        }
        boolean moves = operation == Operation.READ || operation == Operation.WRITE;
        long size = moves ? content.size() : Math.max(content.size(), info.sizeBytes());
        if (request.offset() < 0 || request.length() <= 0 || request.offset() > size - request.length()) {
            return Errno.EINVAL;
        }
        if (operation == Operation.WRITE_ZEROES && request.has(Request.FAST_ONLY) && request.has(Request.NO_UNMAP)) {
            return Errno.EOPNOTSUPP;
        }
        if (operation == Operation.MAP) {
            map(request);
            return 0;
        }
        return moved(request, content.address() + request.offset()) ? 0 : Errno.EFAULT;
    }

    /** False if the guest's memory was gone. */
    private boolean moved(Request request, long at) {
        try {
            switch (request.operation()) {
                case READ -> {
                    if (request.offset() >= zerosFrom && request.has(Request.SPARSE)) {
                        request.markZeros();
                    } else {
                        request.data().copyFrom(at, 0, request.length());
                    }
                }
                case WRITE -> request.data().copyTo(at, 0, request.length());
                default -> {
                    // past the contents all is zeros
                    long there = Math.min(request.length(), content.size() - request.offset());
                    if (there > 0) {
                        Memory.fill(at, there, (byte) 0);
                    }
                }
            }
            afterMove.run();
            return !request.data().faulted();
        } catch (InternalError e) {
            return false;
        }
    }

    private void map(Request request) {
        if (maps != null) {
            maps.accept(request);
            return;
        }
        long run = runBytes;
        long position = request.offset();
        long end = position + request.length();
        while (position < end) {
            long bytes = Math.min(end, (position / run + 1) * run) - position;
            request.extents().add(bytes, position / run % 2 == 0 ? ExtentList.DATA : ExtentList.HOLE | ExtentList.ZERO);
            position += bytes;
        }
    }

    /** Frees the contents. Any thread, when the loop has no use for the port any more. */
    @Override
    public void close() {
        content.close();
    }
}
