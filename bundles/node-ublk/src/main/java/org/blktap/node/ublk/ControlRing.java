package org.blktap.node.ublk;

import java.util.concurrent.CompletableFuture;
import java.util.function.Function;
import java.util.function.LongConsumer;
import java.util.function.LongFunction;
import org.blktap.api.engine.CloseOnFailure;
import org.blktap.api.engine.Errno;
import org.blktap.api.engine.ErrnoException;
import org.blktap.api.engine.IoLoop;
import org.blktap.api.memory.Alignment;
import org.blktap.api.memory.Memory;
import org.blktap.api.memory.NativeBuffer;
import org.blktap.api.memory.NativeMemory;
import org.blktap.linux.IoUring;

/**
 * Sends commands to /dev/ublk-control, which the kernel performs on threads of its own, so that they do not delay the
 * loop. Loop only.
 */
final class ControlRing implements AutoCloseable {
    private static final int SLOTS = 8;
    private static final int SLOT_BYTES = Alignment.PAGE / SLOTS;
    private static final long SLEEP_MILLISECONDS = 1;

    private final UblkHost host;
    private final int control;
    private final int eventFd;
    private final IoUring ring;
    private final NativeBuffer arguments;
    private final IoLoop.Watch watch;
    private final Pending<?>[] pending = new Pending<?>[SLOTS];
    /** Whether the ring is closed, possibly by the callback of a command. */
    private boolean closed;

    private record Pending<T>(String doing, LongFunction<T> read, CompletableFuture<T> future) {
        void ended(int result, long argument) {
            if (result < 0) {
                future.completeExceptionally(new ErrnoException("cannot " + doing, -result));
            } else {
                future.complete(read.apply(argument));
            }
        }
    }

    ControlRing(UblkHost host, IoLoop loop, NativeMemory memory) throws ErrnoException {
        this.host = host;
        try (CloseOnFailure opened = new CloseOnFailure()) {
            control = host.openControl();
            opened.add(() -> host.close(control));
            ring = host.ring(SLOTS, IoUring.SETUP_SQE128);
            opened.add(ring::close);
            eventFd = host.eventFd();
            opened.add(() -> host.close(eventFd));
            ring.eventFd(eventFd);
            arguments = memory.allocate(Alignment.PAGE);
            opened.add(arguments::close);
            watch = loop.watch(eventFd, IoLoop.READABLE | IoLoop.EDGE_TRIGGERED, events -> poll());
            opened.keep();
        }
    }

    /**
     * Submits a command without a buffer.
     *
     * @param doing what the command does, as in {@code start /dev/ublkb0}
     */
    CompletableFuture<Void> command(String doing, int operation, int device, long data) {
        return command(doing, operation, device, data, 0, argument -> {}, argument -> null);
    }

    /**
     * Submits a command. The future ends on the loop, exceptionally with an {@link ErrnoException}.
     *
     * @param bytes of the command's buffer, up to 512
     * @param fill called at once with the buffer's address
     * @param read called at the end with the buffer's address; its result is the future's
     */
    <T> CompletableFuture<T> command(
            String doing, int operation, int device, long data, int bytes, LongConsumer fill, LongFunction<T> read) {
        CompletableFuture<T> future = new CompletableFuture<>();
        int slot = 0;
        while (slot < SLOTS && pending[slot] != null) {
            slot++;
        }
        long entry = closed || slot == SLOTS ? 0 : ring.next();
        if (entry == 0) {
            future.completeExceptionally(new ErrnoException("cannot " + doing, Errno.EBUSY));
            return future;
        }
        long argument = arguments.address() + (long) slot * SLOT_BYTES;
        Memory.zero(argument, SLOT_BYTES);
        fill.accept(argument);
        Memory.putByte(entry + IoUring.SQE_OPCODE, (byte) IoUring.OP_URING_CMD);
        Memory.putInt(entry + IoUring.SQE_FD, control);
        Memory.putInt(entry + IoUring.SQE_CMD_OP, operation);
        Memory.putLong(entry + IoUring.SQE_USER_DATA, slot);
        long command = entry + IoUring.SQE_CMD;
        Memory.putInt(command + Ublk.CTRL_DEV_ID, device);
        Memory.putShort(command + Ublk.CTRL_QUEUE_ID, Ublk.NO_QUEUE);
        Memory.putShort(command + Ublk.CTRL_LEN, (short) bytes);
        Memory.putLong(command + Ublk.CTRL_ADDR, bytes == 0 ? 0 : argument);
        Memory.putLong(command + Ublk.CTRL_DATA, data);
        pending[slot] = new Pending<>(doing, read, future);
        int error = ring.enter(0);
        if (error != 0 && ring.unsubmitted()) {
            // the next command submits it, or the close of the ring ends it
            pending[slot] = null;
            future.completeExceptionally(new ErrnoException("cannot " + doing, error));
        }
        poll();
        return future;
    }

    /** Returns what the driver knows of a device. */
    CompletableFuture<DeviceInfo> info(int device) {
        return command(
                "look at /dev/ublkb" + device,
                Ublk.CMD_GET_DEV_INFO,
                device,
                0,
                DeviceInfo.BYTES,
                argument -> {},
                DeviceInfo::read);
    }

    /**
     * Deletes a device, which disappears when nobody has it open any more; before Linux 6.9 the future ends only then.
     */
    CompletableFuture<Void> delete(DeviceInfo device) {
        return command("delete " + device, Ublk.CMD_DEL_DEV_ASYNC, device.number(), 0)
                .handle((nothing, failure) -> {
                    if (failure instanceof ErrnoException e && e.errno() == Errno.EOPNOTSUPP) {
                        return command("delete " + device, Ublk.CMD_DEL_DEV, device.number(), 0);
                    }
                    return failure == null
                            ? CompletableFuture.<Void>completedFuture(null)
                            : CompletableFuture.<Void>failedFuture(failure);
                })
                .thenCompose(Function.identity());
    }

    private void poll() {
        long completion = closed ? 0 : ring.completion();
        while (completion != 0) {
            int slot = (int) Memory.getLong(completion + IoUring.CQE_USER_DATA);
            int result = Memory.getInt(completion + IoUring.CQE_RES);
            ring.seen();
            Pending<?> ended = slot >= 0 && slot < SLOTS ? pending[slot] : null;
            if (ended != null) {
                pending[slot] = null;
                ended.ended(result, arguments.address() + (long) slot * SLOT_BYTES);
            }
            completion = closed ? 0 : ring.completion();
        }
    }

    /**
     * Waits on the loop for the end of a command. Only for the end of a node.
     *
     * @param meanwhile called each millisecond
     * @return whether it has ended within the limit
     */
    boolean await(CompletableFuture<?> command, Runnable meanwhile, long limitMilliseconds) {
        long end = System.nanoTime() + limitMilliseconds * 1_000_000;
        while (!closed && !command.isDone() && System.nanoTime() < end) {
            meanwhile.run();
            ring.enter(0);
            poll();
            if (!command.isDone()) {
                try {
                    Thread.sleep(SLEEP_MILLISECONDS);
                } catch (InterruptedException e) {
                    Thread.currentThread().interrupt();
                    return command.isDone();
                }
            }
        }
        return command.isDone();
    }

    /** {@inheritDoc} Commands in progress continue, but their futures do not end. */
    @Override
    public void close() {
        if (closed) {
            return;
        }
        closed = true;
        watch.close();
        ring.close();
        host.close(eventFd);
        host.close(control);
        arguments.close();
    }
}
