package org.blktap.node.nbd;

import java.nio.ByteBuffer;
import java.security.cert.CertificateException;
import java.security.cert.X509Certificate;
import javax.net.ssl.SSLEngine;
import javax.net.ssl.SSLException;
import javax.net.ssl.SSLPeerUnverifiedException;
import javax.security.auth.x500.X500Principal;
import org.blktap.api.engine.Errno;
import org.blktap.api.memory.Memory;
import org.blktap.linux.Libc;
import org.blktap.linux.Mapping;
import org.blktap.tls.TlsRecords;

/**
 * TLS on the socket of a client, first in its handshake on the control loop, then in transmission on the loop of its
 * attachment. What it keeps is bounded: {@link TlsRecords} and one record of data. Allocates nothing for a request, and
 * JSSE some objects for each record.
 */
final class TlsTransport implements Transport {
    /** Data of a full record. */
    private static final int RECORD_DATA = 1 << 14;

    private final int fd;
    private final Mapping memory = Mapping.anonymous(TlsRecords.MEMORY_BYTES);
    private final TlsRecords records;
    /** Data on its way into a record, so that several short replies share one. */
    private final Mapping stage = Mapping.anonymous(RECORD_DATA);

    private final ByteBuffer stageBytes = stage.bytes(0, RECORD_DATA);
    private String fault;
    private boolean closed;

    TlsTransport(int fd, SSLEngine engine) {
        this.fd = fd;
        records = new TlsRecords(engine, memory.bytes());
    }

    /** Goes on with the handshake; {@link #fault} is set if it has failed, and the answer is of no meaning then. */
    TlsRecords.Need handshake() {
        try {
            return records.handshake();
        } catch (SSLException | RuntimeException e) {
            fail(e);
            return TlsRecords.Need.NOTHING;
        }
    }

    /** See {@link TlsRecords#runTasks}; another thread than the loop's, while nothing else is called. */
    int runTasks() {
        return records.runTasks();
    }

    /** Whose certificate the client has shown. */
    X500Principal peer() throws SSLPeerUnverifiedException {
        X509Certificate certificate =
                (X509Certificate) records.engine().getSession().getPeerCertificates()[0];
        try {
            // a session that is resumed was verified when it began
            certificate.checkValidity();
        } catch (CertificateException e) {
            throw new SSLPeerUnverifiedException("a certificate that is not valid now");
        }
        return certificate.getSubjectX500Principal();
    }

    private void fail(Exception e) {
        fault = "in TLS, " + (e.getMessage() == null ? e.toString() : e.getMessage());
    }

    // ---- in

    @Override
    public int leastRoom() {
        return TlsRecords.MAX_RECORD;
    }

    @Override
    public long receive(ByteBuffer into, long address) {
        long here = open(into);
        if (here != 0) {
            return here;
        }
        if (records.isClosed()) {
            return 0;
        }
        long n = receive();
        if (n <= 0) {
            return n;
        }
        here = open(into);
        return here != 0 || records.isClosed() ? here : -Errno.EAGAIN;
    }

    private long open(ByteBuffer into) {
        try {
            return records.open(into);
        } catch (SSLException | RuntimeException e) {
            fail(e);
            return -Errno.EPROTO;
        }
    }

    /** Receives ciphertext by one call; the bytes, 0 at the end of the stream, or a negative errno. */
    long receive() {
        int room = records.inputRoom();
        if (room == 0 || records.outputRoom() < TlsRecords.MAX_RECORD) {
            return -Errno.EAGAIN;
        }
        long n = Libc.recv(fd, memory.address() + records.inputOffset(), room, Libc.MSG_DONTWAIT);
        if (n < 0) {
            return -Libc.errno();
        }
        records.received((int) n);
        return n;
    }

    @Override
    public boolean scatters() {
        return false;
    }

    @Override
    public long scatter(long message) {
        throw new UnsupportedOperationException();
    }

    @Override
    public boolean takesInput() {
        return records.outputRoom() >= TlsRecords.MAX_RECORD;
    }

    @Override
    public boolean hasInput() {
        return records.hasInput() || records.isClosed();
    }

    // ---- out

    /** Takes what there is room for; 0 or a negative errno. */
    int send(Output data) {
        while (!data.isEmpty() && records.outputRoom() >= TlsRecords.MAX_RECORD) {
            int length = data.peek(stageBytes.clear());
            int error = seal();
            if (error != 0) {
                return error;
            }
            data.drop(length);
        }
        return flush();
    }

    @Override
    public long send(long message) {
        int error = records.hasOutput() ? flush() : 0;
        if (error != 0) {
            return error;
        }
        long iovecs = Memory.getLong(message + Libc.MSGHDR_IOV);
        long end = iovecs + Memory.getLong(message + Libc.MSGHDR_IOVLEN) * Libc.IOVEC_BYTES;
        long taken = 0;
        stageBytes.clear();
        for (long at = iovecs; at < end; at += Libc.IOVEC_BYTES) {
            long from = Memory.getLong(at);
            long left = Memory.getLong(at + Libc.IOVEC_LEN);
            while (left > 0) {
                if (!stageBytes.hasRemaining()) {
                    error = sealAndFlush();
                    if (error != 0) {
                        return error == -Errno.EAGAIN ? taken : error;
                    }
                }
                int n = (int) Math.min(left, stageBytes.remaining());
                Memory.copy(from, stage.address() + stageBytes.position(), n);
                stageBytes.position(stageBytes.position() + n);
                from += n;
                left -= n;
                taken += n;
            }
        }
        error = seal();
        if (error == 0) {
            error = flush();
        }
        return error == 0 || error == -Errno.EAGAIN ? taken : error;
    }

    /** Empties the stage; -EAGAIN if the socket takes no more and there is no room for another record. */
    private int sealAndFlush() {
        int error = seal();
        if (error == 0 && records.outputRoom() < 2 * TlsRecords.MAX_RECORD) {
            error = flush();
        }
        return error;
    }

    /** Encrypts the stage, which leaves it empty; there is room for it. */
    private int seal() {
        if (stageBytes.position() == 0) {
            return 0;
        }
        try {
            records.seal(stageBytes.flip());
            if (stageBytes.hasRemaining()) {
                throw new IllegalStateException("no room for a record");
            }
            stageBytes.clear();
            return 0;
        } catch (SSLException | RuntimeException e) {
            fail(e);
            return -Errno.EPROTO;
        }
    }

    @Override
    public boolean hasOutput() {
        return records.hasOutput();
    }

    @Override
    public int flush() {
        while (records.hasOutput()) {
            long n = Libc.send(
                    fd,
                    memory.address() + records.outputOffset(),
                    records.outputBytes(),
                    Libc.MSG_DONTWAIT | Libc.MSG_NOSIGNAL);
            if (n >= 0) {
                records.sent((int) n);
            } else if (Libc.errno() != Errno.EINTR) {
                return -Libc.errno();
            }
        }
        return 0;
    }

    @Override
    public String fault() {
        return fault;
    }

    @Override
    public void close() {
        if (closed) {
            return;
        }
        closed = true;
        records.end();
        flush();
        memory.close();
        stage.close();
    }
}
