package org.blktap.client.nbd;

import java.io.EOFException;
import java.io.IOException;
import java.net.UnixDomainSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.SocketChannel;
import java.nio.charset.StandardCharsets;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import org.blktap.api.disk.ExtentList;

/**
 * One connection to an export: fixed newstyle negotiation, then one request after the other. Blocking; one thread at a time. What the server
 * says is bounded before it is used. Source of numbers and layouts: NBD's doc/proto.md.
 */
final class NbdConnection implements AutoCloseable {
    /** The longest READ, WRITE or answer, which each server takes. */
    static final int LONGEST = 32 << 20;
    static final int READ_ONLY = 1 << 1;
    static final int SEND_FLUSH = 1 << 2;
    static final int SEND_TRIM = 1 << 5;
    static final int SEND_WRITE_ZEROES = 1 << 6;
    static final int CAN_MULTI_CONN = 1 << 8;

    private static final long NBDMAGIC = 0x4e42444d41474943L;
    private static final long IHAVEOPT = 0x49484156454F5054L;
    private static final long REPLY_MAGIC = 0x3e889045565a9L;
    private static final int REQUEST_MAGIC = 0x25609513;
    private static final int SIMPLE_MAGIC = 0x67446698;
    private static final int CHUNK_MAGIC = 0x668e33ef;
    private static final int FIXED_NEWSTYLE = 1;
    private static final int NO_ZEROES = 2;
    private static final int OPT_GO = 7;
    private static final int OPT_STRUCTURED_REPLY = 8;
    private static final int OPT_SET_META_CONTEXT = 10;
    private static final int REP_ACK = 1;
    private static final int REP_INFO = 3;
    private static final int REP_META_CONTEXT = 4;
    private static final int INFO_EXPORT = 0;
    private static final int CMD_READ = 0;
    private static final int CMD_WRITE = 1;
    private static final int CMD_DISC = 2;
    private static final int CMD_FLUSH = 3;
    private static final int CMD_TRIM = 4;
    private static final int CMD_WRITE_ZEROES = 6;
    private static final int CMD_BLOCK_STATUS = 7;
    private static final int FLAG_NO_HOLE = 2;
    private static final int FLAG_DONE = 1;
    private static final int CHUNK_NONE = 0;
    private static final int CHUNK_DATA = 1;
    private static final int CHUNK_HOLE = 2;
    private static final int CHUNK_BLOCK_STATUS = 5;
    private static final int CHUNK_ERROR = 1 << 15;
    private static final int MAX_OPTION_REPLY = 64 << 10;
    /** The longest READ in chunks of a sector. */
    private static final int MOST_CHUNKS = LONGEST / 512;
    private static final int PATIENCE_SECONDS = 20;
    private static final String ALLOCATION = "base:allocation";

    private final SocketChannel channel;
    private final ByteBuffer head = ByteBuffer.allocate(64);
    private boolean structured;
    private int allocationContext = -1;
    private long size = -1;
    private int flags;
    private long cookie;
    private volatile boolean open;

    NbdConnection(NbdUri uri) throws IOException {
        channel = uri.address() instanceof UnixDomainSocketAddress ? SocketChannel.open(java.net.StandardProtocolFamily.UNIX) : SocketChannel.open();
        boolean done = false;
        try {
            CompletableFuture.delayedExecutor(PATIENCE_SECONDS, TimeUnit.SECONDS).execute(this::giveUp);
            channel.connect(uri.address());
            negotiate(uri.export());
            open = true;
            done = true;
        } finally {
            if (!done) {
                channel.close();
            }
        }
    }

    /** A server that does not answer must not hold up whoever opens the disk. */
    private void giveUp() {
        if (!open) {
            abort();
        }
    }

    /** Ends whatever waits for the server, from any thread. */
    void abort() {
        try {
            channel.close();
        } catch (IOException e) {
            System.getLogger("org.blktap.client.nbd").log(System.Logger.Level.DEBUG, e.getMessage());
        }
    }

    /** Bytes. */
    long size() {
        return size;
    }

    boolean has(int flag) {
        return (flags & flag) != 0;
    }

    /** Whether {@link #map} tells of holes. */
    boolean mapsHoles() {
        return allocationContext != -1;
    }

    // ---- negotiation

    private void negotiate(String export) throws IOException {
        ByteBuffer hello = read(18);
        long magic = hello.getLong();
        long style = hello.getLong();
        int server = Short.toUnsignedInt(hello.getShort());
        if (magic != NBDMAGIC || style != IHAVEOPT || (server & FIXED_NEWSTYLE) == 0) {
            throw new IOException("the server does not speak NBD's fixed newstyle negotiation");
        }
        send(ByteBuffer.allocate(4).putInt(FIXED_NEWSTYLE | server & NO_ZEROES).flip());
        byte[] name = export.getBytes(StandardCharsets.UTF_8);
        structured = option(OPT_STRUCTURED_REPLY, ByteBuffer.allocate(0));
        if (structured) {
            byte[] context = ALLOCATION.getBytes(StandardCharsets.UTF_8);
            option(OPT_SET_META_CONTEXT, ByteBuffer.allocate(12 + name.length + context.length).putInt(name.length).put(name).putInt(1)
                    .putInt(context.length).put(context).flip());
        }
        if (!option(OPT_GO, ByteBuffer.allocate(6 + name.length).putInt(name.length).put(name).putShort((short) 0).flip())) {
            throw new IOException("the server has no export '" + export + "'");
        }
        if (size < 0) {
            throw new IOException("the server does not tell the size of the export");
        }
    }

    /** Sends an option and reads its replies; false if the server refuses it. */
    private boolean option(int option, ByteBuffer data) throws IOException {
        send(ByteBuffer.allocate(16).putLong(IHAVEOPT).putInt(option).putInt(data.remaining()).flip());
        send(data);
        while (true) {
            ByteBuffer reply = read(20);
            long magic = reply.getLong();
            int about = reply.getInt();
            int type = reply.getInt();
            int length = reply.getInt();
            if (magic != REPLY_MAGIC || about != option || length < 0 || length > MAX_OPTION_REPLY) {
                throw new IOException("an option's reply that is none: option " + about + ", " + length + " bytes");
            }
            ByteBuffer payload = ByteBuffer.allocate(length);
            read(payload);
            if (type < 0) {
                return false;
            }
            if (type == REP_ACK) {
                return true;
            }
            if (type == REP_INFO && length >= 12 && payload.getShort(0) == INFO_EXPORT) {
                size = payload.getLong(2);
                flags = Short.toUnsignedInt(payload.getShort(10));
            } else if (type == REP_META_CONTEXT && length == 4 + ALLOCATION.length()) {
                allocationContext = payload.getInt(0);
            }
        }
    }

    // ---- requests; each answers 0 or the errno that the server tells

    int read(long offset, ByteBuffer into) throws IOException {
        request(CMD_READ, 0, offset, into.remaining());
        return reply(offset, 0, into, null);
    }

    int write(long offset, ByteBuffer from) throws IOException {
        request(CMD_WRITE, 0, offset, from.remaining());
        send(from);
        return reply(offset, 0, null, null);
    }

    int flush() throws IOException {
        request(CMD_FLUSH, 0, 0, 0);
        return reply(0, 0, null, null);
    }

    int trim(long offset, int length) throws IOException {
        request(CMD_TRIM, 0, offset, length);
        return reply(offset, 0, null, null);
    }

    int zero(long offset, int length, boolean noHole) throws IOException {
        request(CMD_WRITE_ZEROES, noHole ? FLAG_NO_HOLE : 0, offset, length);
        return reply(offset, 0, null, null);
    }

    /** At least one extent, perhaps not the whole range. */
    int map(long offset, int length, ExtentList into) throws IOException {
        request(CMD_BLOCK_STATUS, 0, offset, length);
        return reply(offset, length, null, into);
    }

    private void request(int command, int commandFlags, long offset, int length) throws IOException {
        head.clear().putInt(REQUEST_MAGIC).putShort((short) commandFlags).putShort((short) command).putLong(++cookie).putLong(offset).putInt(length);
        send(head.flip());
    }

    /** @param asked bytes of a block status */
    private int reply(long offset, long asked, ByteBuffer data, ExtentList extents) throws IOException {
        int error = 0;
        int base = data == null ? 0 : data.position();
        int missing = data == null ? 0 : data.remaining();
        boolean mapped = false;
        for (int chunks = 0; chunks < MOST_CHUNKS; chunks++) {
            int magic = read(4).getInt();
            if (magic == SIMPLE_MAGIC && extents == null && (data == null || !structured)) {
                ByteBuffer rest = read(12);
                error = rest.getInt();
                expectCookie(rest.getLong());
                if (error == 0 && data != null) {
                    read(data);
                }
                return error;
            }
            if (magic != CHUNK_MAGIC || !structured) {
                throw new IOException(String.format("a reply that is none: 0x%08x", magic));
            }
            ByteBuffer rest = read(16);
            int chunkFlags = rest.getShort();
            int type = Short.toUnsignedInt(rest.getShort());
            expectCookie(rest.getLong());
            int length = rest.getInt();
            if (length < 0 || length > LONGEST + 8) {
                throw new IOException("a reply of " + length + " bytes");
            }
            if (type == CHUNK_DATA && data != null && length > 8) {
                long at = read(8).getLong() - offset;
                place(data, base, at, length - 8);
                read(data);
                missing -= length - 8;
            } else if (type == CHUNK_HOLE && data != null && length == 12) {
                ByteBuffer hole = read(12);
                long at = hole.getLong() - offset;
                int bytes = hole.getInt();
                place(data, base, at, bytes);
                missing -= bytes;
                while (data.hasRemaining()) {
                    data.put((byte) 0);
                }
            } else if (type == CHUNK_BLOCK_STATUS && extents != null && !mapped && length >= 12 && length % 8 == 4) {
                ByteBuffer status = ByteBuffer.allocate(length);
                read(status);
                status.flip();
                mapped = status.getInt() == allocationContext;
                if (mapped) {
                    extents(status, asked, extents);
                }
            } else if ((type & CHUNK_ERROR) != 0 && length >= 6) {
                ByteBuffer told = ByteBuffer.allocate(length);
                read(told);
                error = Math.max(1, told.getInt(0));
            } else if (type != CHUNK_NONE || length != 0) {
                throw new IOException("a reply of type " + type + " with " + length + " bytes");
            }
            if ((chunkFlags & FLAG_DONE) != 0) {
                if (error == 0 && (missing != 0 || extents != null && extents.count() == 0)) {
                    throw new IOException("a reply that leaves something out");
                }
                return error;
            }
        }
        throw new IOException("a reply of more than " + MOST_CHUNKS + " chunks");
    }

    /** No more than was asked for. */
    private static void extents(ByteBuffer status, long asked, ExtentList into) {
        long left = asked;
        while (left > 0 && status.hasRemaining()) {
            long bytes = Math.min(left, Integer.toUnsignedLong(status.getInt()));
            into.add(bytes, status.getInt() & (ExtentList.HOLE | ExtentList.ZERO));
            left -= bytes;
        }
    }

    /** Makes the buffer take just the bytes of a chunk. */
    private static void place(ByteBuffer data, int base, long at, int bytes) throws IOException {
        if (at < 0 || bytes < 0 || at + bytes > data.capacity() - base) {
            throw new IOException("a reply with bytes that were not asked for");
        }
        data.limit(base + (int) at + bytes).position(base + (int) at);
    }

    private void expectCookie(long found) throws IOException {
        if (found != cookie) {
            throw new IOException("a reply to another request");
        }
    }

    private ByteBuffer read(int bytes) throws IOException {
        head.clear().limit(bytes);
        read(head);
        return head.flip();
    }

    private void read(ByteBuffer into) throws IOException {
        while (into.hasRemaining()) {
            if (channel.read(into) < 0) {
                throw new EOFException("the server has closed the connection");
            }
        }
    }

    private void send(ByteBuffer bytes) throws IOException {
        while (bytes.hasRemaining()) {
            channel.write(bytes);
        }
    }

    @Override
    public void close() throws IOException {
        try (channel) {
            request(CMD_DISC, 0, 0, 0);
        }
    }
}
