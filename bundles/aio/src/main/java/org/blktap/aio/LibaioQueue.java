package org.blktap.aio;

import java.io.IOException;
import java.lang.System.Logger;
import java.lang.System.Logger.Level;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.blktap.api.engine.CloseOnFailure;
import org.blktap.api.engine.Errno;
import org.blktap.api.engine.ErrnoException;
import org.blktap.api.engine.IoCallback;
import org.blktap.api.engine.IoFile;
import org.blktap.api.engine.IoLoop;
import org.blktap.api.engine.IoQueue;
import org.blktap.api.engine.LoopStage;
import org.blktap.api.memory.Memory;
import org.blktap.api.memory.NativeBuffer;
import org.blktap.api.memory.Segments;
import org.blktap.linux.LibAio;
import org.blktap.linux.Libc;
import org.blktap.linux.Mapping;

/**
 * One kernel context of libaio on one loop. Operations of a turn gather as control blocks in {@link Slot}s and are
 * given to the kernel by one io_submit; completions are taken from the ring that the kernel maps into this process,
 * without a system call. An eventfd wakes the loop when it sleeps.
 */
final class LibaioQueue implements IoQueue, LoopStage {
    private static final Logger LOG = System.getLogger("org.blktap.aio");

    /**
     * Most operations in the kernel at once; further ones wait here. The system allows fs.aio-max-nr of them in all,
     * 65536 by default.
     */
    static final int DEPTH = 256;
    /** Control blocks in a slab. */
    private static final int SLAB = 64;

    private final IoLoop loop;
    private final AioContexts contexts;
    private final Mapping memory;
    /** The context as the kernel names it, which is the address of its ring. */
    private final long context;

    private final int eventFd;
    private final IoLoop.Watch watch;
    /** Addresses of the control blocks to submit. */
    private final long batch;

    private final List<NativeBuffer> slabs = new ArrayList<>();
    private Slot[] slots = new Slot[0];
    private Slot free;
    /** Slots given to this turn and not yet taken by the kernel, in order. */
    private Slot firstQueued;

    private Slot lastQueued;
    private int inKernel;
    private boolean reaping;
    private boolean closed;

    static LibaioQueue open(IoLoop loop, AioContexts contexts) throws IOException {
        Mapping memory = Mapping.anonymous(DEPTH * Long.BYTES);
        try (CloseOnFailure opened = new CloseOnFailure(memory::close)) {
            long context = contexts.take();
            opened.add(() -> contexts.giveBack(context));
            int eventFd = Libc.eventfd(0, Libc.EFD_CLOEXEC | Libc.EFD_NONBLOCK);
            if (eventFd < 0) {
                throw new ErrnoException("cannot set up asynchronous I/O: no eventfd", Libc.errno());
            }
            opened.add(() -> Libc.close(eventFd));
            return opened.keep(new LibaioQueue(loop, contexts, memory, context, eventFd));
        }
    }

    private LibaioQueue(IoLoop loop, AioContexts contexts, Mapping memory, long context, int eventFd) {
        this.loop = loop;
        this.contexts = contexts;
        this.memory = memory;
        this.context = context;
        this.eventFd = eventFd;
        batch = memory.address();
        // each completion is an edge, so that the eventfd need not be read
        watch = loop.watch(eventFd, IoLoop.READABLE | IoLoop.EDGE_TRIGGERED, events -> {
            // the turn after this looks into the ring
        });
        loop.addEngine(this);
    }

    @Override
    public IoFile open(Path path, boolean writable) throws IOException {
        return file(OpenedFile.open(path, writable));
    }

    @Override
    public IoFile open(Path path, int descriptor, boolean writable) throws IOException {
        return file(OpenedFile.open(path, descriptor, writable, List.of()));
    }

    @Override
    public IoFile open(Path path, int descriptor, boolean writable, List<IoFile> own) throws IOException {
        return file(OpenedFile.open(path, descriptor, writable, own));
    }

    private IoFile file(OpenedFile file) {
        if (!file.direct()) {
            // libaio waits inside io_submit for a file that is not open with O_DIRECT
            LOG.log(Level.INFO, file.path() + ": its file system has no O_DIRECT; helper threads do the I/O");
            return new ThreadedFile(file, loop);
        }
        return new LibaioFile(file, this, loop);
    }

    /** Queues an operation of this turn. */
    void start(LibaioFile file, boolean write, long offset, Segments data, long skip, long length, IoCallback done) {
        Slot slot = take();
        slot.prepare(file, write, offset, data, skip, length, done);
        enqueue(slot);
    }

    void startFlush(LibaioFile file, IoCallback done) {
        Slot slot = take();
        slot.prepareFlush(file, done);
        enqueue(slot);
    }

    private void enqueue(Slot slot) {
        slot.next = null;
        if (lastQueued == null) {
            firstQueued = slot;
        } else {
            lastQueued.next = slot;
        }
        lastQueued = slot;
    }

    private Slot take() {
        if (free == null) {
            grow();
        }
        Slot slot = free;
        free = slot.next;
        return slot;
    }

    private void grow() {
        NativeBuffer slab = Mapping.anonymous((long) SLAB * Slot.BYTES);
        slabs.add(slab);
        int first = slots.length;
        slots = java.util.Arrays.copyOf(slots, first + SLAB);
        for (int i = SLAB - 1; i >= 0; i--) {
            Slot slot = new Slot(slab.address() + (long) i * Slot.BYTES, first + i, eventFd);
            slots[first + i] = slot;
            slot.next = free;
            free = slot;
        }
    }

    @Override
    public void flush() {
        while (firstQueued != null && inKernel < DEPTH) {
            int count = 0;
            for (Slot slot = firstQueued; slot != null && inKernel + count < DEPTH; slot = slot.next) {
                Memory.putLong(batch + (long) count++ * Long.BYTES, slot.iocb);
            }
            int taken = LibAio.io_submit(context, count, batch);
            if (taken > 0) {
                inKernel += taken;
                dequeue(taken);
            } else if (taken == -Errno.EAGAIN && inKernel > 0) {
                // the kernel has no room; completions will make some
                return;
            } else {
                // the kernel refuses the first control block: only that one fails, and is reported like any result
                Slot slot = firstQueued;
                dequeue(1);
                blocking(slot);
            }
        }
    }

    private void dequeue(int count) {
        for (int i = 0; i < count; i++) {
            firstQueued = firstQueued.next;
        }
        if (firstQueued == null) {
            lastQueued = null;
        }
    }

    @Override
    public boolean poll() {
        if (reaping || inKernel == 0) {
            return false;
        }
        int tail = Memory.getIntAcquire(context + LibAio.RING_TAIL);
        int head = Memory.getInt(context + LibAio.RING_HEAD);
        if (head == tail) {
            return false;
        }
        reaping = true;
        int nr = Memory.getInt(context + LibAio.RING_NR);
        while (head != tail) {
            long event = context + LibAio.RING_EVENTS + (long) head * LibAio.EVENT_BYTES;
            Slot slot = slots[(int) Memory.getLong(event + LibAio.EVENT_DATA)];
            long result = Memory.getLong(event + LibAio.EVENT_RES);
            head = head + 1 == nr ? 0 : head + 1;
            Memory.putIntRelease(context + LibAio.RING_HEAD, head);
            inKernel--;
            if (result == slot.length || result < 0 && result != -Errno.EAGAIN && result != -Errno.EINTR) {
                end(slot, result < 0 ? (int) -result : 0);
            } else {
                slot.moved = Math.max(0, result);
                blocking(slot);
            }
        }
        reaping = false;
        return true;
    }

    /**
     * Finishes an operation by blocking calls on a helper thread, after a short transfer (the end of a file) or a
     * refused submission.
     */
    private void blocking(Slot slot) {
        loop.offload(slot::finishBlocking, error -> end(slot, error));
    }

    private void end(Slot slot, int error) {
        IoCallback done = slot.done;
        int result = slot.result(error);
        if (slot.write) {
            slot.file.writeEnded(error == 0 ? slot.offset + slot.length : 0);
        }
        slot.release();
        slot.next = free;
        free = slot;
        try {
            done.done(result);
        } catch (RuntimeException | Error e) {
            // only one operation's callback has failed; the others must still be reaped
            loop.failed("a callback of " + this, e);
        }
    }

    @Override
    public boolean arm() {
        return firstQueued != null && inKernel < DEPTH || poll();
    }

    @Override
    public void close() {
        if (closed) {
            // the context may belong to another queue by now
            return;
        }
        closed = true;
        loop.remove(this);
        watch.close();
        if (inKernel == 0) {
            contexts.giveBack(context);
        } else {
            // waits for the operations in the kernel
            LibAio.io_destroy(context);
        }
        Libc.close(eventFd);
        memory.close();
        slabs.forEach(NativeBuffer::close);
        for (Slot slot : slots) {
            slot.close();
        }
    }

    @Override
    public String toString() {
        return "libaio queue of " + loop.name();
    }
}
