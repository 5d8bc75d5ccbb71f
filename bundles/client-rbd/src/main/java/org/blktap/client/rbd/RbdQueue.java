package org.blktap.client.rbd;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.blktap.api.disk.Operation;
import org.blktap.api.disk.Request;
import org.blktap.api.engine.Errno;
import org.blktap.api.engine.ErrnoException;
import org.blktap.api.engine.IoLoop;
import org.blktap.api.engine.LoopStage;
import org.blktap.api.memory.Memory;
import org.blktap.api.memory.NativeBuffer;
import org.blktap.linux.LibRbd;
import org.blktap.linux.Libc;
import org.blktap.linux.Mapping;

/**
 * The requests of one image in librbd. They are submitted at once; librbd's threads signal an eventfd when a request
 * ends, which wakes the loop, and the loop takes the completions. No thread of librbd calls into Java. Loop only,
 * except where noted.
 */
final class RbdQueue implements LoopStage {
    /** The most bytes of one call without data; a longer request is done in parts, one after the other. */
    private static final long MOST_RANGE = 1L << 30;

    private static final int SLAB = 64;
    private static final int BATCH = 64;
    // the queue's own memory
    private static final int AT_EVENT_VALUE = 0;
    private static final int AT_COMPLETION = 8;
    private static final int AT_BATCH = 64;

    private final long image;
    private final Ended ended;
    private final Mapping memory = Mapping.anonymous(AT_BATCH + BATCH * Long.BYTES);
    private final long eventValue = memory.address() + AT_EVENT_VALUE;
    private final long newCompletion = memory.address() + AT_COMPLETION;
    private final long batch = memory.address() + AT_BATCH;
    private final int eventFd;
    private final List<NativeBuffer> slabs = new ArrayList<>();
    private final RbdBuffers bounces = new RbdBuffers();
    private RbdSlot[] slots = new RbdSlot[0];
    private RbdSlot free;
    private int inFlight;
    private IoLoop loop;
    private IoLoop.Watch watch;

    /** Called on the loop when a request has ended. */
    interface Ended {
        /** @param errno 0 or a positive errno */
        void ended(Request request, int errno);
    }

    /** Prepares an open image that has had no request yet. Any thread. */
    RbdQueue(RbdImage image, Ended ended) throws ErrnoException {
        this.image = image.handle();
        this.ended = ended;
        eventFd = Libc.eventfd(0, Libc.EFD_CLOEXEC | Libc.EFD_NONBLOCK);
        if (eventFd < 0) {
            memory.close();
            throw new ErrnoException("no eventfd", Libc.errno());
        }
        int result = LibRbd.rbd_set_image_notification(this.image, eventFd, LibRbd.EVENT_TYPE_EVENTFD);
        if (result < 0) {
            free();
            throw new ErrnoException("librbd refuses an eventfd", -result);
        }
    }

    /** Begins to take completions. */
    void start(IoLoop on) {
        loop = on;
        watch = on.watch(eventFd, IoLoop.READABLE, events -> {
            Libc.read(eventFd, eventValue, Long.BYTES);
            poll();
        });
        on.addEngine(this);
    }

    void submit(Request request) {
        RbdSlot slot = take();
        slot.request = request;
        slot.until = 0;
        if (request.operation() == Operation.READ || request.operation() == Operation.WRITE) {
            if (request.data().isForeign()) {
                slot.pointAt(bounces.take(request.length()));
                if (request.data().faulted()) {
                    end(slot, Errno.EFAULT);
                    return;
                }
            } else {
                slot.pointAt(request.data());
            }
        }
        startPart(slot);
    }

    private void startPart(RbdSlot slot) {
        int made = LibRbd.rbd_aio_create_completion(slot.number, 0, newCompletion);
        if (made < 0) {
            end(slot, -made);
            return;
        }
        long completion = Memory.getLong(newCompletion);
        int result = call(slot, completion);
        if (result < 0) {
            LibRbd.rbd_aio_release(completion);
            end(slot, -result);
            return;
        }
        inFlight++;
    }

    private int call(RbdSlot slot, long completion) {
        Request request = slot.request;
        long offset = request.offset() + slot.until;
        long length = Math.min(request.length() - slot.until, MOST_RANGE);
        switch (request.operation()) {
            case READ -> {
                slot.until = request.length();
                return LibRbd.rbd_aio_readv(image, slot.vector, slot.pieces, offset, completion);
            }
            case WRITE -> {
                slot.until = request.length();
                return LibRbd.rbd_aio_writev(image, slot.vector, slot.pieces, offset, completion);
            }
            case FLUSH -> {
                slot.until = request.length();
                return LibRbd.rbd_aio_flush(image, completion);
            }
            case DISCARD -> {
                slot.until += length;
                return LibRbd.rbd_aio_discard(image, offset, length, completion);
            }
            case WRITE_ZEROES -> {
                slot.until += length;
                int flags = request.has(Request.NO_UNMAP) ? LibRbd.WRITE_ZEROES_THICK_PROVISION : 0;
                return LibRbd.rbd_aio_write_zeroes(image, offset, length, completion, flags, 0);
            }
            default -> throw new IllegalArgumentException(request.toString());
        }
    }

    private RbdSlot take() {
        if (free == null) {
            NativeBuffer slab = Mapping.anonymous((long) SLAB * RbdSlot.BYTES);
            slabs.add(slab);
            int first = slots.length;
            slots = Arrays.copyOf(slots, first + SLAB);
            for (int i = SLAB - 1; i >= 0; i--) {
                RbdSlot slot = new RbdSlot(first + i, slab.address() + (long) i * RbdSlot.BYTES);
                slots[first + i] = slot;
                slot.next = free;
                free = slot;
            }
        }
        RbdSlot slot = free;
        free = slot.next;
        return slot;
    }

    @Override
    public boolean poll() {
        boolean any = false;
        int count = BATCH;
        while (inFlight > 0 && count == BATCH) {
            count = LibRbd.rbd_poll_io_events(image, batch, BATCH);
            // the end of a request may submit another, which may poll
            inFlight -= Math.max(0, count);
            for (int i = 0; i < count; i++) {
                any = true;
                completed(Memory.getLong(batch + (long) i * Long.BYTES));
            }
        }
        return any;
    }

    private void completed(long completion) {
        RbdSlot slot = slots[(int) LibRbd.rbd_aio_get_arg(completion)];
        long result = LibRbd.rbd_aio_get_return_value(completion);
        LibRbd.rbd_aio_release(completion);
        if (result >= 0 && slot.until < slot.request.length()) {
            startPart(slot);
            return;
        }
        if (result >= 0 && slot.bounce != null && slot.request.operation() == Operation.READ) {
            slot.request.data().copyFrom(slot.bounce.address(), 0, slot.request.length());
        }
        end(slot, result < 0 ? (int) -result : 0);
    }

    private void end(RbdSlot slot, int errno) {
        Request request = slot.request;
        slot.request = null;
        if (slot.bounce != null) {
            bounces.giveBack(slot.bounce);
            slot.bounce = null;
        }
        slot.next = free;
        free = slot;
        try {
            ended.ended(request, errno);
        } catch (RuntimeException | Error e) {
            // the other completions must still be taken
            loop.failed("a callback of " + this, e);
        }
    }

    @Override
    public void flush() {
        // requests are submitted to librbd as they come
    }

    @Override
    public boolean arm() {
        return poll();
    }

    /** Stops taking completions. */
    void stop() {
        if (watch != null) {
            loop.remove(this);
            watch.close();
        }
    }

    /** Frees all memory, which librbd no longer uses since the image is closed. Any thread. */
    void free() {
        Libc.close(eventFd);
        memory.close();
        bounces.close();
        slabs.forEach(NativeBuffer::close);
        for (RbdSlot slot : slots) {
            slot.close();
            if (slot.bounce != null) {
                slot.bounce.close();
            }
        }
    }

    @Override
    public String toString() {
        return "requests of librbd";
    }
}
