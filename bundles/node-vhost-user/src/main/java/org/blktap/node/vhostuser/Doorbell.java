package org.blktap.node.vhostuser;

/** A descriptor of the client through which this side notifies it. Loop only; nothing here waits. */
interface Doorbell {
    /** Stands for no doorbell. */
    Doorbell NONE = new Doorbell() {
        @Override
        public void ring() {
            // the client polls
        }

        @Override
        public void close() {
            // nothing to close
        }
    };

    /** Notifies the client. */
    void ring();

    void close();

    /**
     * Takes over a descriptor, and closes it if it refuses it.
     *
     * @param fd an eventfd, a unix socket as User-Mode Linux has them, or a pipe
     * @param what names it in messages
     */
    static Doorbell of(int fd, VirtioBlkDevice device, String what) throws ProtocolException {
        return Received.kind(fd) == Received.EVENT
                ? new EventDoorbell(fd, device)
                : ofMessages(
                        fd,
                        device.calls(),
                        Long.BYTES,
                        1,
                        what + ": its descriptor is no eventfd, no unix socket and no pipe");
    }

    /**
     * Takes over a unix socket or a pipe, and closes it if it refuses it.
     *
     * @param bytes of the message, up to 16
     * @param content its first bytes; the others are zero
     * @param refusal why another descriptor is refused
     */
    static Doorbell ofMessages(int fd, BlockingCalls calls, int bytes, long content, String refusal)
            throws ProtocolException {
        Received kind = Received.kind(fd);
        if (kind == Received.PIPE) {
            return new PipeDoorbell(fd, calls, bytes, content);
        }
        if (kind == Received.SOCKET && SocketDoorbell.isUnix(fd)) {
            return new SocketDoorbell(fd, calls, bytes, content);
        }
        calls.close(fd);
        throw new ProtocolException(refusal);
    }
}
