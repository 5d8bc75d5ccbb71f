package org.blktap.node.vhostuser;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import org.blktap.api.memory.Memory;
import org.blktap.linux.Libc;
import org.blktap.linux.Mapping;

/** The front-end half of the protocol, as a VM's emulator has it, message by message. */
final class VhostUserTestClient implements AutoCloseable {
    static final long USER = 0x7000_0000_0000L;

    final int fd;
    private final Mapping buffer = Mapping.anonymous(8192);
    /** Asks for an acknowledgement of every message without a reply of its own. */
    boolean acks;
    /** The descriptor that came with the last reply, or -1. */
    int replyFd = -1;

    VhostUserTestClient(Path socket) {
        fd = Libc.socket(Libc.AF_UNIX, Libc.SOCK_STREAM | Libc.SOCK_CLOEXEC, 0);
        byte[] path = socket.toString().getBytes(StandardCharsets.UTF_8);
        long at = buffer.address();
        Memory.putShort(at, (short) Libc.AF_UNIX);
        for (int i = 0; i < path.length; i++) {
            Memory.putByte(at + 2 + i, path[i]);
        }
        Memory.putByte(at + 2 + path.length, (byte) 0);
        if (Libc.connect(fd, at, 110) != 0) {
            throw new IllegalStateException("connect: errno " + Libc.errno());
        }
    }

    static ByteBuffer bytes(int size) {
        return ByteBuffer.allocate(size).order(ByteOrder.LITTLE_ENDIAN);
    }

    static ByteBuffer u64(long value) {
        return bytes(8).putLong(value).flip();
    }

    static ByteBuffer state(int index, int number) {
        return bytes(8).putInt(index).putInt(number).flip();
    }

    /** Sends bytes as they are, with descriptors on the first. */
    void raw(ByteBuffer message, int... fds) {
        long at = buffer.address();
        int size = message.remaining();
        for (int i = 0; i < size; i++) {
            Memory.putByte(at + 1024 + i, message.get());
        }
        Memory.fill(at, 1024, (byte) 0);
        Memory.putLong(at + 64, at + 1024);
        Memory.putLong(at + 72, size);
        Memory.putLong(at + 16, at + 64);
        Memory.putLong(at + 24, 1);
        if (fds.length > 0) {
            Memory.putLong(at + 32, at + 128);
            Memory.putLong(at + 40, 16 + (4L * fds.length + 7 & -8));
            Memory.putLong(at + 128, 16 + 4L * fds.length);
            Memory.putInt(at + 136, Libc.SOL_SOCKET);
            Memory.putInt(at + 140, Libc.SCM_RIGHTS);
            for (int i = 0; i < fds.length; i++) {
                Memory.putInt(at + 144 + 4L * i, fds[i]);
            }
        }
        if (Libc.sendmsg(fd, at, Libc.MSG_NOSIGNAL) != size) {
            throw new IllegalStateException("sendmsg: errno " + Libc.errno());
        }
    }

    void send(int request, int flags, ByteBuffer payload, int... fds) {
        ByteBuffer message = bytes(12 + payload.remaining());
        message.putInt(request)
                .putInt(flags)
                .putInt(payload.remaining())
                .put(payload)
                .flip();
        raw(message, fds);
    }

    /** Sends a message that sets something; if acknowledgements are on, it must be acknowledged with 0. */
    void set(int request, ByteBuffer payload, int... fds) {
        long status = trySet(request, payload, fds);
        if (status != 0) {
            throw new AssertionError(Protocol.name(request) + " was refused");
        }
    }

    long trySet(int request, ByteBuffer payload, int... fds) {
        send(request, acks ? 9 : 1, payload, fds);
        return acks ? reply(request).getLong() : 0;
    }

    ByteBuffer get(int request, ByteBuffer payload) {
        send(request, 1, payload);
        return reply(request);
    }

    long getU64(int request) {
        return get(request, bytes(0)).getLong();
    }

    /** Receives a reply to a request within a minute. */
    ByteBuffer reply(int request) {
        ByteBuffer header = receive(12);
        int got = header.getInt();
        int flags = header.getInt();
        if (got != request || flags != 5) {
            throw new AssertionError("reply " + got + " with flags " + flags + ", expected " + request + " with 5");
        }
        int size = header.getInt();
        return size == 0 ? bytes(0) : receive(size);
    }

    private ByteBuffer receive(int size) {
        ByteBuffer into = bytes(size);
        long at = buffer.address();
        long end = System.nanoTime() + 60_000_000_000L;
        while (into.hasRemaining()) {
            Memory.fill(at, 1024, (byte) 0);
            Memory.putLong(at + 64, at + 1024);
            Memory.putLong(at + 72, into.remaining());
            Memory.putLong(at + 16, at + 64);
            Memory.putLong(at + 24, 1);
            Memory.putLong(at + 32, at + 128);
            Memory.putLong(at + 40, 24);
            long got = Libc.recvmsg(fd, at, Libc.MSG_DONTWAIT | Libc.MSG_CMSG_CLOEXEC);
            if (got == 0) {
                throw new IllegalStateException("the other side has closed");
            }
            if (got > 0) {
                if (Memory.getLong(at + 40) > 16) {
                    replyFd = Memory.getInt(at + 144);
                }
                for (int i = 0; i < got; i++) {
                    into.put(Memory.getByte(at + 1024 + i));
                }
            } else if (System.nanoTime() > end) {
                throw new AssertionError("no reply within a minute");
            } else {
                Thread.onSpinWait();
            }
        }
        return into.flip();
    }

    /** Whether the other side closes the connection within a minute. */
    boolean closedByPeer() throws InterruptedException {
        long end = System.nanoTime() + 60_000_000_000L;
        while (System.nanoTime() < end) {
            long got = Libc.recv(fd, buffer.address(), 1, Libc.MSG_DONTWAIT);
            if (got == 0 || got < 0 && Libc.errno() != 11) {
                return true;
            }
            Thread.sleep(1);
        }
        return false;
    }

    /** Whether nothing has come, and the connection is open. */
    boolean silent() {
        return Libc.recv(fd, buffer.address(), 1, Libc.MSG_DONTWAIT) < 0 && Libc.errno() == 11;
    }

    // ---- the usual beginning

    /** Negotiates as QEMU does. */
    void negotiate(long features) {
        long offered = getU64(Protocol.GET_FEATURES);
        if ((features & ~offered) != 0) {
            throw new AssertionError("not offered: 0x" + Long.toHexString(features & ~offered));
        }
        long protocol = getU64(Protocol.GET_PROTOCOL_FEATURES);
        send(Protocol.SET_PROTOCOL_FEATURES, 1, u64(protocol));
        send(Protocol.SET_OWNER, 1, bytes(0));
        acks = true;
        set(Protocol.SET_FEATURES, u64(features));
    }

    static ByteBuffer region(long guest, long size, long user, long offset) {
        return bytes(40)
                .putLong(0)
                .putLong(guest)
                .putLong(size)
                .putLong(user)
                .putLong(offset)
                .flip();
    }

    ByteBuffer config(int offset, int size) {
        return get(
                Protocol.GET_CONFIG,
                bytes(12 + size)
                        .putInt(offset)
                        .putInt(size)
                        .putInt(0)
                        .position(12 + size)
                        .flip());
    }

    @Override
    public void close() {
        Libc.close(fd);
        if (replyFd != -1) {
            Libc.close(replyFd);
        }
        buffer.close();
    }
}
