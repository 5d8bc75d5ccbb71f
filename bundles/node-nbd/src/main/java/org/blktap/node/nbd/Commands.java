package org.blktap.node.nbd;

import org.blktap.api.disk.DiskInfo;
import org.blktap.api.disk.Operation;
import org.blktap.api.disk.Request;
import org.blktap.api.engine.ExtentList;
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
    /** Size of an answer about allocation. */
    private static final int MAP_BYTES = 64 << 10;
    /** The longest range that the disk is asked about at once; a client asks again for the rest. */
    private static final long MAX_MAP_BYTES = 1L << 30;
    /** The most runs reported in one answer: 64 KiB of them. */
    private static final int MAX_DESCRIPTORS = MAP_BYTES / Nbd.DESCRIPTOR_BYTES;

    private final DiskPort port;
    private final ReplyQueue replies;
    private final PayloadBuffers buffers;
    private final Session session;
    private final Owner owner;
    private final ExtentLists extentLists;
    private NbdRequest free;
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
        this.session = session;
        this.owner = owner;
    }

    /** Whether a command of a length may be taken now. */
    Room room(int command, long length) {
        if (taken == MAX_REQUESTS) {
            return Room.OWN;
        }
        return switch (command) {
            case Nbd.CMD_READ, Nbd.CMD_WRITE -> room(charge(length));
            case Nbd.CMD_BLOCK_STATUS -> extentLists.hasOne() ? room(MAP_BYTES) : Room.SHARED;
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
        return length == 0 || length > Nbd.MAX_PAYLOAD ? 0 : PayloadBuffers.sizeFor((int) length);
    }

    /** Bytes of buffers that the client has. */
    long charged() {
        return charged;
    }

    /** Requests that are not yet answered in full. */
    int taken() {
        return taken;
    }

    /** A request with the contents of the header ("Request message") at an address; the magic has been looked at. */
    NbdRequest decode(long at) {
        NbdRequest request = free;
        if (request == null) {
            request = new NbdRequest(this::done, port);
        } else {
            free = request.next;
            request.next = null;
        }
        taken++;
        request.flags = Wire.getUnsignedShort(at + Nbd.REQUEST_FLAGS);
        request.command = Wire.getUnsignedShort(at + Nbd.REQUEST_TYPE);
        request.cookie = Wire.getLong(at + Nbd.REQUEST_COOKIE);
        request.offset = Wire.getLong(at + Nbd.REQUEST_OFFSET);
        request.length = Integer.toUnsignedLong(Wire.getInt(at + Nbd.REQUEST_LENGTH));
        return request;
    }

    /**
     * Checks a request and makes it ready; a WRITE has a buffer then, to be filled before {@link #submit}.
     *
     * @return false if it is answered already
     */
    boolean begin(NbdRequest request) {
        DiskInfo info = port.info();
        int error = check(request, info);
        if (error != 0) {
            fail(request, error);
            return false;
        }
        if (request.command == Nbd.CMD_FLUSH) {
            request.disk.set(Operation.FLUSH, 0, 0, 0);
            return true;
        }
        if (request.length == 0) {
            succeed(request);
            return false;
        }
        return switch (request.command) {
            case Nbd.CMD_READ ->
                data(
                        request,
                        Operation.READ,
                        session.structured() && !request.has(Nbd.CMD_FLAG_DF) ? Request.SPARSE : 0);
            case Nbd.CMD_WRITE -> data(request, Operation.WRITE, fua(request));
            case Nbd.CMD_TRIM -> {
                if (!info.supports(Operation.DISCARD)) {
                    // a hint, and the disk may have become another one since it was announced to the client
                    succeed(request);
                    yield false;
                }
                request.disk.set(Operation.DISCARD, request.offset, request.length, fua(request));
                yield true;
            }
            case Nbd.CMD_WRITE_ZEROES -> {
                request.disk.set(
                        Operation.WRITE_ZEROES,
                        request.offset,
                        request.length,
                        fua(request)
                                | (request.has(Nbd.CMD_FLAG_NO_HOLE) ? Request.NO_UNMAP : 0)
                                | (request.has(Nbd.CMD_FLAG_FAST_ZERO) ? Request.FAST_ONLY : 0));
                yield true;
            }
            default -> {
                // CACHE brings the tables of the range to memory, as a question about it does
                if (request.command == Nbd.CMD_BLOCK_STATUS && !takeBuffer(request, MAP_BYTES)) {
                    yield false;
                }
                request.extents = extentLists.take();
                request.disk.setMap(request.offset, Math.min(request.length, MAX_MAP_BYTES), request.extents);
                yield true;
            }
        };
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
            fail(request, Nbd.ENOMEM);
            return false;
        }
        request.charged = PayloadBuffers.sizeFor(bytes);
        charged += request.charged;
        return true;
    }

    /** The error that a request deserves as it is, or 0 ("Request types", "Error values"). */
    private int check(NbdRequest request, DiskInfo info) {
        int allowed = Nbd.CMD_FLAG_FUA;
        boolean writes = false;
        switch (request.command) {
            case Nbd.CMD_READ -> allowed |= session.structured() ? Nbd.CMD_FLAG_DF : 0;
            case Nbd.CMD_WRITE, Nbd.CMD_TRIM -> writes = true;
            case Nbd.CMD_WRITE_ZEROES -> {
                writes = true;
                allowed |= Nbd.CMD_FLAG_NO_HOLE | Nbd.CMD_FLAG_FAST_ZERO;
            }
            case Nbd.CMD_FLUSH, Nbd.CMD_CACHE -> {
                // only the flag that is valid for all
            }
            case Nbd.CMD_BLOCK_STATUS -> {
                allowed |= Nbd.CMD_FLAG_REQ_ONE;
                if (!session.allocation() || request.length == 0) {
                    return Nbd.EINVAL;
                }
            }
            default -> {
                return Nbd.EINVAL;
            }
        }
        if ((request.flags & ~allowed) != 0) {
            return Nbd.EINVAL;
        }
        if (request.command == Nbd.CMD_FLUSH) {
            return request.offset == 0 && request.length == 0 ? 0 : Nbd.EINVAL;
        }
        if (writes && info.readOnly()) {
            return Nbd.EPERM;
        }
        long size = info.sizeBytes();
        if (request.offset < 0 || request.offset > size || request.length > size - request.offset) {
            return writes && request.command != Nbd.CMD_TRIM ? Nbd.ENOSPC : Nbd.EINVAL;
        }
        if (request.command == Nbd.CMD_READ && request.length > Nbd.MAX_PAYLOAD) {
            return session.structured() ? Nbd.EOVERFLOW : Nbd.EINVAL;
        }
        return 0;
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
            fail(request, ReplyError.of(errno, request.has(Nbd.CMD_FLAG_FAST_ZERO)));
        } else if (request.command == Nbd.CMD_BLOCK_STATUS) {
            blockStatus(request);
        } else {
            succeed(request);
        }
    }

    private void succeed(NbdRequest request) {
        if (request.command != Nbd.CMD_READ) {
            replies.simple(request, 0);
        } else if (!session.structured()) {
            replies.simpleData(request);
        } else if (request.length == 0) {
            replies.none(request);
        } else if (request.disk.zeros()) {
            replies.hole(request);
        } else {
            replies.data(request);
        }
    }

    /** Answers with an error; READ and BLOCK_STATUS take no simple reply where structured ones were agreed. */
    private void fail(NbdRequest request, int error) {
        if (session.structured() && (request.command == Nbd.CMD_READ || request.command == Nbd.CMD_BLOCK_STATUS)) {
            replies.error(request, error);
        } else {
            replies.simple(request, error);
        }
    }

    /** Descriptors: u32 length, u32 state. */
    private void blockStatus(NbdRequest request) {
        ExtentList extents = request.extents;
        int most = request.has(Nbd.CMD_FLAG_REQ_ONE) ? 1 : MAX_DESCRIPTORS;
        int count = Math.min(extents.count(), most);
        if (count == 0) {
            fail(request, Nbd.EIO);
            return;
        }
        long left = request.disk.length();
        long at = request.address;
        for (int i = 0; i < count && left > 0; i++) {
            long run = Math.min(extents.length(i), left);
            Wire.putInt(at, (int) run);
            Wire.putInt(at + Nbd.DESCRIPTOR_STATE, extents.state(i));
            at += Nbd.DESCRIPTOR_BYTES;
            left -= run;
        }
        giveExtents(request);
        replies.blockStatus(request, (int) (at - request.address));
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
        for (NbdRequest request = replies.takeAny(); request != null; request = replies.takeAny()) {
            release(request);
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
