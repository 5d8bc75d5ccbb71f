package org.blktap.node.nbd;

import java.nio.ByteBuffer;
import org.blktap.linux.Libc;

/** Bytes as they are: straight from the socket to where they belong, and back. */
final class PlainTransport implements Transport {
    private final int fd;

    PlainTransport(int fd) {
        this.fd = fd;
    }

    @Override
    public int leastRoom() {
        return 1;
    }

    @Override
    public long receive(ByteBuffer into, long address) {
        long n = Libc.recv(fd, address, into.remaining(), Libc.MSG_DONTWAIT);
        return n < 0 ? -Libc.errno() : n;
    }

    @Override
    public boolean scatters() {
        return true;
    }

    @Override
    public long scatter(long message) {
        long n = Libc.recvmsg(fd, message, Libc.MSG_DONTWAIT);
        return n < 0 ? -Libc.errno() : n;
    }

    @Override
    public long send(long message) {
        long n = Libc.sendmsg(fd, message, Libc.MSG_DONTWAIT | Libc.MSG_NOSIGNAL);
        return n < 0 ? -Libc.errno() : n;
    }

    @Override
    public boolean hasInput() {
        return false;
    }

    @Override
    public boolean hasOutput() {
        return false;
    }

    @Override
    public int flush() {
        return 0;
    }

    @Override
    public String fault() {
        return null;
    }

    @Override
    public void close() {
        // nothing of its own
    }
}
