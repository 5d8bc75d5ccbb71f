package org.blktap.node.nbd;

import java.nio.ByteBuffer;
import org.blktap.api.nbd.Nbd;

/** What the handshake has to say: big-endian bytes that grow as needed, and are taken from the front. */
final class Output {
    private ByteBuffer bytes = ByteBuffer.allocate(512);

    Output putLong(long value) {
        room(8).putLong(value);
        return this;
    }

    Output putInt(int value) {
        room(4).putInt(value);
        return this;
    }

    Output putShort(int value) {
        room(2).putShort((short) value);
        return this;
    }

    Output put(byte[] value) {
        room(value.length).put(value);
        return this;
    }

    Output putZeros(int count) {
        return put(new byte[count]);
    }

    /** The header of an option reply ("Newstyle negotiation"); its data follows. */
    Output reply(int option, int type, int length) {
        return putLong(Nbd.OPTION_REPLY_MAGIC).putInt(option).putInt(type).putInt(length);
    }

    boolean isEmpty() {
        return bytes.position() == 0;
    }

    /** Copies as much as fits to the target, without taking it. */
    int peek(ByteBuffer target) {
        int n = Math.min(bytes.position(), target.remaining());
        target.put(bytes.array(), 0, n);
        return n;
    }

    /** Takes so many bytes from the front. */
    void drop(int count) {
        bytes.flip();
        bytes.position(count);
        bytes.compact();
    }

    byte[] toArray() {
        return java.util.Arrays.copyOf(bytes.array(), bytes.position());
    }

    private ByteBuffer room(int count) {
        if (bytes.remaining() < count) {
            ByteBuffer more = ByteBuffer.allocate(Math.max(bytes.capacity() * 2, bytes.position() + count));
            more.put(bytes.flip());
            bytes = more;
        }
        return bytes;
    }
}
