package org.blktap.core;

import java.util.ArrayDeque;
import java.util.Deque;
import java.util.Map;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicInteger;
import org.blktap.api.disk.DiskContext;
import org.blktap.api.disk.DiskDriver;
import org.blktap.api.disk.DiskException;
import org.blktap.api.disk.DiskInfo;
import org.blktap.api.disk.Request;
import org.blktap.api.disk.VirtualDisk;
import org.blktap.api.engine.Errno;

/** A driver that blocks, throws, loses requests or fails flushes when the test wants it to. */
final class UnrulyDriver implements DiskDriver {
    /** What a call does besides its work. */
    enum Mood {
        GOOD,
        BLOCKS,
        THROWS,
        THROWS_LATE,
        LOSES
    }

    volatile Mood opening = Mood.GOOD;
    volatile Mood submitting = Mood.GOOD;
    volatile Mood closing = Mood.GOOD;
    volatile Mood saving = Mood.GOOD;
    volatile Mood resizing = Mood.GOOD;
    volatile int flushError;
    /** What each write ends with. */
    volatile int writeError;

    volatile long size = 1 << 20;
    volatile String identity = "1";
    volatile boolean saves;
    /** Others have the image open. */
    volatile boolean inUse;

    final AtomicInteger saved = new AtomicInteger();
    final AtomicInteger open = new AtomicInteger();
    /** Calls of resize that have begun. */
    final AtomicInteger resizes = new AtomicInteger();

    private volatile CountDownLatch gate = new CountDownLatch(1);
    private final Deque<Request> lost = new ArrayDeque<>();

    /** Unblocks all blocked calls, and behaves from now on. */
    void relent() {
        opening = Mood.GOOD;
        submitting = Mood.GOOD;
        closing = Mood.GOOD;
        saving = Mood.GOOD;
        resizing = Mood.GOOD;
        flushError = 0;
        writeError = 0;
        letGo();
    }

    /** Unblocks the calls that are blocked now. */
    void letGo() {
        CountDownLatch before = gate;
        gate = new CountDownLatch(1);
        before.countDown();
    }

    /** Completes the requests that were lost; on the loop. */
    void find() {
        Deque<Request> found;
        synchronized (lost) {
            found = new ArrayDeque<>(lost);
            lost.clear();
        }
        found.forEach(request -> request.complete(0));
    }

    /** A call that blocks is native, or a loop: an interruption does not end it. */
    private void act(Mood mood) {
        if (mood == Mood.THROWS) {
            throw new IllegalStateException("meant to fail");
        }
        CountDownLatch waiting = gate;
        boolean interrupted = false;
        while (mood == Mood.BLOCKS && waiting.getCount() > 0) {
            try {
                waiting.await();
            } catch (InterruptedException e) {
                interrupted = true;
            }
        }
        if (interrupted) {
            Thread.currentThread().interrupt();
        }
    }

    @Override
    public synchronized VirtualDisk open(String path, DiskContext context) throws DiskException {
        Mood mood = opening;
        act(mood);
        if (inUse) {
            throw new DiskException(DiskException.Reason.BUSY, path + ": in use by another attachment or process");
        }
        open.incrementAndGet();
        return new Disk(context.readOnly());
    }

    /** LOSES: fails half-way, as on a full file system. */
    @Override
    public void resize(String path, long sizeBytes, DiskContext context) throws DiskException {
        resizes.incrementAndGet();
        act(resizing);
        if (resizing == Mood.LOSES) {
            throw new DiskException(DiskException.Reason.NO_SPACE, "no space: " + Errno.text(Errno.ENOSPC));
        }
        size = sizeBytes;
    }

    private final class Disk implements VirtualDisk {
        private final boolean readOnly;

        Disk(boolean readOnly) {
            this.readOnly = readOnly;
        }

        @Override
        public DiskInfo info() {
            return DiskInfo.ofSize(size).withReadOnly(readOnly).withDetails(Map.of("uuid", identity));
        }

        @Override
        public void submit(Request request) {
            Mood mood = submitting;
            act(mood);
            if (mood == Mood.LOSES || mood == Mood.THROWS_LATE) {
                synchronized (lost) {
                    lost.add(request);
                }
                if (mood == Mood.THROWS_LATE) {
                    throw new IllegalStateException("meant to fail");
                }
                return;
            }
            request.complete(
                    switch (request.operation()) {
                        case FLUSH -> flushError;
                        case WRITE -> writeError;
                        default -> 0;
                    });
        }

        @Override
        public boolean savesAtDetach() {
            return saves;
        }

        @Override
        public void beforeDetach() throws DiskException {
            if (saving == Mood.LOSES) {
                throw new DiskException(DiskException.Reason.NO_SPACE, "no space: " + Errno.text(Errno.ENOSPC));
            }
            act(saving);
            saved.incrementAndGet();
        }

        @Override
        public void close() {
            open.decrementAndGet();
            act(closing);
        }
    }
}
