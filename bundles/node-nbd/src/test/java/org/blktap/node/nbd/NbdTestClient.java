package org.blktap.node.nbd;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;

import java.io.EOFException;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.SocketAddress;
import java.net.UnixDomainSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.SocketChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import javax.net.ssl.SSLEngine;
import org.blktap.api.nbd.Nbd;
import org.blktap.tls.Credentials;
import org.blktap.tls.TlsRecords;

/** A client that can do wrong: bytes as a test wants them. */
final class NbdTestClient implements AutoCloseable {
    final SocketChannel channel;
    /** Null without TLS. */
    TlsRecords tls;

    private TlsRecords half;

    private final ByteBuffer tlsMemory = ByteBuffer.allocate(TlsRecords.MEMORY_BYTES);
    private final ByteBuffer plain =
            ByteBuffer.allocate(2 * TlsRecords.MAX_RECORD).limit(0);
    private Framing framing = Framing.SIMPLE;
    long size;
    int flags;
    /** The request's offset in the last extended reply. */
    long repliedOffset;

    NbdTestClient(SocketAddress address) throws IOException {
        channel = SocketChannel.open(address);
    }

    NbdTestClient(Path socket) throws IOException {
        this(UnixDomainSocketAddress.of(socket));
    }

    NbdTestClient(int port) throws IOException {
        this(new InetSocketAddress(InetAddress.getLoopbackAddress(), port));
    }

    /** A client in transmission. */
    static NbdTestClient on(Path socket, String export, boolean structured) throws IOException {
        return new NbdTestClient(socket).enter(export, structured);
    }

    NbdTestClient enter(String export, boolean structured) throws IOException {
        return structured ? enter(export, Framing.STRUCTURED, Nbd.BASE_ALLOCATION) : enter(export, Framing.SIMPLE);
    }

    NbdTestClient enter(String export, Framing wanted, String... contexts) throws IOException {
        greet();
        return choose(export, wanted, contexts);
    }

    /** Greets and starts TLS. */
    NbdTestClient secure(Credentials credentials) throws IOException {
        greet();
        option(Nbd.OPT_STARTTLS, new byte[0]);
        assertEquals(Nbd.REP_ACK, optionReply().type());
        return shake(credentials.clientEngine("localhost", 1));
    }

    /** The handshake of TLS. With TLS 1.3 the server may refuse afterwards. */
    NbdTestClient shake(SSLEngine engine) throws IOException {
        tls = records(engine);
        return shakeAgain();
    }

    TlsRecords records(SSLEngine engine) {
        half = new TlsRecords(engine, tlsMemory);
        return half;
    }

    /** Sends the first bytes of what TLS has to say. */
    void sendPart(int bytes) throws IOException {
        int at = half.outputOffset();
        channel.write(tlsMemory.limit(at + bytes).position(at));
    }

    NbdTestClient shakeAgain() throws IOException {
        while (true) {
            TlsRecords.Need need = tls.handshake();
            flush();
            switch (need) {
                case TASKS -> tls.runTasks();
                case INPUT -> fill();
                default -> {
                    return this;
                }
            }
        }
    }

    private void flush() throws IOException {
        while (tls.hasOutput()) {
            int at = tls.outputOffset();
            tls.sent(channel.write(tlsMemory.limit(at + tls.outputBytes()).position(at)));
        }
    }

    private void fill() throws IOException {
        int room = tls.inputRoom();
        int at = tls.inputOffset();
        int n = channel.read(tlsMemory.limit(at + room).position(at));
        if (n < 0) {
            throw new EOFException("the server has closed");
        }
        tls.received(n);
    }

    /** Chooses an export after the greeting. */
    NbdTestClient choose(String export, Framing wanted, String... contexts) throws IOException {
        framing = wanted;
        if (framing != Framing.SIMPLE) {
            option(framing == Framing.EXTENDED ? Nbd.OPT_EXTENDED_HEADERS : Nbd.OPT_STRUCTURED_REPLY, new byte[0]);
            assertEquals(Nbd.REP_ACK, optionReply().type());
            option(Nbd.OPT_SET_META_CONTEXT, context(export, contexts));
            for (int i = 0; i < contexts.length; i++) {
                assertEquals(Nbd.REP_META_CONTEXT, optionReply().type());
            }
            assertEquals(Nbd.REP_ACK, optionReply().type());
        }
        option(Nbd.OPT_GO, go(export));
        OptionReply info = optionReply();
        assertEquals(Nbd.REP_INFO, info.type());
        assertEquals(Nbd.INFO_EXPORT, info.data().getShort());
        size = info.data().getLong();
        flags = Short.toUnsignedInt(info.data().getShort());
        assertEquals(Nbd.REP_ACK, optionReply().type());
        return this;
    }

    void greet() throws IOException {
        ByteBuffer hello = read(18);
        assertEquals(Nbd.INIT_PASSWD, hello.getLong());
        assertEquals(Nbd.IHAVEOPT, hello.getLong());
        write(ByteBuffer.allocate(4).putInt(Nbd.FLAG_FIXED_NEWSTYLE | Nbd.FLAG_NO_ZEROES));
    }

    record OptionReply(int option, int type, ByteBuffer data) {}

    void option(int option, byte[] data) throws IOException {
        write(optionBytes(option, data));
    }

    static ByteBuffer optionBytes(int option, byte[] data) {
        return ByteBuffer.allocate(16 + data.length)
                .putLong(Nbd.IHAVEOPT)
                .putInt(option)
                .putInt(data.length)
                .put(data);
    }

    OptionReply optionReply() throws IOException {
        ByteBuffer header = read(20);
        assertEquals(Nbd.OPTION_REPLY_MAGIC, header.getLong());
        int option = header.getInt();
        int type = header.getInt();
        return new OptionReply(option, type, read(header.getInt()));
    }

    /** The data of OPT_GO and OPT_INFO. */
    static byte[] go(String export, int... infos) {
        byte[] name = export.getBytes(StandardCharsets.UTF_8);
        ByteBuffer data = ByteBuffer.allocate(6 + name.length + 2 * infos.length)
                .putInt(name.length)
                .put(name)
                .putShort((short) infos.length);
        for (int info : infos) {
            data.putShort((short) info);
        }
        return data.array();
    }

    /** The data of OPT_SET_META_CONTEXT for base:allocation. */
    static byte[] context(String export) {
        return context(export, Nbd.BASE_ALLOCATION);
    }

    static byte[] context(String export, String... queries) {
        byte[] name = export.getBytes(StandardCharsets.UTF_8);
        ByteBuffer data =
                ByteBuffer.allocate(1 << 16).putInt(name.length).put(name).putInt(queries.length);
        for (String query : queries) {
            byte[] text = query.getBytes(StandardCharsets.UTF_8);
            data.putInt(text.length).put(text);
        }
        return java.util.Arrays.copyOf(data.array(), data.position());
    }

    static ByteBuffer header(int command, int flags, long cookie, long offset, int length) {
        return ByteBuffer.allocate(Nbd.REQUEST_BYTES)
                .putInt(Nbd.REQUEST_MAGIC)
                .putShort((short) flags)
                .putShort((short) command)
                .putLong(cookie)
                .putLong(offset)
                .putInt(length);
    }

    /** The header of a request with a length of 64 bits. */
    static ByteBuffer extended(int command, int flags, long cookie, long offset, long length) {
        return ByteBuffer.allocate(Nbd.EXTENDED_REQUEST_BYTES)
                .putInt(Nbd.EXTENDED_REQUEST_MAGIC)
                .putShort((short) flags)
                .putShort((short) command)
                .putLong(cookie)
                .putLong(offset)
                .putLong(length);
    }

    void request(int command, int requestFlags, long cookie, long offset, long length) throws IOException {
        write(
                framing == Framing.EXTENDED
                        ? extended(command, requestFlags, cookie, offset, length)
                        : header(command, requestFlags, cookie, offset, (int) length));
    }

    void requestWrite(int requestFlags, long cookie, long offset, byte[] data) throws IOException {
        ByteBuffer header = framing == Framing.EXTENDED
                ? extended(Nbd.CMD_WRITE, requestFlags | Nbd.CMD_FLAG_PAYLOAD_LEN, cookie, offset, data.length)
                : header(Nbd.CMD_WRITE, requestFlags, cookie, offset, data.length);
        write(ByteBuffer.allocate(header.position() + data.length)
                .put(header.flip())
                .put(data));
    }

    /** A reply of either kind; {@code type} is -1 for a simple one. */
    record Reply(int type, int error, long cookie, long offset, byte[] data) {}

    /** Reads a reply; {@code simpleData} bytes follow a simple one without an error. */
    Reply reply(int simpleData) throws IOException {
        int magic = read(4).getInt();
        if (magic == Nbd.SIMPLE_REPLY_MAGIC && framing != Framing.EXTENDED) {
            ByteBuffer rest = read(12);
            int error = rest.getInt();
            long cookie = rest.getLong();
            return new Reply(-1, error, cookie, 0, error == 0 ? read(simpleData).array() : new byte[0]);
        }
        Chunk chunk = chunk(magic);
        assertEquals(Nbd.REPLY_FLAG_DONE, chunk.flags());
        int type = chunk.type();
        long cookie = chunk.cookie();
        ByteBuffer payload = chunk.payload();
        int error = 0;
        long offset = 0;
        if (type == Nbd.REPLY_TYPE_ERROR) {
            error = payload.getInt();
            assertEquals(0, payload.getShort());
        } else if (type == Nbd.REPLY_TYPE_OFFSET_DATA || type == Nbd.REPLY_TYPE_OFFSET_HOLE) {
            offset = payload.getLong();
        } else if (type == Nbd.REPLY_TYPE_BLOCK_STATUS) {
            assertEquals(MetaContext.ALLOCATION.id(), payload.getInt());
        }
        byte[] data = new byte[payload.remaining()];
        payload.get(data);
        return new Reply(type, error, cookie, offset, data);
    }

    Reply reply() throws IOException {
        return reply(0);
    }

    /** One chunk of a reply. */
    record Chunk(int flags, int type, long cookie, ByteBuffer payload) {}

    private Chunk chunk(int magic) throws IOException {
        boolean extended = framing == Framing.EXTENDED;
        assertEquals(extended ? Nbd.EXTENDED_REPLY_MAGIC : Nbd.STRUCTURED_REPLY_MAGIC, magic);
        ByteBuffer rest = read((extended ? Nbd.EXTENDED_REPLY_BYTES : Nbd.STRUCTURED_REPLY_BYTES) - 4);
        int flags = rest.getShort();
        int type = Short.toUnsignedInt(rest.getShort());
        long cookie = rest.getLong();
        if (extended) {
            repliedOffset = rest.getLong();
        }
        return new Chunk(flags, type, cookie, read(extended ? Math.toIntExact(rest.getLong()) : rest.getInt()));
    }

    /** A descriptor of a block status. */
    record Run(long bytes, long state) {}

    /** Reads a whole reply to BLOCK_STATUS: the runs by the ids of their contexts; an error as the id -1. */
    Map<Integer, List<Run>> blockStatus() throws IOException {
        Map<Integer, List<Run>> contexts = new LinkedHashMap<>();
        Chunk chunk;
        do {
            chunk = chunk(read(4).getInt());
            ByteBuffer payload = chunk.payload();
            if (chunk.type() == Nbd.REPLY_TYPE_ERROR) {
                contexts.put(-1, List.of(new Run(0, payload.getInt())));
                continue;
            }
            boolean extended = framing == Framing.EXTENDED;
            assertEquals(extended ? Nbd.REPLY_TYPE_BLOCK_STATUS_EXT : Nbd.REPLY_TYPE_BLOCK_STATUS, chunk.type());
            int id = payload.getInt();
            if (extended) {
                assertEquals(
                        payload.getInt(), payload.remaining() / Nbd.EXTENDED_DESCRIPTOR_BYTES, "number of descriptors");
            }
            List<Run> runs = new ArrayList<>();
            while (payload.hasRemaining()) {
                runs.add(
                        extended
                                ? new Run(payload.getLong(), payload.getLong())
                                : new Run(Integer.toUnsignedLong(payload.getInt()), payload.getInt()));
            }
            assertNull(contexts.put(id, runs), "one chunk for each context");
        } while ((chunk.flags() & Nbd.REPLY_FLAG_DONE) == 0);
        return contexts;
    }

    /** Writes what was put into the buffer. */
    void write(ByteBuffer bytes) throws IOException {
        bytes.flip();
        while (bytes.hasRemaining()) {
            if (tls == null) {
                channel.write(bytes);
            } else {
                tls.seal(bytes);
                flush();
            }
        }
    }

    ByteBuffer read(int count) throws IOException {
        ByteBuffer bytes = ByteBuffer.allocate(count);
        while (bytes.hasRemaining()) {
            if (tls != null) {
                readTls(bytes);
            } else if (channel.read(bytes) < 0) {
                throw new EOFException("the server has closed");
            }
        }
        return bytes.flip();
    }

    private void readTls(ByteBuffer into) throws IOException {
        while (!plain.hasRemaining()) {
            tls.open(plain.clear());
            flush();
            if (plain.flip().hasRemaining()) {
                break;
            }
            if (tls.isClosed()) {
                throw new EOFException("the server has closed");
            }
            fill();
        }
        int n = Math.min(plain.remaining(), into.remaining());
        into.put(plain.slice().limit(n));
        plain.position(plain.position() + n);
    }

    /** Whether the server closes without another byte. */
    boolean closedByServer() {
        if (tls != null) {
            try {
                read(1);
                return false;
            } catch (IOException e) {
                return true;
            }
        }
        try {
            return channel.read(ByteBuffer.allocate(1)) < 0;
        } catch (IOException e) {
            // a reset is a close as well
            return true;
        }
    }

    @Override
    public void close() throws IOException {
        channel.close();
    }
}
