package org.blktap.node.nbd;

import java.nio.ByteBuffer;
import javax.net.ssl.SSLEngine;
import javax.net.ssl.SSLEngineResult;
import javax.net.ssl.SSLEngineResult.HandshakeStatus;
import javax.net.ssl.SSLEngineResult.Status;
import javax.net.ssl.SSLException;
import org.blktap.api.memory.Memory;
import org.blktap.linux.Mapping;

/**
 * The records of a TLS connection, without its socket: what has been received and what is to be sent are in native
 * memory, of a fixed size. A record is encrypted and decrypted in an array, as Java's AES-GCM is twice as fast there as
 * in native memory (it takes the latter in pieces of a few KiB), and copied while it is in the cache. One thread.
 */
final class TlsRecords implements AutoCloseable {
    /** RFC 8446, 5.1: type, version, length. */
    private static final int HEADER_BYTES = 5;

    private static final int HEADER_LENGTH = 3;
    private static final int MAJOR_VERSION = 3;
    /** change_cipher_spec and application_data, the first and last of the types. */
    private static final int FIRST_TYPE = 20;

    private static final int LAST_TYPE = 23;
    /** The longest record: 2^14 bytes, and what encryption may add (RFC 8446, 5.2); the modes of TLS 1.2 add less. */
    static final int MAX_RECORD = HEADER_BYTES + (1 << 14) + 256;
    /** What a turn of the loop takes from or gives to the socket at once. */
    private static final int BUFFER_BYTES = 256 << 10;

    private static final ByteBuffer NOTHING = ByteBuffer.allocate(0);

    private final SSLEngine engine;
    private final Mapping memory = Mapping.anonymous(2 * BUFFER_BYTES);
    private final ByteBuffer view = memory.bytes();
    private final ByteBuffer record = ByteBuffer.allocate(MAX_RECORD);
    private final ByteBuffer sealed;
    private int inStart;
    private int inEnd;
    private int outStart;
    private int outEnd;
    private boolean begun;
    private boolean closed;

    /** What a handshake needs to go on. */
    enum Need {
        /** Nothing: it is complete. */
        NOTHING,
        /** More of the client's bytes. */
        INPUT,
        /** {@link #runTasks}, on a thread that may compute. */
        TASKS
    }

    TlsRecords(SSLEngine engine) {
        this.engine = engine;
        sealed = ByteBuffer.allocate(Math.max(MAX_RECORD, engine.getSession().getPacketBufferSize()));
    }

    // ---- input

    /** Makes room for received bytes: their number. There is none while a whole record waits. */
    int inputRoom() {
        if (inStart == inEnd) {
            inStart = 0;
            inEnd = 0;
        } else if (BUFFER_BYTES - inEnd < MAX_RECORD && inEnd - inStart < MAX_RECORD) {
            // far from the front, so the places do not overlap
            Memory.copy(memory.address() + inStart, memory.address(), inEnd - inStart);
            inEnd -= inStart;
            inStart = 0;
        }
        return BUFFER_BYTES - inEnd;
    }

    long inputAddress() {
        return memory.address() + inEnd;
    }

    void received(int bytes) {
        inEnd += bytes;
    }

    /** Length of the first record if all of it is here, or 0. */
    private int whole() throws SSLException {
        int here = inEnd - inStart;
        if (here < HEADER_BYTES) {
            return 0;
        }
        int type = Byte.toUnsignedInt(view.get(inStart));
        int length = HEADER_BYTES + Short.toUnsignedInt(view.getShort(inStart + HEADER_LENGTH));
        if (type < FIRST_TYPE || type > LAST_TYPE || view.get(inStart + 1) != MAJOR_VERSION) {
            throw new SSLException("bytes that are no TLS record");
        }
        if (length > MAX_RECORD) {
            throw new SSLException("a TLS record of " + length + " bytes");
        }
        return here < length ? 0 : length;
    }

    /** Whether {@link #open} has something to do, and room for what the client must be answered. */
    boolean hasInput() {
        try {
            return !closed && outputRoom() >= MAX_RECORD && whole() > 0;
        } catch (SSLException e) {
            // open reports it
            return true;
        }
    }

    /** Whether the client has ended its side in order. */
    boolean isClosed() {
        return closed;
    }

    /**
     * Decrypts whole records, as long as there is room for one.
     *
     * @return the bytes put into the target
     * @throws SSLException if the client breaks the protocol or sends other bytes than it encrypted
     */
    int open(ByteBuffer into) throws SSLException {
        int before = into.position();
        while (!closed && into.remaining() >= MAX_RECORD && outputRoom() >= MAX_RECORD && take(into)) {
            HandshakeStatus status = engine.getHandshakeStatus();
            if (status == HandshakeStatus.NEED_TASK) {
                // of TLS 1.2; a change of keys in TLS 1.3 has no tasks
                throw new SSLException("a renegotiation");
            }
            if (status == HandshakeStatus.NEED_WRAP && !closed) {
                seal(NOTHING);
            }
        }
        return into.position() - before;
    }

    /** Takes one record; false if none is here in full. */
    private boolean take(ByteBuffer into) throws SSLException {
        int length = whole();
        if (length == 0) {
            return false;
        }
        record.clear().put(0, view, inStart, length).limit(length);
        inStart += length;
        SSLEngineResult result = engine.unwrap(record, into);
        closed = result.getStatus() == Status.CLOSED;
        if (!closed && (result.getStatus() != Status.OK || record.hasRemaining())) {
            throw new SSLException("a TLS record that is " + result.getStatus());
        }
        return true;
    }

    // ---- output

    int outputRoom() {
        return BUFFER_BYTES - outEnd;
    }

    boolean hasOutput() {
        return outStart < outEnd;
    }

    long outputAddress() {
        return memory.address() + BUFFER_BYTES + outStart;
    }

    int outputBytes() {
        return outEnd - outStart;
    }

    void sent(int bytes) {
        outStart += bytes;
        if (outStart == outEnd) {
            outStart = 0;
            outEnd = 0;
        }
    }

    /** Encrypts what there is room for; without data, what the engine has to say itself. */
    void seal(ByteBuffer data) throws SSLException {
        do {
            SSLEngineResult result = engine.wrap(data, sealed.clear());
            int length = result.bytesProduced();
            view.put(BUFFER_BYTES + outEnd, sealed, 0, length);
            outEnd += length;
            if (result.getStatus() == Status.CLOSED) {
                closed = true;
                return;
            }
            if (result.getStatus() != Status.OK || length == 0 && data.hasRemaining()) {
                throw new SSLException("the connection cannot be written to: " + result);
            }
        } while (data.hasRemaining() && outputRoom() >= MAX_RECORD);
    }

    // ---- the handshake

    /** Goes on as far as it can with what is here. */
    Need handshake() throws SSLException {
        if (!begun) {
            begun = true;
            engine.beginHandshake();
        }
        while (true) {
            switch (engine.getHandshakeStatus()) {
                case NEED_TASK -> {
                    return Need.TASKS;
                }
                case NEED_WRAP -> {
                    if (closed || outputRoom() < MAX_RECORD) {
                        throw new SSLException("the handshake does not end");
                    }
                    seal(NOTHING);
                }
                case NEED_UNWRAP, NEED_UNWRAP_AGAIN -> {
                    if (closed) {
                        throw new SSLException("the client has ended the handshake");
                    }
                    if (!take(NOTHING)) {
                        return Need.INPUT;
                    }
                }
                default -> {
                    if (closed) {
                        throw new SSLException("the client has ended the handshake");
                    }
                    return Need.NOTHING;
                }
            }
        }
    }

    /** Does what takes time: the arithmetic of keys, the verification of certificates. */
    int runTasks() {
        for (Runnable task = engine.getDelegatedTask(); task != null; task = engine.getDelegatedTask()) {
            task.run();
        }
        return 0;
    }

    SSLEngine engine() {
        return engine;
    }

    /** Adds to the output why the connection ends, if there is room and it has something to say. */
    void end() {
        engine.closeOutbound();
        try {
            while (engine.getHandshakeStatus() == HandshakeStatus.NEED_WRAP
                    && !engine.isOutboundDone()
                    && outputRoom() >= MAX_RECORD) {
                int before = outEnd;
                seal(NOTHING);
                if (outEnd == before) {
                    return;
                }
            }
        } catch (SSLException e) {
            System.getLogger("org.blktap.node.nbd").log(System.Logger.Level.DEBUG, e.getMessage());
        }
    }

    @Override
    public void close() {
        memory.close();
    }
}
