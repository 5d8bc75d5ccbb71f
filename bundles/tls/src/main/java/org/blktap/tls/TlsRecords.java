package org.blktap.tls;

import java.nio.ByteBuffer;
import javax.net.ssl.SSLEngine;
import javax.net.ssl.SSLEngineResult;
import javax.net.ssl.SSLEngineResult.HandshakeStatus;
import javax.net.ssl.SSLEngineResult.Status;
import javax.net.ssl.SSLException;

/**
 * The records of a TLS connection, without its socket: received data and data to be sent are in memory of the owner, of
 * a fixed size. The owner moves bytes between this memory and the socket, by the offsets here. A record is encrypted
 * and decrypted in an array, since Java's AES-GCM is twice as fast there as in native memory (which it takes in pieces
 * of a few KiB), and copied while it is in the cache. One thread at a time; does not block.
 */
public final class TlsRecords {
    /** RFC 8446, 5.1: type, version, length. */
    private static final int HEADER_BYTES = 5;

    private static final int HEADER_LENGTH = 3;
    private static final int MAJOR_VERSION = 3;
    /** change_cipher_spec and application_data, the first and last of the types. */
    private static final int FIRST_TYPE = 20;

    private static final int LAST_TYPE = 23;
    /** The longest record: 2^14 bytes, and what encryption may add (RFC 8446, 5.2); the modes of TLS 1.2 add less. */
    public static final int MAX_RECORD = HEADER_BYTES + (1 << 14) + 256;
    /** Bytes that are received or sent at once. */
    private static final int BUFFER_BYTES = 256 << 10;
    /** Bytes of memory that a connection needs. */
    public static final int MEMORY_BYTES = 2 * BUFFER_BYTES;

    /**
     * The most records that are decrypted at once before other connections have their turn, for records that are short
     * or empty.
     */
    private static final int RECORDS_AT_ONCE = 256;
    /** The most records of a handshake, which has fewer than ten, and some more for long chains of certificates. */
    private static final int MOST_HANDSHAKE_RECORDS = 200;

    private static final ByteBuffer NOTHING = ByteBuffer.allocate(0);

    private final SSLEngine engine;
    private final ByteBuffer memory;
    private final ByteBuffer record = ByteBuffer.allocate(MAX_RECORD);
    private final ByteBuffer sealed;
    private int inStart;
    private int inEnd;
    private int outStart;
    private int outEnd;
    private boolean begun;
    private int handshakeRecords;
    private boolean closed;

    /** What a handshake needs to continue. */
    public enum Need {
        /** Nothing: it is complete. */
        NOTHING,
        /** More bytes from the other end. */
        INPUT,
        /** A call of {@link #runTasks}, on a thread that may compute. */
        TASKS
    }

    /** @param memory of {@link #MEMORY_BYTES}, native or not; its position and limit are not used */
    public TlsRecords(SSLEngine engine, ByteBuffer memory) {
        this.engine = engine;
        this.memory = memory.duplicate().clear();
        sealed = ByteBuffer.allocate(Math.max(MAX_RECORD, engine.getSession().getPacketBufferSize()));
    }

    // ---- input

    /** Makes room for received bytes, and returns their number: 0 while a whole record waits. */
    public int inputRoom() {
        if (inStart == inEnd) {
            inStart = 0;
            inEnd = 0;
        } else if (BUFFER_BYTES - inEnd < MAX_RECORD && inEnd - inStart < MAX_RECORD) {
            // far from the front, so that the ranges do not overlap
            memory.put(0, memory, inStart, inEnd - inStart);
            inEnd -= inStart;
            inStart = 0;
        }
        return BUFFER_BYTES - inEnd;
    }

    /** Returns the offset for received bytes. */
    public int inputOffset() {
        return inEnd;
    }

    public void received(int bytes) {
        inEnd += bytes;
    }

    /** Returns the length of the first record if all of it has come, or 0. */
    private int whole() throws SSLException {
        int here = inEnd - inStart;
        if (here < HEADER_BYTES) {
            return 0;
        }
        int type = Byte.toUnsignedInt(memory.get(inStart));
        int length = HEADER_BYTES + Short.toUnsignedInt(memory.getShort(inStart + HEADER_LENGTH));
        if (type < FIRST_TYPE || type > LAST_TYPE || memory.get(inStart + 1) != MAJOR_VERSION) {
            throw new SSLException("bytes that are no TLS record");
        }
        if (length == HEADER_BYTES && type != LAST_TYPE) {
            throw new SSLException("an empty TLS record");
        }
        if (length > MAX_RECORD) {
            throw new SSLException("a TLS record of " + length + " bytes");
        }
        return here < length ? 0 : length;
    }

    /** Whether {@link #open} has a record to decrypt, and room for what must be answered. */
    public boolean hasInput() {
        try {
            return !closed && outputRoom() >= MAX_RECORD && whole() > 0;
        } catch (SSLException e) {
            // open reports this
            return true;
        }
    }

    /** Whether the other end has closed its side properly. */
    public boolean isClosed() {
        return closed;
    }

    /**
     * Decrypts whole records while there is room for one, up to some number; {@link #hasInput} says whether there are
     * more.
     *
     * @return the bytes put into the target
     * @throws SSLException if the other end breaks the protocol, or bytes were changed on the way
     */
    public int open(ByteBuffer into) throws SSLException {
        int before = into.position();
        for (int i = 0; i < RECORDS_AT_ONCE && !closed && into.remaining() >= MAX_RECORD; i++) {
            if (outputRoom() < MAX_RECORD || !take(into)) {
                break;
            }
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

    /** Takes one record; returns false if none has come as a whole. */
    private boolean take(ByteBuffer into) throws SSLException {
        int length = whole();
        if (length == 0) {
            return false;
        }
        record.clear().put(0, memory, inStart, length).limit(length);
        inStart += length;
        SSLEngineResult result = engine.unwrap(record, into);
        closed = result.getStatus() == Status.CLOSED;
        if (!closed && (result.getStatus() != Status.OK || record.hasRemaining())) {
            throw new SSLException("a TLS record that is " + result.getStatus());
        }
        return true;
    }

    // ---- output

    public int outputRoom() {
        return BUFFER_BYTES - outEnd;
    }

    public boolean hasOutput() {
        return outStart < outEnd;
    }

    /** Returns the offset of bytes to be sent. */
    public int outputOffset() {
        return BUFFER_BYTES + outStart;
    }

    public int outputBytes() {
        return outEnd - outStart;
    }

    public void sent(int bytes) {
        outStart += bytes;
        if (outStart == outEnd) {
            outStart = 0;
            outEnd = 0;
        }
    }

    /** Encrypts data while there is room; without data, what the engine itself has to send. */
    public void seal(ByteBuffer data) throws SSLException {
        do {
            SSLEngineResult result = engine.wrap(data, sealed.clear());
            int length = result.bytesProduced();
            memory.put(BUFFER_BYTES + outEnd, sealed, 0, length);
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

    /** Continues the handshake as far as the received bytes allow. */
    public Need handshake() throws SSLException {
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
                        throw new SSLException("the other end has ended the handshake");
                    }
                    if (!take(NOTHING)) {
                        return Need.INPUT;
                    }
                    if (++handshakeRecords > MOST_HANDSHAKE_RECORDS) {
                        throw new SSLException("more than " + MOST_HANDSHAKE_RECORDS + " records in a handshake");
                    }
                }
                default -> {
                    if (closed) {
                        throw new SSLException("the other end has ended the handshake");
                    }
                    return Need.NOTHING;
                }
            }
        }
    }

    /** Does the work that takes time: computations with keys, the verification of certificates. */
    public int runTasks() {
        for (Runnable task = engine.getDelegatedTask(); task != null; task = engine.getDelegatedTask()) {
            task.run();
        }
        return 0;
    }

    public SSLEngine engine() {
        return engine;
    }

    /** Adds an alert to the output that says why the connection ends, if there is one and room for it. */
    public void end() {
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
            System.getLogger("org.blktap.tls").log(System.Logger.Level.DEBUG, e.getMessage());
        }
    }
}
