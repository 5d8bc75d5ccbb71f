package org.blktap.filter.luks;

import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.function.ToIntFunction;
import org.blktap.api.disk.DiskInfo;
import org.blktap.api.disk.Operation;
import org.blktap.api.disk.Request;
import org.blktap.api.disk.VirtualDisk;
import org.blktap.api.engine.Errno;
import org.blktap.api.engine.ExtentList;
import org.blktap.api.memory.Memory;
import org.blktap.api.memory.NativeBuffer;
import org.blktap.api.memory.NativeMemory;

/** A disk in memory, which ends requests at once, or later in any order. The test's thread is its loop. */
final class MemoryDisk implements VirtualDisk {
    final NativeBuffer content;
    /** What is submitted, as {@code WRITE 0+512}; null to note nothing. */
    List<String> seen;
    /** The errno that a request fails with, without effect. */
    ToIntFunction<Request> fails = request -> 0;

    private final long size;
    private final Random order;
    private final List<Request> pending = new ArrayList<>();
    /** Whether requests end later. */
    boolean later;

    DiskInfo info;

    MemoryDisk(NativeMemory memory, long size, Random order) {
        this.size = size;
        this.order = order;
        content = memory.allocate(size);
        info = DiskInfo.ofSize(size).with(Operation.DISCARD, Operation.WRITE_ZEROES);
    }

    @Override
    public DiskInfo info() {
        return info;
    }

    @Override
    public void submit(Request request) {
        if (seen != null) {
            seen.add(request.toString());
        }
        if (later) {
            pending.add(request);
        } else {
            perform(request);
        }
    }

    /** Ends one request; false if there is none. */
    boolean step() {
        if (pending.isEmpty()) {
            return false;
        }
        int i = order.nextInt(pending.size());
        Request request = pending.get(i);
        pending.set(i, pending.get(pending.size() - 1));
        pending.remove(pending.size() - 1);
        perform(request);
        return true;
    }

    private void perform(Request request) {
        int errno = fails.applyAsInt(request);
        if (errno == 0 && request.operation() != Operation.FLUSH) {
            errno = move(request);
        }
        request.complete(errno);
    }

    private int move(Request request) {
        if (request.offset() < 0
                || request.length() <= 0
                || request.offset() > size - request.length()
                || (request.offset() | request.length()) % 512 != 0) {
            return Errno.EINVAL;
        }
        long at = content.address() + request.offset();
        switch (request.operation()) {
            case READ -> request.data().copyFrom(at, 0, request.length());
            case WRITE -> request.data().copyTo(at, 0, request.length());
            case WRITE_ZEROES, DISCARD -> Memory.zero(at, request.length());
            case MAP -> {
                request.extents().add(512, ExtentList.DATA);
                request.extents().add(request.length() - 512, ExtentList.HOLE | ExtentList.ZERO, 2);
            }
            case FLUSH -> {}
        }
        return 0;
    }

    byte[] bytes(long offset, int length) {
        byte[] bytes = new byte[length];
        content.bytes(offset, length).get(bytes);
        return bytes;
    }

    void put(long offset, byte[] bytes) {
        content.bytes(offset, bytes.length).put(bytes);
    }

    @Override
    public void close() {
        content.close();
    }
}
