package org.blktap.node.ublk;

import java.lang.System.Logger.Level;
import java.util.ArrayList;
import java.util.List;
import org.blktap.api.disk.LimitedLog;
import org.blktap.api.engine.CloseOnFailure;
import org.blktap.api.engine.Errno;
import org.blktap.api.engine.ErrnoException;
import org.blktap.api.engine.IoLoop;
import org.blktap.api.engine.LoopStage;
import org.blktap.api.memory.Memory;
import org.blktap.api.memory.NativeBuffer;
import org.blktap.api.node.DiskPort;
import org.blktap.api.node.NodeContext;
import org.blktap.linux.IoUring;
import org.blktap.linux.KeptDevice;

/**
 * The queues of a device: a stage of the loop, which takes requests from one io_uring and answers them in it. The
 * driver has a tag until a request comes for it; then this has the tag until the request is answered. While the port is
 * closed, completions stay in the ring.
 *
 * <p>The driver copies the data of a write into the tag's buffer before the request comes, and that of a read out of it
 * when the request is answered: both in the system call by which a turn submits and takes, so that a request needs no
 * call of its own.
 */
final class UblkDevice implements LoopStage {
    /** Idle time after which the memory of buffers is freed. */
    private static final long TRIM_MILLISECONDS = 5_000;

    private static final int LAYOUT = 1;

    private final NodeContext context;
    private final UblkHost host;
    private final LimitedLog log;
    private final DeviceInfo info;
    private final int fd;
    private final int eventFd;
    private final IoUring ring;
    private final List<NativeBuffer> descriptors;
    private final NativeBuffer buffers;
    private final UblkRequest[] requests;
    private final IoLoop.Watch watch;
    private IoLoop.Timer trimming;
    /** Tags that a predecessor has taken and not answered, and that are submitted again. */
    private int[] left = {};

    private int inFlight;
    private long came;
    private long trimmed;
    private int aborted;
    private boolean armed = true;
    /** Whether each request is answered with an error, since the device is being removed. */
    private boolean failing;

    private boolean closed;

    private UblkDevice(
            NodeContext context,
            UblkHost host,
            LimitedLog log,
            DeviceInfo info,
            int fd,
            int eventFd,
            IoUring ring,
            List<NativeBuffer> descriptors,
            NativeBuffer buffers) {
        this.context = context;
        this.host = host;
        this.log = log;
        this.info = info;
        this.fd = fd;
        this.eventFd = eventFd;
        this.ring = ring;
        this.descriptors = descriptors;
        this.buffers = buffers;
        requests = new UblkRequest[info.tags()];
        watch = context.loop().watch(eventFd, IoLoop.READABLE | IoLoop.EDGE_TRIGGERED, events -> {});
        context.loop().addNode(this);
    }

    /**
     * Opens the queues of a device that has no server, and gives all its tags to the driver.
     *
     * @throws ErrnoException EBUSY as long as another process has it open
     */
    static UblkDevice open(NodeContext context, UblkHost host, LimitedLog log, DeviceInfo info) throws ErrnoException {
        try (CloseOnFailure opened = new CloseOnFailure()) {
            int fd = host.openQueues(info.number());
            opened.add(() -> host.close(fd));
            IoUring ring = host.ring(info.tags(), IoUring.SETUP_SINGLE_ISSUER | IoUring.SETUP_DEFER_TASKRUN);
            opened.add(ring::close);
            int eventFd = host.eventFd();
            opened.add(() -> host.close(eventFd));
            ring.eventFd(eventFd);
            List<NativeBuffer> descriptors = new ArrayList<>();
            for (int queue = 0; queue < info.queues(); queue++) {
                NativeBuffer mapped = host.mapDescriptors(
                        fd,
                        Ublk.descriptorOffset(queue, host.pageBytes()),
                        Ublk.descriptorBytes(info.depth(), host.pageBytes()));
                opened.add(mapped::close);
                descriptors.add(mapped);
            }
            NativeBuffer buffers = context.memory().allocate((long) info.tags() * info.bufferBytes());
            opened.add(buffers::close);
            UblkDevice device = new UblkDevice(context, host, log, info, fd, eventFd, ring, descriptors, buffers);
            opened.addOwner(device::close);
            device.fetchAll();
            return opened.keep(device);
        }
    }

    private void fetchAll() throws ErrnoException {
        for (int index = 0; index < requests.length; index++) {
            give(index, Ublk.IO_FETCH_REQ, 0);
        }
        int error = ring.enter(0);
        long completion = ring.completion();
        if (error == 0 && completion != 0 && Memory.getInt(completion + IoUring.CQE_RES) < 0) {
            error = -Memory.getInt(completion + IoUring.CQE_RES);
        }
        if (error != 0) {
            throw new ErrnoException("cannot serve " + info, error);
        }
    }

    /** Takes over a device that {@link #keep} has left; returns null if its layout is that of another version. */
    static UblkDevice adopt(NodeContext context, UblkHost host, LimitedLog log, KeptDevice kept) {
        List<Long> facts = kept.facts();
        if (facts.get(0) != LAYOUT) {
            return null;
        }
        DeviceInfo info = new DeviceInfo(
                facts.get(1).intValue(),
                facts.get(2).intValue(),
                facts.get(3).intValue(),
                Ublk.STATE_LIVE,
                facts.get(4).intValue(),
                host.pid(),
                facts.get(5),
                facts.get(6),
                host.user());
        List<NativeBuffer> memory = kept.memory();
        UblkDevice device = new UblkDevice(
                context,
                host,
                log,
                info,
                kept.fds().get(0),
                kept.fds().get(1),
                kept.ring(),
                memory.subList(1, memory.size()),
                memory.get(0));
        device.left = kept.unanswered().stream().mapToInt(Integer::intValue).toArray();
        return device;
    }

    /** Leaves the device and all its resources to a successor, and ends this object. Requests wait meanwhile. */
    KeptDevice keep() {
        flush();
        detach();
        List<Integer> unanswered = new ArrayList<>();
        for (int index : left) {
            unanswered.add(index);
        }
        for (int index = 0; index < requests.length; index++) {
            if (requests[index] != null && requests[index].taken()) {
                unanswered.add(index);
            }
        }
        List<NativeBuffer> memory = new ArrayList<>(List.of(buffers));
        memory.addAll(descriptors);
        return new KeptDevice(
                Thread.currentThread(),
                ring,
                List.of(fd, eventFd),
                memory,
                List.of(
                        (long) LAYOUT,
                        (long) info.number(),
                        (long) info.queues(),
                        (long) info.depth(),
                        (long) info.bufferBytes(),
                        info.flags(),
                        info.identity()),
                unanswered);
    }

    private void detach() {
        closed = true;
        watch.close();
        context.loop().remove(this);
        if (trimming != null) {
            trimming.cancel();
        }
    }

    /** Frees everything; the driver quiesces the device, unless it is stopped. */
    void close() {
        if (!closed) {
            detach();
            ring.close();
            host.close(eventFd);
            descriptors.forEach(NativeBuffer::close);
            buffers.close();
            host.close(fd);
        }
    }

    DiskPort port() {
        return context.port();
    }

    LimitedLog log() {
        return log;
    }

    DeviceInfo info() {
        return info;
    }

    int inFlight() {
        return inFlight;
    }

    /** Whether the driver has taken back its tags, because somebody else has stopped the device. */
    boolean gone() {
        return aborted > 0 && !failing;
    }

    /** Begins to answer all requests with errors, those in flight first, since the device is being stopped. */
    void fail() {
        failing = true;
        for (UblkRequest request : requests) {
            if (request != null) {
                request.cutOff();
            }
        }
        turn();
    }

    /** Takes and answers requests, outside of the loop's turn. */
    void turn() {
        poll();
        flush();
    }

    // ---- the loop's turn

    @Override
    public boolean poll() {
        if (armed) {
            armed = false;
            ring.notifications(false);
        }
        if (!takes()) {
            return false;
        }
        boolean work = left.length > 0 && takeLeft();
        if (ring.hasWork()) {
            enter();
        }
        long completion = ring.completion();
        while (completion != 0 && takes()) {
            long index = Memory.getLong(completion + IoUring.CQE_USER_DATA);
            int result = Memory.getInt(completion + IoUring.CQE_RES);
            ring.seen();
            arrived(index, result);
            work = true;
            completion = ring.completion();
        }
        return work;
    }

    private boolean takes() {
        return failing || context.port().isOpen();
    }

    private void arrived(long index, int result) {
        if (index < 0 || index >= requests.length || requests[(int) index] != null && requests[(int) index].taken()) {
            log.log(Level.ERROR, info + ": the driver has given tag " + index + ", which is not its own");
        } else if (result == Ublk.RES_OK) {
            take((int) index);
        } else {
            if (result != -Errno.ENODEV || !failing && aborted == 0) {
                log.log(Level.WARNING, info + ": the driver takes back a tag: " + Errno.text(-result));
            }
            aborted++;
        }
    }

    private void take(int index) {
        UblkRequest request = requests[index];
        if (request == null) {
            int queue = index / info.depth();
            request = new UblkRequest(
                    this,
                    index,
                    descriptors.get(queue).address() + (long) (index % info.depth()) * Ublk.DESC_BYTES,
                    buffers.address() + (long) index * info.bufferBytes());
            requests[index] = request;
        }
        inFlight++;
        came++;
        if (failing) {
            answer(index, -Errno.EIO);
            return;
        }
        if (trimming == null) {
            trimming = context.loop().schedule(this::trim, TRIM_MILLISECONDS);
        }
        request.take();
    }

    private boolean takeLeft() {
        int next = 0;
        while (next < left.length && takes()) {
            take(left[next++]);
        }
        left = java.util.Arrays.copyOfRange(left, next, left.length);
        return next > 0;
    }

    /** Answers a request at the end of the turn, which also asks for the next request of its tag. */
    void answer(int index, int result) {
        inFlight--;
        give(index, Ublk.IO_COMMIT_AND_FETCH_REQ, result);
    }

    private void give(int index, int command, int result) {
        long entry = ring.next();
        if (entry == 0) {
            // there is one for each tag, unless the driver has given a tag twice
            enter();
            entry = ring.next();
        }
        if (entry == 0) {
            throw new IllegalStateException(info + ": its ring is full");
        }
        Memory.putByte(entry + IoUring.SQE_OPCODE, (byte) IoUring.OP_URING_CMD);
        Memory.putInt(entry + IoUring.SQE_FD, fd);
        Memory.putInt(entry + IoUring.SQE_CMD_OP, command);
        Memory.putLong(entry + IoUring.SQE_USER_DATA, index);
        long io = entry + IoUring.SQE_CMD;
        Memory.putShort(io + Ublk.IO_Q_ID, (short) (index / info.depth()));
        Memory.putShort(io + Ublk.IO_TAG, (short) (index % info.depth()));
        Memory.putInt(io + Ublk.IO_RESULT, result);
        Memory.putLong(io + Ublk.IO_ADDR, buffers.address() + (long) index * info.bufferBytes());
    }

    @Override
    public void flush() {
        if (ring.unsubmitted()) {
            enter();
        }
    }

    private void enter() {
        int error = ring.enter(0);
        if (error != 0 && error != Errno.EINTR) {
            log.log(Level.ERROR, info + ": io_uring_enter: " + Errno.text(error));
        }
    }

    @Override
    public boolean arm() {
        if (!armed) {
            armed = true;
            ring.notifications(true);
        }
        return ring.unsubmitted() || takes() && (left.length > 0 || ring.arrived());
    }

    @Override
    public boolean pollable() {
        return context.port().isOpen();
    }

    /** Frees the memory of the buffers if no request has come for a while. */
    private void trim() {
        trimming = null;
        if (came == trimmed && inFlight == 0 && left.length == 0 && !ring.unsubmitted() && ring.completion() == 0) {
            // the driver copies into them only in system calls of the loop
            buffers.discard(0, buffers.size());
        } else {
            trimmed = came;
            trimming = context.loop().schedule(this::trim, TRIM_MILLISECONDS);
        }
    }

    @Override
    public String toString() {
        return "ublk device " + info;
    }
}
