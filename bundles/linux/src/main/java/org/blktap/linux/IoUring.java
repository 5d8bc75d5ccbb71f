package org.blktap.linux;

import org.blktap.api.engine.Errno;
import org.blktap.api.engine.ErrnoException;
import org.blktap.api.memory.Memory;

/**
 * An io_uring: commands and completions in memory that is shared with the kernel, and one system call for all that a
 * turn of a loop has gathered. A caller takes entries by {@link #next}, fills them in, and submits them all by
 * {@link #enter}; it reads completions by {@link #completion} and {@link #seen}. All of it on one thread, which is also
 * the one that has opened the ring; no call allocates.
 *
 * <p>Layouts and numbers are those of include/uapi/linux/io_uring.h; the order of accesses is that of io_uring(7). The
 * ring never has more entries than it was opened for, so that completions do not overflow as long as no more than that
 * are in flight.
 */
public final class IoUring implements AutoCloseable {
    /** A thread of its own submits all entries: no other may. From Linux 6.0 on. */
    public static final int SETUP_SINGLE_ISSUER = 1 << 12;
    /**
     * Work of completions is done by {@link #enter} only, not at any return from the kernel; a flag in the ring says
     * that there is some. Needs {@link #SETUP_SINGLE_ISSUER}. From Linux 6.1 on.
     */
    public static final int SETUP_DEFER_TASKRUN = 1 << 13;
    /** Entries have {@value #SQE128_BYTES} bytes. From Linux 5.19 on. */
    public static final int SETUP_SQE128 = 1 << 10;

    private static final int SETUP_CLAMP = 1 << 4;
    private static final int SETUP_TASKRUN_FLAG = 1 << 9;

    /** {@code enum io_uring_op}: a command for the driver of a file, from Linux 5.19 on. */
    public static final int OP_NOP = 0;

    public static final int OP_URING_CMD = 46;
    /** {@code struct io_uring_sqe}: opcode@0 flags@1 ioprio@2, and these. */
    public static final int SQE_BYTES = 64;

    public static final int SQE128_BYTES = 128;
    public static final int SQE_OPCODE = 0;
    public static final int SQE_FD = 4;
    /** Of {@link #OP_URING_CMD}: the driver's own number of the command. */
    public static final int SQE_CMD_OP = 8;

    public static final int SQE_ADDR = 16;
    public static final int SQE_LEN = 24;
    public static final int SQE_USER_DATA = 32;
    /** Of {@link #OP_URING_CMD}: 16 bytes for the driver, 80 with {@link #SETUP_SQE128}. */
    public static final int SQE_CMD = 48;
    /** {@code struct io_uring_cqe}. */
    public static final int CQE_BYTES = 16;

    public static final int CQE_USER_DATA = 0;
    public static final int CQE_RES = 8;

    /** {@code struct io_uring_params}: 120 bytes, in which the offsets of the rings are. */
    public static final int PARAMS_BYTES = 120;

    public static final int PARAMS_SQ_ENTRIES = 0;
    public static final int PARAMS_CQ_ENTRIES = 4;
    public static final int PARAMS_FLAGS = 8;
    public static final int PARAMS_FEATURES = 20;
    /** {@code struct io_sqring_offsets}: head@0 tail@4 ring_mask@8 ring_entries@12 flags@16 dropped@20 array@24. */
    public static final int PARAMS_SQ_OFF = 40;
    /** {@code struct io_cqring_offsets}: head@0 tail@4 ring_mask@8 ring_entries@12 overflow@16 cqes@20 flags@24. */
    public static final int PARAMS_CQ_OFF = 80;

    public static final int OFF_HEAD = 0;
    public static final int OFF_TAIL = 4;
    public static final int OFF_SQ_FLAGS = 16;
    public static final int OFF_SQ_ARRAY = 24;
    public static final int OFF_CQES = 20;
    public static final int OFF_CQ_FLAGS = 24;

    /** Both rings are one mapping; from Linux 5.4 on. */
    public static final int FEAT_SINGLE_MMAP = 1;
    /** Offsets of mmap(2). */
    public static final long MAP_RINGS = 0;

    public static final long MAP_SQES = 0x10000000L;

    /** Flags of the submission ring, set by the kernel: {@link #enter} has work to do. */
    public static final int SQ_CQ_OVERFLOW = 1 << 1;

    public static final int SQ_TASKRUN = 1 << 2;
    /** Flag of the completion ring, set by us. */
    public static final int CQ_EVENTFD_DISABLED = 1;

    public static final int ENTER_GETEVENTS = 1;
    public static final int REGISTER_EVENTFD = 4;

    private final IoUringKernel kernel;
    private final int fd;
    private final int entries;
    private final int sqeBytes;
    private final long rings;
    private final long ringsBytes;
    private final long sqes;
    private final long sqHead;
    private final long sqTail;
    private final long sqFlags;
    private final long cqHead;
    private final long cqTail;
    private final long cqFlags;
    private final long cqes;
    private final int cqMask;

    /** Entries that have been taken by {@link #next}, as the kernel will count them. */
    private int tail;
    /** Those of them that the kernel has been told of. */
    private int submitted;

    private int head;
    private boolean closed;

    private IoUring(IoUringKernel kernel, int fd, long params, boolean wide) throws ErrnoException {
        this.kernel = kernel;
        this.fd = fd;
        entries = Memory.getInt(params + PARAMS_SQ_ENTRIES);
        sqeBytes = wide ? SQE128_BYTES : SQE_BYTES;
        int cqEntries = Memory.getInt(params + PARAMS_CQ_ENTRIES);
        long sq = params + PARAMS_SQ_OFF;
        long cq = params + PARAMS_CQ_OFF;
        long array = Memory.getInt(sq + OFF_SQ_ARRAY);
        ringsBytes = Math.max(
                array + (long) entries * Integer.BYTES, Memory.getInt(cq + OFF_CQES) + (long) cqEntries * CQE_BYTES);
        rings = mapped(MAP_RINGS, ringsBytes);
        try {
            sqes = mapped(MAP_SQES, (long) entries * sqeBytes);
        } catch (ErrnoException e) {
            kernel.unmap(rings, ringsBytes);
            throw e;
        }
        sqHead = rings + Memory.getInt(sq + OFF_HEAD);
        sqTail = rings + Memory.getInt(sq + OFF_TAIL);
        sqFlags = rings + Memory.getInt(sq + OFF_SQ_FLAGS);
        cqHead = rings + Memory.getInt(cq + OFF_HEAD);
        cqTail = rings + Memory.getInt(cq + OFF_TAIL);
        cqFlags = rings + Memory.getInt(cq + OFF_CQ_FLAGS);
        cqes = rings + Memory.getInt(cq + OFF_CQES);
        cqMask = cqEntries - 1;
        // each place of the array always names the entry of the same number
        for (int i = 0; i < entries; i++) {
            Memory.putInt(rings + array + (long) i * Integer.BYTES, i);
        }
    }

    private long mapped(long offset, long bytes) throws ErrnoException {
        long address = kernel.map(fd, offset, bytes);
        if (address < 0) {
            throw new ErrnoException("cannot map an io_uring", (int) -address);
        }
        return address;
    }

    /**
     * Opens a ring of this machine's kernel.
     *
     * @param entries the most commands in flight, up to 32768; rounded up to a power of two
     * @param flags a set of those that begin with SETUP
     * @throws ErrnoException EPERM or ENOSYS where io_uring cannot be used: {@link #forbidden} says why
     */
    public static IoUring open(int entries, int flags) throws ErrnoException {
        return open(IoUringKernel.THIS, entries, flags);
    }

    /** Opens a ring of a kernel, which a test may simulate. */
    public static IoUring open(IoUringKernel kernel, int entries, int flags) throws ErrnoException {
        int deferred = (flags & SETUP_DEFER_TASKRUN) != 0 ? SETUP_TASKRUN_FLAG : 0;
        try (Mapping params = Mapping.anonymous(PARAMS_BYTES)) {
            Memory.putInt(params.address() + PARAMS_FLAGS, flags | SETUP_CLAMP | deferred);
            int fd = kernel.setup(entries, params.address());
            if (fd < 0) {
                throw new ErrnoException("cannot open an io_uring", -fd);
            }
            try {
                if ((Memory.getInt(params.address() + PARAMS_FEATURES) & FEAT_SINGLE_MMAP) == 0) {
                    throw new ErrnoException(Errno.EOPNOTSUPP, "io_uring of a kernel before Linux 5.4");
                }
                return new IoUring(kernel, fd, params.address(), (flags & SETUP_SQE128) != 0);
            } catch (ErrnoException e) {
                kernel.close(fd);
                throw e;
            }
        }
    }

    /** Why {@link #open} has failed, in a few words that name what an administrator can change. */
    public static String forbidden(ErrnoException failure) {
        return IoUringKernel.forbidden(failure);
    }

    // ---- commands

    /** The number of entries. */
    public int entries() {
        return entries;
    }

    /**
     * Takes the next entry.
     *
     * @return the address of an entry of zeros; 0 if all are in use until {@link #enter}
     */
    public long next() {
        if (tail - Memory.getIntAcquire(sqHead) == entries) {
            return 0;
        }
        long entry = sqes + (long) (tail & entries - 1) * sqeBytes;
        Memory.zero(entry, sqeBytes);
        tail++;
        return entry;
    }

    /** Whether entries have been taken that {@link #enter} has not submitted. */
    public boolean unsubmitted() {
        return tail != submitted;
    }

    /**
     * Submits all entries that were taken, and has the kernel do what completions need.
     *
     * @param wait completions to wait for; 0 not to wait
     * @return 0, or the positive errno of a failure; EINTR if a wait was interrupted, and all is submitted
     */
    public int enter(int wait) {
        // io_uring(7): the entries are written before the tail
        Memory.putIntRelease(sqTail, tail);
        while (true) {
            int count = tail - submitted;
            int done = kernel.enter(fd, count, wait, ENTER_GETEVENTS);
            if (done < 0) {
                return -done;
            }
            submitted += done;
            if (submitted == tail || done == 0) {
                return submitted == tail ? 0 : Errno.EAGAIN;
            }
        }
    }

    // ---- completions

    /** Whether there is a completion, or work by which {@link #enter} may bring one. */
    public boolean arrived() {
        return Memory.getIntAcquire(cqTail) != head || hasWork();
    }

    /** Whether {@link #enter} has something to do besides submitting. */
    public boolean hasWork() {
        return (Memory.getIntAcquire(sqFlags) & (SQ_TASKRUN | SQ_CQ_OVERFLOW)) != 0;
    }

    /** Returns the address of the oldest completion; 0 if there is none. It is valid until {@link #seen}. */
    public long completion() {
        return Memory.getIntAcquire(cqTail) == head ? 0 : cqes + (long) (head & cqMask) * CQE_BYTES;
    }

    /** Gives the place of the oldest completion back to the kernel. */
    public void seen() {
        head++;
        Memory.putIntRelease(cqHead, head);
    }

    /** Has completions counted by an eventfd, which must stay open as long as the ring. */
    public void eventFd(int eventFd) throws ErrnoException {
        try (Mapping argument = Mapping.anonymous(Integer.BYTES)) {
            Memory.putInt(argument.address(), eventFd);
            int error = kernel.register(fd, REGISTER_EVENTFD, argument.address(), 1);
            if (error < 0) {
                throw new ErrnoException("cannot register an eventfd with an io_uring", -error);
            }
        }
    }

    /**
     * Turns the eventfd on or off. After it was turned on, the caller looks once more whether anything has
     * {@link #arrived}.
     */
    public void notifications(boolean on) {
        Memory.putIntRelease(cqFlags, on ? 0 : CQ_EVENTFD_DISABLED);
        Memory.fullFence();
    }

    /** Ends all commands; the kernel may need a while for that, and does not write to our memory meanwhile. */
    @Override
    public void close() {
        if (!closed) {
            closed = true;
            kernel.unmap(sqes, (long) entries * sqeBytes);
            kernel.unmap(rings, ringsBytes);
            kernel.close(fd);
        }
    }
}
