package org.blktap.node.nbd;

import java.nio.ByteBuffer;

/** How the bytes of a client in transmission travel: as they are, or by TLS. Loop only. */
interface Transport extends AutoCloseable {
    /** The least room that {@link #receive} needs. */
    int leastRoom();

    /**
     * Receives what is there.
     *
     * @param into a view of native memory, which is filled from its position on
     * @param address that of the position
     * @return the bytes received, 0 at the end of the stream, or a negative errno
     */
    long receive(ByteBuffer into, long address);

    /**
     * Whether {@link #scatter} spares a copy: then a payload is received straight to where it belongs, and otherwise it
     * comes with all else.
     */
    boolean scatters();

    /**
     * Receives what is there to several places.
     *
     * @param message a {@code struct msghdr}
     * @return as {@link #receive}
     */
    long scatter(long message);

    /**
     * Takes what the client has room for.
     *
     * @param message a {@code struct msghdr}, not changed
     * @return the bytes taken, of which some may be kept until {@link #flush}; or a negative errno
     */
    long send(long message);

    /**
     * Whether {@link #receive} can take anything now; a peer that does not read what it has caused is not listened to.
     */
    default boolean takesInput() {
        return true;
    }

    /** Whether {@link #receive} has something to give that epoll does not report. */
    boolean hasInput();

    /** Whether taken bytes have not been sent. */
    boolean hasOutput();

    /** Sends bytes that were taken before; 0 or a negative errno. */
    int flush();

    /** How the client breaks the protocol of the transport, or null. */
    String fault();

    /** Says good-bye, if that does not block, and frees memory; not the socket. */
    @Override
    void close();
}
