package org.blktap.client.nbd;

import java.io.EOFException;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.SocketChannel;
import javax.net.ssl.SSLEngine;
import javax.net.ssl.SSLException;
import javax.net.ssl.SSLSession;
import org.blktap.tls.TlsRecords;

/** TLS on a blocking channel. Blocking; one thread at a time, while another may close the channel. */
final class TlsChannel {
    private final SocketChannel channel;
    private final ByteBuffer memory = ByteBuffer.allocateDirect(TlsRecords.MEMORY_BYTES);
    private final TlsRecords records;
    /** Data that has been decrypted and not yet asked for. */
    private final ByteBuffer plain = ByteBuffer.allocate(TlsRecords.MAX_RECORD).limit(0);

    TlsChannel(SocketChannel channel, SSLEngine engine) {
        this.channel = channel;
        records = new TlsRecords(engine, memory);
    }

    /** @throws IOException with what is wrong with the server's certificate, or why it does not accept ours */
    void handshake() throws IOException {
        try {
            while (true) {
                TlsRecords.Need need = records.handshake();
                flush();
                switch (need) {
                    case TASKS -> records.runTasks();
                    case INPUT -> receive();
                    default -> {
                        return;
                    }
                }
            }
        } catch (SSLException e) {
            records.end();
            flush();
            throw new IOException("the TLS handshake has failed: " + reason(e), e);
        }
    }

    /** Version and algorithms, for people. */
    String session() {
        SSLSession session = records.engine().getSession();
        return session.getProtocol() + ", " + session.getCipherSuite();
    }

    /** What fails is in the outermost exception, and what is wrong with a certificate in the innermost. */
    private static String reason(Throwable failure) {
        String what = String.valueOf(failure.getMessage());
        Throwable cause = failure;
        while (cause.getCause() != null && cause.getCause() != cause) {
            cause = cause.getCause();
        }
        return cause.getMessage() == null || what.contains(cause.getMessage())
                ? what
                : what + ": " + cause.getMessage();
    }

    /** @return the bytes read, at least one; -1 at the end of the stream */
    int read(ByteBuffer into) throws IOException {
        while (!plain.hasRemaining()) {
            boolean direct = into.remaining() >= TlsRecords.MAX_RECORD;
            int opened = open(direct ? into : plain.clear());
            if (!direct) {
                plain.flip();
            } else if (opened > 0) {
                return opened;
            }
            if (opened == 0) {
                if (records.isClosed()) {
                    return -1;
                }
                receive();
            }
        }
        int n = Math.min(plain.remaining(), into.remaining());
        into.put(plain.slice().limit(n));
        plain.position(plain.position() + n);
        return n;
    }

    private int open(ByteBuffer into) throws IOException {
        try {
            int opened = records.open(into);
            // an answer to a change of keys
            flush();
            return opened;
        } catch (SSLException e) {
            // what has been put into a buffer is not read any more
            plain.limit(0);
            throw new IOException("bad TLS from the server: " + e.getMessage(), e);
        }
    }

    private void receive() throws IOException {
        int room = records.inputRoom();
        int offset = records.inputOffset();
        int n = channel.read(memory.limit(offset + room).position(offset));
        if (n < 0) {
            throw new EOFException("the server has closed the connection");
        }
        records.received(n);
    }

    void write(ByteBuffer... data) throws IOException {
        for (ByteBuffer each : data) {
            while (each.hasRemaining()) {
                if (records.outputRoom() < 2 * TlsRecords.MAX_RECORD) {
                    flush();
                }
                records.seal(each);
            }
        }
        flush();
    }

    private void flush() throws IOException {
        while (records.hasOutput()) {
            int offset = records.outputOffset();
            records.sent(
                    channel.write(memory.limit(offset + records.outputBytes()).position(offset)));
        }
    }

    /** Sends a last message and the end of TLS, as far as that does not block. */
    void end(ByteBuffer last) throws IOException {
        channel.configureBlocking(false);
        records.seal(last);
        records.end();
        int offset = records.outputOffset();
        channel.write(memory.limit(offset + records.outputBytes()).position(offset));
    }
}
