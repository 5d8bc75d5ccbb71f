package org.blktap.node.vhostuser;

/** A descriptor of the client that this side notifies it by. Loop only; nothing here waits. */
interface Doorbell {
    /** Where there is none. */
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
     * Takes a descriptor over, even when it refuses it.
     *
     * @param fd an eventfd, or a pipe as User-Mode Linux has them
     * @param what names it in messages
     */
    static Doorbell of(int fd, BlkDevice device, String what) throws ProtocolException {
        switch (Received.kind(fd)) {
            case EVENT:
                return new EventDoorbell(fd, device);
            case PIPE:
                return new PipeDoorbell(fd, device.calls(), Long.BYTES, 1);
            default:
                device.calls().close(fd);
                throw new ProtocolException(what + ": its descriptor is neither an eventfd nor a pipe");
        }
    }
}
