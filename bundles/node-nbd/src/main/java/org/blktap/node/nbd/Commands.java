package org.blktap.node.nbd;

import java.util.ArrayList;
import java.util.List;
import org.blktap.api.disk.DiskInfo;
import org.blktap.api.disk.Operation;
import org.blktap.api.disk.Request;
import org.blktap.api.nbd.Nbd;
import org.blktap.api.node.DiskPort;

/**
 * Executes the commands of one client: decodes and checks them, submits them to the disk, and answers them. It owns the
 * requests, takes their buffers from the export's, and bounds both. Loop only.
 */
final class Commands {
    /** Requests of one client at once, from the header to the last byte of the reply. */
    static final int MAX_REQUESTS = ReplyQueue.MAX_REPLIES;
    /** Bytes of reads and writes of one client at once. */
    static final int BUDGET = 64 << 20;
    /** The longest range that the disk is given at once; the next piece follows in a later turn of the loop. */
    static final long PIECE_BYTES = 1L << 30;

    private final DiskPort port;
    private final ReplyQueue replies;
    private final PayloadBuffers buffers;
    private final Framing framing;
    private final BlockStatus blockStatus;
    private final Owner owner;
    private final ExtentLists extentLists;
    /** All, in use or free. */
    private final List<NbdRequest> made = new ArrayList<>();

    private NbdRequest free;
    /** Requests whose next piece must be submitted, in their order. */
    private NbdRequest firstUnfinished;

    private NbdRequest lastUnfinished;
    private int taken;
    private long charged;
    private boolean closed;

    /** The connection as commands use it. */
    interface Owner {
        /** A request is free again. */
        void freed();

        /** A reply could not be made, which is a bug. */
        void failed(Throwable e);
    }

    /**
     * @param buffers the export's
     * @param extentLists the export's
     */
    Commands(
            DiskPort port,
            ReplyQueue replies,
            PayloadBuffers buffers,
            ExtentLists extentLists,
            Session session,
            Owner owner) {
        this.port = port;
        this.replies = replies;
        this.buffers = buffers;
        this.extentLists = extentLists;
        framing = session.framing();
        blockStatus = new BlockStatus(session, port, extentLists);
        this.owner = owner;
    }

    /** Whether a request may be taken now. */
    Room room(RequestHeader request) {
        if (taken == MAX_REQUESTS) {
            return Room.OWN;
        }
        return switch (request.command) {
            case Nbd.CMD_READ, Nbd.CMD_WRITE -> room(charge(request.length));
            case Nbd.CMD_BLOCK_STATUS -> extentLists.hasOne() ? room(BlockStatus.REPLY_BYTES) : Room.SHARED;
            case Nbd.CMD_CACHE -> extentLists.hasOne() ? Room.YES : Room.SHARED;
            default -> Room.YES;
        };
    }

    /** Whether there is room for one more request, or whose is missing. */
    enum Room {
        YES,
        /** The client has all that it may have. */
        OWN,
        /** Others have it. */
        SHARED
    }

    private Room room(int bytes) {
        if (bytes == 0) {
            return Room.YES;
        }
        if (charged + bytes > BUDGET) {
            return Room.OWN;
        }
        try {
            return buffers.admits(charged, bytes) ? Room.YES : Room.SHARED;
        } catch (OutOfMemoryError e) {
            // of native memory: the request is taken, and fails
            return Room.YES;
        }
    }

    private static int charge(long length) {
        return length <= 0 || length > Nbd.MAX_PAYLOAD ? 0 : PayloadBuffers.sizeFor((int) length);
    }

    /** Bytes of buffers that the client has. */
    long charged() {
        return charged;
    }

    /** Requests that are not yet answered in full. */
    int taken() {
        return taken;
    }

    /** A request with the contents of a header. */
    NbdRequest decode(RequestHeader header) {
        NbdRequest request = free;
        if (request == null) {
            request = new NbdRequest(this::done, port);
            made.add(request);
        } else {
            free = request.next;
            request.next = null;
        }
        taken++;
        request.take(header);
        return request;
    }

    /**
     * Checks a request and makes it ready; a WRITE has a buffer then, to be filled before {@link #submit}.
     *
     * @return false if it is answered already
     */
    boolean begin(NbdRequest request) {
        DiskInfo info = port.info();
        int error = NbdRequestCheck.error(request, info, framing, blockStatus.isAgreed());
        if (error != 0) {
            replies.error(request, error);
            return false;
        }
        if (request.command == Nbd.CMD_FLUSH) {
            request.disk.set(Operation.FLUSH, 0, 0, 0);
            return true;
        }
        if (request.length == 0) {
            replies.success(request);
            return false;
        }
        return switch (request.command) {
            case Nbd.CMD_READ ->
                data(
                        request,
                        Operation.READ,
                        framing.hasChunks() && !request.has(Nbd.CMD_FLAG_DF) ? Request.SPARSE : 0);
            case Nbd.CMD_WRITE -> data(request, Operation.WRITE, fua(request));
            case Nbd.CMD_TRIM -> {
                if (!info.supports(Operation.DISCARD)) {
                    // a hint, and the disk may have become another one since it was announced to the client
                    replies.success(request);
                    yield false;
                }
                setPiece(request);
                yield true;
            }
            case Nbd.CMD_WRITE_ZEROES -> {
                setPiece(request);
                yield true;
            }
            case Nbd.CMD_BLOCK_STATUS -> {
                if (!takeBuffer(request, BlockStatus.REPLY_BYTES)) {
                    yield false;
                }
                request.extents = extentLists.take();
                blockStatus.begin(request);
                yield asked(request);
            }
            default -> {
                // CACHE brings the tables of the range to memory, as a question about it does
                request.extents = extentLists.take();
                request.disk.setMap(request.offset, Math.min(request.length, PIECE_BYTES), request.extents);
                yield true;
            }
        };
    }

    /** Prepares the next piece of a range; the first and the last may be shorter, so that the others are aligned. */
    private static void setPiece(NbdRequest request) {
        long from = request.offset + request.done;
        long left = request.length - request.done;
        long bytes = left <= PIECE_BYTES ? left : PIECE_BYTES - (from & PIECE_BYTES - 1);
        boolean zeroes = request.command == Nbd.CMD_WRITE_ZEROES;
        request.disk.set(
                zeroes ? Operation.WRITE_ZEROES : Operation.DISCARD,
                from,
                bytes,
                fua(request)
                        | (zeroes && request.has(Nbd.CMD_FLAG_NO_HOLE) ? Request.NO_UNMAP : 0)
                        | (zeroes && request.has(Nbd.CMD_FLAG_FAST_ZERO) ? Request.FAST_ONLY : 0));
    }

    /** Prepares the next question of a BLOCK_STATUS; false if it is answered with an error. */
    private boolean asked(NbdRequest request) {
        int error = blockStatus.ask(request);
        if (error != 0) {
            replies.error(request, error);
        }
        return error == 0;
    }

    private static int fua(NbdRequest request) {
        return request.has(Nbd.CMD_FLAG_FUA) ? Request.FUA : 0;
    }

    private boolean data(NbdRequest request, Operation operation, int flags) {
        int length = (int) request.length;
        if (!takeBuffer(request, length)) {
            return false;
        }
        request.disk.data().clear();
        request.disk.data().add(request.address, length);
        request.disk.set(operation, request.offset, length, flags);
        return true;
    }

    private boolean takeBuffer(NbdRequest request, int bytes) {
        try {
            request.takeBuffer(buffers, bytes);
        } catch (OutOfMemoryError e) {
            // native memory: the request fails, the client and the disk go on
            replies.error(request, Nbd.ENOMEM);
            return false;
        }
        request.charged = PayloadBuffers.sizeFor(bytes);
        charged += request.charged;
        return true;
    }

    /** Hands a request to the disk, whose port is open. A port that throws has not taken it. */
    void submit(NbdRequest request) {
        boolean done = false;
        try {
            port.submit(request.disk);
            done = true;
        } finally {
            if (!done) {
                release(request);
            }
        }
    }

    /** The disk is done with a request. */
    private void done(NbdRequest request) {
        try {
            if (closed) {
                release(request);
            } else {
                answer(request);
            }
        } catch (RuntimeException | Error e) {
            // the disk's completions of others must go on
            owner.failed(e);
        }
    }

    private void answer(NbdRequest request) {
        int errno = request.disk.error();
        if (errno != 0) {
            replies.error(request, ReplyError.of(errno, request.has(Nbd.CMD_FLAG_FAST_ZERO)));
            return;
        }
        switch (request.command) {
            case Nbd.CMD_BLOCK_STATUS -> {
                if (request.extents.count() == 0) {
                    replies.error(request, Nbd.EIO);
                } else if (blockStatus.take(request)) {
                    giveExtents(request);
                    replies.chunks(request);
                } else {
                    later(request);
                }
            }
            case Nbd.CMD_TRIM, Nbd.CMD_WRITE_ZEROES -> {
                request.done += request.disk.length();
                if (request.done == request.length) {
                    replies.success(request);
                } else {
                    later(request);
                }
            }
            case Nbd.CMD_READ -> {
                if (request.disk.zeros()) {
                    replies.hole(request);
                } else {
                    replies.data(request);
                }
            }
            default -> replies.success(request);
        }
    }

    private void later(NbdRequest request) {
        request.next = null;
        if (firstUnfinished == null) {
            firstUnfinished = request;
        } else {
            lastUnfinished.next = request;
        }
        lastUnfinished = request;
    }

    /** Whether {@link #goOn} has something to do. */
    boolean mayGoOn() {
        return firstUnfinished != null && port.isOpen();
    }

    /** Submits the next piece of each request that has one; false if there was nothing to do. */
    boolean goOn() {
        boolean work = mayGoOn();
        NbdRequest last = lastUnfinished;
        NbdRequest request = null;
        while (request != last && mayGoOn()) {
            request = firstUnfinished;
            firstUnfinished = request.next;
            request.next = null;
            if (request.command == Nbd.CMD_BLOCK_STATUS) {
                if (asked(request)) {
                    submit(request);
                }
            } else {
                setPiece(request);
                submit(request);
            }
        }
        return work;
    }

    /** Frees the requests whose replies are sent. */
    void releaseSent() {
        for (NbdRequest request = replies.takeSent(); request != null; request = replies.takeSent()) {
            release(request);
        }
    }

    /** Frees a write whose payload will not come. */
    void abandon(NbdRequest request) {
        release(request);
    }

    /** Nobody is there to be answered any more. */
    void closed() {
        closed = true;
        while (firstUnfinished != null) {
            NbdRequest request = firstUnfinished;
            firstUnfinished = request.next;
            release(request);
        }
        for (NbdRequest request = replies.takeAny(); request != null; request = replies.takeAny()) {
            release(request);
        }
    }

    /** Frees the requests that wait because the storage has failed them: nobody is there to be answered. */
    void withdraw() {
        for (NbdRequest request : made) {
            if (port.withdraw(request.disk)) {
                release(request);
            }
        }
    }

    private void release(NbdRequest request) {
        request.giveBuffer();
        charged -= request.charged;
        request.charged = 0;
        giveExtents(request);
        request.next = free;
        free = request;
        taken--;
        owner.freed();
    }

    private void giveExtents(NbdRequest request) {
        if (request.extents != null) {
            extentLists.give(request.extents);
            request.extents = null;
        }
    }
}
