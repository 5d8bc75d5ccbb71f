package org.blktap.api.disk;

import org.blktap.api.engine.ExtentList;
import org.blktap.api.engine.IoCallback;
import org.blktap.api.memory.Segments;
import org.osgi.annotation.versioning.ConsumerType;

/**
 * One request to a disk. Requests are made once and reused by their owner: a node, which has them from its port
 * ({@code DiskPort.newRequest}), or a disk that asks another one. The owner fills a request in with one of the
 * {@code set} methods, submits it, and may reuse it when its {@link Completion} is called. All of this is on the
 * attachment's loop.
 *
 * <p>A disk sees only requests that the core has checked: the range lies inside the disk and is a multiple of 512
 * bytes, the scatter list has exactly the length, nothing is written to a read-only disk. The disk changes nothing but
 * what the scatter list points at and {@link #extents()}, and ends with {@link #complete}.
 *
 * <p>A disk may extend this class for requests of its own that carry more.
 */
public class Request implements IoCallback {
    /**
     * Flag of a write, discard or zeroing: complete only once it survives power loss. The core adds a flush for disks
     * that do not implement it.
     */
    public static final int FUA = 1;
    /** Flag of WRITE_ZEROES: the space stays allocated. */
    public static final int NO_UNMAP = 2;
    /** Flag of WRITE_ZEROES: fail with EOPNOTSUPP rather than write zeros out. */
    public static final int FAST_ONLY = 4;

    /**
     * Flag of a READ: where all of the range is zeros the disk may leave the memory as it is, and say so by
     * {@link #markZeros}.
     */
    public static final int SPARSE = 8;

    /**
     * Flag of a MAP: asked for is which image of a chain has each range. What tables do not say, such as holes of the
     * file, need not be looked for; it may be reported as data.
     */
    public static final int DEPTH_ONLY = 16;

    private final Completion completion;
    private final Segments data;
    private Operation operation = Operation.FLUSH;
    private long offset;
    private long length;
    private int flags;
    private ExtentList extents;
    private int context;
    private int error;
    private boolean zeros;
    private long takenNanos;

    /**
     * @param completion called at each end of this request
     * @param pieces room for so many pieces of memory at first
     */
    public Request(Completion completion, int pieces) {
        this.completion = completion;
        this.data = new Segments(pieces);
    }

    /** Called on the loop when a request completes; the owner may then reuse it. */
    @ConsumerType
    @FunctionalInterface
    public interface Completion {
        /** @param request the request, with its {@link Request#error()}; called on the loop */
        void completed(Request request);
    }

    /**
     * Makes this a READ or WRITE whose length is that of {@link #data()}, or any other operation on a range.
     *
     * @param offset bytes from the beginning of the disk
     * @param length bytes
     * @param flags a set of {@link #FUA}, {@link #NO_UNMAP}, {@link #FAST_ONLY}, {@link #SPARSE}
     */
    public final Request set(Operation operation, long offset, long length, int flags) {
        this.operation = operation;
        this.offset = offset;
        this.length = length;
        this.flags = flags;
        this.context = 0;
        this.error = 0;
        this.zeros = false;
        return this;
    }

    /** Makes this a MAP of a range into a list. */
    public final Request setMap(long offset, long length, ExtentList into) {
        this.extents = into;
        return set(Operation.MAP, offset, length, 0);
    }

    /** Makes this a MAP of a range that is {@link #DEPTH_ONLY}. */
    public final Request setDepthMap(long offset, long length, ExtentList into) {
        this.extents = into;
        return set(Operation.MAP, offset, length, DEPTH_ONLY);
    }

    /**
     * Makes this a MAP of another property of a range than how it is stored.
     *
     * @param context the place of its name in {@link DiskInfo#contexts}, counted from 1; 0 for how the range is stored.
     *     The states of the answer are then those of the context
     */
    public final Request setMap(long offset, long length, ExtentList into, int context) {
        setMap(offset, length, into);
        this.context = context;
        return this;
    }

    public final Operation operation() {
        return operation;
    }

    /** Bytes from the beginning of the disk. */
    public final long offset() {
        return offset;
    }

    /** Length in bytes. */
    public final long length() {
        return length;
    }

    public final boolean has(int flag) {
        return (flags & flag) != 0;
    }

    public final int flags() {
        return flags;
    }

    /** The memory of a READ or WRITE; its owner fills it before submitting. */
    public final Segments data() {
        return data;
    }

    /** The list that receives the answer of a MAP. */
    public final ExtentList extents() {
        return extents;
    }

    /** Which property a MAP asks for: 0 for how the range is stored, else the place in {@link DiskInfo#contexts}. */
    public final int context() {
        return context;
    }

    /**
     * {@link System#nanoTime} of the turn in which the core took the request from a node; of a request that another
     * disk makes, what that sets.
     */
    public final long takenNanos() {
        return takenNanos;
    }

    /** Sets {@link #takenNanos}. */
    protected final void takenNanos(long nanos) {
        takenNanos = nanos;
    }

    /** 0, or the positive errno it ended with. */
    public final int error() {
        return error;
    }

    /** Marks a READ with {@link #SPARSE} as all zeros, with its memory untouched. The disk then completes it. */
    public final void markZeros() {
        zeros = true;
    }

    /** Whether the disk has called {@link #markZeros}. */
    public final boolean zeros() {
        return zeros;
    }

    /**
     * Ends the request. Called once, by the disk, on the loop, possibly before the submit returns. A second call for a
     * request of a node is ignored.
     *
     * @param errno 0, or a positive errno
     */
    public final void complete(int errno) {
        error = errno;
        completion.completed(this);
    }

    /** Changes what {@link #error} returns, for an owner that reports another error than the disk. */
    protected final void error(int errno) {
        error = errno;
    }

    /** Calls {@link #complete}, so that a disk may give the request itself as the callback of a file operation. */
    @Override
    public final void done(int errno) {
        complete(errno);
    }

    @Override
    public String toString() {
        return operation + " " + offset + "+" + length;
    }
}
