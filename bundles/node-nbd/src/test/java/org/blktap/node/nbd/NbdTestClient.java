package org.blktap.node.nbd;

import static org.junit.jupiter.api.Assertions.assertEquals;

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
import org.blktap.api.nbd.Nbd;

/** A client that can do wrong: bytes as a test wants them. */
final class NbdTestClient implements AutoCloseable {
    final SocketChannel channel;
    long size;
    int flags;

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
        greet();
        if (structured) {
            option(Nbd.OPT_STRUCTURED_REPLY, new byte[0]);
            assertEquals(Nbd.REP_ACK, optionReply().type());
            option(Nbd.OPT_SET_META_CONTEXT, context(export));
            assertEquals(Nbd.REP_META_CONTEXT, optionReply().type());
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

    void request(int command, int requestFlags, long cookie, long offset, int length) throws IOException {
        write(header(command, requestFlags, cookie, offset, length));
    }

    void requestWrite(int requestFlags, long cookie, long offset, byte[] data) throws IOException {
        write(ByteBuffer.allocate(Nbd.REQUEST_BYTES + data.length)
                .put(header(Nbd.CMD_WRITE, requestFlags, cookie, offset, data.length)
                        .flip())
                .put(data));
    }

    /** A reply of either kind; {@code type} is -1 for a simple one. */
    record Reply(int type, int error, long cookie, long offset, byte[] data) {}

    /** Reads a reply; {@code simpleData} bytes follow a simple one without an error. */
    Reply reply(int simpleData) throws IOException {
        int magic = read(4).getInt();
        if (magic == Nbd.SIMPLE_REPLY_MAGIC) {
            ByteBuffer rest = read(12);
            int error = rest.getInt();
            long cookie = rest.getLong();
            return new Reply(-1, error, cookie, 0, error == 0 ? read(simpleData).array() : new byte[0]);
        }
        assertEquals(Nbd.STRUCTURED_REPLY_MAGIC, magic);
        ByteBuffer rest = read(16);
        assertEquals(Nbd.REPLY_FLAG_DONE, rest.getShort());
        int type = Short.toUnsignedInt(rest.getShort());
        long cookie = rest.getLong();
        ByteBuffer payload = read(rest.getInt());
        int error = 0;
        long offset = 0;
        if (type == Nbd.REPLY_TYPE_ERROR) {
            error = payload.getInt();
            assertEquals(0, payload.getShort());
        } else if (type == Nbd.REPLY_TYPE_OFFSET_DATA || type == Nbd.REPLY_TYPE_OFFSET_HOLE) {
            offset = payload.getLong();
        } else if (type == Nbd.REPLY_TYPE_BLOCK_STATUS) {
            assertEquals(Handshake.ALLOCATION_ID, payload.getInt());
        }
        byte[] data = new byte[payload.remaining()];
        payload.get(data);
        return new Reply(type, error, cookie, offset, data);
    }

    Reply reply() throws IOException {
        return reply(0);
    }

    /** Writes what was put into the buffer. */
    void write(ByteBuffer bytes) throws IOException {
        bytes.flip();
        while (bytes.hasRemaining()) {
            channel.write(bytes);
        }
    }

    ByteBuffer read(int count) throws IOException {
        ByteBuffer bytes = ByteBuffer.allocate(count);
        while (bytes.hasRemaining()) {
            if (channel.read(bytes) < 0) {
                throw new EOFException("the server has closed");
            }
        }
        return bytes.flip();
    }

    /** Whether the server closes without another byte. */
    boolean closedByServer() {
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
