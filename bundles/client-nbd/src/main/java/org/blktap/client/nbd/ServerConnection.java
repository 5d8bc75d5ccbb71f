package org.blktap.client.nbd;

import static org.blktap.api.memory.Alignment.SECTOR;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import org.blktap.api.engine.CloseOnFailure;
import org.blktap.api.engine.Errno;
import org.blktap.api.engine.ExtentList;
import org.blktap.api.nbd.Nbd;

/**
 * One connection to an export, with one request at a time. Blocking; one thread at a time. All values from the server
 * are bounded before they are used.
 */
final class ServerConnection implements AutoCloseable {
    /** Most descriptors of one block status that are kept; a caller asks again for the rest. */
    static final int MAX_EXTENTS = 1 << 16;

    /** The longest chunk: the data of the longest READ after its offset. */
    private static final int MAX_CHUNK = Nbd.MAX_PAYLOAD + Nbd.OFFSET_DATA_BYTES;
    /** Errno, length of the text, text, and perhaps an offset. */
    private static final int MAX_ERROR_CHUNK = Nbd.ERROR_BYTES + Nbd.MAX_STRING + Long.BYTES;
    /** Chunks of the longest READ, if each is one sector. */
    private static final int MAX_CHUNKS = Nbd.MAX_PAYLOAD / SECTOR;

    private static final int CONNECT_SECONDS = 20;

    private final ServerStream stream;
    private final ByteBuffer request = ByteBuffer.allocate(Nbd.REQUEST_BYTES);
    private final ByteBuffer descriptors = ByteBuffer.allocate(4 << 10);
    private final Negotiation.Agreed agreed;
    private long cookie;
    private String message = "";

    ServerConnection(Server server) throws IOException {
        stream = new ServerStream(server.uri());
        // a server that does not answer must not hold up the thread that opens the disk
        CompletableFuture<Void> patience =
                new CompletableFuture<Void>().completeOnTimeout(null, CONNECT_SECONDS, TimeUnit.SECONDS);
        patience.thenRun(this::abort);
        try (CloseOnFailure opened = new CloseOnFailure(this::abort)) {
            stream.connect(server.uri());
            agreed = new Negotiation(stream, server).run(server.uri().export());
            opened.keep();
        } finally {
            patience.cancel(false);
        }
    }

    /** Ends calls that wait for the server, from any thread. */
    void abort() {
        stream.abort();
    }

    /** Version and algorithms of TLS, for people. */
    String tlsSession() {
        return stream.tlsSession();
    }

    Negotiation.Agreed agreed() {
        return agreed;
    }

    /** The server's message about the last error, or "". */
    String message() {
        return message;
    }

    // ---- requests; each returns 0 or the errno that the server reports

    int read(long offset, ByteBuffer into) throws IOException {
        request(Nbd.CMD_READ, 0, offset, into.remaining());
        return reply(offset, 0, into, null);
    }

    int write(long offset, ByteBuffer from) throws IOException {
        stream.send(header(Nbd.CMD_WRITE, 0, offset, from.remaining()), from);
        return reply(offset, 0, null, null);
    }

    int flush() throws IOException {
        request(Nbd.CMD_FLUSH, 0, 0, 0);
        return reply(0, 0, null, null);
    }

    int trim(long offset, int length) throws IOException {
        request(Nbd.CMD_TRIM, 0, offset, length);
        return reply(offset, 0, null, null);
    }

    int zero(long offset, int length, boolean noHole) throws IOException {
        request(Nbd.CMD_WRITE_ZEROES, noHole ? Nbd.CMD_FLAG_NO_HOLE : 0, offset, length);
        return reply(offset, 0, null, null);
    }

    /** Gets at least one extent, perhaps not the whole range. */
    int map(long offset, int length, ExtentList into) throws IOException {
        request(Nbd.CMD_BLOCK_STATUS, 0, offset, length);
        return reply(offset, length, null, into);
    }

    private void request(int command, int commandFlags, long offset, int length) throws IOException {
        stream.send(header(command, commandFlags, offset, length));
    }

    private ByteBuffer header(int command, int commandFlags, long offset, int length) {
        message = "";
        return request.clear()
                .putInt(Nbd.REQUEST_MAGIC)
                .putShort((short) commandFlags)
                .putShort((short) command)
                .putLong(++cookie)
                .putLong(offset)
                .putInt(length)
                .flip();
    }

    /** @param asked bytes of a block status */
    private int reply(long offset, long asked, ByteBuffer data, ExtentList extents) throws IOException {
        int error = 0;
        int base = data == null ? 0 : data.position();
        int end = data == null ? 0 : data.limit();
        int missing = end - base;
        boolean mapped = false;
        for (int chunks = 0; chunks < MAX_CHUNKS; chunks++) {
            int magic = stream.read(Integer.BYTES).getInt();
            if (magic == Nbd.SIMPLE_REPLY_MAGIC && extents == null && (data == null || !agreed.structured())) {
                ByteBuffer rest = stream.read(Nbd.SIMPLE_REPLY_BYTES - Integer.BYTES);
                error = errno(rest.getInt());
                expectCookie(rest.getLong());
                if (error == 0 && data != null) {
                    stream.read(data);
                }
                return error;
            }
            if (magic != Nbd.STRUCTURED_REPLY_MAGIC || !agreed.structured()) {
                throw new IOException(String.format("bad reply: magic 0x%08x", magic));
            }
            ByteBuffer rest = stream.read(Nbd.STRUCTURED_REPLY_BYTES - Integer.BYTES);
            int chunkFlags = rest.getShort();
            int type = Short.toUnsignedInt(rest.getShort());
            expectCookie(rest.getLong());
            int length = rest.getInt();
            if (length < 0 || length > MAX_CHUNK) {
                throw new IOException("bad reply: a chunk of " + Integer.toUnsignedString(length)
                        + " bytes; expected at most " + MAX_CHUNK);
            }
            if (type == Nbd.REPLY_TYPE_OFFSET_DATA && data != null && length > Nbd.OFFSET_DATA_BYTES) {
                place(
                        data,
                        base,
                        end,
                        stream.read(Nbd.OFFSET_DATA_BYTES).getLong() - offset,
                        length - Nbd.OFFSET_DATA_BYTES);
                stream.read(data);
                missing -= length - Nbd.OFFSET_DATA_BYTES;
            } else if (type == Nbd.REPLY_TYPE_OFFSET_HOLE && data != null && length == Nbd.OFFSET_HOLE_BYTES) {
                ByteBuffer hole = stream.read(Nbd.OFFSET_HOLE_BYTES);
                long at = hole.getLong() - offset;
                int bytes = hole.getInt();
                place(data, base, end, at, bytes);
                missing -= bytes;
                while (data.hasRemaining()) {
                    data.put((byte) 0);
                }
            } else if (type == Nbd.REPLY_TYPE_BLOCK_STATUS
                    && extents != null
                    && !mapped
                    && length >= Nbd.BLOCK_STATUS_BYTES + Nbd.DESCRIPTOR_BYTES
                    && length % Nbd.DESCRIPTOR_BYTES == Nbd.BLOCK_STATUS_BYTES) {
                mapped = stream.read(Nbd.BLOCK_STATUS_BYTES).getInt() == agreed.allocationContext();
                extents((length - Nbd.BLOCK_STATUS_BYTES) / Nbd.DESCRIPTOR_BYTES, mapped ? asked : 0, extents);
            } else if ((type & Nbd.REPLY_TYPE_ERROR_BIT) != 0
                    && length >= Nbd.ERROR_BYTES
                    && length <= MAX_ERROR_CHUNK) {
                error = errorChunk(length);
            } else if (type != Nbd.REPLY_TYPE_NONE || length != 0) {
                throw new IOException("bad reply: a chunk of type " + type + " with " + length + " bytes");
            }
            if ((chunkFlags & Nbd.REPLY_FLAG_DONE) != 0) {
                if (error == 0 && (missing != 0 || extents != null && extents.count() == 0)) {
                    throw new IOException("bad reply: it leaves something out");
                }
                return error;
            }
        }
        throw new IOException("bad reply: more than " + MAX_CHUNKS + " chunks");
    }

    /** @return never 0 */
    private int errorChunk(int length) throws IOException {
        ByteBuffer fixed = stream.read(Nbd.ERROR_BYTES);
        int found = errno(fixed.getInt());
        int text = Short.toUnsignedInt(fixed.getShort());
        if (text > length - Nbd.ERROR_BYTES) {
            throw new IOException("bad reply: an error with a text of " + text + " bytes in a chunk of " + length);
        }
        message = stream.text(text);
        stream.skip(length - Nbd.ERROR_BYTES - text);
        return found == 0 ? Errno.EIO : found;
    }

    /** Returns the errno for an error of the protocol. Its numbers are Linux's; all others become an I/O error. */
    private static int errno(int found) {
        return switch (found) {
            case 0,
                    Errno.EPERM,
                    Errno.EIO,
                    Errno.ENOMEM,
                    Errno.EINVAL,
                    Errno.ENOSPC,
                    Nbd.EOVERFLOW,
                    Errno.EOPNOTSUPP,
                    Errno.ESHUTDOWN -> found;
            default -> Errno.EIO;
        };
    }

    /** Takes extents up to the end of the asked range, and drops the rest. */
    private void extents(int count, long asked, ExtentList into) throws IOException {
        long left = asked;
        int most = Math.min(count, MAX_EXTENTS);
        for (int taken = 0; taken < count; ) {
            int here = Math.min(count - taken, descriptors.capacity() / Nbd.DESCRIPTOR_BYTES);
            descriptors.clear().limit(here * Nbd.DESCRIPTOR_BYTES);
            stream.read(descriptors);
            descriptors.flip();
            for (int i = 0; i < here && left > 0 && taken + i < most; i++) {
                long bytes = Math.min(left, Integer.toUnsignedLong(descriptors.getInt()));
                into.add(bytes, descriptors.getInt() & (ExtentList.HOLE | ExtentList.ZERO));
                left -= bytes;
            }
            taken += here;
        }
    }

    /** Limits the buffer to the bytes of a chunk. */
    private static void place(ByteBuffer data, int base, int end, long at, int bytes) throws IOException {
        if (at < 0 || bytes < 0 || at > end - base - bytes) {
            throw new IOException("bad reply: bytes that were not asked for");
        }
        data.limit(base + (int) at + bytes).position(base + (int) at);
    }

    private void expectCookie(long found) throws IOException {
        if (found != cookie) {
            throw new IOException("bad reply: it answers request " + found + "; expected " + cookie);
        }
    }

    /** Sends a disconnect, if that does not block, and closes. No request may be under way. */
    @Override
    public void close() throws IOException {
        stream.close(header(Nbd.CMD_DISC, 0, 0, 0));
    }
}
