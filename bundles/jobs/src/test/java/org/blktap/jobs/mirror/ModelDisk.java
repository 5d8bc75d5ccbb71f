package org.blktap.jobs.mirror;

import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.function.ToIntFunction;
import org.blktap.api.disk.DiskInfo;
import org.blktap.api.disk.Operation;
import org.blktap.api.disk.Request;
import org.blktap.api.disk.VirtualDisk;
import org.blktap.api.engine.ExtentList;
import org.blktap.api.memory.Memory;
import org.blktap.api.memory.NativeBuffer;
import org.blktap.api.memory.NativeMemory;

/** A disk that performs requests later and in any order, and knows which image of a chain has which block. */
final class ModelDisk implements VirtualDisk {
    static final int BLOCK = 4096;
    private static final ByteBuffer ZEROS = ByteBuffer.allocateDirect(BLOCK);

    final NativeBuffer content;
    final int[] depths;
    /** The depth of what is written. */
    int ownDepth = 1;

    ToIntFunction<Request> fails = request -> 0;
    Operation last;
    boolean closed;
    private final long size;
    private final Random random;
    private final List<Request> pending = new ArrayList<>();

    ModelDisk(long size, NativeMemory memory, Random random) {
        this.size = size;
        this.random = random;
        content = memory.allocate(size);
        depths = new int[(int) ((size + BLOCK - 1) / BLOCK)];
        Arrays.fill(depths, ExtentList.HERE);
    }

    /** Fills some blocks with random bytes. */
    void scribble() {
        for (long at = 0; at < size; at += BLOCK) {
            if (random.nextInt(3) > 0) {
                int value = 1 + random.nextInt(255);
                Memory.fill(content.address() + at, Math.min(BLOCK, size - at), (byte) value);
            }
        }
    }

    byte[] bytes() {
        byte[] all = new byte[(int) size];
        content.bytes(0, all.length).get(all);
        return all;
    }

    @Override
    public DiskInfo info() {
        return DiskInfo.ofSize(size).with(Operation.DISCARD, Operation.WRITE_ZEROES);
    }

    @Override
    public void submit(Request request) {
        if (closed) {
            throw new IllegalStateException("closed");
        }
        last = request.operation();
        pending.add(request);
    }

    boolean isIdle() {
        return pending.isEmpty();
    }

    /** Performs some requests. */
    void poll() {
        for (int i = random.nextInt(4); i > 0 && !pending.isEmpty(); i--) {
            Request request = pending.remove(random.nextInt(pending.size()));
            int error = fails.applyAsInt(request);
            if (error == 0) {
                perform(request);
            }
            request.complete(error);
        }
    }

    /** The process dies: what is in flight has happened or not, and nobody is told. */
    void kill() {
        for (Request each : pending) {
            if (random.nextBoolean()) {
                perform(each);
            }
        }
        pending.clear();
    }

    private void perform(Request request) {
        long at = content.address() + request.offset();
        switch (request.operation()) {
            case READ -> request.data().copyFrom(at, 0, request.length());
            case WRITE -> request.data().copyTo(at, 0, request.length());
            case WRITE_ZEROES -> Memory.fill(at, request.length(), (byte) 0);
            case DISCARD -> {
                if (random.nextBoolean()) {
                    Memory.fill(at, request.length(), (byte) 0);
                } else {
                    return;
                }
            }
            case MAP -> map(request);
            case FLUSH -> {}
        }
        if (request.operation().changes()) {
            for (long block = request.offset() / BLOCK; block * BLOCK < request.offset() + request.length(); block++) {
                depths[(int) block] = ownDepth;
            }
        }
    }

    private void map(Request request) {
        long end = request.offset() + request.length();
        for (long at = request.offset(); at < end; ) {
            int block = (int) (at / BLOCK);
            long to = Math.min(end, (block + 1L) * BLOCK);
            boolean zero = isZero(block);
            request.extents().add(to - at, zero ? ExtentList.HOLE | ExtentList.ZERO : ExtentList.DATA, depths[block]);
            at = to;
        }
    }

    private boolean isZero(int block) {
        long from = (long) block * BLOCK;
        int count = (int) (Math.min(size, from + BLOCK) - from);
        return content.bytes(from, count).mismatch(ZEROS.slice(0, count)) < 0;
    }

    @Override
    public void close() {
        closed = true;
    }
}
