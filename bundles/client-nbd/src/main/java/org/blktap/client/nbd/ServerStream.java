package org.blktap.client.nbd;

import java.io.EOFException;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.net.StandardProtocolFamily;
import java.net.StandardSocketOptions;
import java.net.UnixDomainSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.SocketChannel;
import javax.net.ssl.SSLEngine;
import org.blktap.api.disk.FileNames;
import org.blktap.api.disk.Printable;

/** The bytes to and from a server, big-endian. Blocking; one thread at a time, except {@link #abort}. */
final class ServerStream {
    /** Most characters of a server's text in a message or a log. */
    private static final int MAX_QUOTED = 200;

    private final SocketChannel channel;
    private final ByteBuffer head = ByteBuffer.allocate(64);
    /** Null before {@link #secure}. */
    private TlsChannel tls;

    ServerStream(NbdUri uri) throws IOException {
        channel = uri.address() instanceof UnixDomainSocketAddress
                ? SocketChannel.open(StandardProtocolFamily.UNIX)
                : SocketChannel.open();
    }

    void connect(NbdUri uri) throws IOException {
        channel.connect(uri.address());
        if (uri.address() instanceof InetSocketAddress) {
            channel.setOption(StandardSocketOptions.TCP_NODELAY, true);
        }
    }

    /** Speaks TLS from here on. Nothing that the server has sent before is buffered here, so none of it is used. */
    void secure(SSLEngine engine) throws IOException {
        tls = new TlsChannel(channel, engine);
        tls.handshake();
    }

    /** Version and algorithms of TLS, for people. */
    String tlsSession() {
        return tls.session();
    }

    /** Reads up to 64 bytes into a buffer that the next call reuses. */
    ByteBuffer read(int bytes) throws IOException {
        head.clear().limit(bytes);
        read(head);
        return head.flip();
    }

    void read(ByteBuffer into) throws IOException {
        while (into.hasRemaining()) {
            if ((tls == null ? channel.read(into) : tls.read(into)) < 0) {
                throw new EOFException("the server has closed the connection");
            }
        }
    }

    /** Drops bytes. */
    void skip(long bytes) throws IOException {
        for (long left = bytes; left > 0; left -= head.capacity()) {
            read((int) Math.min(left, head.capacity()));
        }
    }

    /** Reads a text of the server's for a message, as one line of limited length; drops the rest of the bytes. */
    String text(int bytes) throws IOException {
        ByteBuffer text = ByteBuffer.allocate(Math.min(bytes, MAX_QUOTED));
        read(text);
        skip(bytes - text.capacity());
        return Printable.of(FileNames.text(text.array())) + (bytes > MAX_QUOTED ? "…" : "");
    }

    void send(ByteBuffer... bytes) throws IOException {
        if (tls != null) {
            tls.write(bytes);
            return;
        }
        while (bytes[bytes.length - 1].hasRemaining() || bytes[0].hasRemaining()) {
            channel.write(bytes);
        }
    }

    /** Sends a last message, if that does not block, and closes. No other call may be under way. */
    void close(ByteBuffer last) throws IOException {
        try (channel) {
            if (tls != null) {
                tls.end(last);
            } else {
                channel.configureBlocking(false);
                channel.write(last);
            }
        }
    }

    /** Ends calls that wait for the server, from any thread. */
    void abort() {
        try {
            channel.close();
        } catch (IOException e) {
            System.getLogger("org.blktap.client.nbd").log(System.Logger.Level.DEBUG, e.getMessage());
        }
    }
}
